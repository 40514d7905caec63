//! The file of cases: see `skerry policy test --help`.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};

use cap_std::{ambient_authority, fs::Dir};
use rustix::fs::MemfdFlags;
use serde_json::{Map, Value as Json};

use crate::{
    config,
    sandbox::{Given, Limits, Scene},
    storage::{Grant, Opener},
};

/// The largest file of cases, in bytes.
const LARGEST: u64 = 4 << 20;

/// Keys of a case, or of all of them, beside the question.
const SHARED: [&str; 5] = ["settings", "directory", "files", "secrets", "facts"];
const OWN: [&str; 3] = ["name", "expect", "instructions"];

/// All of a file.
pub struct Cases {
    pub cases: Vec<Case>,
    /// What one question may take.
    pub time: Duration,
    pub memory: usize,
}

/// One question.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub function: String,
    pub arguments: Json,
    pub expect: Json,
    /// At the most.
    pub instructions: Option<u64>,
    settings: Json,
    directory: Option<String>,
    files: Vec<(String, String)>,
    secrets: Vec<(String, String)>,
    facts: Arc<Given>,
}

impl Cases {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let name = path.display().to_string();
        let text = String::from_utf8(read(path)?).map_err(|_| format!("{name} is no text"))?;
        let mut json = config::yaml(&name, &text).map_err(|error| error.to_string())?;
        take_in(&mut json, path.parent().unwrap_or(Path::new("."))).map_err(|cause| format!("{name}: {cause}"))?;
        Self::of(&json).map_err(|cause| format!("{name}: {cause}"))
    }

    fn of(json: &Json) -> Result<Self, String> {
        let top = json.as_object().ok_or("it is to be a section with `cases`")?;
        if let Some(name) = top.keys().find(|name| !SHARED.contains(&name.as_str()) && *name != "cases") {
            return Err(format!("there is no `{name}`: there are `cases`, `{}`", SHARED.join("`, `")));
        }
        let items = top.get("cases").and_then(Json::as_array).ok_or("`cases` is to be a list of questions")?;
        let one = |(n, item): (usize, &Json)| {
            let section = item.as_object().ok_or("it is to be a section");
            section.map_err(str::to_owned).and_then(|own| Case::of(n, top, own)).map_err(|cause| {
                let name =
                    item.get("name").and_then(Json::as_str).map_or_else(String::new, |name| format!(" ({name})"));
                format!("case {}{name}: {cause}", n.saturating_add(1))
            })
        };
        let cases = items.iter().enumerate().map(one).collect::<Result<_, _>>()?;
        Ok(Self { cases, time: Duration::from_secs(5), memory: 64 << 20 })
    }
}

impl Case {
    fn of(n: usize, top: &Map<String, Json>, own: &Map<String, Json>) -> Result<Self, String> {
        let get = |name: &str| own.get(name).or_else(|| top.get(name)).filter(|json| !json.is_null());
        let beside = |name: &&String| !SHARED.contains(&name.as_str()) && !OWN.contains(&name.as_str());
        let questions: Vec<_> = own.keys().filter(beside).collect();
        let [function] = questions.as_slice() else {
            return Err(match questions.is_empty() {
                true => "it asks nothing: name a function of the policy, such as `admit`".to_owned(),
                false => format!("it asks more than one thing: {questions:?}"),
            });
        };
        let expect = own.get("expect").cloned().ok_or("it expects nothing: say `expect`")?;
        let text = |name: &str| match get(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("`{name}` is to be a text")),
        };
        let texts = |name: &str| match get(name) {
            None => Ok(Vec::new()),
            Some(Json::Object(entries)) => entries
                .iter()
                .map(|(key, value)| match value.as_str() {
                    Some(text) => Ok((key.clone(), text.to_owned())),
                    None => Err(format!("`{name}.{key}` is to be a text: put it in quotes")),
                })
                .collect(),
            Some(_) => Err(format!("`{name}` is to have names with texts")),
        };
        let instructions = match own.get("instructions") {
            None => None,
            Some(most) => Some(most.as_u64().ok_or("`instructions` is to be a number")?),
        };
        let (directory, files) = (text("directory")?, texts("files")?);
        if directory.is_some() && !files.is_empty() {
            return Err("it has both `directory` and `files`: a policy is granted one of them".to_owned());
        }
        Ok(Self {
            name: text("name")?.unwrap_or_else(|| format!("case {}", n.saturating_add(1))),
            function: (*function).clone(),
            arguments: own.get(*function).cloned().unwrap_or_default(),
            expect,
            instructions,
            settings: get("settings").cloned().unwrap_or_default(),
            directory,
            files,
            secrets: texts("secrets")?,
            facts: Arc::new(get("facts").map_or_else(|| Ok(Given::default()), Given::read)?),
        })
    }

    /// What the policy has in it; a relative path begins at `base`.
    pub fn scene(&self, base: &Path, limits: Limits) -> Result<Scene, String> {
        let grant = match &self.directory {
            Some(path) => {
                let opened = Dir::open_ambient_dir(base.join(path), ambient_authority());
                Grant::Directory(opened.map_err(|cause| format!("the directory {path:?} cannot be opened: {cause}"))?)
            }
            None if self.files.is_empty() => Grant::Nothing,
            None => Grant::Files(self.files.iter().map(|(name, text)| (name.clone(), held(text.clone()))).collect()),
        };
        let (settings, secrets, facts) = (self.settings.clone(), self.secrets.clone(), Arc::clone(&self.facts));
        Ok(Scene { settings, grant, secrets, facts, limits })
    }
}

/// All of a file that is not too large.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST.saturating_add(1)).read_to_end(&mut bytes));
    match read {
        Err(cause) => Err(format!("{} cannot be read: {cause}", path.display())),
        Ok(size) if u64::try_from(size).is_ok_and(|size| size <= LARGEST) => Ok(bytes),
        Ok(_) => Err(format!("{} is larger than {LARGEST} bytes", path.display())),
    }
}

/// Puts the bytes of a file in the place of each `content: {file: PATH}`: a text
/// where they are one.
fn take_in(json: &mut Json, base: &Path) -> Result<(), String> {
    let Json::Object(section) = json else {
        return json.as_array_mut().into_iter().flatten().try_for_each(|item| take_in(item, base));
    };
    // What is the policy's own may have such names.
    for (name, value) in section.iter_mut().filter(|(name, _)| !["settings", "expect"].contains(&name.as_str())) {
        let file = value.as_object().filter(|file| name == "content" && file.len() == 1);
        match file.and_then(|file| file.get("file")?.as_str()) {
            Some(path) => {
                *value = String::from_utf8(read(&base.join(path))?)
                    .map_or_else(|bytes| bytes.into_bytes().into(), Json::String)
            }
            None => take_in(value, base)?,
        }
    }
    Ok(())
}

/// A text as a file that lies nowhere.
fn held(text: String) -> Opener {
    Box::new(move || {
        let mut file = File::from(rustix::fs::memfd_create("skerry-case", MemfdFlags::CLOEXEC)?);
        file.write_all(text.as_bytes())?;
        io::Seek::rewind(&mut file)?;
        Ok(file)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_wrong_says_where() {
        for (text, says) in [
            ("[]", "it is to be a section with `cases`"),
            ("cases: 1", "`cases` is to be a list"),
            ("case: []", "there is no `case`: there are `cases`, `settings`"),
            ("cases: [{name: a}]", "case 1 (a): it asks nothing"),
            ("cases: [{admit: , authorize: , expect: allow}]", "case 1: it asks more than one thing"),
            ("cases: [{admit: }]", "case 1: it expects nothing"),
            ("cases: [{admit: , expect: allow, files: {a: 1}}]", "`files.a` is to be a text: put it in quotes"),
            ("cases: [{admit: , expect: allow, files: {a: b}, directory: c}]", "both `directory` and `files`"),
            ("cases: [{admit: , expect: allow, instructions: few}]", "`instructions` is to be a number"),
        ] {
            let said = Cases::of(&config::yaml("c", text).unwrap()).map(|_| ()).unwrap_err();
            assert!(said.contains(says), "{text}: {said}");
        }
    }

    #[test]
    fn what_all_have_each_may_have_otherwise() {
        let text = "settings: {a: 1}\nsecrets: {k: v}\ncases:\n- {check: , expect: ok}\n- {check: , settings: {b: 2}, expect: ok}\n";
        let cases = Cases::of(&config::yaml("c", text).unwrap()).unwrap().cases;
        let settings: Vec<_> = cases.iter().map(|case| case.settings.to_string()).collect();
        assert_eq!(settings, [r#"{"a":1}"#, r#"{"b":2}"#]);
        assert!(cases.iter().all(|case| case.secrets == [("k".to_owned(), "v".to_owned())]));
        assert_eq!(cases[1].name, "case 2");
    }
}

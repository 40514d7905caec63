//! `guest new`: a folder with all that a module of one's own takes.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};

use super::{super::Said, project};

/// What to begin.
#[derive(Debug, Clone, Args)]
pub struct GuestNew {
    /// The folder to make; its name is the module's.
    #[arg(value_name = "NAME")]
    pub name: PathBuf,
    /// What the module is for.
    #[arg(long, value_name = "WORLD")]
    pub world: WorldName,
    /// What it is written in.
    #[arg(long, value_name = "LANGUAGE")]
    pub lang: Language,
}

/// A world of `wit/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WorldName {
    /// A rule about who may do what.
    AuthPolicy,
    /// A rule about what may be stored.
    StoragePolicy,
    /// A rule about which tags are kept.
    RetentionPolicy,
    /// A registry, in place of the built-in one.
    Registry,
}

/// A language that there are tools for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// By cargo, for wasm32-wasip2.
    Rust,
    /// By componentize-js.
    Js,
    /// By componentize-py.
    Python,
    /// By wit-bindgen, clang and wasm-tools.
    C,
}

impl WorldName {
    /// As `wit/` has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthPolicy => "auth-policy",
            Self::StoragePolicy => "storage-policy",
            Self::RetentionPolicy => "retention-policy",
            Self::Registry => "registry",
        }
    }
}

impl GuestNew {
    /// Makes it; says what to do next.
    ///
    /// # Errors
    /// That the name is none, that there is something of that name, or that it
    /// cannot be written.
    pub fn make(&self) -> Result<Said, String> {
        let name = self.name.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !is_name(name) {
            return Err(format!(
                "{:?} is no name of a module: lower-case letters, digits and `-`, a letter first, 40 at the most",
                self.name
            ));
        }
        let files = project::files(name, self.world, self.lang);
        self.write(&files).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("{} is there already, and nothing is overwritten: choose another name", self.name.display())
            }
            _ => format!("{} cannot be made: {cause}", self.name.display()),
        })?;
        let steps = project::steps(name, self.world, self.lang);
        Ok(format!("made {}\n\n{steps}\nREADME.md there says more.\n", self.name.display()).into())
    }

    /// The folder is new: so is all that is in it.
    fn write(&self, files: &[(PathBuf, String)]) -> io::Result<()> {
        fs::create_dir(&self.name)?;
        for (path, text) in files {
            let path = self.name.join(path);
            fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
            fs::write(path, text)?;
        }
        Ok(())
    }
}

/// One that cargo, npm and Python take as well.
fn is_name(name: &str) -> bool {
    name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        for world in WorldName::value_variants() {
            for lang in Language::value_variants() {
                let name = directory.path().join(format!("a-{}-{lang:?}", world.name()).to_lowercase());
                let new = GuestNew { name: name.clone(), world: *world, lang: *lang };
                let said = new.make().unwrap().text;
                assert!(said.contains("cd a-") && name.join("README.md").exists(), "{said}");
                assert!(name.join("wit/worlds.wit").exists());
                assert_eq!(name.join("cases.yaml").exists(), *world != WorldName::Registry);
                // No place is left empty: `{{name}}`.
                let left = |text: &str| {
                    text.split("{{").skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
                };
                for (path, text) in project::files("a", *world, *lang) {
                    assert!(path.starts_with("skerry") || !left(&text), "{}: {text}", path.display());
                }
                fs::write(name.join("README.md"), "mine").unwrap();
                assert!(new.make().unwrap_err().contains("is there already, and nothing is overwritten"));
                assert_eq!(fs::read_to_string(name.join("README.md")).unwrap(), "mine");
            }
        }
    }

    #[test]
    fn names() {
        for name in ["a", "my-policy", "a1"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "A", "1a", "a_b", "a/b", "..", "-a", "a-", "a b", &"a".repeat(41)] {
            assert!(!is_name(name), "{name}");
        }
    }
}

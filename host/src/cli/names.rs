//! The names that this program is called by, and the words that people are
//! used to type: those of `registry:2`'s image work as they are.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

/// By what name it was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// By its own, or any other.
    Skerry,
    /// In place of distribution's: a link or a copy of that name.
    Registry,
}

/// What to do with a command line.
#[derive(Debug, PartialEq, Eq)]
pub enum Called {
    /// Parse these arguments, the first of which is the program.
    Parse(Program, Vec<OsString>),
    /// Say this and end.
    Say(String),
}

impl Program {
    /// As it is shown in usage.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skerry => "skerry",
            Self::Registry => "registry",
        }
    }
}

/// Reads the name, and puts what is short for a command into its long form.
pub fn called(arguments: impl IntoIterator<Item = OsString>) -> Called {
    let mut arguments = arguments.into_iter();
    let zeroth = arguments.next().unwrap_or_default();
    let mut rest: Vec<OsString> = arguments.collect();
    let program = match Path::new(&zeroth).file_name().and_then(OsStr::to_str) {
        Some("registry") => Program::Registry,
        Some("htpasswd") => {
            rest.insert(0, "htpasswd".into());
            Program::Skerry
        }
        _ => Program::Skerry,
    };
    // `docker run registry:2 registry garbage-collect …`: the image's entry
    // point runs other words as a command.
    if rest.first().is_some_and(|first| first == "registry" || first == "/bin/registry") {
        rest.remove(0);
    }
    match rest.first().and_then(|first| first.to_str()) {
        // distribution prints its own name, its package and its version.
        Some("-v" | "--version") if program == Program::Registry && rest.len() == 1 => {
            return Called::Say(format!("{} skerry v{}\n", zeroth.display(), env!("CARGO_PKG_VERSION")));
        }
        Some("-v") if rest.len() == 1 => rest = vec!["--version".into()],
        // `docker run registry:2 /etc/docker/registry/config.yml`: the image's
        // entry point serves it.
        Some(first) if is_configuration(first) => rest.insert(0, "serve".into()),
        _ => {}
    }
    rest.insert(0, program.name().into());
    Called::Parse(program, rest)
}

fn is_configuration(word: &str) -> bool {
    let path = Path::new(word);
    !word.starts_with('-') && path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let parsed = |line: &str| match called(line.split(' ').map(OsString::from)) {
            Called::Parse(_, words) => words.join(OsStr::new(" ")).into_string().unwrap(),
            Called::Say(text) => text,
        };
        let version = env!("CARGO_PKG_VERSION");
        for (line, becomes) in [
            ("skerry serve", "skerry serve"),
            ("/usr/bin/skerry a.yml", "skerry serve a.yml"),
            ("/bin/registry serve /etc/c.yml", "registry serve /etc/c.yml"),
            ("registry /etc/docker/registry/config.yml", "registry serve /etc/docker/registry/config.yml"),
            ("registry x/y.yaml --addr :1", "registry serve x/y.yaml --addr :1"),
            ("registry garbage-collect -m c.yml", "registry garbage-collect -m c.yml"),
            ("registry -x.yml", "registry -x.yml"),
            ("registry registry garbage-collect c.yml", "registry garbage-collect c.yml"),
            ("registry /bin/registry serve c.yml", "registry serve c.yml"),
            ("registry htpasswd -Bbn a b", "registry htpasswd -Bbn a b"),
            ("registry yml", "registry yml"),
            ("/usr/bin/htpasswd -Bbn a b", "skerry htpasswd -Bbn a b"),
            ("skerry -v", "skerry --version"),
            ("skerry --version", "skerry --version"),
            ("/bin/registry --version", &format!("/bin/registry skerry v{version}\n")),
            ("registry -v", &format!("registry skerry v{version}\n")),
            ("registry", "registry"),
            ("anything serve", "skerry serve"),
        ] {
            assert_eq!(parsed(line), becomes, "{line}");
        }
    }
}

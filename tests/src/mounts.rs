//! Filesystems of a test's own, which nobody else sees.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{children, service::Service, tools};

/// Mounts that are there as long as a process that does nothing else; that one
/// ends with this one. It takes root to make them.
pub struct Mounts {
    keeper: Service,
}

impl Mounts {
    /// Runs a script that mounts, with `$1` for a directory.
    pub fn new(script: &str, directory: &Path) -> Self {
        let mut command = children::command(tools::find("unshare"));
        let script = format!("set -e; {script}; echo mounted; exec sleep infinity");
        command.args(["--mount", "--", "/bin/sh", "-c", &script, "sh"]).arg(directory);
        let keeper = Service::start("a filesystem's keeper", command);
        keeper.wait_for("that it mounted", |line| (line == "mounted").then_some(()));
        Self { keeper }
    }

    fn namespace(&self) -> String {
        format!("/proc/{}/ns/mnt", self.keeper.pid())
    }

    /// A command that sees them.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = children::command(tools::find("nsenter"));
        command.arg(format!("--mount={}", self.namespace())).arg("--").arg(program);
        command
    }

    /// What starts a registry that sees them ([`Options::through`](crate::Options)).
    pub fn through(&self) -> Vec<String> {
        // Who enters is at `/` first.
        let script = r#"exec "$0" --mount="$1" --wdns="$PWD" -- "${@:2}""#;
        let nsenter = tools::find("nsenter").display().to_string();
        ["/bin/bash".to_owned(), "-c".to_owned(), script.to_owned(), nsenter, self.namespace()].into()
    }

    /// A path of theirs as this process can see it.
    pub fn seen(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.pid()));
        root.join(path.strip_prefix("/").expect("an absolute path"))
    }
}

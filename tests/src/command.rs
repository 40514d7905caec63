//! The program's commands, run to their end.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::binary;

/// What a command came to.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs the program by a name of its own, with nothing of this process's
/// environment that configures it.
pub fn called(name: &str, arguments: &[&str]) -> Ended {
    let directory = TempDir::with_prefix("skerry-name-").unwrap();
    let link = directory.path().join(name);
    symlink(binary::skerry(), &link).unwrap();
    let mut command = Command::new(link);
    for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("REGISTRY_")) {
        command.env_remove(variable);
    }
    ended(command.args(arguments).env("HOME", directory.path()))
}

/// Runs a command to its end.
pub fn ended(command: &mut Command) -> Ended {
    let Output { status, stdout, stderr } = command.stdin(std::process::Stdio::null()).output().unwrap();
    Ended {
        code: status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&stdout).into_owned(),
        err: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// Runs `registry garbage-collect` over a volume, with no grace time.
pub fn collect(volume: &Path, arguments: &[&str]) -> Ended {
    let mut words = vec!["garbage-collect", "--grace", "0"];
    words.extend(arguments);
    over(volume, "", &words)
}

/// Runs `skerry verify` over a volume.
pub fn verify(volume: &Path, arguments: &[&str]) -> Ended {
    let mut words = vec!["verify"];
    words.extend(arguments);
    over(volume, "", &words)
}

/// Runs a command over a volume, with more sections of a configuration.
pub fn over(volume: &Path, sections: &str, words: &[&str]) -> Ended {
    let directory = TempDir::with_prefix("skerry-over-").unwrap();
    let file = directory.path().join("config.yml");
    let storage = format!("storage:\n  filesystem:\n    rootdirectory: {}\n", volume.display());
    fs::write(&file, format!("version: 0.1\n{storage}{sections}")).unwrap();
    let mut words = words.to_vec();
    words.push(file.to_str().unwrap());
    called("registry", &words)
}

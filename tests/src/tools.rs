//! Programs that a machine must have for the tests that say so.

use std::{
    env,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

/// Longest that any one run of a tool may take, in seconds.
const PATIENCE: &str = "900";

/// Where a program is: in `SKERRY_TOOLS`, on `PATH`, or in the system's own
/// places. It is never left out quietly: a test that needs one fails.
pub fn find(name: &str) -> PathBuf {
    look(name)
        .unwrap_or_else(|| panic!("{name} is neither in SKERRY_TOOLS nor on PATH: see .ci/run for where it comes from"))
}

/// The same, for those who can do without.
pub fn look(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::var_os("SKERRY_TOOLS")
        .map(PathBuf::from)
        .into_iter()
        .chain(env::split_paths(&path))
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

/// A command of a tool that ends by itself.
pub fn tool(name: &str) -> Command {
    let mut command = Command::new(find("timeout"));
    command.args(["--kill-after=5", PATIENCE]).arg(find(name));
    command
}

/// Runs it to its end.
pub fn run(mut command: Command) -> Output {
    command.stdin(Stdio::null());
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Runs it, expects success, and returns what it wrote (to both outputs).
#[track_caller]
pub fn succeed(command: Command) -> String {
    let shown = format!("{command:?}");
    let output = run(command);
    let text = text(&output);
    assert!(output.status.success(), "{shown}\nended with {}:\n{text}", output.status);
    text
}

/// Runs it, expects failure, and returns what it wrote.
#[track_caller]
pub fn fail(command: Command) -> String {
    let shown = format!("{command:?}");
    let output = run(command);
    let text = text(&output);
    assert!(!output.status.success(), "{shown}\nsucceeded:\n{text}");
    text
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

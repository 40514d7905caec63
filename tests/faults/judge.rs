//! What an answer may be while the disk fails.

use std::{
    thread,
    time::{Duration, Instant},
};

use skerry_tests::{
    Answer,
    client::Failure,
    service::Service,
    supervisor::{Action, Errno, Fired, Kind},
    table::error_body,
};

use crate::operation::{Operation, Scene, must};

/// The log comes by a pipe.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether it succeeded; fails for an answer that is not due.
pub fn judge(
    operation: &Operation,
    scene: &Scene,
    answer: &Result<Answer, Failure>,
    fired: &[Fired],
) -> Result<bool, Failure> {
    let answer = match answer {
        Ok(answer) => answer,
        // What is sent already cannot be taken back: the body breaks off.
        Err(_) if operation.success == 200 && fired.iter().any(|fired| fired.kind == Kind::Read) => return Ok(false),
        Err(error) => return Err(format!("no answer: {error}").into()),
    };
    if answer.status == operation.success {
        let failed = |fired: &&Fired| fired.kind == Kind::Sync && fired.action.errno().is_some();
        let unsynced = fired.iter().filter(failed).find(|fired| is_own(scene, fired));
        return match unsynced {
            Some(fired) => Err(format!("a success that is not durable: {fired:?}").into()),
            None => Ok(true),
        };
    }
    // A mount that is not to be had is an upload.
    if operation.name.ends_with("/mount") && answer.status == 202 {
        return Ok(false);
    }
    let errors: Vec<_> = fired.iter().filter_map(|fired| fired.action.errno()).collect();
    let mut due: Vec<u16> = errors.iter().flat_map(|errno| statuses(*errno)).copied().collect();
    if errors.is_empty() {
        due.push(500);
    }
    // An upload that is busy is so for a module, whatever it is busy with.
    if errors.contains(&Errno::EMFILE) && !scene.target.is_empty() {
        due.push(409);
    }
    must(due.contains(&answer.status), &format!("{} {}, not {due:?}", answer.status, answer.text()))?;
    if answer.what().starts_with("HEAD ") {
        return must(answer.body.is_empty(), "an answer to HEAD has a body").map(|()| false);
    }
    match error_body(answer, "") {
        None => Ok(false),
        Some(wrong) => Err(wrong.into()),
    }
}

/// Uploads that nobody uses are synced by the registry itself, at any time.
fn is_own(scene: &Scene, fired: &Fired) -> bool {
    let path = fired.path.to_string_lossy();
    let upload = scene.target.rsplit('/').next().filter(|id| !id.is_empty());
    !path.contains("/_uploads/") || upload.is_some_and(|id| path.contains(id))
}

fn statuses(errno: Errno) -> &'static [u16] {
    match errno {
        Errno::ENOSPC | Errno::EDQUOT => &[507],
        Errno::EMFILE => &[503],
        Errno::EROFS => &[405],
        Errno::EIO => &[500],
    }
}

/// Waits until the log says what failed, in a line after the first `from`.
pub fn logged(service: &Service, from: usize, fired: &[Fired]) -> Result<(), Failure> {
    let texts: Vec<&str> = fired.iter().filter_map(|fired| text(fired.action)).collect();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let lines = service.lines();
        let lines = &lines[from.min(lines.len())..];
        if lines.iter().any(|line| texts.iter().any(|text| line.contains(text))) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("the log does not say {texts:?}:\n{}", lines.join("\n")).into());
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn text(action: Action) -> Option<&'static str> {
    Some(match action.errno()? {
        Errno::EDQUOT => "quota exceeded",
        Errno::EIO => "Input/output error",
        Errno::EMFILE => "Too many open files",
        Errno::ENOSPC => "No space left on device",
        Errno::EROFS => "Read-only file system",
    })
}

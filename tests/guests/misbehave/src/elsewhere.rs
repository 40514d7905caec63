//! Misbehaviour where no request is answered: when the module is loaded, and
//! in tasks.

use std::time::Duration;

use crate::{
    attacks,
    behaviour::Elsewhere,
    exports::skerry::registry::handler::{HostAnswer, HostFailure, Progress},
    skerry::registry::settings,
};

fn told() -> Option<Elsewhere> {
    let name = settings::value("sandbox.settings.misbehave")?;
    Elsewhere::ALL.iter().copied().find(|one| one.name() == name.trim_matches('"'))
}

fn field(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// As the distribution specification writes errors, unless it is told
/// otherwise.
pub fn failure_answer(kind: HostFailure) -> HostAnswer {
    let mut headers = vec![field("content-type", "application/json")];
    let said = format!("{{\"errors\":[{{\"code\":\"UNKNOWN\",\"message\":\"the host says {kind:?}\"}}]}}");
    let mut body = said.into_bytes();
    match told() {
        Some(Elsewhere::FailureTraps) => panic!("asked what to say"),
        Some(Elsewhere::FailureLoops) => attacks::compute(),
        Some(Elsewhere::FailureSleeps) => std::thread::sleep(Duration::from_secs(3600)),
        Some(Elsewhere::FailureHuge) => body.resize(65 << 10, b' '),
        Some(Elsewhere::FailureFraming) => headers.push(field("transfer-encoding", "chunked")),
        _ => {}
    }
    HostAnswer { headers, body }
}

pub fn tend(cursor: Option<String>) -> Result<Progress, String> {
    let mut progress =
        Progress { cursor: None, examined: 1, changed: 0, messages: Vec::new(), total: 0, damage: Vec::new() };
    match told() {
        Some(Elsewhere::TaskTraps) => panic!("in a task"),
        Some(Elsewhere::TaskLoops) => attacks::compute(),
        Some(Elsewhere::TaskSleeps) => std::thread::sleep(Duration::from_secs(3600)),
        Some(Elsewhere::TaskStands) => progress.cursor = cursor.or_else(|| Some("here".to_owned())),
        Some(Elsewhere::TaskFloods) => progress.messages = vec!["\x1b[2Jline of a task".to_owned(); 5000],
        _ => return Err("this module tends nothing".to_owned()),
    }
    Ok(progress)
}

//! `version`, `log`, and the old place of its level.

use super::{Row, Table, Told, checked};

pub const ROWS: &[Row] = &[
    (&["version"], version),
    (&["log.level", "loglevel"], level),
    (&["log.formatter"], formatter),
    (&["log.fields"], fields),
    (&["log.accesslog.disabled"], accesses),
];

fn version(table: &Table) {
    assert_eq!(checked("version: 0.1\n").code, 0);
    let other = checked("version: 0.2\n");
    assert!(other.code == 1 && other.err.contains("`version` is to be 0.1"), "{other:?}");
    let told = Told::start(table, &[("version", "0.1")]);
    assert!(!told.says("listening").contains("version\":\"0.1"));
    assert!(told.service.lines().iter().all(|line| !line.contains("REGISTRY_VERSION")));
}

/// What it says from start to end.
fn said(mut told: Told) -> String {
    told.client().get("/v2/nobody/tags/list").expect(404);
    assert!(told.service.terminate().success());
    told.service.last_lines().join("\n")
}

fn level(table: &Table) {
    assert!(said(Told::start(table, &[])).contains("\"level\":\"info\""));
    for key in ["log.level", "loglevel"] {
        let said = said(Told::start(table, &[(key, "error")]));
        assert!(!said.contains("\"level\":\"info\"") && !said.contains("listening"), "{key}: {said}");
    }
}

fn formatter(table: &Table) {
    for (formatter, json) in [("text", false), ("json", true), ("logstash", true)] {
        let said = said(Told::start(table, &[("log.formatter", formatter)]));
        let line = said.lines().find(|line| line.contains("listening")).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(line).is_ok(), json, "{formatter}: {line}");
    }
}

fn fields(table: &Table) {
    let told = Told::start(table, &[("log.fields", "{zone: eu}")]);
    assert!(told.says("listening").contains("\"zone\":\"eu\""));
}

fn accesses(table: &Table) {
    assert!(said(Told::start(table, &[])).contains("/v2/nobody/tags/list"));
    let said = said(Told::start(table, &[("log.accesslog.disabled", "true")]));
    assert!(said.contains("stopped") && !said.contains("/v2/nobody/tags/list"), "{said}");
}

//! The operator's own listener, and the log.

use std::fs;

use skerry_tests::{Client, Options, Registry};

/// A registry with an admin listener, and a client for that.
pub fn started(more: &str) -> (Registry, Client) {
    with(Options { more: more.into(), ..Options::default() })
}

/// The same, of a registry with these options.
pub fn with(options: Options) -> (Registry, Client) {
    let http = "debug:\n  addr: 127.0.0.1:0\n  prometheus:\n    enabled: true".into();
    let mut registry = Registry::start(Options { http, ..options });
    let address = registry.service().wait_for("where the admin listener is", |line| {
        let (_, rest) = line.split_once("\"debug_address\":\"")?;
        Some(rest.split_once('"')?.0.to_owned())
    });
    let admin = Client::plain(&address);
    (registry, admin)
}

#[test]
fn it_shows_health_and_numbers() {
    let (registry, admin) = started("");
    for path in ["/livez", "/readyz", "/debug/health"] {
        assert_eq!(admin.get(path).status, 200, "{path}");
    }
    assert_eq!(admin.get("/v2/").status, 404, "the registry is not served there");
    registry.client().get("/v2/").expect(200);
    registry.client().get("/v2/nobody/tags/list").expect(404);
    let metrics = admin.get("/metrics").expect(200).text();
    let value = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {metrics}"));
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    assert!(value("skerry_http_requests_total{method=\"GET\",status=\"2xx\"}") >= 1.0);
    assert!(value("skerry_http_requests_total{method=\"GET\",status=\"4xx\"}") >= 1.0);
    assert!(value("skerry_http_request_duration_seconds_count{method=\"GET\"}") >= 2.0);
    assert!(value("skerry_network_sent_bytes_total") > 0.0);
    assert!(value("skerry_sandbox_guest_seconds_total") > 0.0);
    assert!(value("skerry_sandbox_instances_free") > 0.0);
    assert!(value("skerry_uploads_idle").abs() < 0.5);
    registry.client().request("POST", "/v2/a/blobs/uploads/").send().expect(202);
    assert!(admin.get("/metrics").text().contains("\nskerry_uploads_idle 1\n"));
}

#[test]
fn a_failing_check_takes_it_out_of_service() {
    let directory = tempfile::tempdir().unwrap();
    let flag = directory.path().join("down");
    fs::write(&flag, "").unwrap();
    let health = format!("health:\n  file:\n    - file: {}\n      interval: 100ms\n", flag.display());
    let (mut registry, admin) = started(&health);
    registry.service().wait_for("that a check fails", |line| line.contains("health check fails").then_some(()));
    assert_eq!(admin.get("/readyz").status, 503);
    assert_eq!(admin.get("/livez").status, 200);
    let shown = admin.get("/debug/health").expect(503).json();
    assert_eq!(shown[flag.display().to_string()], "file exists");
    let refused = registry.client().get("/v2/").expect(503);
    assert_eq!(refused.code(), "UNAVAILABLE");
    fs::remove_file(&flag).unwrap();
    registry.service().wait_for("that it is well", |line| line.contains("well again").then_some(()));
    registry.client().get("/v2/").expect(200);
    assert_eq!(admin.get("/readyz").status, 200);
}

#[test]
fn the_access_log_says_what_happened() {
    let mut registry = Registry::new();
    registry.client().request("GET", "/v2/nobody/tags/list?a=%1b").header("user-agent", "te\tst").send().expect(404);
    let line = registry.service().wait_for("the request", |line| line.contains("nobody").then(|| line.to_owned()));
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["method"], "GET");
    assert_eq!(line["path"], "/v2/nobody/tags/list");
    assert_eq!(line["query"], "a=%1b");
    assert_eq!(line["status"], 404);
    assert_eq!(line["client"], "127.0.0.1");
    assert_eq!(line["user_agent"], "te\\x09st");
    assert!(line["guest_us"].as_u64().unwrap() > 0 && !line["request_id"].as_str().unwrap().is_empty());
}

//! A policy that somebody brings, well-behaved or not. Each misbehaviour meets
//! its guard, is told in the log by the policy's name, and harms nobody else.

use std::{fs, thread};

use skerry_tests::{Options, push, registry::Registry};

use super::host::{Host, passwords, rules};

fn section(granted: &std::path::Path, more: &str) -> String {
    format!(
        "policies:\n- name: mine\n  module: {}\n  directory: {}\n  secrets: {{key: hunter2-hunter2}}\n{more}",
        rules().display(),
        granted.display()
    )
}

fn start(more: &str) -> (tempfile::TempDir, Host) {
    let directory = tempfile::tempdir().unwrap();
    let granted = passwords(directory.path());
    let host = Host::start(&section(&granted, more));
    (directory, host)
}

#[test]
fn verdicts_become_answers() {
    let (_directory, mut host) = start("");
    let ann = host.user("ann");
    let image = push::image(&ann, "ann/app", Some("v1"), 1);
    assert_eq!(ann.get("/v2/ann/app/manifests/v1").expect(200).body, image);
    push::image(&host.user("admin"), "public/app", Some("v1"), 1);
    push::image(&host.user("admin"), "bob/app", Some("v1"), 2);
    push::image(&host.user("admin"), "hidden/app", Some("v1"), 3);
    let challenge = r#"Basic realm="the \"realm\"""#;
    let more = r#"Basic realm="the \"realm\"",error="insufficient_scope""#;
    let called = format!("{challenge},authority=\"{}\"", host.registry.address());
    for (user, method, path, status, code, asks) in [
        ("", "GET", "/v2/", 200, "", ""),
        ("", "GET", "/v2/public/app/manifests/v1", 200, "", ""),
        ("", "GET", "/v2/bob/app/manifests/v1", 401, "UNAUTHORIZED", challenge),
        ("", "POST", "/v2/public/app/blobs/uploads/", 401, "UNAUTHORIZED", challenge),
        ("", "DELETE", "/v2/public/app/manifests/v1", 401, "UNAUTHORIZED", challenge),
        ("ann", "GET", "/v2/bob/app/manifests/v1", 403, "DENIED", ""),
        ("ann", "GET", "/v2/bob/app/tags/list", 403, "DENIED", ""),
        ("ann", "POST", "/v2/public/app/blobs/uploads/", 403, "DENIED", ""),
        ("ann", "PUT", "/v2/public/app/manifests/v2", 403, "DENIED", ""),
        ("ann", "GET", "/v2/scoped/app/tags/list", 401, "UNAUTHORIZED", more),
        // It is told the name that the certificate is for.
        ("", "GET", "/v2/called/tags/list", 401, "UNAUTHORIZED", &called),
        ("ann", "GET", "/v2/hidden/app/tags/list", 404, "NAME_UNKNOWN", ""),
        ("ann", "GET", "/v2/ann/none/tags/list", 404, "NAME_UNKNOWN", ""),
    ] {
        let client = if user.is_empty() { host.nobody() } else { host.user(user) };
        let answer = client.request(method, path).send().expect(status);
        assert_eq!(answer.code(), code, "{user} {path}");
        assert_eq!(answer.header("www-authenticate"), asks, "{user} {path}");
        assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0", "{user} {path}");
    }
    let wrong = host.nobody().user("ann", "wrong");
    wrong.get("/v2/public/app/manifests/v1").expect(401);
    let reason = ann.get("/v2/bob/app/manifests/v1").json()["errors"][0]["message"].clone();
    assert_eq!(reason, "ann is not bob");
    host.logged(&["\"path\":\"/v2/bob/app/manifests/v1\"", "\"user\":\"ann\"", "\"status\":403"]);
    assert!(!host.log_holds("correct"));
}

/// Who it is, and what that one may do: of one request, and never of two.
#[test]
fn an_instance_is_asked_about_one_request() {
    let (_directory, host) = start("");
    let counted = host.user("counted");
    // That a client is nobody is known the second time.
    for last in [3, 2, 2] {
        let answer = counted.get("/v2/some/app/tags/list").expect(403);
        assert_eq!(answer.json()["errors"][0]["message"], "question 2");
        let answer = host.nobody().get("/v2/counted/tags/list").expect(401);
        let asks = format!(r#"Basic realm="the \"realm\"",question="{last}""#);
        assert_eq!(answer.header("www-authenticate"), asks);
    }
}

/// Only who shows what a policy knows clients by is looked at.
#[test]
fn a_policy_says_by_what_it_knows_clients() {
    let (_directory, host) = start("  settings: {knows-by: []}\n");
    host.user("ann").get("/v2/public/app/tags/list").expect(401);
    host.nobody().get("/v2/").expect(200);
    let (_directory, host) = start("  settings: {knows-by: flood}\n");
    host.user("ann").get("/v2/ann/app/tags/list").expect(404);
    let counted = host.user("counted").get("/v2/some/app/tags/list").expect(403);
    assert_eq!(counted.json()["errors"][0]["message"], "question 2");
    // Who shows no password is not looked at.
    let answer = host.nobody().get("/v2/counted/tags/list").expect(401);
    assert!(answer.header("www-authenticate").ends_with(r#",question="2""#));
}

#[test]
fn each_misbehaviour_meets_its_guard() {
    let (_directory, mut host) = start("  limits: {time: 100ms, memory: 8MiB}\n");
    let ann = host.user("ann");
    push::image(&ann, "ann/app", Some("v1"), 1);
    for (user, guard) in [
        ("loop", "guard time"),
        ("loop-to-know", "guard time"),
        ("sleep", "guard patience"),
        ("slow-to-know", "guard patience"),
        ("trap", "guard trap"),
        ("memory", "guard memory"),
        ("recurse", "guard stack"),
        ("megabytes", "guard memory"),
        ("nameless", "guard principal"),
        ("crowd", "guard principal"),
        ("split", "guard principal"),
    ] {
        let answer = host.user(user).get("/v2/some/app/tags/list").expect(503);
        assert_eq!(answer.code(), "UNAVAILABLE", "{user}");
        assert!(!answer.text().contains("guard"), "{user}: {}", answer.text());
        host.logged(&["\"policy\":\"mine\"", "a policy failed", guard]);
        ann.get("/v2/ann/app/manifests/v1").expect(200);
    }
    // A challenge that would split the head is none.
    let split = host.nobody().get("/v2/split-challenge/tags/list").expect(503);
    assert!(!split.headers.contains_key("set-cookie") && !split.headers.contains_key("www-authenticate"));
    host.logged(&["\"policy\":\"mine\"", "guard challenge"]);
    assert!(!host.log_holds("hunter2"), "a secret in the log");
}

#[test]
fn what_a_policy_says_is_fit_for_people() {
    let (_directory, mut host) = start("");
    let message = |user: &str| {
        let answer = host.user(user).get("/v2/some/app/tags/list").expect(403);
        answer.json()["errors"][0]["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(message("long"), "x".repeat(1 << 10));
    assert_eq!(message("lines"), "a  Set-Cookie: b [31m");
    assert_eq!(message("telltale"), "the secret is ***, the password ***");
    assert_eq!(message("undecided"), "no policy allows it");
    assert_eq!(message("flood"), "flood is not some");
    host.logged(&["the secret is ***", "\"policy\":\"mine\""]);
    host.logged(&["the guest wrote more than is logged", "\"policy\":\"mine\""]);
    assert!(!host.log_holds("hunter2") && !host.log_holds("\u{1b}"));
}

#[test]
fn others_are_served_while_a_policy_loops() {
    let (_directory, host) = start("  limits: {time: 2s}\n");
    let ann = host.user("ann");
    push::image(&ann, "ann/app", Some("v1"), 1);
    let loops: Vec<_> = (0..4)
        .map(|_| {
            let client = host.user("loop");
            thread::spawn(move || client.get("/v2/some/app/tags/list").status)
        })
        .collect();
    for _ in 0..20 {
        ann.get("/v2/ann/app/manifests/v1").expect(200);
    }
    for run in loops {
        assert_eq!(run.join().unwrap(), 503);
    }
}

/// More requests than any kind of permit, and each needs one of three kinds.
#[test]
fn nobody_waits_for_what_another_holds() {
    let directory = tempfile::tempdir().unwrap();
    let granted = passwords(directory.path());
    let one =
        |name: &str| format!("- name: {name}\n  module: {}\n  directory: {}\n", rules().display(), granted.display());
    let sections = format!("sandbox:\n  instances: 2\npolicies:\n{}{}{}", one("a"), one("b"), one("c"));
    let host = Host::start(&sections);
    push::image(&host.user("ann"), "ann/app", Some("v1"), 1);
    let runs: Vec<_> = (0..16)
        .map(|_| {
            let client = host.user("ann");
            thread::spawn(move || (0..10).all(|_| client.get("/v2/ann/app/manifests/v1").status == 200))
        })
        .collect();
    assert!(runs.into_iter().all(|run| run.join().unwrap()));
    assert!(host.asked("c") >= 160);
}

#[test]
fn one_that_may_fail_has_no_opinion_then() {
    let (_directory, mut host) = start("  on_failure: allow\n  limits: {time: 100ms}\n");
    host.user("loop").get("/v2/some/app/tags/list").expect(403);
    host.logged(&["it counts as one with no opinion", "guard "]);
    // Nobody knows who that is.
    host.user("loop-to-know").get("/v2/some/app/tags/list").expect(401);
}

#[test]
fn a_module_that_is_no_policy_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let granted = passwords(directory.path());
    let nonsense = directory.path().join("nonsense.wasm");
    fs::write(&nonsense, "(module)").unwrap();
    fs::write(directory.path().join("native.wasm"), b"\x7fELF\x02\x01\x01").unwrap();
    let native = directory.path().join("native.wasm");
    for (policy, sentence) in [
        (format!("module: {}", nonsense.display()), "is no WebAssembly component that this host can run"),
        (format!("module: {}", native.display()), "is precompiled, and such code runs with all rights of this process"),
        (format!("{{module: {}, settings: {{knows-by: trap}}}}", rules().display()), "cannot work: guard trap"),
        ("module: /no/such.wasm".to_owned(), "/no/such.wasm cannot be read"),
        (
            format!("{{module: {}, directory: {}, world: storage}}", rules().display(), granted.display()),
            "does not export skerry:registry/storage-rules@0.1.0, as `world: storage` says",
        ),
        (
            format!("{{module: {}, directory: /no/such}}", rules().display()),
            "the policy rules: the directory /no/such cannot be used",
        ),
        (
            format!("{{module: {}, secrets: {{a: {{file: /no/such}}}}}}", rules().display()),
            "the policy rules: the file /no/such of the secret a cannot be used",
        ),
    ] {
        let said = Registry::refused(Options { more: format!("policies:\n- {policy}\n"), ..Options::default() });
        assert!(said.contains(sentence), "{policy}: {said}");
    }
}

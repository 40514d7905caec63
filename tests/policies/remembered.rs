//! What policies decide is relied on for as long as they say, and no longer;
//! so are the answers that rest on it.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use skerry_tests::push;

use super::{
    host::{Host, htpasswd, passwords, rules},
    modules::Draft,
};

fn start(lifetime: &str) -> (tempfile::TempDir, Host) {
    let directory = tempfile::tempdir().unwrap();
    let granted = passwords(directory.path());
    let host = Host::start(&format!(
        "policies:\n- name: mine\n  module: {}\n  directory: {}\n{lifetime}",
        rules().display(),
        granted.display()
    ));
    (directory, host)
}

const LONG: &str = "  settings: {lifetime: 3600000}\n";

#[test]
fn an_answer_is_remembered_and_nobody_is_asked() {
    let (_directory, mut host) = start(LONG);
    let ann = host.user("ann");
    push::image(&ann, "ann/app", Some("v1"), 1);
    host.until_remembered(&ann, "/v2/ann/app/manifests/v1", 200);
    let (asked, hits) = (host.asked("mine"), host.hits());
    for _ in 0..10 {
        ann.get("/v2/ann/app/manifests/v1").expect(200);
    }
    assert_eq!((host.asked("mine"), host.hits()), (asked, hits + 10));
    // The log says who it was all the same.
    let named = |line: &&String| line.contains("/v2/ann/app/manifests/v1") && line.contains("\"user\":\"ann\"");
    host.logged(&["/v2/ann/app/manifests/v1", "\"user\":\"ann\""]);
    assert!(host.registry.service().lines().iter().filter(named).count() > 5);
}

/// With these keys, it is asked for each request.
fn asked_each_time(keys: &str) {
    let (_directory, host) = start(keys);
    let ann = host.user("ann");
    push::image(&ann, "ann/app", Some("v1"), 1);
    let (asked, hits) = (host.asked("mine"), host.hits());
    for _ in 0..10 {
        ann.get("/v2/ann/app/manifests/v1").expect(200);
    }
    // Who it is, and whether they may.
    assert_eq!((host.asked("mine"), host.hits()), (asked + 20, hits));
}

#[test]
fn the_configuration_asks_each_time() {
    asked_each_time(&format!("{LONG}  lifetime: 0s\n"));
}

#[test]
fn without_a_lifetime_they_are_asked_each_time() {
    asked_each_time("");
}

#[test]
fn nobody_is_given_what_another_may_see() {
    let (_directory, host) = start(LONG);
    let admin = host.user("admin");
    for (seed, name) in ["ann/app", "bob/app", "public/app"].into_iter().enumerate() {
        push::image(&admin, name, Some("v1"), seed as u64);
    }
    let (ann, bob) = (host.user("ann"), host.user("bob"));
    host.until_remembered(&ann, "/v2/ann/app/manifests/v1", 200);
    host.until_remembered(&ann, "/v2/_catalog", 200);
    host.until_remembered(&bob, "/v2/_catalog", 200);
    host.until_remembered(&host.nobody(), "/v2/public/app/manifests/v1", 200);
    let catalog = |client: &skerry_tests::Client| client.get("/v2/_catalog").expect(200).json()["repositories"].clone();
    for _ in 0..3 {
        assert_eq!(catalog(&ann), serde_json::json!(["ann/app", "public/app"]));
        assert_eq!(catalog(&bob), serde_json::json!(["bob/app", "public/app"]));
        assert_eq!(catalog(&admin), serde_json::json!(["ann/app", "bob/app", "public/app"]));
        assert_eq!(catalog(&host.nobody()), serde_json::json!(["public/app"]));
        ann.get("/v2/ann/app/manifests/v1").expect(200);
        bob.get("/v2/ann/app/manifests/v1").expect(403);
        host.nobody().get("/v2/ann/app/manifests/v1").expect(401);
        host.nobody().user("ann", "wrong").get("/v2/ann/app/manifests/v1").expect(401);
        host.nobody().user("ann", "wrong").get("/v2/public/app/manifests/v1").expect(401);
    }
}

#[test]
fn a_changed_file_counts_at_once() {
    let (directory, host) = start(LONG);
    let ann = host.user("ann");
    push::image(&ann, "ann/app", Some("v1"), 1);
    host.until_remembered(&ann, "/v2/ann/app/manifests/v1", 200);
    let file = directory.path().join("granted/passwords");
    // In place and of the same size; then another file; then none.
    fs::write(&file, "another\n").unwrap();
    ann.get("/v2/ann/app/manifests/v1").expect(401);
    host.nobody().user("ann", "another").get("/v2/ann/app/manifests/v1").expect(200);
    fs::write(directory.path().join("granted/new"), "correct\n").unwrap();
    fs::rename(directory.path().join("granted/new"), &file).unwrap();
    host.until_remembered(&ann, "/v2/ann/app/manifests/v1", 200);
    fs::remove_file(&file).unwrap();
    ann.get("/v2/ann/app/manifests/v1").expect(401);
}

#[test]
fn a_changed_password_counts_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users");
    htpasswd(&users, &[("ann", "old")]);
    let host = Host::start(&format!("auth:\n  htpasswd:\n    realm: r\n    path: {}\n", users.display()));
    let (old, new) = (host.nobody().user("ann", "old"), host.nobody().user("ann", "new"));
    push::image(&old, "app", Some("v1"), 1);
    host.until_remembered(&old, "/v2/app/manifests/v1", 200);
    htpasswd(&users, &[("ann", "new")]);
    old.get("/v2/app/manifests/v1").expect(401);
    new.get("/v2/app/manifests/v1").expect(200);
    host.until_remembered(&new, "/v2/app/manifests/v1", 200);
    old.get("/v2/app/manifests/v1").expect(401);
}

/// To the millisecond, as `sandbox/policy/decisions.rs` has it; here, that no
/// answer is given which rests on a decision whose time is over.
#[test]
fn a_lifetime_ends() {
    let lifetime = Duration::from_millis(1_500);
    let (_directory, host) = start("  settings: {lifetime: 1500}\n");
    let ann = host.user("ann");
    push::image(&ann, "ann/app", Some("v1"), 1);
    host.until_remembered(&ann, "/v2/ann/app/manifests/v1", 200);
    for _ in 0..3 {
        // Whatever is known now was decided before this.
        let (known, asked) = (Instant::now(), host.asked("mine"));
        while known.elapsed() < lifetime {
            thread::sleep(Duration::from_millis(1));
        }
        ann.get("/v2/ann/app/manifests/v1").expect(200);
        assert!(host.asked("mine") > asked, "it rests on what has ended");
    }
}

/// A rule of the configuration is another one from the reload on, in both
/// directions: the very next request is decided by it.
#[test]
fn a_changed_rule_counts_at_once() {
    let directory = tempfile::tempdir().unwrap();
    htpasswd(&directory.path().join("users"), &[("ann", "correct"), ("bob", "correct")]);
    let mut host = Host::start(&format!(
        "policies:\n- module: htpasswd\n  directory: {}\n  settings: {{realm: r, file: users}}\n\
         - module: access\n  settings:\n    rules:\n    \
         - {{repositories: [app], subjects: [ann], actions: [pull, push]}}\n",
        directory.path().display()
    ));
    let (ann, bob) = (host.user("ann"), host.user("bob"));
    let target = "/v2/app/manifests/v1";
    push::image(&ann, "app", Some("v1"), 1);
    for (n, (now, next)) in [("ann", "bob"), ("bob", "ann"), ("ann", "bob")].into_iter().enumerate() {
        let (may, may_not) = if now == "ann" { (&ann, &bob) } else { (&bob, &ann) };
        host.until_remembered(may, target, 200);
        may_not.get(target).expect(403);
        host.registry.configure(&format!("subjects: [{now}]"), &format!("subjects: [{next}]"));
        host.registry.signal(Signal::HUP);
        host.logged_times("policies are loaded anew", n + 1);
        may.get(target).expect(403);
        may_not.get(target).expect(200);
    }
    // Numbers are those of the policies that there are.
    host.registry.configure("- module: access\n", "- module: access\n  name: renamed\n");
    host.registry.signal(Signal::HUP);
    host.logged_times("policies are loaded anew", 4);
    bob.get(target).expect(200);
    assert!(host.asked("renamed") > 0);
    assert!(!host.admin.get("/metrics").expect(200).text().contains("policy=\"access\""));
    // Half of a configuration is none: what was in force stays.
    host.registry.configure("policies:", "policies: [");
    host.registry.signal(Signal::HUP);
    host.logged(&["all modules and policies stay as they were", "config.yml:"]);
    bob.get(target).expect(200);
    ann.get(target).expect(403);
}

/// Another module in the place of one that let somebody in.
#[test]
fn a_swapped_module_counts_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (granted, file) = (passwords(directory.path()), directory.path().join("mine.wasm"));
    let put = |module: &[u8]| {
        fs::write(directory.path().join("next"), module).unwrap();
        fs::rename(directory.path().join("next"), &file).unwrap();
    };
    // One that knows nobody, and lets nobody in.
    let (old, new) = (fs::read(rules()).unwrap(), Draft { world: "auth-policy", ..Draft::default() }.component());
    put(&old);
    let mut host = Host::start(&format!(
        "policies:\n- name: mine\n  module: {}\n  directory: {}\n{LONG}",
        file.display(),
        granted.display()
    ));
    let ann = host.user("ann");
    push::image(&ann, "ann/app", Some("v1"), 1);
    for n in 0..2 {
        host.until_remembered(&ann, "/v2/ann/app/manifests/v1", 200);
        put(&new);
        host.logged_times("policies are loaded anew", 2 * n + 1);
        assert_ne!(ann.get("/v2/ann/app/manifests/v1").status, 200);
        put(&old);
        host.logged_times("policies are loaded anew", 2 * n + 2);
        ann.get("/v2/ann/app/manifests/v1").expect(200);
    }
}

#[test]
fn a_signal_loads_policies_anew() {
    let (directory, mut host) = start(LONG);
    let ann = host.user("ann");
    push::image(&ann, "ann/app", Some("v1"), 1);
    host.until_remembered(&ann, "/v2/ann/app/manifests/v1", 200);
    host.registry.signal(Signal::HUP);
    host.logged(&["policies are loaded anew"]);
    ann.get("/v2/ann/app/manifests/v1").expect(200);
    // One that cannot be used leaves those that there are.
    fs::rename(directory.path().join("granted"), directory.path().join("away")).unwrap();
    host.registry.signal(Signal::HUP);
    host.logged(&["policies stay as they were", "granted cannot be used"]);
    ann.get("/v2/ann/app/manifests/v1").expect(200);
    host.nobody().get("/v2/ann/app/manifests/v1").expect(401);
}

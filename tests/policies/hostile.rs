//! What else a policy may try: each with the guard that ends it, or with what
//! little it comes to; and somebody else is served meanwhile.

use std::{fs, os::unix::fs::symlink, path::Path, thread};

use rustix::{
    fs::{CWD, Mode, mkfifoat},
    process::Signal,
};
use skerry_tests::{Client, push};

use super::host::{Host, htpasswd, passwords, rules};

/// How it ends.
enum End {
    /// By a guard, which the log names: the client sees 503 and no word of why.
    Guard(&'static str),
    /// By an answer: it was refused what it wanted, and says so.
    Refused(&'static str),
}

const ENDS: &[(&str, End)] = {
    use End::{Guard, Refused};
    &[
        ("long-name", Guard("guard principal")),
        ("claims", Guard("guard principal")),
        ("large-claim", Guard("guard principal")),
        ("calls", Guard("guard calls")),
        ("bytes", Guard("guard bytes")),
        ("exit", Guard("guard exit")),
        ("files", Refused("0 of 8 files")),
        ("more-than-there-is", Refused("Err(Failure::TooLarge(1099511627776))")),
        ("secrets", Refused("0 secrets")),
        ("settings", Refused("0 settings")),
        ("process", Refused("0 0 0")),
        ("wasi-files", Refused("0 files, false")),
        ("for-ever", Refused("not there")),
    ]
};

/// What an attacker would like the policy to find.
fn plant(granted: &Path) {
    let outside = granted.parent().unwrap().join("outside");
    fs::create_dir_all(granted.join("sub")).unwrap();
    fs::write(&outside, "a secret").unwrap();
    fs::write(granted.join("large"), vec![b'x'; 1 << 20]).unwrap();
    fs::write(granted.join("note"), "of the operator").unwrap();
    fs::File::create(granted.join("sparse")).unwrap().set_len(1 << 40).unwrap();
    symlink(&outside, granted.join("leaves")).unwrap();
    symlink(granted.parent().unwrap(), granted.join("way")).unwrap();
    mkfifoat(CWD, granted.join("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
}

fn start(more: &str) -> (tempfile::TempDir, Host) {
    let directory = tempfile::tempdir().unwrap();
    let granted = passwords(directory.path());
    plant(&granted);
    let host = Host::start(&format!(
        "sandbox:\n  calls: 5000\n  bytes: 16MiB\npolicies:\n- name: mine\n  module: {}\n  directory: {}\n  \
         secrets: {{key: hunter2-hunter2}}\n{more}",
        rules().display(),
        granted.display()
    ));
    push::image(&host.user("ann"), "ann/app", Some("v1"), 1);
    (directory, host)
}

#[track_caller]
fn reason(client: &Client, path: &str) -> String {
    client.get(path).expect(403).json()["errors"][0]["message"].as_str().unwrap().to_owned()
}

fn try_all(host: &mut Host, ends: &[(&str, End)]) {
    let ann = host.user("ann");
    for (user, end) in ends {
        let attack = host.user(user);
        let attack = thread::spawn(move || attack.get("/v2/some/app/tags/list"));
        // Somebody else, meanwhile and after it.
        ann.get("/v2/ann/app/manifests/v1").expect(200);
        let answer = attack.join().unwrap();
        match end {
            End::Guard(guard) => {
                assert_eq!((answer.status, answer.code().as_str()), (503, "UNAVAILABLE"), "{user}: {}", answer.text());
                assert!(!answer.text().contains("guard"), "{user}: {}", answer.text());
                host.logged(&["\"policy\":\"mine\"", "a policy failed", guard]);
            }
            End::Refused(said) => {
                let message = answer.expect(403).json()["errors"][0]["message"].as_str().unwrap().to_owned();
                assert_eq!(message, *said, "{user}");
            }
        }
        ann.get("/v2/ann/app/manifests/v1").expect(200);
    }
}

#[test]
fn each_comes_to_its_end() {
    let (directory, mut host) = start("  limits: {time: 5s, memory: 16MiB}\n");
    try_all(&mut host, ENDS);
    assert!(!directory.path().join("granted/written").exists());
    // Challenges that would split the head, or fill it.
    for repository in ["no-scheme", "long-challenge", "flood-challenge"] {
        let answer = host.nobody().get(&format!("/v2/{repository}/tags/list")).expect(503);
        assert!(!answer.headers.contains_key("x") && !answer.headers.contains_key("www-authenticate"));
        host.logged(&["\"policy\":\"mine\"", "guard challenge"]);
    }
    // What it said for all time of one repository holds for no other.
    host.user("for-ever").get("/v2/other/app/tags/list").expect(404);
    assert_eq!(reason(&host.user("for-ever"), "/v2/some/app/tags/list"), "not there");
    assert!(!host.log_holds("hunter2"), "a secret in the log");
}

/// A directory by WASI's own calls: read, or written as well, and no further.
#[test]
fn files_by_wasi_end_where_the_directory_ends() {
    let (directory, mut host) = start("  preopen: ro\n  limits: {time: 5s}\n");
    let note = directory.path().join("granted/note");
    let ask = |host: &Host, user: &str| reason(&host.user(user), "/v2/some/app/tags/list");
    assert_eq!(ask(&host, "note"), "of the operator");
    // Nothing of it is kept.
    fs::write(&note, "of another day").unwrap();
    assert_eq!(ask(&host, "note"), "of another day");
    assert_eq!(ask(&host, "notes"), "Err(PermissionDenied)");
    assert_eq!(ask(&host, "elsewhere"), "0 files, false");
    try_all(&mut host, &[("descriptors", End::Guard("guard call"))]);

    let (directory, host) = start("  preopen: rw\n  limits: {time: 5s}\n");
    assert_eq!(ask(&host, "notes"), "Ok(())");
    assert_eq!(fs::read_to_string(directory.path().join("granted/note")).unwrap(), "of the policy");
    assert_eq!(ask(&host, "elsewhere"), "0 files, false");
    assert!(!directory.path().join("granted/linked").exists());
}

/// Who a client is, is said by the first that knows: a later one may claim
/// what it likes.
#[test]
fn a_lie_about_a_principal_that_is_known_counts_for_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let granted = passwords(directory.path());
    htpasswd(&directory.path().join("users"), &[("liar", "correct"), ("admin", "other")]);
    let host = Host::start(&format!(
        "policies:\n- module: htpasswd\n  directory: {}\n  settings: {{realm: r, file: users}}\n\
         - name: mine\n  module: {}\n  directory: {}\n",
        directory.path().display(),
        rules().display(),
        granted.display()
    ));
    let admin = host.nobody().user("admin", "other");
    push::image(&admin, "secret/app", Some("v1"), 1);
    assert_eq!(reason(&host.user("liar"), "/v2/secret/app/manifests/v1"), "liar is not secret");
    admin.get("/v2/secret/app/manifests/v1").expect(200);
}

/// More that hold their instances than there are: whoever else asks the same
/// policy waits, and is served.
#[test]
fn instances_that_are_held_are_given_back() {
    let (_directory, mut host) = start("  limits: {time: 100ms}\n");
    let holds: Vec<_> = (0..24)
        .map(|_| {
            let client = host.user("sleep");
            thread::spawn(move || client.get("/v2/some/app/tags/list").status)
        })
        .collect();
    host.user("ann").get("/v2/ann/app/manifests/v1").expect(200);
    assert!(holds.into_iter().all(|hold| hold.join().unwrap() == 503));
    host.logged(&["\"policy\":\"mine\"", "a policy failed", "guard patience"]);
    host.user("ann").get("/v2/ann/app/manifests/v1").expect(200);
}

/// Policies that are replaced while they loop, hold and fail.
#[test]
fn a_swap_is_raced_in_vain() {
    let (_directory, mut host) = start("  limits: {time: 200ms}\n");
    let attacks: Vec<_> = ["loop", "sleep", "trap", "memory"]
        .into_iter()
        .map(|user| {
            let client = host.user(user);
            thread::spawn(move || (0..6).all(|_| client.get("/v2/some/app/tags/list").status == 503))
        })
        .collect();
    let ann = host.user("ann");
    for times in 1..=8 {
        host.registry.signal(Signal::HUP);
        let loaded = |line: &&String| line.contains("policies are loaded anew");
        while host.registry.service().lines().iter().filter(loaded).count() < times {
            ann.get("/v2/ann/app/manifests/v1").expect(200);
        }
        ann.get("/v2/bob/app/manifests/v1").expect(403);
    }
    assert!(attacks.into_iter().all(|attack| attack.join().unwrap()));
    assert!(!host.log_holds("policies stay as they were"));
}

//! The units of systemd, as systemd reads them; it need not run.

use std::{collections::BTreeSet, fs, os::unix::fs::symlink, path::Path};

use rustix::process::Signal;
use skerry_tests::{Client, binary, children, push, service::Service, tools};

use crate::package;

/// The units beside a program of the name that they start.
fn units(directory: &Path) -> Vec<String> {
    symlink(binary::skerry(), directory.join("skerry")).unwrap();
    ["skerry.service", "skerry.socket"]
        .map(|name| {
            let text = fs::read_to_string(package("systemd").join(name)).unwrap();
            let here = text.replace("/usr/local/bin/skerry", &directory.join("skerry").display().to_string());
            assert!(name != "skerry.service" || here != text, "{name} starts something else");
            let path = directory.join(name);
            fs::write(&path, here).unwrap();
            path.display().to_string()
        })
        .to_vec()
}

#[test]
#[ignore = "needs systemd-analyze: run by .ci/run"]
fn are_understood_and_confined() {
    let directory = tempfile::tempdir().unwrap();
    let units = units(directory.path());
    let mut verify = tools::tool("systemd-analyze");
    verify.arg("verify").args(&units);
    let said = tools::succeed(verify);
    // It says there what it does not know and ignores.
    assert!(!said.contains("skerry"), "{said}");
    let mut security = tools::tool("systemd-analyze");
    // Tenths of the exposure that it computes, of ten: its "OK" begins at 5.
    security.args(["security", "--offline=true", "--no-pager", "--threshold=15"]).arg(&units[0]);
    let said = tools::succeed(security);
    assert!(said.contains("Overall exposure level"), "{said}");
}

/// The names in a set of system calls, and of the sets in it.
fn system_calls(set: &str) -> BTreeSet<String> {
    let mut list = tools::tool("systemd-analyze");
    list.args(["syscall-filter", "--no-pager", set]);
    let mut found = BTreeSet::new();
    for line in tools::succeed(list).lines().skip(1).map(str::trim) {
        match line.chars().next() {
            Some('@') => found.extend(system_calls(line)),
            Some('a'..='z' | '_') => {
                found.insert(line.to_owned());
            }
            _ => {}
        }
    }
    found
}

/// What the filter of the unit leaves is all that a registry calls that is
/// pushed to, pulled from, told to reload, and ended.
#[test]
#[ignore = "needs systemd-analyze and strace: run by .ci/run"]
fn allow_every_system_call_that_is_made() {
    let unit = fs::read_to_string(package("systemd/skerry.service")).unwrap();
    let mut allowed = BTreeSet::new();
    for line in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (minus, sets) = line.strip_prefix('~').map_or((false, line), |sets| (true, sets));
        for name in sets.split(' ').flat_map(system_calls) {
            if minus {
                allowed.remove(&name);
            } else {
                allowed.insert(name);
            }
        }
    }
    assert!(allowed.len() > 200 && allowed.contains("openat") && !allowed.contains("ptrace"), "{allowed:?}");

    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        "version: 0.1\nlog: {{formatter: json}}\nstorage: {{delete: {{enabled: true}}, filesystem: {{rootdirectory: {}}}}}\n\
         http: {{addr: '127.0.0.1:0', debug: {{addr: 'localhost:0'}}}}\nhealth: {{storagedriver: {{enabled: true, interval: 1s}}}}\n",
        directory.path().join("volume").display()
    );
    fs::write(directory.path().join("config.yml"), config).unwrap();
    let trace = directory.path().join("trace");
    let mut command = children::command(tools::find("strace"));
    command.args(["-f", "-qq", "-o"]).arg(&trace).arg(binary::skerry()).args(["serve", "config.yml"]);
    command.current_dir(directory.path());
    let mut service = Service::start("skerry", command);
    let client = Client::plain(&service.address());
    push::image(&client, "traced", Some("tag"), 1);
    let bytes = skerry_tests::content::Noise::new(3).bytes(3_000_000);
    let pieces: Vec<&[u8]> = bytes.chunks(1_000_000).collect();
    let digest = push::try_pieces(&client, "traced", &pieces).unwrap();
    push::whole_blob(&client, "traced", &digest).unwrap();
    push::whole(&client, "traced", "tag").unwrap();
    client.get("/v2/_catalog").expect(200);
    client.delete("/v2/traced/manifests/tag").expect(202);
    // strace passes no signal on: the registry is its one child.
    let child = fs::read_to_string(format!("/proc/{0}/task/{0}/children", service.pid())).unwrap();
    let child = rustix::process::Pid::from_raw(child.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(child, Signal::HUP).unwrap();
    service.wait_for("that it saw the signal", |line| line.contains("SIGHUP").then_some(()));
    rustix::process::kill_process(child, Signal::TERM).unwrap();
    assert!(service.wait().success());

    let text = fs::read_to_string(&trace).unwrap();
    let mut called = BTreeSet::new();
    for line in text.lines() {
        let rest = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        let rest = rest.strip_prefix("<... ").unwrap_or(rest);
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '_').unwrap_or(0);
        if end > 0 {
            called.insert(rest[..end].to_owned());
        }
    }
    assert!(called.len() > 40 && called.contains("accept4"), "{called:?}");
    let refused: Vec<_> = called.difference(&allowed).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

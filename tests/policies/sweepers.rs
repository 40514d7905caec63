//! What a policy about tags may try: each with the guard that ends it, no tag
//! that goes for it, and somebody else who is served meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use skerry_tests::{Options, command::over, push};

use super::{
    host::{Host, sweeper},
    retention::tags,
};

/// By the last part of a repository's name, and what the log says of it.
const ENDS: &[(&str, &str)] = &[
    ("loop", "guard time"),
    ("sleep", "guard patience"),
    ("memory", "guard memory"),
    ("recurse", "guard stack"),
    ("trap", "guard trap"),
    ("exit", "guard exit"),
    ("flood", "guard trap"),
    ("megabytes", "guard call"),
    ("many", "guard call"),
    ("strangers", "guard departure: it was not asked about"),
    ("others", "guard departure: it was not asked about"),
    ("digests", "guard departure: it was not asked about"),
    ("error", "tell"),
    ("facts", "it is told nothing"),
];

fn policies() -> String {
    format!("policies:\n- name: mine\n  module: {}\n  limits: {{time: 200ms}}\n", sweeper().display())
}

#[test]
fn each_comes_to_its_end_and_nothing_goes() {
    let storage = "maintenance:\n  retention: {enabled: true, interval: 1s}\n".to_owned();
    let mut host = Host::start_with(&policies(), Options { storage, ..Options::default() });
    let client = host.nobody();
    for name in ["victim/app/keeps", "victim/keeps"] {
        push::image(&client, name, Some("v1"), 1);
    }
    for (n, (name, _)) in ENDS.iter().enumerate() {
        for tag in ["v1", "v2"] {
            push::image(&client, &format!("hostile/{name}"), Some(tag), n as u64);
        }
    }
    // Somebody else, all the while.
    let over = Arc::new(AtomicBool::new(false));
    let pulls = {
        let (client, over) = (host.nobody(), Arc::clone(&over));
        thread::spawn(move || {
            let mut pulls = 0_u64;
            while !over.load(Ordering::Relaxed) {
                push::whole(&client, "victim/keeps", "v1").unwrap();
                pulls += 1;
            }
            pulls
        })
    };
    for (name, guard) in ENDS {
        let repository = format!("hostile/{name}");
        let line = host.logged(&["\"policy\":\"mine\"", "a policy failed", &repository, guard]);
        assert!(line.contains("no tag of the repository goes") && !line.contains("the request is"), "{line}");
        assert!(line.len() < 4_096 && !line.contains('\u{1b}'), "{line}");
        host.logged(&[&repository, "a policy failed; all tags stay"]);
    }
    // What it says as it panics is in the log.
    host.logged(&["\"policy\":\"mine\"", "it gives up"]);
    host.logged(&["\"policy\":\"mine\"", "line 1"]);
    // One run comes to its end for all that.
    host.logged(&["retention is done", "\"removed\":0"]);
    over.store(true, Ordering::Relaxed);
    assert!(pulls.join().unwrap() > 0);
    for (name, _) in ENDS {
        let repository = format!("hostile/{name}");
        assert_eq!(tags(&client, &repository), ["v1", "v2"], "{name}");
        push::whole(&client, &repository, "v1").unwrap();
    }
    for name in ["victim/app/keeps", "victim/keeps"] {
        push::whole(&client, name, "v1").unwrap();
    }
    // What is well behaved is heard all the same, of its own tags.
    push::image(&client, "old/app", Some("v1"), 77);
    host.logged(&["old/app:v1 is removed: it is the first"]);
    assert_eq!(host.registry.service().lines().iter().filter(|line| line.contains(" is removed: ")).count(), 1);
    // A flood of lines ends in the log as it does elsewhere.
    let flood = |line: &&String| line.contains("line 9999");
    assert_eq!(host.registry.service().lines().iter().filter(flood).count(), 0);
}

/// By the command, too; and a reason is one line of bounded length.
#[test]
fn by_command_it_is_the_same() {
    let host = Host::start("");
    let (client, volume) = (host.nobody(), host.registry.volume().to_owned());
    for name in ["hostile/strangers", "hostile/trap", "hostile/twice"] {
        for tag in ["v1", "v2"] {
            push::image(&client, name, Some(tag), 1);
        }
    }
    let done = over(&volume, &policies(), &["retain"]);
    assert_eq!(done.code, 0, "{done:?}");
    for line in ["hostile/strangers: a policy failed; all tags stay", "hostile/trap: a policy failed; all tags stay"] {
        assert!(done.out.contains(line), "{line} in {done:?}");
    }
    assert!(done.out.contains("1 of 6 tags"), "{done:?}");
    let said: Vec<_> = done.out.lines().filter(|line| line.contains("hostile/twice:v1 is removed")).collect();
    assert!(said.len() == 1 && said[0].len() < 1_200 && !said[0].contains('\u{1b}'), "{done:?}");
    for (name, left) in [("strangers", &["v1", "v2"][..]), ("trap", &["v1", "v2"]), ("twice", &["v2"])] {
        assert_eq!(tags(&client, &format!("hostile/{name}")), left);
    }
}

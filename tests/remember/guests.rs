//! Modules that depend on one thing each are remembered as far as that allows,
//! and no further.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use skerry_tests::{Options, sha256};

use crate::{guest, host::Host};

fn start(remember: &str) -> Host {
    start_with(remember, Options::default())
}

fn start_with(remember: &str, options: Options) -> Host {
    let module = guest::misbehave().display();
    Host::start(Options { more: format!("sandbox:\n  registry: {module}\n"), ..options }, remember)
}

#[test]
fn what_cannot_be_written_down_is_not_remembered() {
    let host = start("");
    fs::create_dir_all(host.registry.volume().join("r")).unwrap();
    fs::write(host.registry.volume().join("r/object"), "bytes").unwrap();
    // What the rule says of a file needs that much time.
    thread::sleep(Duration::from_millis(2100));
    for (what, reason) in [
        ("clock", "clock"),
        ("monotonic", "clock"),
        ("random", "random"),
        ("sleep", "clock"),
        ("log", "stream"),
        ("stdin", "stream"),
        ("files", "files"),
        ("body", "body"),
        ("write", "wrote"),
        ("upload", "wrote"),
        ("too-large", "failed"),
        ("error", "failed"),
        ("many", "many"),
        ("large", "large"),
    ] {
        let before = host.not_kept(reason);
        for _ in 0..2 {
            assert!(!host.recalls(&format!("/remember/{what}")), "{what}");
        }
        assert_eq!(host.not_kept(reason), before + 2, "{what}");
    }
    for trap in ["/trap", "/memory", "/status-99", "/absent"] {
        let before = host.not_kept("failed");
        assert!(!host.recalls(trap) && !host.recalls(trap), "{trap}");
        assert_eq!(host.not_kept("failed"), before + 2, "{trap}");
    }
    for what in [
        "nothing",
        "refusal",
        "notes",
        "location",
        "hash-map",
        "environment",
        "read",
        "stat",
        "page",
        "slice",
        "blind-slice",
    ] {
        let target = format!("/remember/{what}");
        let first = host.client.get(&target);
        let before = host.counts().hits;
        let second = host.client.get(&target);
        assert_eq!(host.counts().hits, before + 1, "{what}");
        assert_eq!((first.status, first.text()), (second.status, second.text()), "{what}");
    }
}

#[test]
fn questions_are_the_key() {
    let host = start("");
    let remembered = |method: &str, target: &str, headers: &[(&str, &str)]| host.is_remembered(method, target, headers);
    // Not asked for: one answer for both methods, all queries, all headers.
    remembered("GET", "/remember/nothing", &[]);
    for (method, target, headers) in [
        ("HEAD", "/remember/nothing", &[][..]),
        ("GET", "/remember/nothing?a=b", &[]),
        ("GET", "/remember/nothing", &[("x-asked", "x"), ("authorization", "Basic eA==")]),
    ] {
        assert!(remembered(method, target, headers).0, "{method} {target} {headers:?}");
    }
    // Other methods are not answered from memory, whatever was asked.
    assert!(!remembered("PUT", "/remember/nothing", &[]).0);
    let (first, text) = remembered("GET", "/remember/method", &[]);
    assert!(!first && text == "GET");
    assert!(!remembered("HEAD", "/remember/method", &[]).0);
    assert_eq!(remembered("GET", "/remember/method", &[]), (true, "GET".into()));

    for (target, headers, says) in [
        ("/remember/query", &[][..], "[]"),
        ("/remember/query?a=", &[], "[\"\"]"),
        ("/remember/query?a=1&a=2", &[], "[\"1\", \"2\"]"),
        ("/remember/query?a=12", &[], "[\"12\"]"),
        ("/remember/query?a=%31&b=x", &[], "[\"1\"]"),
        ("/remember/header", &[], "[]"),
        ("/remember/header", &[("x-asked", "")], "[\"\"]"),
        ("/remember/header", &[("x-asked", "a"), ("x-asked", "b")], "[\"a\", \"b\"]"),
        ("/remember/header", &[("x-asked", "ab")], "[\"ab\"]"),
        ("/remember/tree?by=header", &[("x-asked", "a")], "[\"a\"]"),
        ("/remember/tree?by=header", &[], "[]"),
        ("/remember/tree", &[("x-asked", "a")], "by nothing"),
        ("/remember/peer", &[], "127.0.0.1"),
        ("/remember/tls", &[], "None"),
        ("/remember/length", &[], "None"),
    ] {
        assert_eq!(remembered("GET", target, headers), (false, says.to_owned()), "{target} {headers:?}");
        assert_eq!(remembered("GET", target, headers), (true, says.to_owned()), "{target} {headers:?}");
    }
    // It is the value that counts, and not how it was written.
    assert_eq!(remembered("GET", "/remember/query?a=1&c=y", &[]), (true, "[\"1\"]".into()));
    let length = host.client.request("GET", "/remember/length").body("four").send();
    assert_eq!(length.text(), "Some(4)");
}

#[test]
fn clients_are_told_apart_where_the_module_does() {
    let host = start_with("", Options { http: "trustedproxies: [127.0.0.1]\n".into(), ..Options::default() });
    let from = |address| host.is_remembered("GET", "/remember/peer", &[("x-forwarded-for", address)]);
    for address in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
        assert_eq!(from(address), (false, address.to_owned()));
        assert_eq!(from(address), (true, address.to_owned()));
    }
}

#[test]
fn credentials_are_nobodys_question() {
    let host = start("");
    let ask = |secret: &str| {
        host.is_remembered("GET", "/remember/credentials", &[("authorization", secret), ("cookie", secret)])
    };
    assert_eq!(ask("Basic YTpi"), (false, "0".into()));
    assert_eq!(ask("Basic Yzpk"), (true, "0".into()));
}

#[test]
fn what_happens_at_every_answer_happens_at_these() {
    let mut host = start("");
    for n in 0..3 {
        let note = host.client.get(&format!("/remember/notes?{n}"));
        assert_eq!(note.text(), "noted");
        host.registry.service().wait_for("the note", |line| {
            (line.contains(&format!("\"query\":\"{n}\"")) && line.contains("event=seen")).then_some(())
        });
    }
    assert_eq!(host.counts().hits, 2);
    // Kept as the module said it: what the client sees is made for each.
    let host = start_with(
        "",
        Options { http: "trustedproxies: [127.0.0.1]\nrelativeurls: false\n".into(), ..Options::default() },
    );
    for name in ["one.example", "two.example"] {
        let request = host.client.request("GET", "/remember/location").header("x-forwarded-host", name);
        let answer = request.header("x-forwarded-proto", "https").send();
        assert_eq!(answer.header("location"), format!("https://{name}/remember/nothing"));
    }
    assert_eq!(host.counts().hits, 1);
}

#[test]
fn slices_are_of_the_object_that_was_looked_at() {
    for (what, remember) in [("slice", "age: 0s"), ("blind-slice", "age: 0s")] {
        let host = start(remember);
        let target = format!("/remember/{what}");
        let object = host.registry.volume().join("r/object");
        fs::create_dir_all(object.parent().unwrap()).unwrap();
        // The second one in place, with as many bytes; the third is shorter,
        // and was renamed there.
        for (bytes, in_place) in [("one", true), ("two", true), ("six", false)] {
            thread::sleep(Duration::from_millis(20));
            if in_place {
                fs::write(&object, bytes).unwrap();
            } else {
                fs::write(object.with_extension("new"), bytes).unwrap();
                fs::rename(object.with_extension("new"), &object).unwrap();
            }
            for hit in [false, true] {
                assert_eq!(host.is_remembered("GET", &target, &[]), (hit, bytes.to_owned()), "{what}");
            }
        }
        fs::remove_file(&object).unwrap();
        assert!(!host.recalls(&target));
        assert_ne!(sha256(host.client.get(&target).body), sha256("six"));
    }
}

#[test]
fn the_switch_and_the_signal() {
    let host = start("enabled: false");
    host.client.get("/remember/nothing").expect(200);
    assert!(!host.has_numbers());

    let mut host = start("");
    host.client.get("/remember/nothing").expect(200);
    assert!(host.recalls("/remember/nothing"));
    host.registry.service().signal(rustix::process::Signal::HUP);
    host.registry.service().wait_for("the signal", |line| line.contains("SIGHUP").then_some(()));
    let deadline = Instant::now() + Duration::from_secs(10);
    while host.counts().entries > 0 {
        assert!(Instant::now() < deadline, "it does not forget");
    }
    assert!(!host.recalls("/remember/nothing") && host.recalls("/remember/nothing"));
}

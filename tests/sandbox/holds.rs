//! Requests that hold what others need while they wait for a body, or for a
//! policy.

use std::{fmt::Write as _, fs, path::Path, thread};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use skerry_tests::{Client, Options, Registry, binary, push, raw::Raw};

use crate::guest::{failed, served, start_with};

/// A request whose body is waited for. It comes from this address, as a proxy
/// says.
fn waiting(registry: &Registry, method: &str, path: &str, from: &str, user: Option<&str>) -> Raw {
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: {from}\r\ncontent-length: 4\r\n\
         expect: 100-continue\r\n"
    );
    if let Some(user) = user {
        write!(head, "authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:correct"))).unwrap();
    }
    let mut raw = registry.raw();
    raw.send(head + "\r\n").unwrap();
    let head = raw.head();
    assert!(head.starts_with("HTTP/1.1 100"), "{user:?} from {from}: {head}");
    raw
}

fn options() -> Options {
    Options { http: "trustedproxies: [127.0.0.1]\n".to_owned(), ..Options::default() }
}

#[test]
fn no_address_takes_all_the_room() {
    let registry = start_with("  instances: 1\n  parked: 4\n  parked_per_address: 2\n", options());
    let client = registry.client();
    let put = |from: &str| client.request("PUT", "/wait").header("x-forwarded-for", from).body("four").send();
    let mut held: Vec<_> =
        ["2001:db8::1", "2001:db8::2"].map(|from| waiting(&registry, "PUT", "/wait", from, None)).into();
    // A third of the same network, and one of another.
    let refused = put("2001:db8::3");
    assert_eq!((refused.status, refused.text().as_str()), (400, "Failure::Busy"));
    assert_eq!(put("203.0.113.9").text(), "4 bytes");
    held.extend(["203.0.113.7", "203.0.113.8"].map(|from| waiting(&registry, "PUT", "/wait", from, None)));
    // All of it is taken.
    let refused = put("203.0.113.9");
    assert_eq!((refused.status, refused.text().as_str()), (400, "Failure::Busy"));
    served(&client);
    for raw in &mut held {
        raw.send("four").unwrap();
        assert!(raw.head().starts_with("HTTP/1.1 200"));
    }
    for _ in 0..4 {
        assert_eq!(put("2001:db8::3").text(), "4 bytes");
    }
}

/// The pool has slots for 128 that wait for a body. Whoever comes after them is
/// beside it, served as well and bounded as well.
#[test]
fn more_wait_than_there_are_slots_for() {
    let sandbox = "  time: 300ms\n  parked: 132\n  parked_per_address: 132\n";
    let mut registry = start_with(sandbox, options());
    let client = registry.client();
    let mut held: Vec<_> = (0..132).map(|_| waiting(&registry, "PUT", "/wait", "203.0.113.1", None)).collect();
    let put = |path: &str| client.request("PUT", path).body("four").send();
    let refused = put("/wait");
    assert_eq!((refused.status, refused.text().as_str()), (400, "Failure::Busy"));
    served(&client);
    assert_eq!(put("/well").text(), "well");
    assert_eq!(put("/loop").status, 500);
    let cause = failed(&mut registry, "/loop");
    assert!(cause.starts_with("guard time"), "{cause}");
    for raw in &mut held {
        raw.send("four").unwrap();
        assert!(raw.head().starts_with("HTTP/1.1 200"));
    }
    assert_eq!(put("/wait").text(), "4 bytes");
    registry.stop();
}

/// The built-in module with these policies, of which those of the tests know
/// everybody by the password `correct`.
fn guarded(directory: &Path, sandbox: &str, policies: &[&str]) -> Registry {
    fs::write(directory.join("passwords"), "correct\n").unwrap();
    let rules = binary::guest("rules");
    let mut more = format!("remember:\n  enabled: false\nsandbox:\n{sandbox}policies:\n");
    for (n, policy) in policies.iter().enumerate() {
        let module = if *policy == "rules" { rules.to_str().unwrap() } else { policy };
        writeln!(more, "- name: policy-{n}\n  module: {module}").unwrap();
        if *policy == "rules" {
            writeln!(more, "  directory: {}", directory.display()).unwrap();
        }
    }
    Registry::start(Options { more, ..options() })
}

fn upload(client: &Client, name: &str) -> String {
    client.request("POST", &format!("/v2/{name}/blobs/uploads/")).send().expect(202).location()
}

#[test]
fn no_principal_takes_all_the_room() {
    let directory = tempfile::tempdir().unwrap();
    let registry = guarded(directory.path(), "  instances: 2\n  parked: 4\n  parked_per_principal: 2\n", &["rules"]);
    let [ann, bob] = ["ann", "bob"].map(|name| registry.client().accepting().user(name, "correct"));
    let mut held: Vec<_> = ["203.0.113.1", "203.0.113.2"]
        .map(|from| waiting(&registry, "PATCH", &upload(&ann, "ann/app"), from, Some("ann")))
        .into();
    let target = upload(&ann, "ann/app");
    let more = || ann.request("PATCH", &target).header("x-forwarded-for", "203.0.113.3").body("four").send();
    let refused = more().expect(503);
    assert_eq!((refused.code(), refused.header("retry-after")), ("UNAVAILABLE".to_owned(), "1"));
    // Somebody else, from an address that she used.
    held.push(waiting(&registry, "PATCH", &upload(&bob, "bob/app"), "203.0.113.1", Some("bob")));
    // She may do all else.
    ann.get("/v2/").expect(200);
    for raw in &mut held {
        raw.send("four").unwrap();
        assert!(raw.head().starts_with("HTTP/1.1 202"));
    }
    // The upload that was refused is as it was.
    assert_eq!(more().expect(202).header("range"), "0-3");
}

/// As many requests as there are instances and more, each of which asks three
/// policies, while uploads hold all the room that there is for bodies.
#[test]
fn slow_uploads_keep_no_pull_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let sandbox = "  instances: 2\n  parked: 3\n  asking: 16\n";
    let registry = guarded(directory.path(), sandbox, &["rules", "rules", "name-rules"]);
    let ann = registry.client().accepting().user("ann", "correct");
    for n in 0..8 {
        push::image(&ann, "ann/app", Some(&format!("t{n}")), 1);
    }
    let mut held: Vec<_> = (1..=3)
        .map(|n| waiting(&registry, "PATCH", &upload(&ann, "ann/app"), &format!("203.0.113.{n}"), Some("ann")))
        .collect();
    let target = upload(&ann, "ann/app");
    ann.request("PATCH", &target).body("four").send().expect(503);
    thread::scope(|scope| {
        for n in 0..8 {
            let ann = &ann;
            scope.spawn(move || {
                let path = format!("/v2/ann/app/manifests/t{n}");
                for _ in 0..10 {
                    ann.get(&path).expect(200);
                }
                // Asks the third as well.
                ann.delete(&path).expect(202);
            });
        }
    });
    for raw in &mut held {
        raw.send("four").unwrap();
        assert!(raw.head().starts_with("HTTP/1.1 202"));
    }
    ann.request("PATCH", &target).body("four").send().expect(202);
}

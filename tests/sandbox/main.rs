//! The sandbox from outside: a module that misbehaves in every way it can
//! (`guests/misbehave`) is loaded in place of the built-in one, or one that no
//! compiler would make. Each test names the guard that ends it, and sees that
//! others are served all the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod apart;
mod behaviours;
mod files;
mod guest;
mod holds;
mod meanwhile;
mod modules;
mod precompiled;
mod starts;
mod surface;

use std::thread;

use guest::{logged, served, start};
use skerry_tests::{Client, Options, Registry, authority::Vouching, sha256, vitals::Vitals};

#[test]
fn others_are_served_while_guests_loop() {
    let registry = start("  time: 2s\n  instances: 8\n");
    let loops: Vec<_> = (0..4)
        .map(|_| {
            let client = registry.client();
            thread::spawn(move || client.get("/loop").status)
        })
        .collect();
    let client = registry.client();
    for _ in 0..20 {
        served(&client);
    }
    for run in loops {
        assert_eq!(run.join().unwrap(), 500);
    }
}

#[test]
fn log_lines_are_bounded() {
    let mut registry = start("");
    let client = registry.client();
    assert_eq!(client.get("/log").text(), "logged");
    logged(&mut registry, "the guest wrote more than is logged");
    let lines = registry.service().lines();
    let flood = lines.iter().filter(|line| line.contains("of a flood")).count();
    assert!((1..=64).contains(&flood), "{flood} lines");
    // A guest's line may be made to look like something else: no control
    // character of it is left.
    assert!(lines.iter().all(|line| !line.contains('\u{1b}') && !line.contains('\u{7}')));
}

#[test]
fn instances_that_wait_for_a_body_keep_nobody_waiting() {
    let registry = start("  instances: 1\n  parked: 3\n");
    let mut waiting: Vec<_> = (0..3)
        .map(|_| {
            let mut raw = registry.raw();
            raw.send("PUT /wait HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n")
                .unwrap();
            // It asks for the body: so it waits for it.
            assert!(raw.head().starts_with("HTTP/1.1 100"));
            raw
        })
        .collect();
    let client = registry.client();
    for _ in 0..20 {
        served(&client);
    }
    // There is no room for one more that waits.
    let refused = client.request("PUT", "/wait").body("four").send();
    assert_eq!((refused.status, refused.text().as_str()), (400, "Failure::Busy"));
    for raw in &mut waiting {
        raw.send("four").unwrap();
        assert!(raw.head().starts_with("HTTP/1.1 200"));
    }
    assert_eq!(client.request("PUT", "/wait").body("four").send().text(), "4 bytes");
}

#[test]
fn a_full_queue_is_503_and_recovers() {
    let mut registry = start("  instances: 1\n  queue: 1\n  time: 1s\n");
    served(&registry.client());
    let pid = registry.service().pid();
    let before = Vitals::of(pid);
    let clients: Vec<_> = (0..100)
        .map(|_| {
            let client = registry.client();
            thread::spawn(move || client.get("/loop"))
        })
        .collect();
    let answers: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(!refused.is_empty() && answers.iter().all(|answer| [500, 503].contains(&answer.status)));
    for answer in refused {
        assert_eq!(answer.header("retry-after"), "5");
        assert_eq!(answer.code(), "UNKNOWN");
        assert!(answer.text().contains("the host says HostFailure::Unavailable"), "{}", answer.text());
    }
    for _ in 0..20 {
        served(&registry.client());
    }
    before.come_back(pid, 24 << 20, 64 << 20);
}

#[test]
fn a_module_is_told_of_client_certificates() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("clients.pem");
    let identity = Vouching::new(&ca).identity("Edge.example");
    let module = guest::misbehave().display();
    let cas = format!("clientcas: [{}]\n", ca.display());
    for (keys, verified) in [("clientauth: request-client-cert\n", false), (cas.as_str(), true)] {
        let registry = Registry::start(Options {
            tls_keys: keys.to_owned(),
            more: format!("sandbox:\n  registry: {module}\n"),
            ..Options::default()
        });
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let tls = registry.trust().client_as(&["http/1.1"], &[version], Some(&identity));
            // A session that is resumed knows as much as the one before.
            for _ in 0..2 {
                let told = Client::with(registry.address(), tls.clone()).get("/tls").expect(200).text();
                let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
                for part in [
                    format!("verified: {verified},"),
                    "subject: \"CN=Edge.example,O=Example\",".to_owned(),
                    "dns-names: [ \"edge.example\", ],".to_owned(),
                    "addresses: [ \"10.1.2.3\", ],".to_owned(),
                    format!("sha256: \"{}\",", &sha256(&identity.certificate)["sha256:".len()..]),
                ] {
                    assert!(told.contains(&part), "{part}: {told}");
                }
            }
        }
        if !verified {
            let told = registry.client().get("/tls").expect(200).text();
            assert!(told.contains("client-certificate: None"), "{told}");
        }
    }
}

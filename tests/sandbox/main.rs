//! The sandbox from outside: a module that misbehaves in every way it can
//! (`guests/misbehave`) is loaded in place of the built-in one. Each test names
//! the guard that ends it, and sees that others are served all the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod guest;

use std::{fs, os::unix::fs::symlink, thread};

use skerry_tests::{Client, Options, Registry, authority::Vouching, sha256};

fn start(sandbox: &str) -> Registry {
    let module = guest::misbehave().display();
    // Each request is to enter the sandbox.
    let more = format!("sandbox:\n  registry: {module}\n{sandbox}remember:\n  enabled: false\n");
    Registry::start(Options { more, ..Options::default() })
}

fn served(client: &Client) {
    let answer = client.get("/well");
    assert_eq!((answer.status, answer.text().as_str()), (200, "well"));
}

/// Waits for a line of the log that holds both.
fn logged(registry: &mut Registry, what: &str, also: &str) {
    registry.service().wait_for(what, |line| (line.contains(what) && line.contains(also)).then_some(()));
}

#[test]
fn each_misbehaviour_meets_its_guard() {
    let mut registry = start("  time: 200ms\n");
    let client = registry.client();
    for (path, guard) in [
        ("/loop", "guard time"),
        ("/calls", "guard calls"),
        ("/memory", "guard memory"),
        ("/trap", "the guest failed"),
        ("/recurse", "the guest failed"),
        ("/status-99", "guard answer: the status 99"),
        ("/status-1000", "guard answer: the status 1000"),
        ("/split", "guard answer: the header field"),
        ("/length", "guard answer: the header field"),
        ("/fields", "guard answer: too many header fields"),
        ("/body-204", "guard answer: a body with the status 204"),
        ("/beyond", "guard slice"),
        ("/absent", "cannot be had: not found"),
    ] {
        let answer = client.get(path);
        assert_eq!(answer.status, 500, "{path}: {}", answer.text());
        // The module's own words for it, and nothing of the cause.
        assert_eq!(answer.text(), "the host says HostFailure::Internal", "{path}");
        logged(&mut registry, guard, "request");
        served(&client);
    }
    // Beyond what one call may carry: the engine or the answer's check ends it.
    assert_eq!(client.get("/huge").status, 500);
    served(&client);
    registry.stop();
}

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
fn no_key_leaves_the_directory() {
    let registry = start("");
    let client = registry.client();
    let outside = registry.directory().join("outside");
    fs::write(&outside, "a secret").unwrap();
    let planted = registry.volume().join("planted");
    fs::create_dir_all(&planted).unwrap();
    symlink(&outside, planted.join("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, planted.join("fifo"), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
        .unwrap();
    fs::File::create(planted.join("sparse")).unwrap().set_len(1 << 40).unwrap();
    for (path, expected) in [
        ("/escape", "0 0"),
        ("/link", "false"),
        // It would block for ever if it were opened as files are.
        ("/fifo", "false"),
        ("/read-all", &format!("Err(Failure::TooLarge({}))", 1_u64 << 40)),
        ("/well", "well"),
    ] {
        let answer = client.get(path);
        assert_eq!((answer.status, answer.text().as_str()), (200, expected), "{path}");
    }
}

#[test]
fn a_forged_digest_makes_no_object() {
    let registry = start("");
    let answer = registry.client().request("PUT", "/forge").body("bytes").send();
    assert_eq!(answer.text(), "true Err(Failure::DigestMismatch)");
    assert!(!registry.volume().join("forged").join("object").exists());
}

#[test]
fn a_body_is_read_once_and_credentials_never() {
    let registry = start("");
    let client = registry.client();
    assert_eq!(client.request("PUT", "/twice").body("bytes").send().text(), "true false");
    let shown = client.request("GET", "/credentials").header("authorization", "Basic eA==").header("cookie", "a=b");
    assert_eq!(shown.send().text(), "0");
}

#[test]
fn uploads_and_log_lines_are_bounded() {
    let mut registry = start("");
    let client = registry.client();
    let answer = client.get("/uploads");
    assert!(answer.status == 500 || answer.text().ends_with("Failure::Busy"), "{}", answer.text());
    served(&client);
    assert_eq!(client.get("/log").text(), "logged");
    logged(&mut registry, "the guest wrote more than is logged", "");
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
    let registry = start("  instances: 1\n  queue: 1\n  time: 1s\n");
    let clients: Vec<_> = (0..8)
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
        assert_eq!(answer.text(), "the host says HostFailure::Unavailable");
    }
    served(&registry.client());
}

#[test]
fn a_module_that_does_not_fit_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes, says) in [
        ("text.wasm", b"not a module".as_slice(), "is no WebAssembly component"),
        ("elf.wasm", b"\x7fELF\x02\x01\x01\x00".as_slice(), "is precompiled"),
        // An empty component: of no world that is offered.
        ("empty.wasm", b"\0asm\x0d\0\x01\0".as_slice(), "does not fit the world"),
    ] {
        let module = directory.path().join(name);
        fs::write(&module, bytes).unwrap();
        let output = guest::serve(directory.path(), &module);
        assert!(!output.status.success(), "{name}");
        let shown = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(shown.contains(says) && shown.contains(name), "{name}: {shown}");
    }
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

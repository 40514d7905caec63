//! Who may ask the admin endpoint, what it says, and the command that asks it.

use std::{fmt::Write as _, fs, os::unix::fs::MetadataExt};

use serde_json::json;
use skerry_tests::{
    Client, Options, Registry,
    authority::{Authority, Vouching},
    command::called,
    sha256,
};

use super::host::{Host, ask, policies, registries};

#[test]
fn it_says_what_is_in_force() {
    let mut host = Host::start();
    let socket = host.file("admin.sock");
    assert_eq!(fs::symlink_metadata(&socket).unwrap().mode() & 0o7777, 0o600);
    let status = |host: &Host| host.ask("GET", "/v1/modules", "", b"").1;
    let begun = status(&host);
    let (registry, policy) = (&begun["registry"], &begun["policies"][0]);
    assert_eq!(registry["sha256"], sha256(&registries().old));
    assert_eq!((&registry["world"], &policy["world"]), (&json!("registry"), &json!("auth-policy")));
    assert_eq!((&policy["name"], &policy["from"]), (&json!("mine"), &json!(host.file("rules.wasm"))));
    assert_eq!(policy["bytes"], policies().old.len());

    // By its bytes, and by where it lies.
    host.swap("/v1/registry", &registries().new);
    let lies = host.file("other.wasm");
    fs::write(&lies, &policies().new).unwrap();
    let named = json!({ "file": lies }).to_string();
    assert_eq!(host.ask("PUT", "/v1/policies/mine", "application/json", named.as_bytes()).0, 200);
    let swapped = status(&host);
    for (module, bytes, before) in
        [(&swapped["registry"], &registries().new, registry), (&swapped["policies"][0], &policies().new, policy)]
    {
        assert_eq!((&module["from"], &module["sha256"]), (&json!("posted"), &json!(sha256(bytes))));
        assert_ne!(module["since"], before["since"]);
    }

    // What was posted goes with a reload, and with a restart.
    assert_eq!(host.ask("POST", "/v1/reload", "", b"").0, 200);
    assert_eq!(host.now(), ("registry/2.0".to_owned(), "ann is not bob".to_owned()));
    host.swap("/v1/registry", &registries().new);
    host.registry.stop();
    assert!(!socket.exists());
    host.registry.restart();
    assert_eq!(host.now().0, "registry/2.0");
    assert_eq!(status(&host)["registry"]["from"], json!(host.file("registry.wasm")));
}

#[test]
fn other_requests_are_refused() {
    let host = Host::start();
    let socket = host.file("admin.sock");
    let wasm = "content-type: application/wasm\r\n";
    for (line, head, body, status) in [
        ("GET /", "", "", 404),
        ("GET /v1/registry", "", "", 405),
        ("DELETE /v1/modules", "", "", 405),
        ("PUT /v1/policies/none", wasm, "x", 404),
        ("PUT /v1/registry", "content-type: text/plain\r\n", "x", 415),
        ("PUT /v1/registry", "content-type: application/json\r\n", "{\"path\": \"/x\"}", 400),
        ("PUT /v1/registry", "content-type: application/json\r\n", "{\"file\": \"/no/such\"}", 422),
        // A page that a browser shows has no business here, whoever runs it.
        ("POST /v1/reload", "origin: http://localhost\r\n", "", 403),
        ("GET /v1/modules", "sec-fetch-site: cross-site\r\n", "", 403),
    ] {
        let (answered, document) = ask(&socket, line, head, body.as_bytes());
        assert!(answered == status && document["error"].is_string(), "{line}: {answered} {document}");
    }
    let large = vec![0; (64 << 20) + 1];
    assert_eq!(ask(&socket, "PUT /v1/registry", wasm, &large).0, 413);
    assert_eq!(host.now().0, "registry/2.0");
}

#[test]
fn from_elsewhere_it_takes_a_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let own = Authority::new(directory.path(), &["localhost", "127.0.0.1"]);
    let cas = directory.path().join("operators.pem");
    let operator = Vouching::new(&cas).identity("operator");
    let stranger = Vouching::new(&directory.path().join("others.pem")).identity("operator");
    let mut admin = "  addr: 127.0.0.1:0\n  tls:\n".to_owned();
    writeln!(admin, "    certificate: {}\n    key: {}", own.certificate.display(), own.key.display()).unwrap();
    writeln!(admin, "    clientcas: [{}]", cas.display()).unwrap();
    let mut host = Host::start_with(&admin);
    let address = host.registry.service().wait_for("where it listens", |line| {
        let (_, rest) = line.split_once("\"admin_address\":\"")?;
        Some(rest.split_once('"')?.0.to_owned())
    });
    let client = |identity| Client::with(&address, own.client_as(&["http/1.1"], rustls::DEFAULT_VERSIONS, identity));
    for nobody in [None, Some(&stranger)] {
        assert!(client(nobody).request("GET", "/v1/modules").try_send().is_err());
    }
    assert!(Client::plain(&address).request("GET", "/v1/modules").try_send().is_err());
    let operator = client(Some(&operator));
    let put = operator.request("PUT", "/v1/registry").header("content-type", "application/wasm");
    put.body(registries().new.clone()).send().expect(200);
    assert_eq!(host.now().0, "registry/2.1");
    // Loopback is no exception.
    let more = "admin:\n  addr: 127.0.0.1:0\n".to_owned();
    let said = Registry::refused(Options { more, ..Options::default() });
    assert!(said.contains("`admin.addr` needs `admin.tls.certificate`"), "{said}");
}

#[test]
fn it_is_off_unless_it_is_asked_for() {
    let mut registry = Registry::new();
    registry.client().get("/v2/").expect(200);
    assert!(!registry.service().lines().iter().any(|line| line.contains("admin endpoint")));
    for path in ["/v1/modules", "/v1/reload"] {
        registry.client().get(path).expect(404);
    }
}

#[test]
fn the_command_asks_it() {
    let host = Host::start();
    let socket = host.file("admin.sock").display().to_string();
    let file = host.file("other.wasm").display().to_string();
    let run = |words: &[&str]| called("skerry", &[&["admin"], words, &["--socket", &socket]].concat());
    let status = run(&["status"]);
    assert_eq!((status.code, status.out.lines().count()), (0, 2), "{status:?}");
    assert!(status.out.contains(&sha256(&registries().old)) && status.out.contains("auth-policy"), "{status:?}");
    assert_eq!(run(&["status", "--json"]).out.parse::<serde_json::Value>().unwrap()["policies"][0]["name"], "mine");

    fs::write(&file, &registries().new).unwrap();
    let swapped = run(&["swap", &file]);
    assert!(swapped.code == 0 && swapped.out.contains("posted"), "{swapped:?}");
    assert_eq!(host.now().0, "registry/2.1");
    let wrong = run(&["swap", "--policy", "mine", &file]);
    assert!(wrong.code == 1 && wrong.err.contains("policies stay as they were"), "{wrong:?}");
    let none = run(&["swap", "--policy", "nobody", &file]);
    assert!(none.code == 1 && none.err.contains("has no policy of this name"), "{none:?}");
    fs::write(&file, &policies().new).unwrap();
    assert_eq!(run(&["swap", "--policy", "mine", &file]).code, 0);
    assert_eq!(host.now().1, "ann not is bob");
    assert_eq!(run(&["reload"]).code, 0);
    assert_eq!(host.now(), ("registry/2.0".to_owned(), "ann is not bob".to_owned()));
    let nobody = called("skerry", &["admin", "status", "--socket", "/no/such.sock"]);
    assert!(nobody.code == 1 && nobody.err.contains("/no/such.sock: "), "{nobody:?}");
}

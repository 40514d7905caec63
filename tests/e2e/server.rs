//! The server around the module: its address as clients see it, its listeners,
//! its end.

use skerry_tests::{
    Options, Registry,
    content::Noise,
    push,
    raw::Raw,
    sha256,
    table::{case, get, post, run},
};

fn started(http: &str) -> Registry {
    Registry::start(Options { http: http.to_owned(), ..Options::default() })
}

fn location(registry: &Registry, prefix: &str) -> String {
    let begun = registry.client().request("POST", &format!("{prefix}/v2/a/blobs/uploads/")).send().expect(202);
    begun.header("location").to_owned()
}

#[test]
fn locations_are_relative_by_default() {
    assert!(location(&started(""), "").starts_with("/v2/a/blobs/uploads/"));
    assert!(location(&started("relativeurls: true"), "").starts_with("/v2/a/blobs/uploads/"));
}

#[test]
fn locations_are_absolute_when_told_so() {
    let registry = started("relativeurls: false");
    let expected = format!("https://{}/v2/a/blobs/uploads/", registry.address());
    assert!(location(&registry, "").starts_with(&expected));
    let registry = started("host: https://registry.example.com");
    assert!(location(&registry, "").starts_with("https://registry.example.com/v2/a/blobs/uploads/"));
    push::image(&registry.client(), "a", Some("b"), 1);
}

#[test]
fn a_prefix_comes_before_everything() {
    let registry = started("prefix: /edge/");
    run(
        &registry.client(),
        &[
            get("/edge/v2/", 200),
            get("/v2/", 404).is("docker-distribution-api-version", "registry/2.0").error(""),
            post("/edge/v2/a/blobs/uploads/", 202)
                .has("location", "/edge/v2/a/blobs/uploads/")
                .keep("upload", "location"),
            get("{upload}", 204),
        ],
    );
    let digest = sha256("abc");
    let put = format!("/edge/v2/a/blobs/uploads/?digest={digest}");
    let answer = registry.client().request("POST", &put).body("abc").send().expect(201);
    assert_eq!(answer.location(), format!("/edge/v2/a/blobs/{digest}"));
}

#[test]
fn the_operators_own_fields_are_on_every_answer() {
    let registry = started("headers:\n  X-Content-Type-Options: [nosniff]\n  Access-Control-Allow-Origin: ['*']");
    let both =
        |row: skerry_tests::Case| row.is("x-content-type-options", "nosniff").is("access-control-allow-origin", "*");
    run(
        &registry.client(),
        &[
            both(get("/v2/", 200)),
            both(get("/v2/nobody/tags/list", 404)),
            both(case("OPTIONS", "/v2/nobody/tags/list", 200)),
            both(case("BREW", "/v2/", 405)),
        ],
    );
}

#[test]
fn plain_http_on_the_port_of_tls_is_told_so() {
    let registry = Registry::new();
    let mut raw = Raw::plain(registry.address());
    raw.send("GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let answer = raw.rest();
    assert!(answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.0 400 "), "{answer}");
    assert!(answer.to_uppercase().contains("HTTPS"), "{answer}");
    registry.client().get("/v2/").expect(200);
}

#[test]
fn plain_http_where_no_certificate_is_configured() {
    let registry = Registry::start(Options { tls: false, ..Options::default() });
    let bytes = Noise::new(5).bytes(100_000);
    let digest = push::blob(&registry.client(), "plain", &bytes);
    push::whole_blob(&registry.client(), "plain", &digest).unwrap();
}

#[test]
fn a_kept_connection_serves_one_request_after_another() {
    let registry = Registry::new();
    let mut raw = registry.raw();
    for _ in 0..3 {
        raw.send(format!("HEAD /v2/ HTTP/1.1\r\nHost: {}\r\n\r\n", registry.address())).unwrap();
        assert!(raw.head().starts_with("HTTP/1.1 200 "));
    }
    // Two at once, answered in order.
    let one = format!("HEAD /v2/ HTTP/1.1\r\nHost: {}\r\n\r\n", registry.address());
    raw.send(format!("{one}{}", one.replace("/v2/ ", "/v3/ ").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")))
        .unwrap();
    let both = raw.rest();
    let first = both.find("HTTP/1.1 200 ").unwrap();
    assert!(both.rfind("HTTP/1.1 404 ").unwrap() > first, "{both}");
}

#[test]
fn every_answer_names_its_request() {
    let registry = Registry::new();
    let answer = registry.client().get("/v2/").expect(200);
    assert!(!answer.header("date").is_empty());
    let mut registry = registry;
    registry.service().wait_for("the access", |line| line.contains("/v2/").then_some(()));
}

#[test]
fn what_is_under_way_ends_well_before_the_server_does() {
    let mut registry = started("draintimeout: 30s");
    let begun = registry.client().request("POST", "/v2/drain/blobs/uploads/").send().expect(202).location();
    let mut raw = registry.raw();
    let digest = sha256("abcdef");
    let joint = if begun.contains('?') { '&' } else { '?' };
    let host = registry.address().to_owned();
    raw.send(format!(
        "PUT {begun}{joint}digest={digest} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n"
    ))
    .unwrap();
    assert!(raw.head().starts_with("HTTP/1.1 100 "));
    raw.send("abc").unwrap();
    registry.service().signal(rustix::process::Signal::TERM);
    // It listens no longer, and still waits for the rest.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while std::net::TcpStream::connect(&host).is_ok() {
        assert!(std::time::Instant::now() < deadline, "it still listens");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    raw.send("def").unwrap();
    assert!(raw.head().starts_with("HTTP/1.1 201 "));
    assert!(registry.service().wait().success());
    registry.restart();
    push::whole_blob(&registry.client(), "drain", &digest).unwrap();
}

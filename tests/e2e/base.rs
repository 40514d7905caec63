//! What every client tries first, and what no client should.

use skerry_tests::{
    Case, Client, Registry,
    table::{case, delete, get, head, patch, post, put, run},
};

/// A digest that nothing has.
pub const NOBODY: &str = "sha256:0123456789012345678901234567890123456789012345678901234567890123";

pub fn cases(_: &Client) -> Vec<Case> {
    let version = "docker-distribution-api-version";
    let mut cases = vec![
        get("/v2/", 200).is(version, "registry/2.0"),
        head("/v2/", 200).is(version, "registry/2.0"),
        get("/v2/?ns=docker.io", 200),
        get("/", 200).empty(),
        head("/", 200),
        get("/v2", 301).or(307).or(308).has("location", "/v2/"),
        // No route.
        get("/v3/", 404).error("").ours(),
        get("/v2/nothing", 404).error("").ours(),
        get("/favicon.ico", 404).error("").ours(),
        get("/v2/a/nothing/list", 404).error("").ours(),
        // Nothing there.
        get(format!("/v2/nobody/blobs/{NOBODY}"), 404).is(version, "registry/2.0").error(""),
        get("/v2/nobody/manifests/latest", 404).error("").is(version, "registry/2.0"),
        head("/v2/nobody/manifests/latest", 404),
        get("/v2/nobody/tags/list", 404).error("NAME_UNKNOWN"),
    ];
    // Names that are none.
    let long = "a/".repeat(128) + "a";
    for name in ["UPPER", "a//b", "-a", "a-", "a..b", "a/", "%41", "a b", "a%2Fb", "a___b", "_layers", &long] {
        let name = name.replace(' ', "%20");
        cases.push(get(format!("/v2/{name}/manifests/latest"), 404).or(400).error("").ours());
        cases.push(post(format!("/v2/{name}/blobs/uploads/"), 404).or(400).error("").ours());
    }
    // Wrong methods say which would be right.
    for (wrong, target) in [
        (case("POST", "/v2/", 405), "GET"),
        (post("/v2/a/tags/list", 405), "GET"),
        (delete("/v2/_catalog", 405), "GET"),
        (put(format!("/v2/a/blobs/{NOBODY}"), 405), "DELETE"),
        (patch("/v2/a/manifests/latest", 405), "PUT"),
        (get("/v2/a/blobs/uploads/", 405), "POST"),
        (post(format!("/v2/a/referrers/{NOBODY}"), 405), "GET"),
        (case("BREW", "/v2/", 405), "GET"),
    ] {
        cases.push(wrong.has("allow", target).error("UNSUPPORTED").ours());
    }
    for (target, method) in [
        ("/v2/".to_owned(), "GET"),
        ("/v2/a/tags/list".to_owned(), "GET"),
        ("/v2/a/manifests/latest".to_owned(), "PUT"),
        (format!("/v2/a/blobs/{NOBODY}"), "DELETE"),
        ("/v2/a/blobs/uploads/".to_owned(), "POST"),
    ] {
        cases.push(case("OPTIONS", target, 200).has("allow", method).ours());
    }
    cases
}

#[test]
fn first_contact() {
    let registry = Registry::new();
    run(&registry.client(), &cases(&registry.client()));
}

#[test]
fn the_same_by_http2() {
    let registry = Registry::new();
    let client = registry.http2();
    assert_eq!(client.get("/v2/").version, http::Version::HTTP_2);
    run(&client, &cases(&client));
}

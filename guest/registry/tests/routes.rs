//! Paths and methods.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod client;
use client::{assert_error, registry, sha256};
use skerry_registry::{HostFailure, failure_answer};

#[test]
fn every_path_and_method() {
    let digest = sha256(b"x");
    let blob = format!("/v2/a/blobs/{digest}");
    let referrers = format!("/v2/a/referrers/{digest}");
    let upload = "/v2/a/blobs/uploads/0a1b2c3d-0000-4000-8000-000000000000";
    let table: &[(&str, &str, u16, &str)] = &[
        ("GET", "/", 200, ""),
        ("HEAD", "/", 200, ""),
        ("POST", "/", 405, "UNSUPPORTED"),
        ("GET", "/v2", 301, ""),
        ("GET", "/v2/", 200, ""),
        ("HEAD", "/v2/", 200, ""),
        ("DELETE", "/v2/", 405, "UNSUPPORTED"),
        ("BREW", "/v2/", 405, "UNSUPPORTED"),
        ("get", "/v2/", 405, "UNSUPPORTED"),
        ("GET", "/v1/", 404, "UNSUPPORTED"),
        ("GET", "/v3/x", 404, "UNSUPPORTED"),
        ("GET", "/v2/a", 404, "UNSUPPORTED"),
        ("GET", "/v2/a/b", 404, "UNSUPPORTED"),
        ("GET", "/v2/a/b/c/d", 404, "UNSUPPORTED"),
        ("GET", "", 404, "UNSUPPORTED"),
        ("GET", "*", 404, "UNSUPPORTED"),
        ("GET", "/v2/_catalog", 200, ""),
        ("GET", "/v2/_catalog/", 404, "UNSUPPORTED"),
        ("PUT", "/v2/_catalog", 405, "UNSUPPORTED"),
        ("GET", "/v2/a/tags/list", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/a/tags/list/", 404, "UNSUPPORTED"),
        ("GET", "/v2/a/tags/other", 404, "UNSUPPORTED"),
        ("POST", "/v2/a/tags/list", 405, "UNSUPPORTED"),
        ("GET", "/v2/tags/list", 404, "UNSUPPORTED"),
        ("GET", "/v2/tags/tags/list", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/a/manifests/latest", 404, "MANIFEST_UNKNOWN"),
        ("GET", "/v2/manifests/manifests/manifests", 404, "MANIFEST_UNKNOWN"),
        ("GET", "/v2/a/blobs/uploads/manifests/latest", 404, "MANIFEST_UNKNOWN"),
        ("GET", "/v2/a/manifests/", 404, "UNSUPPORTED"),
        ("GET", "/v2/a/manifests/-bad", 400, "TAG_INVALID"),
        ("GET", "/v2/a/manifests/sha256:baddigeststring", 400, "DIGEST_INVALID"),
        ("GET", "/v2/a/manifests/blake3:00", 400, "DIGEST_INVALID"),
        ("POST", "/v2/a/manifests/latest", 405, "UNSUPPORTED"),
        ("DELETE", "/v2/a/manifests/latest", 404, "MANIFEST_UNKNOWN"),
        ("GET", &blob, 404, "BLOB_UNKNOWN"),
        ("HEAD", &blob, 404, "BLOB_UNKNOWN"),
        ("DELETE", &blob, 404, "BLOB_UNKNOWN"),
        ("PUT", &blob, 405, "UNSUPPORTED"),
        ("GET", "/v2/a/blobs/sha256:00", 400, "DIGEST_INVALID"),
        ("GET", "/v2/a/blobs/uploads/", 405, "UNSUPPORTED"),
        ("POST", "/v2/a/blobs/uploads", 202, ""),
        ("POST", "/v2/a/blobs/uploads/", 202, ""),
        ("POST", "/v2/blobs/uploads/blobs/uploads/", 202, ""),
        ("GET", upload, 404, "BLOB_UPLOAD_UNKNOWN"),
        ("PATCH", upload, 404, "BLOB_UPLOAD_UNKNOWN"),
        ("DELETE", upload, 404, "BLOB_UPLOAD_UNKNOWN"),
        ("POST", upload, 405, "UNSUPPORTED"),
        ("GET", "/v2/a/blobs/uploads/nonsense", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("GET", &referrers, 200, ""),
        ("GET", "/v2/a/referrers/latest", 400, "DIGEST_INVALID"),
        ("POST", &referrers, 405, "UNSUPPORTED"),
        ("GET", "/v2/A/manifests/latest", 400, "NAME_INVALID"),
        ("GET", "/v2/a--b/manifests/latest", 404, "MANIFEST_UNKNOWN"),
        ("GET", "/v2/a..b/manifests/latest", 400, "NAME_INVALID"),
        ("GET", "/v2/_a/manifests/latest", 400, "NAME_INVALID"),
        ("GET", "/v2/%61/manifests/l%61test", 404, "MANIFEST_UNKNOWN"),
        ("GET", "/v2/a%2Fb/manifests/latest", 400, "NAME_INVALID"),
        ("GET", "/v2/a%2fb/manifests/latest", 400, "NAME_INVALID"),
        ("GET", "/v2/a%252Fb/manifests/latest", 400, "NAME_INVALID"),
        ("GET", "/v2/a/manifests/%00", 400, "NAME_INVALID"),
        ("GET", "/v2/a/manifests/%zz", 400, "NAME_INVALID"),
        ("GET", "/v2/a/manifests/%f", 400, "NAME_INVALID"),
        ("GET", "/v2/a/manifests/%ff", 400, "NAME_INVALID"),
        ("GET", "/v2//manifests/latest", 400, "NAME_INVALID"),
        ("GET", "/v2/a/../manifests/latest", 400, "NAME_INVALID"),
        ("GET", "/v2/a/%2e%2e/manifests/latest", 400, "NAME_INVALID"),
        ("GET", "/v2/./manifests/latest", 400, "NAME_INVALID"),
        ("GET", "//v2/", 404, "UNSUPPORTED"),
        ("OPTIONS", "/v2/", 200, ""),
        ("OPTIONS", &blob, 200, ""),
        ("OPTIONS", "/nowhere", 404, "UNSUPPORTED"),
    ];
    for (method, path, status, code) in table {
        let answer = registry().send(method, path, &[], b"");
        assert_eq!(answer.status, *status, "{method} {path}: {}", answer.text());
        assert_eq!(answer.header("docker-distribution-api-version"), Some("registry/2.0"), "{method} {path}");
        if !code.is_empty() {
            assert_error(&answer, *status, &[code]);
        }
        if *status == 405 {
            assert!(answer.header("allow").is_some_and(|allow| allow.contains("OPTIONS")), "{method} {path}");
        }
    }
    assert_eq!(registry().send("GET", "/v2", &[], b"").header("location"), Some("/v2/"));
    assert!(registry().send("GET", "/", &[], b"").body.is_empty());
    let long = format!("/v2/{}/manifests/latest", "a".repeat(256));
    assert_error(&registry().send("GET", &long, &[], b""), 400, &["NAME_INVALID"]);
    let fits = format!("/v2/{}/manifests/latest", "a".repeat(255));
    assert_error(&registry().send("GET", &fits, &[], b""), 404, &["MANIFEST_UNKNOWN"]);
}

#[test]
fn allow_says_what_the_configuration_leaves() {
    let memory = registry();
    let allow = |path: &str| memory.send("OPTIONS", path, &[], b"").header("allow").unwrap().to_owned();
    assert_eq!(allow("/v2/a/manifests/latest"), "GET, HEAD, OPTIONS, PUT, DELETE");
    assert_eq!(allow("/v2/a/blobs/uploads/"), "OPTIONS, POST");
    memory.set("storage.maintenance.readonly.enabled", "true");
    assert_eq!(allow("/v2/a/manifests/latest"), "GET, HEAD, OPTIONS");
    for (method, path) in [
        ("POST", "/v2/a/blobs/uploads/"),
        ("PATCH", "/v2/a/blobs/uploads/0a1b2c3d-0000-4000-8000-000000000000"),
        ("PUT", "/v2/a/blobs/uploads/0a1b2c3d-0000-4000-8000-000000000000"),
        ("DELETE", "/v2/a/blobs/uploads/0a1b2c3d-0000-4000-8000-000000000000"),
        ("PUT", "/v2/a/manifests/latest"),
        ("DELETE", "/v2/a/manifests/latest"),
    ] {
        assert_error(&memory.send(method, path, &[], b""), 405, &["UNSUPPORTED"]);
    }
    assert!(memory.keys().is_empty());
}

#[test]
fn deleting_is_off_where_nothing_is_set() {
    let memory = skerry_registry::memory::Memory::new(client::NOW);
    let digest = client::push_blob(&memory, "a", b"x");
    for path in
        [format!("/v2/a/blobs/{digest}"), "/v2/a/manifests/latest".to_owned(), format!("/v2/a/manifests/{digest}")]
    {
        let answer = memory.send("DELETE", &path, &[], b"");
        assert_error(&answer, 405, &["UNSUPPORTED"]);
    }
    assert_eq!(memory.send("GET", &format!("/v2/a/blobs/{digest}"), &[], b"").status, 200);
}

#[test]
fn failures_of_the_host_have_bodies() {
    for (kind, code) in [
        (HostFailure::BadRequest, "UNSUPPORTED"),
        (HostFailure::NotFound, "UNSUPPORTED"),
        (HostFailure::TimedOut, "UNAVAILABLE"),
        (HostFailure::TooLarge, "SIZE_INVALID"),
        (HostFailure::HeadTooLarge, "SIZE_INVALID"),
        (HostFailure::Internal, "UNKNOWN"),
        (HostFailure::Unavailable, "UNAVAILABLE"),
        (HostFailure::NoSpace, "UNAVAILABLE"),
    ] {
        let (headers, body) = failure_answer(kind);
        let field =
            |name: &str| headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
        assert_eq!(field("content-type"), Some("application/json"));
        assert_eq!(field("docker-distribution-api-version"), Some("registry/2.0"));
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["errors"][0]["code"], code);
    }
}

#[test]
fn causes_are_for_the_log_alone() {
    let memory = registry();
    memory.fail(Some(("read", skerry_registry::host::Failure::Io("disk /dev/sdz1 on fire".to_owned()))));
    let answer = memory.send("GET", "/v2/a/manifests/latest", &[], b"");
    assert_error(&answer, 500, &["UNKNOWN"]);
    assert!(!answer.text().contains("fire"));
    assert!(answer.notes.iter().any(|(name, value)| name == "cause" && value.contains("fire")));
}

#[test]
fn reading_is_a_function_of_what_was_asked() {
    let memory = registry();
    let bytes = client::image(&memory, "a", &[b"layer"]);
    client::push_manifest(&memory, "a", "latest", client::OCI_MANIFEST, &bytes);
    let (manifest, layer) = (sha256(&bytes), sha256(b"layer"));
    let before = memory.keys();
    for path in [
        "/".to_owned(),
        "/v2".to_owned(),
        "/v2/".to_owned(),
        "/v2/_catalog?n=5".to_owned(),
        "/v2/a/tags/list?n=5&last=a".to_owned(),
        "/v2/a/manifests/latest".to_owned(),
        "/v2/a/manifests/missing".to_owned(),
        format!("/v2/a/manifests/{manifest}"),
        format!("/v2/a/blobs/{layer}"),
        format!("/v2/a/blobs/{manifest}"),
        format!("/v2/a/referrers/{manifest}"),
        "/v2/nowhere".to_owned(),
    ] {
        let first = memory.send("GET", &path, &[], b"");
        let reads = ["authorize ", "may-pull ", "read ", "stat ", "page ", "query ", "header "];
        for call in memory.calls() {
            assert!(reads.iter().any(|read| call.starts_with(read)), "{path}: {call}");
        }
        let calls = memory.calls();
        assert_eq!(memory.send("GET", &path, &[], b""), first, "{path}");
        assert_eq!(memory.calls(), calls, "{path}");
        let head = memory.send("HEAD", &path, &[], b"");
        assert_eq!((head.status, &head.headers), (first.status, &first.headers), "{path}");
    }
    assert_eq!(memory.keys(), before);
}

//! Uploads: every way in.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod client;
use client::{NOW, ROOT, assert_error, data_key, layer_key, push_blob, registry, sha256, sha512};
use skerry_registry::{host::Failure, memory::Memory};

fn start(memory: &Memory, name: &str) -> String {
    let answer = memory.send("POST", &format!("/v2/{name}/blobs/uploads/"), &[], b"");
    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("range"), Some("0-0"));
    let location = answer.header("location").unwrap().to_owned();
    let id = answer.header("docker-upload-uuid").unwrap();
    assert_eq!(location, format!("/v2/{name}/blobs/uploads/{id}"));
    location
}

fn served(memory: &Memory, name: &str, bytes: &[u8]) -> bool {
    let answer = memory.send("GET", &format!("/v2/{name}/blobs/{}", sha256(bytes)), &[], b"");
    answer.status == 200 && answer.body == bytes
}

#[test]
fn every_way_to_push() {
    let bytes = b"the whole blob";
    for (short, digest) in [(true, sha256(bytes)), (false, sha512(bytes))] {
        let created = |memory: &Memory, answer: &skerry_registry::memory::Answer| {
            assert_eq!(answer.status, 201, "{}", answer.text());
            assert_eq!(answer.header("location"), Some(format!("/v2/a/blobs/{digest}").as_str()));
            assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
            let got = memory.send("GET", &format!("/v2/a/blobs/{digest}"), &[], b"");
            assert_eq!((got.status, got.body.as_slice()), (200, &bytes[..]));
            assert_eq!(memory.object(&data_key(&digest)).unwrap(), bytes);
            assert_eq!(memory.object(&layer_key("a", &digest)).unwrap(), digest.as_str().as_bytes());
            assert!(!memory.keys().iter().any(|key| key.contains("_uploads")), "the upload is gone");
            assert!(memory.has_directory(&format!("{ROOT}/repositories/a/_manifests")));
        };
        for query in ["", "&digest-algorithm=sha512"].iter().take(if short { 1 } else { 2 }) {
            let memory = registry();
            created(&memory, &memory.send("POST", &format!("/v2/a/blobs/uploads/?digest={digest}{query}"), &[], bytes));
        }

        let memory = registry();
        let location = start(&memory, "a");
        created(&memory, &memory.send("PUT", &format!("{location}?digest={digest}&_state=x"), &[], bytes));

        let memory = registry();
        let location = start(&memory, "a");
        created(&memory, &memory.stream("PUT", &format!("{location}?_state=x&digest={digest}"), &[], bytes));

        let memory = registry();
        let location = start(&memory, "a");
        let patched = memory.stream("PATCH", &location, &[], bytes);
        assert_eq!((patched.status, patched.header("range")), (202, Some("0-13")));
        created(&memory, &memory.send("PUT", &format!("{location}?digest={digest}"), &[], b""));

        for last_by_put in [false, true] {
            let memory = registry();
            let location = start(&memory, "a");
            for (range, part) in [("0-4", &bytes[..5]), ("5-9", &bytes[5..10])] {
                let patched = memory.send("PATCH", &location, &[("Content-Range", range)], part);
                assert_eq!(
                    (patched.status, patched.header("range")),
                    (202, Some(format!("0-{}", &range[2..]).as_str()))
                );
                assert_eq!(patched.header("location"), Some(location.as_str()));
            }
            if last_by_put {
                let headers = [("Content-Range", "10-13")];
                created(&memory, &memory.send("PUT", &format!("{location}?digest={digest}"), &headers, &bytes[10..]));
            } else {
                memory.send("PATCH", &location, &[("Content-Range", "bytes 10-13/*")], &bytes[10..]);
                created(&memory, &memory.send("PUT", &format!("{location}?digest={digest}"), &[], b""));
            }
        }
    }
}

#[test]
fn an_upload_says_how_far_it_is() {
    let memory = registry();
    let location = start(&memory, "a");
    let status = |range: &str| {
        for method in ["GET", "HEAD"] {
            let answer = memory.send(method, &location, &[], b"");
            assert_eq!((answer.status, answer.header("range")), (204, Some(range)));
            assert_eq!(answer.header("location"), Some(location.as_str()));
            assert!(answer.header("docker-upload-uuid").is_some());
        }
    };
    status("0-0");
    memory.send("PATCH", &location, &[], b"0123456789");
    status("0-9");
    let key = memory.keys().into_iter().find(|key| key.ends_with("/data")).unwrap();
    memory.occupy(&key, true);
    status("0-9");
    for (method, query) in
        [("PATCH", String::new()), ("PUT", format!("?digest={}", sha256(b"x"))), ("DELETE", String::new())]
    {
        let second = memory.send(method, &format!("{location}{query}"), &[], b"x");
        assert_error(&second, 409, &["BLOB_UPLOAD_INVALID"]);
    }
    memory.occupy(&key, false);
    assert_eq!(memory.send("DELETE", &location, &[], b"").status, 204);
    assert_error(&memory.send("GET", &location, &[], b""), 404, &["BLOB_UPLOAD_UNKNOWN"]);
    // It is not that of another repository, either.
    let location = start(&memory, "a").replace("/v2/a/", "/v2/b/");
    assert_error(&memory.send("PATCH", &location, &[], b"x"), 404, &["BLOB_UPLOAD_UNKNOWN"]);
}

#[test]
fn it_begins_as_distribution_writes_it() {
    let memory = registry();
    start(&memory, "a");
    let started = memory.keys().into_iter().find(|key| key.ends_with("/startedat")).unwrap();
    assert_eq!(memory.object(&started).unwrap(), b"2027-01-15T08:00:00Z");
    assert_eq!(NOW, 1_800_000_000);
}

#[test]
fn a_chunk_out_of_order_changes_nothing() {
    let bytes = b"0123456789";
    let digest = sha256(bytes);
    let memory = registry();
    let location = start(&memory, "a");
    memory.send("PATCH", &location, &[("Content-Range", "0-4")], &bytes[..5]);
    let cases: &[(&str, &[u8], &str)] = &[
        ("0-4", b"01234", "RANGE_INVALID"),
        ("6-9", b"6789", "RANGE_INVALID"),
        ("4-9", b"456789", "RANGE_INVALID"),
        ("9-5", b"56789", "RANGE_INVALID"),
        ("5-", b"56789", "RANGE_INVALID"),
        ("nonsense", b"56789", "RANGE_INVALID"),
        ("0-18446744073709551615", b"56789", "RANGE_INVALID"),
        ("5-9", b"567", "SIZE_INVALID"),
        ("5-8", b"56789", "SIZE_INVALID"),
    ];
    for (range, body, code) in cases {
        for (method, target) in [("PATCH", location.clone()), ("PUT", format!("{location}?digest={digest}"))] {
            let answer = memory.send(method, &target, &[("Content-Range", range)], body);
            assert_error(&answer, 416, &[code]);
            assert_eq!(answer.header("range"), Some("0-4"), "{method} {range}");
            assert_eq!(answer.header("location"), Some(location.as_str()));
        }
    }
    assert_eq!(memory.send("GET", &location, &[], b"").header("range"), Some("0-4"));
    let target = format!("{location}?digest={digest}");
    assert_eq!(memory.send("PUT", &target, &[("Content-Range", "5-9")], &bytes[5..]).status, 201);
    assert!(served(&memory, "a", bytes));
}

#[test]
fn a_stream_of_another_length_than_its_range() {
    let memory = registry();
    let location = start(&memory, "a");
    let short = memory.stream("PATCH", &location, &[("Content-Range", "0-4")], b"012");
    assert_error(&short, 416, &["SIZE_INVALID"]);
    assert_eq!(short.header("range"), Some("0-2"));
    let long = memory.stream("PATCH", &location, &[("Content-Range", "3-4")], b"3456");
    assert_error(&long, 416, &["SIZE_INVALID"]);
    assert_eq!(memory.stream("PATCH", &location, &[("Content-Range", "5-6")], b"56").status, 202);
    assert_eq!(memory.send("PUT", &format!("{location}?digest={}", sha256(b"0123456")), &[], b"").status, 201);
}

#[test]
fn a_wrong_digest_stores_nothing() {
    let wrong = sha256(b"something else");
    let memory = registry();
    let posted = memory.send("POST", &format!("/v2/a/blobs/uploads/?digest={wrong}"), &[], b"bytes");
    assert_error(&posted, 400, &["DIGEST_INVALID"]);
    let location = start(&memory, "a");
    memory.send("PATCH", &location, &[], b"bytes");
    for (query, code) in
        [("", "DIGEST_INVALID"), ("?digest=sha256:zz", "DIGEST_INVALID"), ("?digest=md5:00", "DIGEST_INVALID")]
    {
        assert_error(&memory.send("PUT", &format!("{location}{query}"), &[], b""), 400, &[code]);
        assert_eq!(memory.send("GET", &location, &[], b"").status, 204, "a digest that is none costs nothing");
    }
    assert_error(&memory.send("PUT", &format!("{location}?digest={wrong}"), &[], b""), 400, &["DIGEST_INVALID"]);
    assert!(memory.keys().is_empty(), "{:?}", memory.keys());
    assert_error(&memory.send("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", &[], b""), 400, &["DIGEST_INVALID"]);
    assert_error(&memory.send("POST", "/v2/a/blobs/uploads/?digest=sha256:xx", &[], b""), 400, &["DIGEST_INVALID"]);
}

#[test]
fn mounts() {
    let memory = registry();
    let digest = push_blob(&memory, "source/of", b"bytes");
    let mount = |memory: &Memory, name: &str, query: &str| {
        memory.send("POST", &format!("/v2/{name}/blobs/uploads/?mount={query}"), &[], b"")
    };
    for (name, query) in
        [("b", format!("{digest}&from=source/of")), ("c", digest.to_string()), ("b", digest.to_string())]
    {
        let answer = mount(&memory, name, &query);
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.header("location"), Some(format!("/v2/{name}/blobs/{digest}").as_str()));
        assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
        assert!(served(&memory, name, b"bytes"));
    }
    assert_eq!(memory.send("DELETE", &format!("/v2/b/blobs/{digest}"), &[], b"").status, 202);
    assert!(!served(&memory, "b", b"bytes"));
    assert!(served(&memory, "source/of", b"bytes"));

    // What is elsewhere, nowhere, or half here looks the same.
    let missing = sha256(b"missing");
    let half = sha256(b"half");
    memory.plant(&layer_key("source/of", &half), half.as_str().as_bytes());
    for query in [
        format!("{digest}&from=other"),
        format!("{digest}&from=UPPER"),
        format!("{missing}&from=source/of"),
        missing.to_string(),
        format!("{half}&from=source/of"),
        half.to_string(),
    ] {
        let answer = mount(&memory, "d", &query);
        assert_eq!(answer.status, 202, "{query}");
        let names: Vec<_> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Location", "Range", "Docker-Upload-UUID", "Docker-Distribution-Api-Version"]);
        assert!(answer.notes.is_empty());
    }
    assert_error(&mount(&memory, "d", "sha256:00"), 400, &["DIGEST_INVALID"]);
}

#[test]
fn the_lookup_of_a_mount_is_bounded() {
    let memory = registry();
    for number in 0..1_200 {
        memory.plant(&format!("{ROOT}/repositories/r{number:04}/_layers/x"), b"");
    }
    let digest = push_blob(&memory, "z-last", b"bytes");
    let answer = memory.send("POST", &format!("/v2/target/blobs/uploads/?mount={digest}"), &[], b"");
    assert_eq!(answer.status, 202);
    assert!(memory.calls().len() < 1_100, "{}", memory.calls().len());
    let near = push_blob(&memory, "r0001", b"bytes");
    assert_eq!(memory.send("POST", &format!("/v2/target/blobs/uploads/?mount={near}"), &[], b"").status, 201);
}

#[test]
fn encoded_content_is_refused() {
    let memory = registry();
    let location = start(&memory, "a");
    let digest = sha256(b"x");
    for (method, target) in [
        ("PATCH", location.clone()),
        ("PUT", format!("{location}?digest={digest}")),
        ("POST", format!("/v2/a/blobs/uploads/?digest={digest}")),
        ("PUT", "/v2/a/manifests/latest".to_owned()),
    ] {
        for encoding in ["gzip", "identity, br", "zstd"] {
            assert_error(&memory.send(method, &target, &[("Content-Encoding", encoding)], b"x"), 415, &["UNSUPPORTED"]);
        }
    }
    assert_eq!(memory.send("PATCH", &location, &[("Content-Encoding", "Identity")], b"x").status, 202);
}

#[test]
fn failures_of_the_storage() {
    for (failing, failure, status, code) in [
        ("append", Failure::Interrupted, 400, "BLOB_UPLOAD_INVALID"),
        ("append", Failure::NoSpace, 507, "UNAVAILABLE"),
        ("append", Failure::TooMuchStaged, 429, "TOOMANYREQUESTS"),
        ("append", Failure::Io("x".to_owned()), 500, "UNKNOWN"),
        ("finish", Failure::NoSpace, 507, "UNAVAILABLE"),
        ("finish", Failure::ReadOnly, 405, "UNSUPPORTED"),
        ("finish", Failure::Conflict("k".to_owned()), 409, "UNAVAILABLE"),
        ("resume", Failure::Exhausted, 500, "UNKNOWN"),
    ] {
        let memory = registry();
        let location = start(&memory, "a");
        memory.fail(Some((failing, failure.clone())));
        let answer = memory.send("PUT", &format!("{location}?digest={}", sha256(b"x")), &[], b"x");
        assert_error(&answer, status, &[code]);
        memory.fail(None);
        assert!(!served(&memory, "a", b"x"));
        assert_eq!(memory.send("GET", &location, &[], b"").status, 204, "{failing} {failure:?}");
    }
    let memory = registry();
    memory.fail(Some(("create", Failure::Busy)));
    let answer = memory.send("POST", "/v2/a/blobs/uploads/", &[], b"");
    assert_error(&answer, 503, &["UNAVAILABLE"]);
    assert_eq!(answer.header("retry-after"), Some("1"));
}

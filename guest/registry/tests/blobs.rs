//! Blobs: downloads, ranges, conditions, deletes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod client;
use client::{assert_error, data_key, layer_key, push_blob, registry, sha256, sha512};

#[test]
fn a_blob_is_served_whole() {
    let memory = registry();
    let digest = push_blob(&memory, "lib/a", b"some bytes");
    for method in ["GET", "HEAD"] {
        let answer = memory.send(method, &format!("/v2/lib/a/blobs/{digest}?ns=docker.io"), &[], b"");
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"some bytes"[..]));
        for (name, value) in [
            ("content-type", "application/octet-stream"),
            ("docker-content-digest", digest.as_str()),
            ("etag", &format!("\"{digest}\"")),
            ("accept-ranges", "bytes"),
            ("cache-control", "max-age=31536000"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        assert!(answer.notes.contains(&("event".to_owned(), "pull-blob".to_owned())));
    }
}

#[test]
fn ranges() {
    let bytes: Vec<u8> = (0..2048_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let memory = registry();
    let digest = push_blob(&memory, "a", &bytes);
    let path = format!("/v2/a/blobs/{digest}");
    let etag = format!("\"{digest}\"");
    let cases: &[(&str, Option<(usize, usize)>)] = &[
        ("bytes=500-1499", Some((500, 1500))),
        ("bytes=500-", Some((500, 2048))),
        ("bytes=-500", Some((1548, 2048))),
        ("bytes=-5000", Some((0, 2048))),
        ("bytes=2000-5000", Some((2000, 2048))),
        ("bytes=0-0", Some((0, 1))),
        ("Bytes=0-99999999999999999999999", Some((0, 2048))),
        ("bytes=2047-2047", Some((2047, 2048))),
        ("bytes=500-0", None),
        ("bytes=5000-10000", None),
        ("bytes=2048-", None),
        ("bytes=-0", None),
        ("bytes=99999999999999999999999-", None),
    ];
    for (range, part) in cases {
        let answer = memory.send("GET", &path, &[("Range", range), ("If-Range", &etag)], b"");
        match part {
            Some((from, to)) => {
                assert_eq!((answer.status, &answer.body[..]), (206, &bytes[*from..*to]), "{range}");
                let expected = format!("bytes {from}-{}/2048", to - 1);
                assert_eq!(answer.header("content-range"), Some(expected.as_str()), "{range}");
            }
            None => {
                assert_error(&answer, 416, &["RANGE_INVALID"]);
                assert_eq!(answer.header("content-range"), Some("bytes */2048"), "{range}");
            }
        }
        // Of a HEAD there is no part.
        assert_eq!(memory.send("HEAD", &path, &[("Range", range)], b"").status, 200);
    }
    for range in
        ["bytes=0-1,5-6", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "lines=1-2", "bytes=1-b", "bytes=+1-2", "0-1"]
    {
        let answer = memory.send("GET", &path, &[("Range", range)], b"");
        assert_eq!((answer.status, answer.body.len()), (200, 2048), "{range}");
        assert_eq!(answer.header("content-range"), None, "{range}");
    }
    let other = memory.send("GET", &path, &[("Range", "bytes=0-1"), ("If-Range", "\"other\"")], b"");
    assert_eq!(other.status, 200);
    let twice = memory.send("GET", &path, &[("Range", "bytes=0-1"), ("Range", "bytes=3-4")], b"");
    assert_eq!(twice.status, 200);
}

#[test]
fn what_a_client_has_is_not_sent() {
    let memory = registry();
    let digest = push_blob(&memory, "a", b"x");
    let path = format!("/v2/a/blobs/{digest}");
    let other = sha256(b"y");
    for (value, status) in [
        (format!("\"{digest}\""), 304),
        (digest.to_string(), 304),
        (format!("W/\"{digest}\""), 304),
        (format!("\"{other}\", \"{digest}\""), 304),
        ("*".to_owned(), 304),
        (format!("\"{other}\""), 200),
        ("\"\"".to_owned(), 200),
    ] {
        let answer = memory.send("GET", &path, &[("If-None-Match", &value)], b"");
        assert_eq!(answer.status, status, "{value}");
        assert_eq!(answer.body.is_empty(), status == 304);
        assert_eq!(answer.header("etag"), Some(format!("\"{digest}\"").as_str()));
    }
    let missing = format!("/v2/a/blobs/{other}");
    assert_error(&memory.send("GET", &missing, &[("If-None-Match", "*")], b""), 404, &["BLOB_UNKNOWN"]);
}

#[test]
fn a_blob_is_in_the_repositories_that_link_it() {
    let memory = registry();
    let digest = push_blob(&memory, "a", b"x");
    push_blob(&memory, "b", b"x");
    let get = |name: &str| memory.send("GET", &format!("/v2/{name}/blobs/{digest}"), &[], b"").status;
    assert_eq!((get("a"), get("b"), get("c")), (200, 200, 404));
    let deleted = memory.send("DELETE", &format!("/v2/a/blobs/{digest}"), &[], b"");
    assert_eq!(deleted.status, 202);
    assert_eq!((get("a"), get("b")), (404, 200));
    assert!(memory.object(&data_key(&digest)).is_some(), "another repository holds it");
    assert_error(&memory.send("DELETE", &format!("/v2/a/blobs/{digest}"), &[], b""), 404, &["BLOB_UNKNOWN"]);
    push_blob(&memory, "a", b"x");
    assert_eq!(get("a"), 200);
}

#[test]
fn what_a_crash_left_is_not_served_and_mended_by_a_push() {
    let digest = sha256(b"content");
    let (link, data) = (layer_key("a", &digest), data_key(&digest));
    let cases: &[(&str, &[u8], &[u8])] = &[
        ("no data", digest.as_str().as_bytes(), b""),
        ("empty link", b"", b"content"),
        ("half a link", &digest.as_str().as_bytes()[..30], b"content"),
        ("a link that is none", b"\xff\xfe", b"content"),
        (
            "a link of another blob",
            b"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            b"content",
        ),
    ];
    for (what, link_bytes, data_bytes) in cases {
        let memory = registry();
        memory.plant(&link, link_bytes);
        memory.plant(&data, data_bytes);
        let path = format!("/v2/a/blobs/{digest}");
        for method in ["GET", "HEAD"] {
            assert_error(&memory.send(method, &path, &[], b""), 404, &["BLOB_UNKNOWN"]);
        }
        push_blob(&memory, "a", b"content");
        assert_eq!(memory.send("GET", &path, &[], b"").body, b"content", "{what}");
    }
}

#[test]
fn the_empty_blob_is_one() {
    let memory = registry();
    for digest in [sha256(b""), sha512(b"")] {
        assert!(digest.is_of_nothing());
        let target = format!("/v2/a/blobs/uploads/?digest={digest}");
        assert_eq!(memory.send("POST", &target, &[], b"").status, 201);
        let answer = memory.send("GET", &format!("/v2/a/blobs/{digest}"), &[], b"");
        assert_eq!((answer.status, answer.body.len()), (200, 0));
        let mounted = memory.send("POST", &format!("/v2/b/blobs/uploads/?mount={digest}&from=a"), &[], b"");
        assert_eq!(mounted.status, 201);
        assert_eq!(memory.send("HEAD", &format!("/v2/b/blobs/{digest}"), &[], b"").status, 200);
    }
}

#[test]
fn a_link_of_another_algorithm_is_followed() {
    let memory = registry();
    let (short, long) = (sha256(b"bytes"), sha512(b"bytes"));
    memory.plant(&layer_key("a", &long), short.as_str().as_bytes());
    memory.plant(&data_key(&short), b"bytes");
    let answer = memory.send("GET", &format!("/v2/a/blobs/{long}"), &[], b"");
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"bytes"[..]));
    assert_eq!(answer.header("docker-content-digest"), Some(long.as_str()));
    // Nothing says that it is here by its other name.
    assert_eq!(memory.send("GET", &format!("/v2/a/blobs/{short}"), &[], b"").status, 404);
    // What is mounted has the same link.
    for from in ["&from=a", ""] {
        let name = format!("b{}", from.len());
        let mounted = memory.send("POST", &format!("/v2/{name}/blobs/uploads/?mount={long}{from}"), &[], b"");
        assert_eq!(mounted.status, 201);
        assert_eq!(memory.object(&layer_key(&name, &long)).unwrap(), short.as_str().as_bytes());
    }
}

#[test]
fn reading_asks_for_no_more_than_it_needs() {
    let memory = registry();
    let digest = push_blob(&memory, "a", b"x");
    memory.send("GET", &format!("/v2/a/blobs/{digest}"), &[], b"");
    let expected = [
        format!("authorize Pull a {digest}"),
        format!("read {}", layer_key("a", &digest)),
        format!("stat {}", data_key(&digest)),
        "header if-none-match".to_owned(),
        "header range".to_owned(),
    ];
    assert_eq!(memory.calls(), expected);
    memory.send("HEAD", &format!("/v2/a/blobs/{digest}"), &[], b"");
    assert_eq!(memory.calls(), expected[..4]);
}

//! Tags and the catalog, in parts.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod client;
use client::{ROOT, assert_error, json, push_blob, push_manifest, registry};
use serde_json::json as value;
use skerry_registry::memory::{Answer, Memory};

/// The target of the `Link` to the next part.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    Some(link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned())
}

/// All parts of a list, and how many they were.
fn follow(memory: &Memory, target: &str, field: &str) -> (Vec<String>, usize) {
    let (mut all, mut parts, mut target) = (Vec::new(), 0, Some(target.to_owned()));
    while let Some(this) = target {
        let answer = memory.send("GET", &this, &[], b"");
        assert_eq!(answer.status, 200, "{this}: {}", answer.text());
        let names = json(&answer)[field].as_array().unwrap().clone();
        all.extend(names.iter().map(|name| name.as_str().unwrap().to_owned()));
        parts += 1;
        assert!(parts < 10_000, "it ends");
        target = next(&answer);
    }
    (all, parts)
}

#[test]
fn tags_are_sorted_and_paged() {
    let memory = registry();
    let bytes = br#"{"mediaType":"a/b"}"#;
    let mut tags = ["b", "a", "B", "_x", "1.0", "a-1", "a.1", "a_1", "latest", "a1"];
    for tag in tags {
        push_manifest(&memory, "lib/a", tag, "a/b", bytes);
    }
    memory.plant(&format!("{ROOT}/repositories/lib/a/_manifests/tags/file"), b"x");
    memory.plant(&format!("{ROOT}/repositories/lib/a/_manifests/tags/.hidden/current/link"), b"x");
    tags.sort_unstable();
    let all = memory.send("GET", "/v2/lib/a/tags/list", &[], b"");
    assert_eq!(json(&all), value!({"name": "lib/a", "tags": tags}));
    assert_eq!((next(&all), all.header("content-type")), (None, Some("application/json")));
    for n in 1..=11 {
        let (found, parts) = follow(&memory, &format!("/v2/lib/a/tags/list?n={n}"), "tags");
        assert_eq!(found, tags, "n={n}");
        assert_eq!(parts, 10_usize.div_ceil(n), "n={n}");
    }
    let part =
        |query: &str| json(&memory.send("GET", &format!("/v2/lib/a/tags/list?{query}"), &[], b""))["tags"].clone();
    assert_eq!(part("last=a"), value!(tags[4..]));
    assert_eq!(part("last=a0"), value!(tags[6..]));
    assert_eq!(part("last=zzz"), value!([]));
    assert_eq!(part("n=0"), value!([]));
    assert_eq!(part("n=2&last=a"), value!(tags[4..6]));
    assert_eq!(part("n="), value!(tags));
    let first = memory.send("GET", "/v2/lib/a/tags/list?n=3", &[], b"");
    assert_eq!(first.header("link"), Some(r#"</v2/lib/a/tags/list?last=_x&n=3>; rel="next""#));
    for n in ["-1", "x", "1.5", "+1", " 1"] {
        let answer = memory.send("GET", &format!("/v2/lib/a/tags/list?n={n}"), &[], b"");
        assert_error(&answer, 400, &["PAGINATION_NUMBER_INVALID"]);
    }
    assert_eq!(memory.send("GET", "/v2/lib/a/tags/list?n=99999999999999999999999", &[], b"").status, 200);
}

#[test]
fn a_repository_without_tags() {
    let memory = registry();
    assert_error(&memory.send("GET", "/v2/a/tags/list", &[], b""), 404, &["NAME_UNKNOWN"]);
    memory.send("POST", "/v2/a/blobs/uploads/", &[], b"");
    assert_error(&memory.send("GET", "/v2/a/tags/list", &[], b""), 404, &["NAME_UNKNOWN"]);
    push_blob(&memory, "a", b"x");
    for query in ["", "?n=5", "?n=0"] {
        let answer = memory.send("GET", &format!("/v2/a/tags/list{query}"), &[], b"");
        assert_eq!(json(&answer), value!({"name": "a", "tags": []}));
    }
    // As registry 2.8 leaves one.
    memory.plant(&format!("{ROOT}/repositories/old/_layers/sha256/x/link"), b"");
    assert_eq!(memory.send("GET", "/v2/old/tags/list", &[], b"").status, 200);
}

#[test]
fn the_catalog_is_walked_in_order() {
    let memory = registry();
    let names = ["a", "a/0", "a/b", "a/b/c", "a-b", "a.b", "a0", "b/c/d/e", "z"];
    for name in names {
        push_blob(&memory, name, b"x");
    }
    // Either directory makes a repository; nothing else does.
    memory.plant(&format!("{ROOT}/repositories/old2/_layers/x"), b"");
    memory.plant(&format!("{ROOT}/repositories/old3/_manifests/x"), b"");
    memory.plant(&format!("{ROOT}/repositories/begun/_uploads/x/data"), b"");
    memory.plant(&format!("{ROOT}/repositories/UPPER/_layers/x"), b"");
    memory.plant(&format!("{ROOT}/repositories/plain"), b"");
    let expected = ["a", "a/0", "a/b", "a/b/c", "a-b", "a.b", "a0", "b/c/d/e", "old2", "old3", "z"];
    let all = memory.send("GET", "/v2/_catalog", &[], b"");
    assert_eq!(json(&all), value!({"repositories": expected}));
    assert_eq!(next(&all), None);
    for n in 1..=12 {
        let (found, parts) = follow(&memory, &format!("/v2/_catalog?n={n}"), "repositories");
        assert_eq!(found, expected, "n={n}");
        assert_eq!(parts, 11_usize.div_ceil(n), "n={n}");
    }
    let part =
        |query: &str| json(&memory.send("GET", &format!("/v2/_catalog?{query}"), &[], b""))["repositories"].clone();
    assert_eq!(part("last=a/b"), value!(expected[3..]));
    assert_eq!(part("last=a/a"), value!(expected[2..]));
    assert_eq!(part("last=b"), value!(expected[7..]));
    assert_eq!(part("last=zz"), value!([]));
    assert_eq!(part("last=a/%00/x"), value!(expected[1..]));
    assert_eq!(part("last=../../etc"), value!(expected));
    assert_eq!(part("n=0"), value!([]));
    let first = memory.send("GET", "/v2/_catalog?n=2", &[], b"");
    assert_eq!(first.header("link"), Some(r#"</v2/_catalog?last=a/0&n=2>; rel="next""#));
}

#[test]
fn the_catalog_is_bounded() {
    let memory = registry();
    for n in ["1001", "-1", "x"] {
        let answer = memory.send("GET", &format!("/v2/_catalog?n={n}"), &[], b"");
        assert_error(&answer, 400, &["PAGINATION_NUMBER_INVALID"]);
    }
    assert_eq!(json(&memory.send("GET", "/v2/_catalog?n=1000", &[], b"")), value!({"repositories": []}));
    memory.set("catalog.maxentries", "5");
    assert_error(&memory.send("GET", "/v2/_catalog?n=6", &[], b""), 400, &["PAGINATION_NUMBER_INVALID"]);
    for number in 0..150 {
        push_blob(&memory, &format!("r{number:03}"), b"x");
    }
    assert_eq!(json(&memory.send("GET", "/v2/_catalog", &[], b""))["repositories"].as_array().unwrap().len(), 5);
    memory.set("catalog.maxentries", "1000");
    assert_eq!(json(&memory.send("GET", "/v2/_catalog", &[], b""))["repositories"].as_array().unwrap().len(), 100);
    let (all, parts) = follow(&memory, "/v2/_catalog?n=100", "repositories");
    assert_eq!((all.len(), parts), (150, 2));
}

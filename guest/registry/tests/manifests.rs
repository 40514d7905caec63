//! Manifests: pushes and their checks, pulls, deletes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod client;
use client::{
    OCI_INDEX, OCI_MANIFEST, ROOT, assert_error, data_key, image, json, layer_key, push_blob, push_manifest, registry,
    revision_key, sha256, sha512, tag_key,
};
use skerry_registry::memory::Memory;

const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

#[test]
fn a_push_makes_distributions_files_and_no_others() {
    let memory = registry();
    let bytes = image(&memory, "lib/a", &[b"layer"]);
    let before = memory.keys();
    let answer = push_manifest(&memory, "lib/a", "v1.0", OCI_MANIFEST, &bytes);
    let digest = sha256(&bytes);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("location"), Some(format!("/v2/lib/a/manifests/{digest}").as_str()));
    assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
    assert_eq!(answer.header("oci-tag"), None);
    let mut made: Vec<_> = memory.keys().into_iter().filter(|key| !before.contains(key)).collect();
    made.sort();
    let mut expected = vec![
        data_key(&digest),
        revision_key("lib/a", &digest),
        tag_key("lib/a", "v1.0"),
        format!("{ROOT}/repositories/lib/a/_manifests/tags/v1.0/index/sha256/{}/link", digest.hex()),
    ];
    expected.sort();
    assert_eq!(made, expected);
    assert_eq!(memory.object(&tag_key("lib/a", "v1.0")).unwrap(), digest.as_str().as_bytes());
    assert_eq!(memory.calls().iter().filter(|call| call.starts_with("commit")).count(), 1);
}

#[test]
fn a_pull_gives_what_was_pushed() {
    let memory = registry();
    let bytes = image(&memory, "a", &[b"layer"]);
    let digest = sha256(&bytes);
    push_manifest(&memory, "a", "latest", OCI_MANIFEST, &bytes);
    for reference in ["latest", digest.as_str()] {
        for method in ["GET", "HEAD"] {
            let path = format!("/v2/a/manifests/{reference}?ns=docker.io");
            let answer = memory.send(method, &path, &[("Accept", "text/plain")], b"");
            assert_eq!((answer.status, &answer.body), (200, &bytes));
            assert_eq!(answer.header("content-type"), Some(OCI_MANIFEST));
            assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
            assert_eq!(answer.header("etag"), Some(format!("\"{digest}\"").as_str()));
            assert!(!memory.calls().iter().any(|call| call.starts_with("now") || call.starts_with("header accept")));
            let etag = format!("\"{digest}\"");
            assert_eq!(memory.send(method, &path, &[("If-None-Match", &etag)], b"").status, 304);
        }
    }
    assert_error(&memory.send("GET", &format!("/v2/b/manifests/{digest}"), &[], b""), 404, &["MANIFEST_UNKNOWN"]);
    assert_error(&memory.send("GET", &format!("/v2/a/blobs/{digest}"), &[], b""), 404, &["BLOB_UNKNOWN"]);
}

/// A volume may hold what no push would bring there: it takes no stack.
#[test]
fn media_types_are_read_however_deep_the_rest_is() {
    let deep = format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
    for (text, expected) in [
        (format!(r#"{{"layers":{deep},"mediaType":"a/b"}}"#), Some("a/b")),
        (format!(r#"{{"mediaType":{deep}}}"#), None),
        (format!(r#"{{"layers":{}"#, &deep[..1 << 20]), None),
        (deep, None),
    ] {
        assert_eq!(skerry_registry::media_type(text.as_bytes()).as_deref(), expected);
    }
}

#[test]
fn media_types_are_read_from_the_manifest() {
    let cases: &[(&str, &str, Option<&str>)] = &[
        ("mediaType", r#"{"schemaVersion":2,"mediaType":"application/vnd.x+json"}"#, Some("application/vnd.x+json")),
        ("an image", r#"{"schemaVersion":2,"config":{},"layers":[]}"#, Some(OCI_MANIFEST)),
        ("no layers", r#"{"schemaVersion":2,"mediaType":"","config":{},"layers":null}"#, Some(OCI_MANIFEST)),
        ("an index", r#"{"schemaVersion":2,"manifests":[]}"#, Some(OCI_INDEX)),
        ("both", r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#, None),
        ("neither", r#"{"schemaVersion":2}"#, None),
        (
            "schema 1",
            r#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#,
            Some("application/vnd.docker.distribution.manifest.v1+json"),
        ),
        (
            "signed",
            r#"{"schemaVersion":1,"fsLayers":[],"signatures":[]}"#,
            Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
        ),
        ("twice", r#"{"mediaType":"a/b","mediaType":"a/c"}"#, Some("a/c")),
        ("a header in it", "{\"mediaType\":\"a/b\\r\\nx: y\"}", None),
        ("no media type", r#"{"mediaType":"json"}"#, None),
        ("a number", r#"{"mediaType":5}"#, None),
        ("a list", r#"[]"#, None),
        ("rest", r#"{"mediaType":"a/b"} x"#, None),
        ("nothing", "", None),
    ];
    for (what, bytes, expected) in cases {
        assert_eq!(skerry_registry::media_type(bytes.as_bytes()).as_deref(), *expected, "{what}");
        // What a volume holds is served, whatever it is.
        let memory = registry();
        let digest = sha256(bytes.as_bytes());
        memory.plant(&revision_key("a", &digest), digest.as_str().as_bytes());
        memory.plant(&data_key(&digest), bytes.as_bytes());
        let answer = memory.send("GET", &format!("/v2/a/manifests/{digest}"), &[], b"");
        if bytes.is_empty() {
            assert_eq!(answer.status, 404);
        } else {
            assert_eq!(answer.header("content-type"), Some(expected.unwrap_or("application/octet-stream")), "{what}");
            assert_eq!(answer.body, bytes.as_bytes());
        }
    }
}

#[test]
fn manifests_that_are_none() {
    let memory = registry();
    let deep = format!(r#"{{"mediaType":"a/b","x":{}{}}}"#, "[".repeat(70), "]".repeat(70));
    let ok = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    let many = format!(r#"{{"mediaType":"a/b","manifests":[{}]}}"#, vec![r#"{"digest":""}"#; 20_000].join(","));
    let cases: &[(&str, &str, &str)] = &[
        (OCI_INDEX, "", "no JSON"),
        (OCI_INDEX, "{", "half"),
        (OCI_INDEX, "[]", "a list"),
        (OCI_INDEX, "null", "null"),
        ("a/b", &deep, "too deep"),
        ("a/b", &many, "too many"),
        (OCI_MANIFEST, ok, "another type"),
        ("text/plain", ok, "a type that is none"),
        (OCI_INDEX, r#"{"schemaVersion":2}"#, "no way to tell"),
        (DOCKER, r#"{"schemaVersion":2,"config":{"digest":"x"},"layers":[]}"#, "would be served as OCI"),
        (
            OCI_INDEX,
            r#"{"schemaVersion":1,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
            "version",
        ),
        (
            OCI_INDEX,
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"layers":[]}"#,
            "both",
        ),
        (
            OCI_INDEX,
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"digest":"sha256:0"}]}"#,
            "digest",
        ),
        (
            OCI_INDEX,
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":{}}"#,
            "no list",
        ),
        (
            OCI_INDEX,
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"manifests":[]}"#,
            "twice",
        ),
        (
            OCI_INDEX,
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"subject":{"digest":"x"}}"#,
            "subject",
        ),
        (
            "application/vnd.docker.distribution.manifest.v1+json",
            r#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#,
            "schema 1",
        ),
    ];
    for (media_type, bytes, what) in cases {
        let answer = push_manifest(&memory, "a", "latest", media_type, bytes.as_bytes());
        assert_eq!(answer.status, 400, "{what}");
        assert_error(&answer, 400, &["MANIFEST_INVALID"]);
    }
    assert!(memory.keys().is_empty());
    let with_parameter = format!("{OCI_INDEX}; charset=utf-8");
    for media_type in [OCI_INDEX, &with_parameter, "Application/VND.oci.image.index.v1+json", ""] {
        assert_eq!(push_manifest(&memory, "a", "latest", media_type, ok.as_bytes()).status, 201, "{media_type}");
    }
    assert!(memory.has_directory(&format!("{ROOT}/repositories/a/_layers")));
}

#[test]
fn too_large() {
    let memory = registry();
    let body = |length: usize| format!(r#"{{"mediaType":"a/b","x":"{}"}}"#, "x".repeat(length)).into_bytes();
    let fits = body(4 * 1024 * 1024 - body(0).len());
    assert_eq!(fits.len(), 4 * 1024 * 1024);
    assert_eq!(push_manifest(&memory, "a", "latest", "a/b", &fits).status, 201);
    let mut large = fits;
    large.push(b' ');
    assert_error(&push_manifest(&memory, "a", "latest", "a/b", &large), 413, &["MANIFEST_INVALID"]);
    let streamed = memory.stream("PUT", "/v2/a/manifests/latest", &[("Content-Type", "a/b")], &large);
    assert_error(&streamed, 413, &["MANIFEST_INVALID"]);
    memory.set("limits.manifest", "100");
    assert_error(&push_manifest(&memory, "a", "latest", "a/b", &body(100)), 413, &["MANIFEST_INVALID"]);
}

#[test]
fn digests_are_checked() {
    let memory = registry();
    let bytes = br#"{"mediaType":"a/b"}"#;
    for digest in [sha256(bytes), sha512(bytes)] {
        let answer = push_manifest(&memory, "a", digest.as_str(), "a/b", bytes);
        assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
        let got = memory.send("GET", &format!("/v2/a/manifests/{digest}"), &[], b"");
        assert_eq!((got.status, got.header("docker-content-digest")), (200, Some(digest.as_str())));
        let mut other = bytes.to_vec();
        other.push(b' ');
        assert_error(&push_manifest(&memory, "b", digest.as_str(), "a/b", &other), 400, &["DIGEST_INVALID"]);
    }
    assert_error(&push_manifest(&memory, "b", "sha256:baddigeststring", "a/b", bytes), 400, &["DIGEST_INVALID"]);
    assert!(!memory.keys().iter().any(|key| key.contains("repositories/b")));
}

#[test]
fn tags_by_parameter() {
    let memory = registry();
    let bytes = br#"{"mediaType":"a/b"}"#;
    for digest in [sha256(bytes), sha512(bytes)] {
        let answer = push_manifest(&memory, "a", &format!("{digest}?tag=one&tag=two&tag=one"), "a/b", bytes);
        assert_eq!(answer.status, 201);
        let tags: Vec<_> =
            answer.headers.iter().filter(|(name, _)| name == "OCI-Tag").map(|(_, tag)| tag.as_str()).collect();
        assert_eq!(tags, ["one", "two"]);
        for tag in tags {
            let got = memory.send("GET", &format!("/v2/a/manifests/{tag}"), &[], b"");
            assert_eq!((got.status, got.header("docker-content-digest")), (200, Some(digest.as_str())));
        }
    }
    let digest = sha256(bytes);
    assert_error(&push_manifest(&memory, "a", &format!("{digest}?tag=-x"), "a/b", bytes), 400, &["TAG_INVALID"]);
    let many: Vec<_> = (0..17).map(|number| format!("tag=t{number}")).collect();
    assert_error(
        &push_manifest(&memory, "a", &format!("{digest}?{}", many.join("&")), "a/b", bytes),
        414,
        &["TAG_INVALID"],
    );
    assert_eq!(push_manifest(&memory, "a", &format!("{digest}?{}", many[..16].join("&")), "a/b", bytes).status, 201);
}

fn image_of(config: &str, layers: &[(&str, &str, &str)]) -> Vec<u8> {
    let layers: Vec<_> = layers
        .iter()
        .map(|(media_type, digest, rest)| {
            format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":1{rest}}}"#)
        })
        .collect();
    let layers = layers.join(",");
    format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"digest":"{config}","mediaType":"c/c"}},"layers":[{layers}]}}"#)
        .into_bytes()
}

#[test]
fn what_an_image_names_must_be_here() {
    let memory = registry();
    let config = push_blob(&memory, "a", b"{}");
    let elsewhere = push_blob(&memory, "b", b"elsewhere");
    let missing = sha256(b"missing");
    let tar = "application/vnd.oci.image.layer.v1.tar";
    let foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    let urls = r#","urls":["https://example.com/x"]"#;
    type Case<'a> = (&'a str, Vec<(&'a str, &'a str, &'a str)>, usize);
    let cases: &[Case<'_>] = &[
        (config.as_str(), vec![], 0),
        (config.as_str(), vec![(tar, config.as_str(), "")], 0),
        (missing.as_str(), vec![], 1),
        (config.as_str(), vec![(tar, missing.as_str(), "")], 1),
        (config.as_str(), vec![(tar, elsewhere.as_str(), "")], 1),
        (missing.as_str(), vec![(tar, elsewhere.as_str(), ""), (tar, missing.as_str(), "")], 2),
        (config.as_str(), vec![(tar, "blake3:00", "")], 1),
        (config.as_str(), vec![(foreign, missing.as_str(), urls)], 0),
        (config.as_str(), vec![(foreign, missing.as_str(), "")], 1),
        (config.as_str(), vec![(foreign, missing.as_str(), r#","urls":[]"#)], 1),
        (config.as_str(), vec![(tar, missing.as_str(), urls)], 1),
    ];
    for (config, layers, count) in cases {
        let bytes = image_of(config, layers);
        let answer = push_manifest(&memory, "a", "latest", OCI_MANIFEST, &bytes);
        if *count == 0 {
            assert_eq!(answer.status, 201, "{}", answer.text());
        } else {
            assert_error(&answer, 400, &["MANIFEST_BLOB_UNKNOWN"].repeat(*count));
            let named = json(&answer)["errors"][0]["detail"]["digest"].as_str().unwrap().to_owned();
            assert!([missing.as_str(), elsewhere.as_str(), "blake3:00"].contains(&named.as_str()));
        }
    }
    let many: Vec<_> = (0..100_u32).map(|number| sha256(&number.to_be_bytes())).collect();
    let layers: Vec<_> = many.iter().map(|digest| (tar, digest.as_str(), "")).collect();
    let answer = push_manifest(&memory, "a", "latest", OCI_MANIFEST, &image_of(config.as_str(), &layers));
    assert_error(&answer, 400, &["MANIFEST_BLOB_UNKNOWN"].repeat(32));
    assert_error(
        &push_manifest(&memory, "a", "latest", OCI_MANIFEST, &image_of(config.as_str(), &[(tar, "sha256:00", "")])),
        400,
        &["MANIFEST_INVALID"],
    );
    memory.set("validation.manifests.sparse", "true");
    for (config, layers, _) in cases {
        assert_eq!(push_manifest(&memory, "a", "latest", OCI_MANIFEST, &image_of(config, layers)).status, 201);
    }
}

#[test]
fn urls_of_layers() {
    let digest = sha256(b"elsewhere");
    let push = |memory: &Memory, url: &str| {
        let config = push_blob(memory, "a", b"{}");
        let rest = format!(r#","urls":["{url}"]"#);
        let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        let bytes = image_of(config.as_str(), &[(foreign, digest.as_str(), &rest)]);
        push_manifest(memory, "a", "latest", OCI_MANIFEST, &bytes).status
    };
    let open = registry();
    let restricted = registry();
    restricted.set("validation.manifests.urls.allow", r#"["^https?://([^/]+\\.)*example\\.com/"]"#);
    restricted.set("validation.manifests.urls.deny", r#"["^https?://www\\.example\\.com/"]"#);
    let disabled = registry();
    disabled.set("validation.manifests.urls.allow", r#"["^$"]"#);
    disabled.set("validation.disabled", "true");
    for (url, without, with) in [
        ("https://files.example.com/x", 201, 201),
        ("https://www.example.com/x", 201, 400),
        ("https://example.org/x", 201, 400),
        ("ftp://example.com/x", 400, 400),
        ("https://example.com/x#fragment", 400, 400),
        ("file:///etc/passwd", 400, 400),
    ] {
        assert_eq!((push(&open, url), push(&restricted, url), push(&disabled, url)), (without, with, without), "{url}");
    }
    let broken = registry();
    broken.set("validation.manifests.urls.allow", r#"["("]"#);
    assert_eq!(push(&broken, "https://example.com/x"), 500);
}

#[test]
fn children_of_an_index_need_not_be_here_unless_asked_for() {
    let memory = registry();
    let child = image(&memory, "a", &[]);
    let here = sha256(&child);
    push_manifest(&memory, "a", here.as_str(), OCI_MANIFEST, &child);
    let missing = sha256(b"missing");
    let index = |media_type: &str| {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{media_type}","manifests":[
                {{"digest":"{here}","platform":{{"os":"linux","architecture":"amd64"}}}},
                {{"digest":"{missing}","mediaType":"application/vnd.buildkit.cacheconfig.v0","platform":{{"os":"linux","architecture":"arm64"}}}}]}}"#
        )
        .into_bytes()
    };
    let push = |media_type: &str| push_manifest(&memory, "a", "multi", media_type, &index(media_type));
    for media_type in [OCI_INDEX, DOCKER_LIST] {
        assert_eq!(push(media_type).status, 201);
        memory.set("validation.manifests.indexes.platforms", "\"all\"");
        assert_error(&push(media_type), 400, &["MANIFEST_BLOB_UNKNOWN"]);
        memory.set("validation.manifests.indexes.platforms", "\"none\"");
        assert_eq!(push(media_type).status, 201);
        memory.set("validation.manifests.indexes.platforms", "\"List\"");
        memory.set("validation.manifests.indexes.platformlist", r#"[{"architecture":"amd64","os":"linux"}]"#);
        assert_eq!(push(media_type).status, 201);
        memory.set("validation.manifests.indexes.platformlist", r#"[{"architecture":"arm64","os":"linux"}]"#);
        assert_error(&push(media_type), 400, &["MANIFEST_BLOB_UNKNOWN"]);
        memory.set("validation.manifests.indexes.platformlist", "[]");
        assert_error(&push(media_type), 400, &["MANIFEST_BLOB_UNKNOWN"]);
        memory.set("validation.disabled", "true");
        assert_eq!(push(media_type).status, 201);
        memory.set("validation.disabled", "false");
        memory.set("validation.manifests.indexes.platforms", "\"none\"");
    }
}

#[test]
fn a_tag_is_deleted_alone() {
    let memory = registry();
    let bytes = br#"{"mediaType":"a/b"}"#;
    let digest = sha256(bytes);
    push_manifest(&memory, "a", "one", "a/b", bytes);
    push_manifest(&memory, "a", "two", "a/b", bytes);
    assert_eq!(memory.send("DELETE", "/v2/a/manifests/one", &[], b"").status, 202);
    assert_error(&memory.send("DELETE", "/v2/a/manifests/one", &[], b""), 404, &["MANIFEST_UNKNOWN"]);
    assert!(!memory.has_directory(&format!("{ROOT}/repositories/a/_manifests/tags/one")));
    for (reference, status) in [("one", 404), ("two", 200), (digest.as_str(), 200)] {
        assert_eq!(memory.send("GET", &format!("/v2/a/manifests/{reference}"), &[], b"").status, status);
    }
}

#[test]
fn a_manifest_is_deleted_with_its_tags() {
    let memory = registry();
    let (bytes, other) = (br#"{"mediaType":"a/b"}"#, br#"{"mediaType":"a/c"}"#);
    let digest = sha256(bytes);
    for number in 0..70 {
        push_manifest(&memory, "a", &format!("t{number}"), "a/b", bytes);
    }
    push_manifest(&memory, "b", "kept", "a/b", bytes);
    push_manifest(&memory, "a", "other", "a/c", other);
    // Moved away from it, with the old one still in its index.
    push_manifest(&memory, "a", "t5", "a/c", other);
    assert_eq!(memory.send("DELETE", &format!("/v2/a/manifests/{digest}"), &[], b"").status, 202);
    assert_error(&memory.send("DELETE", &format!("/v2/a/manifests/{digest}"), &[], b""), 404, &["MANIFEST_UNKNOWN"]);
    assert_eq!(json(&memory.send("GET", "/v2/a/tags/list", &[], b""))["tags"], serde_json::json!(["other", "t5"]));
    assert_eq!(memory.send("GET", "/v2/b/manifests/kept", &[], b"").status, 200);
    assert!(memory.object(&data_key(&digest)).is_some());
}

#[test]
fn what_a_crash_left_is_not_served_and_mended_by_a_push() {
    let bytes = br#"{"mediaType":"a/b"}"#;
    let digest = sha256(bytes);
    let link = digest.as_str().as_bytes();
    for (what, current, revision, data) in [
        ("an empty tag", &b""[..], link, &bytes[..]),
        ("an empty revision", link, b"", bytes),
        ("empty data", link, link, b""),
        ("all of it", b"", b"", b""),
    ] {
        let memory = registry();
        memory.plant(&format!("{ROOT}/repositories/a/_layers/sha256/x/link"), b"");
        memory.plant(&tag_key("a", "latest"), current);
        memory.plant(&revision_key("a", &digest), revision);
        memory.plant(&data_key(&digest), data);
        for method in ["GET", "HEAD"] {
            assert_error(&memory.send(method, "/v2/a/manifests/latest", &[], b""), 404, &["MANIFEST_UNKNOWN"]);
        }
        push_manifest(&memory, "a", "latest", "a/b", bytes);
        assert_eq!(memory.send("GET", "/v2/a/manifests/latest", &[], b"").body, bytes, "{what}");
    }
}

#[test]
fn data_that_is_damaged_is_written_again() {
    let memory = registry();
    let bytes = br#"{"mediaType":"a/b"}"#;
    let digest = sha256(bytes);
    memory.plant(&data_key(&digest), br#"{"mediaType":"a/X"}"#);
    push_manifest(&memory, "a", "latest", "a/b", bytes);
    assert_eq!(memory.object(&data_key(&digest)).unwrap(), bytes);
}

#[test]
fn artifacts_name_blobs_that_must_be_here() {
    let memory = registry();
    let media_type = "application/vnd.oci.artifact.manifest.v1+json";
    let here = push_blob(&memory, "a", b"x");
    for (digest, status) in [(here, 201), (sha256(b"y"), 400)] {
        let bytes = format!(r#"{{"mediaType":"{media_type}","blobs":[{{"digest":"{digest}"}}]}}"#);
        assert_eq!(push_manifest(&memory, "a", "latest", media_type, bytes.as_bytes()).status, status);
    }
}

#[test]
fn deleting_a_layer_breaks_no_link_of_others() {
    let memory = registry();
    let bytes = image(&memory, "a", &[b"layer"]);
    push_manifest(&memory, "a", "latest", OCI_MANIFEST, &bytes);
    let layer = sha256(b"layer");
    memory.send("DELETE", &format!("/v2/a/blobs/{layer}"), &[], b"");
    assert!(memory.object(&layer_key("a", &layer)).is_none());
    assert_eq!(memory.send("GET", "/v2/a/manifests/latest", &[], b"").status, 200);
    assert_error(&push_manifest(&memory, "a", "again", OCI_MANIFEST, &bytes), 400, &["MANIFEST_BLOB_UNKNOWN"]);
}

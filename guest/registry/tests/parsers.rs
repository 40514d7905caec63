//! Parsers against anything, and against what they print.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod client;
use proptest::prelude::*;
use skerry_registry::{
    UploadId,
    digest::{Algorithm, Digest, InvalidDigest},
    name::{RepositoryName, Tag, is_component},
    range::{ContentRange, Wanted, received},
    route::Route,
    time, too_deep,
};

#[test]
fn names() {
    for name in
        ["a", "0", "a/b", "a.b", "a_b", "a__b", "a-b", "a---b", "a0/b-c/d__e.f", "v2", "tags/list", "blobs/uploads"]
    {
        assert!(RepositoryName::parse(name).is_some(), "{name}");
    }
    for name in [
        "", "/", "a/", "/a", "a//b", "A", "a.", ".a", "a..b", "a___b", "a._b", "a_.b", "a-_b", "_a", "a_", "-a", "a-",
        "a b", "a\0", "ä", "a:b", "a@b", "a/../b", "a\nb", "..", "a/.", "a%2fb",
    ] {
        assert!(RepositoryName::parse(name).is_none(), "{name:?}");
    }
    assert!(RepositoryName::parse(&"a".repeat(255)).is_some());
    assert!(RepositoryName::parse(&"a".repeat(256)).is_none());
    for tag in ["a", "A", "_", "0", "1.0-rc.1_x", &"t".repeat(128)] {
        assert!(Tag::parse(tag).is_some(), "{tag}");
    }
    for tag in ["", ".", "..", "-a", ".a", "a/b", "a:b", "a b", "ä", &"t".repeat(129)] {
        assert!(Tag::parse(tag).is_none(), "{tag:?}");
    }
}

#[test]
fn digests() {
    let (hex64, hex128) = ("a".repeat(64), "0".repeat(128));
    assert_eq!(Digest::parse(&format!("sha256:{hex64}")).unwrap().hex(), hex64);
    assert_eq!(Digest::parse(&format!("sha512:{hex128}")).unwrap().algorithm(), Algorithm::Sha512);
    for text in [
        "",
        ":",
        "sha256",
        "sha256:",
        "sha256:00",
        "sha512:aa",
        "SHA256:x",
        "a b:c",
        "x:",
        "x:é",
        "sha256:../..",
        "+a:b",
    ] {
        assert_eq!(Digest::parse(text), Err(InvalidDigest::Malformed), "{text}");
    }
    assert_eq!(Digest::parse(&format!("sha256:{}", "A".repeat(64))), Err(InvalidDigest::Malformed));
    assert_eq!(Digest::parse(&format!("sha256:{}", "g".repeat(64))), Err(InvalidDigest::Malformed));
    for text in ["md5:00", "sha384:ab", "blake3+b64u:a_-=", "multihash+base58:QmRZ"] {
        assert_eq!(Digest::parse(text), Err(InvalidDigest::UnknownAlgorithm), "{text}");
    }
    let abc = Digest::of(Algorithm::Sha256, b"abc");
    assert_eq!(abc.as_str(), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert!(!abc.is_of_nothing());
}

#[test]
fn times() {
    for (text, seconds) in [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2000-02-29T12:34:56Z", Some(951_827_696)),
        ("2026-11-23T18:54:41Z", Some(1_795_460_081)),
        ("2026-11-23T19:54:41.123456789+01:00", Some(1_795_460_081)),
        ("2026-11-23T13:24:41-05:30", Some(1_795_460_081)),
        ("1969-12-31T23:59:59Z", None),
        ("2026-13-01T00:00:00Z", None),
        ("2026-11-23T18:54:41", None),
        ("2026-11-23", None),
        ("+026-11-23T18:54:41Z", None),
        ("", None),
    ] {
        assert_eq!(time::parse(text), seconds, "{text}");
    }
}

#[test]
fn ranges_of_chunks() {
    for (text, expected) in [
        ("0-0", Some((0, 1))),
        ("5-9", Some((5, 5))),
        ("bytes 5-9/10", Some((5, 5))),
        ("bytes=5-9", Some((5, 5))),
        ("9-5", None),
        ("-5", None),
        ("5-", None),
        ("5", None),
        ("", None),
        ("a-b", None),
        ("0-1-2", None),
        ("+1-2", None),
        ("0-99999999999999999999999", None),
    ] {
        let parsed = ContentRange::parse(text).map(|range| (range.first(), range.length()));
        assert_eq!(parsed, expected, "{text}");
    }
    assert_eq!((received(0), received(1), received(10)), ("0-0".to_owned(), "0-0".to_owned(), "0-9".to_owned()));
}

#[test]
fn depth() {
    let nested = |count: usize| format!("{}{}", "[".repeat(count), "]".repeat(count)).into_bytes();
    assert!(!too_deep(&nested(64)));
    assert!(too_deep(&nested(65)));
    assert!(!too_deep(format!(r#""{}\"{}""#, "[".repeat(500), "{".repeat(500)).as_bytes()));
    assert!(!too_deep("[]{}".repeat(500).as_bytes()));
}

/// What a path's segments are made of, odd ones among them.
const SEGMENT: &str =
    "[a-z0-9._-]{0,5}|%[0-9a-fA-F]{2}|[%/.]|blobs|uploads|manifests|tags|list|referrers|_catalog|\\PC";

proptest! {
    #[test]
    fn nothing_makes_a_parser_panic(text in "\\PC{0,300}", bytes in prop::collection::vec(any::<u8>(), 0..300), size in any::<u64>()) {
        let _ = RepositoryName::parse(&text);
        let _ = Tag::parse(&text);
        let _ = Digest::parse(&text);
        let _ = UploadId::parse(&text);
        let _ = ContentRange::parse(&text);
        let _ = Wanted::parse(&text, size);
        let _ = Route::parse(&text);
        let _ = time::parse(&text);
        let _ = too_deep(&bytes);
        let _ = skerry_registry::media_type(&bytes);
    }

    #[test]
    fn depth_is_what_it_is_byte_by_byte(bytes in prop::collection::vec(prop::sample::select(br#"[[[[[{{{{{]}""\a"#.as_slice()), 0..400)) {
        let (mut depth, mut most, mut quoted, mut escaped) = (0_u32, 0, false, false);
        for byte in &bytes {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'{' | b'[' if !quoted => depth += 1,
                b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
                _ => {}
            }
            most = most.max(depth);
        }
        prop_assert_eq!(too_deep(&bytes), most > 64);
    }

    #[test]
    fn a_name_that_parses_is_safe_in_a_key(name in "[a-zA-Z0-9._/-]{0,30}") {
        // The same rule once more, as the specification writes it.
        let component = |text: &str| {
            let words: Vec<_> = text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit())).collect();
            let separators: Vec<_> = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).filter(|run| !run.is_empty()).collect();
            !text.is_empty()
                && words.first().is_some_and(|word| !word.is_empty())
                && words.last().is_some_and(|word| !word.is_empty())
                && separators.iter().all(|run| matches!(*run, "." | "_" | "__") || run.bytes().all(|byte| byte == b'-'))
        };
        prop_assert_eq!(RepositoryName::parse(&name).is_some(), name.split('/').all(component));
        for part in name.split('/') {
            prop_assert_eq!(is_component(part), component(part));
        }
    }

    #[test]
    fn a_digest_is_what_it_prints(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let digest = Digest::of(algorithm, &bytes);
            prop_assert_eq!(Digest::parse(digest.as_str()), Ok(digest.clone()));
            prop_assert_eq!(digest.hex().len(), algorithm.digits());
            prop_assert_eq!(digest.is_of_nothing(), bytes.is_empty());
        }
    }

    #[test]
    fn a_time_is_what_it_prints(seconds in 0..253_402_300_800_u64) {
        prop_assert_eq!(time::parse(&time::format(seconds)), Some(seconds));
    }

    #[test]
    fn an_upload_id_is_a_version_4_uuid(bytes in any::<[u8; 16]>()) {
        let id = UploadId::from_random(bytes);
        prop_assert_eq!(UploadId::parse(id.as_str()), Some(id.clone()));
        prop_assert_eq!(&id.as_str()[14..15], "4");
        prop_assert!("89ab".contains(&id.as_str()[19..20]));
    }

    #[test]
    fn a_part_lies_within(first in prop::option::of(any::<u64>()), last in prop::option::of(any::<u64>()), size in any::<u64>()) {
        let text = |number: Option<u64>| number.map_or(String::new(), |number| number.to_string());
        match Wanted::parse(&format!("bytes={}-{}", text(first), text(last)), size) {
            Wanted::Part { offset, length } => {
                prop_assert!(length > 0);
                prop_assert!(offset.checked_add(length).is_some_and(|end| end <= size));
                if let Some(first) = first {
                    prop_assert_eq!(offset, first);
                }
            }
            Wanted::Whole => prop_assert!(first.is_none() && last.is_none()),
            Wanted::Unsatisfiable => {}
        }
    }

    #[test]
    fn any_request_gets_an_answer(
        method in "GET|HEAD|PUT|POST|PATCH|DELETE|OPTIONS|\\PC{0,5}",
        segments in prop::collection::vec(SEGMENT, 0..7),
        query in "(\\?(digest|mount|from|tag|n|last|artifactType)=[a-z0-9:%-]{0,80})?",
        header in "\\PC{0,40}",
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let memory = client::registry();
        let headers = [("Range", header.as_str()), ("Content-Range", &header), ("Content-Type", &header), ("If-None-Match", &header)];
        let answer = memory.send(&method, &format!("/v2/{}{query}", segments.join("/")), &headers, &body);
        prop_assert!((200..500).contains(&answer.status), "{}", answer.text());
        if answer.status >= 400 {
            prop_assert!(client::json(&answer)["errors"][0]["code"].is_string());
        }
        for (name, value) in &answer.headers {
            prop_assert!(!name.is_empty() && !value.chars().any(char::is_control), "{name}: {value:?}");
        }
        for key in memory.keys() {
            prop_assert!(key.starts_with(client::ROOT) && !key.split('/').any(|segment| matches!(segment, "" | "." | "..")), "{key}");
        }
    }
}

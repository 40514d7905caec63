//! What may be stored, kept, or go: the storage policies are asked before it
//! happens, and what they were told still holds when it does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod client;
use std::cell::Cell;

use client::{
    OCI_MANIFEST, assert_error, data_key, image, json, layer_key, push_blob, push_manifest, registry, revision_key,
    sha256, tag_key,
};
use skerry_registry::{
    digest::Digest,
    host::{Concern, Denial, Event, Happening, KnownManifest, Ruling},
    memory::{Answer, Memory},
    name::{RepositoryName, Tag},
};

const SMALL: &[u8] = br#"{"mediaType":"a/b"}"#;
const OTHER: &[u8] = br#"{"mediaType":"a/c"}"#;

fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).unwrap()
}

fn deny(code: &str, status: u16, message: &str) -> Ruling {
    Ruling::Deny(Denial { code: code.to_owned(), status, message: message.to_owned() })
}

/// A registry with two tagged manifests and some blobs in `a`, a blob in `b`,
/// and an upload in `a`.
fn filled() -> (Memory, String) {
    let memory = registry();
    push_manifest(&memory, "a", "one", "a/b", SMALL);
    push_manifest(&memory, "a", "two", "a/b", SMALL);
    push_manifest(&memory, "a", "other", "a/c", OTHER);
    push_blob(&memory, "a", b"blob");
    push_blob(&memory, "b", b"elsewhere");
    let upload = memory.send("POST", "/v2/a/blobs/uploads/", &[], b"");
    let location = upload.header("location").unwrap().to_owned();
    memory.send("PATCH", &location, &[], b"01234");
    (memory, location)
}

struct Case {
    method: &'static str,
    path: String,
    body: Vec<u8>,
    status: u16,
    events: Vec<Happening>,
}

/// Everything that changes something, and what is asked before.
fn changes(upload: &str) -> Vec<Case> {
    let (small, other) = (sha256(SMALL), sha256(OTHER));
    let (blob, elsewhere, new) = (sha256(b"blob"), sha256(b"elsewhere"), sha256(b"0123456789"));
    let referrer = format!(
        r#"{{"mediaType":"{OCI_MANIFEST}","schemaVersion":2,"subject":{{"digest":"{small}"}},"annotations":{{"k":"v"}},
            "config":{{"mediaType":"x/config","digest":"{blob}"}},"layers":[]}}"#
    )
    .into_bytes();
    let pushed = |content: &[u8], media_type: &str, tags: &[&str]| {
        Happening::ManifestPush(Box::new(KnownManifest {
            digest: sha256(content),
            media_type: media_type.to_owned(),
            artifact_type: None,
            subject: None,
            annotations: Vec::new(),
            tags: tags.iter().map(|text| tag(text)).collect(),
            content: content.to_vec(),
        }))
    };
    let moved = |text: &str, old: Option<&Digest>, new: &Digest| Happening::TagMove {
        tag: tag(text),
        old: old.cloned(),
        new: new.clone(),
    };
    let case =
        |method, path: String, body: &[u8], status, events| Case { method, path, body: body.to_vec(), status, events };
    vec![
        case(
            "PUT",
            "/v2/a/manifests/new".to_owned(),
            SMALL,
            201,
            vec![pushed(SMALL, "a/b", &["new"]), moved("new", None, &small)],
        ),
        case(
            "PUT",
            "/v2/a/manifests/other".to_owned(),
            SMALL,
            201,
            vec![pushed(SMALL, "a/b", &["other"]), moved("other", Some(&other), &small)],
        ),
        case("PUT", format!("/v2/c/manifests/{other}"), OTHER, 201, vec![pushed(OTHER, "a/c", &[])]),
        case(
            "PUT",
            format!("/v2/a/manifests/{other}?tag=one&tag=other&tag=new"),
            OTHER,
            201,
            vec![
                pushed(OTHER, "a/c", &["one", "other", "new"]),
                moved("one", Some(&small), &other),
                moved("other", Some(&other), &other),
                moved("new", None, &other),
            ],
        ),
        case(
            "PUT",
            format!("/v2/a/manifests/{}", sha256(&referrer)),
            &referrer,
            201,
            vec![Happening::ManifestPush(Box::new(KnownManifest {
                digest: sha256(&referrer),
                media_type: OCI_MANIFEST.to_owned(),
                artifact_type: Some("x/config".to_owned()),
                subject: Some(small.clone()),
                annotations: vec![("k".to_owned(), "v".to_owned())],
                tags: Vec::new(),
                content: referrer.clone(),
            }))],
        ),
        case("POST", "/v2/a/blobs/uploads/".to_owned(), b"", 202, vec![Happening::UploadStart(None)]),
        case(
            "POST",
            format!("/v2/c/blobs/uploads/?digest={new}"),
            b"0123456789",
            201,
            vec![Happening::UploadStart(Some(10)), Happening::BlobPush { digest: new.clone(), size: 10 }],
        ),
        case(
            "PUT",
            format!("{upload}?digest={new}"),
            b"56789",
            201,
            vec![Happening::BlobPush { digest: new.clone(), size: 10 }],
        ),
        case(
            "POST",
            format!("/v2/c/blobs/uploads/?mount={elsewhere}&from=b"),
            b"",
            201,
            vec![Happening::Mount { digest: elsewhere.clone(), size: 9, source: name("b") }],
        ),
        case(
            "POST",
            format!("/v2/c/blobs/uploads/?mount={elsewhere}"),
            b"",
            201,
            vec![Happening::Mount { digest: elsewhere, size: 9, source: name("b") }],
        ),
        case("POST", format!("/v2/c/blobs/uploads/?mount={new}&from=b"), b"", 202, vec![Happening::UploadStart(None)]),
        case(
            "DELETE",
            format!("/v2/a/manifests/{small}"),
            b"",
            202,
            vec![Happening::ManifestDelete { digest: small.clone(), tags: vec![tag("one"), tag("two")] }],
        ),
        case(
            "DELETE",
            "/v2/a/manifests/one".to_owned(),
            b"",
            202,
            vec![Happening::TagDelete { tag: tag("one"), digest: Some(small) }],
        ),
        case("DELETE", format!("/v2/a/blobs/{blob}"), b"", 202, vec![Happening::BlobDelete(blob)]),
    ]
}

fn send(memory: &Memory, case: &Case) -> Answer {
    memory.send(case.method, &case.path, &[], &case.body)
}

/// Everything that is stored, but for what an upload received so far.
fn stored(memory: &Memory) -> Vec<(String, Option<Vec<u8>>)> {
    let arriving = |key: &String| key.contains("/_uploads/") || key.starts_with(".skerry/");
    let keys = memory.keys().into_iter().filter(|key| !arriving(key));
    keys.map(|key| (key.clone(), memory.object(&key))).collect()
}

#[test]
fn every_change_is_asked_about_before_it_happens() {
    let (_, upload) = filled();
    for case in changes(&upload) {
        let what = format!("{} {}", case.method, case.path);
        let (memory, _) = filled();
        let before = stored(&memory);
        memory.rule(move |memory, _| {
            assert!(stored(memory) == before, "nothing has happened yet");
            Ruling::Allow(Vec::new())
        });
        let answer = send(&memory, &case);
        assert_eq!(answer.status, case.status, "{what}: {}", answer.text());
        assert_eq!(answer.header("warning"), None);
        let repository = name(case.path.split('/').nth(2).unwrap());
        let expected: Vec<_> =
            case.events.iter().cloned().map(|happening| Event { repository: repository.clone(), happening }).collect();
        assert_eq!(memory.events(), expected, "{what}");
    }
}

#[test]
fn each_event_can_be_refused() {
    let refusals = [
        (deny("DENIED", 0, "the quota is used up"), 403, "DENIED", "the quota is used up"),
        (deny("TAG_INVALID", 0, "v1 stays"), 400, "TAG_INVALID", "v1 stays"),
        (deny("TOOMANYREQUESTS", 0, "later"), 429, "TOOMANYREQUESTS", "later"),
        (deny("MY_RULE_7", 0, ""), 403, "MY_RULE_7", "requested access to the resource is denied"),
        (deny("MY_RULE_7", 451, "by law"), 451, "MY_RULE_7", "by law"),
        // What is no refusal is none, and a challenge is not theirs to make.
        (deny("UNAUTHORIZED", 401, "no"), 403, "UNAUTHORIZED", "no"),
        (deny("DENIED", 200, "no"), 403, "DENIED", "no"),
        (deny("a \"code\"\r\n", 999, "a\r\nb"), 403, "DENIED", "a\r\nb"),
        (Ruling::Unavailable, 503, "UNAVAILABLE", "service unavailable"),
    ];
    let (_, upload) = filled();
    for case in changes(&upload) {
        for (index, event) in case.events.iter().enumerate() {
            for (ruling, status, code, message) in &refusals {
                let what = format!("{} {} {event:?}", case.method, case.path);
                let (memory, _) = filled();
                let before = stored(&memory);
                let (refused, ruling) = (event.clone(), ruling.clone());
                memory.rule(move |_, event| {
                    if event.happening == refused { ruling.clone() } else { Ruling::Allow(vec!["unsaid".to_owned()]) }
                });
                let answer = send(&memory, &case);
                assert_error(&answer, *status, &[code]);
                assert_eq!(json(&answer)["errors"][0]["message"], *message, "{what}");
                assert_eq!(answer.header("warning"), None);
                assert!(stored(&memory) == before, "{what}");
                assert_eq!(memory.events().len(), index + 1, "{what}: the first refusal ends it");
            }
        }
    }
}

#[test]
fn a_refused_blob_takes_no_room() {
    let digest = sha256(b"01234");
    for (ruling, status, kept) in [(deny("DENIED", 0, "no"), 403, false), (Ruling::Unavailable, 503, true)] {
        let (memory, upload) = filled();
        let ruled = ruling.clone();
        memory.rule(move |_, _| ruled.clone());
        assert_eq!(memory.send("PUT", &format!("{upload}?digest={digest}"), &[], b"").status, status);
        assert_eq!(memory.keys().iter().any(|key| key.contains("_uploads")), kept, "{ruling:?}");
        // Where nobody knew, the client can come again.
        memory.rule(|_, _| Ruling::Allow(Vec::new()));
        let again = memory.send("PUT", &format!("{upload}?digest={digest}"), &[], b"");
        assert_eq!(again.status, if kept { 201 } else { 404 });
    }
    // What is refused when it begins is not received at all.
    let memory = registry();
    memory.rule(|_, _| deny("SIZE_INVALID", 413, "too much"));
    let answer = memory.send("POST", &format!("/v2/a/blobs/uploads/?digest={digest}"), &[], b"01234");
    assert_error(&answer, 413, &["SIZE_INVALID"]);
    assert!(!memory.calls().iter().any(|call| call.starts_with("temporary") || call.starts_with("append")));
}

#[test]
fn warnings_go_with_the_answer() {
    let (_, upload) = filled();
    for case in changes(&upload) {
        let (memory, _) = filled();
        memory.rule(|_, _| Ruling::Allow(vec!["old base image".to_owned(), "no SBOM".to_owned()]));
        let answer = send(&memory, &case);
        assert_eq!(answer.status, case.status);
        let warnings: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "Warning").collect();
        let warnings: Vec<_> = warnings.iter().map(|(_, value)| value.as_str()).collect();
        let expected = [r#"299 - "old base image""#, r#"299 - "no SBOM""#];
        assert_eq!(warnings, expected, "{} {}", case.method, case.path);
    }
}

#[test]
fn warnings_are_quoted_and_bounded() {
    for (text, shown) in [
        ("", r#"299 - """#),
        (r#"say "hi" to C:\"#, r#"299 - "say \"hi\" to C:\\""#),
        ("a\r\nSet-Cookie: b", r#"299 - "a  Set-Cookie: b""#),
        ("caf\u{e9}\u{7f}\u{85}\u{1b}[0m", r#"299 - "caf?   [0m""#),
    ] {
        let memory = registry();
        memory.rule(|_, _| Ruling::Allow(vec![text.to_owned()]));
        assert_eq!(push_manifest(&memory, "a", "x", "a/b", SMALL).header("warning"), Some(shown));
    }
    let memory = registry();
    let count = Cell::new(0);
    memory.rule(move |_, _| {
        count.set(count.get() + 1);
        Ruling::Allow((0..8).map(|number| format!("{}-{number} {}", count.get(), "x".repeat(1_000))).collect())
    });
    let tags: Vec<_> = (0..16).map(|number| format!("tag=t{number}")).collect();
    let target = format!("{}?{}", sha256(SMALL), tags.join("&"));
    let answer = push_manifest(&memory, "a", &target, "a/b", SMALL);
    let warnings: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "Warning").collect();
    assert_eq!((answer.status, warnings.len()), (201, 8));
    assert!(warnings.iter().all(|(_, value)| value.len() < 300));
}

/// A policy by which a tag that names something stays where it is.
fn immutable(event: &Event) -> Ruling {
    match &event.happening {
        Happening::TagMove { old: Some(old), new, .. } if old != new => deny("DENIED", 0, "the tag is immutable"),
        _ => Ruling::Allow(Vec::new()),
    }
}

#[test]
fn a_tag_moves_only_from_where_the_policies_saw_it() {
    let (small, other) = (sha256(SMALL), sha256(OTHER));
    // Somebody sets it between the question and the commit.
    for before in [None, Some(&small)] {
        let memory = registry();
        push_manifest(&memory, "a", "else", "a/c", OTHER);
        if let Some(before) = before {
            memory.plant(&tag_key("a", "v1"), before.as_str().as_bytes());
        }
        memory.rule(|memory, event| {
            if matches!(event.happening, Happening::TagMove { .. }) {
                memory.plant(&tag_key("a", "v1"), sha256(OTHER).as_str().as_bytes());
            }
            immutable(event)
        });
        let answer = push_manifest(&memory, "a", "v1", "a/b", SMALL);
        assert_error(&answer, 403, &["DENIED"]);
        assert_eq!(memory.object(&tag_key("a", "v1")).unwrap(), other.as_str().as_bytes());
        let mut olds = memory.events().into_iter().filter_map(|event| match event.happening {
            Happening::TagMove { old, .. } => Some(old),
            _ => None,
        });
        assert_eq!((olds.next(), olds.next()), (Some(before.cloned()), Some(Some(other.clone()))));
        assert!(memory.object(&revision_key("a", &small)).is_none());
    }
}

#[test]
fn concurrent_pushes_of_a_tag_do_not_fail() {
    let memory = registry();
    let rest = Cell::new(100);
    memory.rule(move |memory, event| {
        if matches!(event.happening, Happening::TagMove { .. }) && rest.get() > 0 {
            rest.set(rest.get() - 1);
            memory.plant(&tag_key("a", "latest"), sha256(&[rest.get()]).as_str().as_bytes());
        }
        Ruling::Allow(vec!["once".to_owned()])
    });
    let answer = push_manifest(&memory, "a", "latest", "a/b", SMALL);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(memory.object(&tag_key("a", "latest")).unwrap(), sha256(SMALL).as_str().as_bytes());
    assert_eq!(answer.headers.iter().filter(|(name, _)| name == "Warning").count(), 1);
    let pushes = memory.events().into_iter().filter(|event| matches!(event.happening, Happening::ManifestPush(_)));
    assert_eq!(pushes.count(), 1, "the manifest is the same");

    // It ends, and is no failure of the registry.
    let number = Cell::new(0_u32);
    memory.rule(move |memory, _| {
        number.set(number.get() + 1);
        memory.plant(&tag_key("a", "latest"), sha256(&number.get().to_be_bytes()).as_str().as_bytes());
        Ruling::Allow(Vec::new())
    });
    assert_error(&push_manifest(&memory, "a", "latest", "a/b", SMALL), 409, &["UNAVAILABLE"]);
    assert!(memory.calls().len() < 2_000, "{}", memory.calls().len());
    assert_error(&memory.send("DELETE", "/v2/a/manifests/latest", &[], b""), 409, &["UNAVAILABLE"]);
    assert!(memory.calls().len() < 100, "{}", memory.calls().len());
}

#[test]
fn what_is_no_link_holds_nobody_up() {
    let long = vec![b'x'; 1_000];
    for (planted, old) in [(&b""[..], None), (b"rubbish", None), (&long, None)] {
        let memory = registry();
        memory.rule(|_, _| Ruling::Allow(Vec::new()));
        memory.plant(&tag_key("a", "v1"), planted);
        assert_eq!(push_manifest(&memory, "a", "v1", "a/b", SMALL).status, 201);
        let moved = Happening::TagMove { tag: tag("v1"), old, new: sha256(SMALL) };
        assert_eq!(memory.events().last().map(|event| &event.happening), Some(&moved));
        memory.plant(&tag_key("a", "v1"), planted);
        assert_eq!(memory.send("DELETE", "/v2/a/manifests/v1", &[], b"").status, 202);
    }
}

#[test]
fn data_that_is_swept_meanwhile_is_written_again() {
    let memory = registry();
    push_manifest(&memory, "b", "x", "a/b", SMALL);
    memory.rule(|memory, event| {
        if matches!(event.happening, Happening::TagMove { .. }) {
            memory.steal(&data_key(&sha256(SMALL)));
        }
        Ruling::Allow(Vec::new())
    });
    assert_eq!(push_manifest(&memory, "a", "x", "a/b", SMALL).status, 201);
    assert_eq!(memory.object(&data_key(&sha256(SMALL))).unwrap(), SMALL);
}

#[test]
fn what_goes_is_what_the_policies_saw() {
    let (small, other) = (sha256(SMALL), sha256(OTHER));
    // The tag moves while its deletion is asked about.
    let (memory, _) = filled();
    memory.rule(|memory, event| match &event.happening {
        Happening::TagDelete { digest, .. } if *digest == Some(sha256(OTHER)) => deny("DENIED", 0, "kept"),
        _ => {
            memory.plant(&tag_key("a", "one"), sha256(OTHER).as_str().as_bytes());
            Ruling::Allow(Vec::new())
        }
    });
    assert_error(&memory.send("DELETE", "/v2/a/manifests/one", &[], b""), 403, &["DENIED"]);
    assert_eq!(memory.object(&tag_key("a", "one")).unwrap(), other.as_str().as_bytes());
    // So does one of a manifest's.
    let (memory, _) = filled();
    let asked = Cell::new(false);
    memory.rule(move |memory, _| {
        if !asked.replace(true) {
            memory.plant(&tag_key("a", "two"), sha256(OTHER).as_str().as_bytes());
        }
        Ruling::Allow(Vec::new())
    });
    assert_eq!(memory.send("DELETE", &format!("/v2/a/manifests/{small}"), &[], b"").status, 202);
    let happenings: Vec<_> = memory.events().into_iter().map(|event| event.happening).collect();
    let gone = |tags: &[&str]| Happening::ManifestDelete {
        digest: small.clone(),
        tags: tags.iter().map(|text| tag(text)).collect(),
    };
    assert_eq!(happenings, [gone(&["one", "two"]), gone(&["one"])]);
    assert_eq!(memory.object(&tag_key("a", "two")).unwrap(), other.as_str().as_bytes());
}

#[test]
fn what_changes_nothing_asks_no_storage_policy() {
    let (memory, upload) = filled();
    let bytes = image(&memory, "a", &[b"layer"]);
    push_manifest(&memory, "a", "image", OCI_MANIFEST, &bytes);
    memory.rule(|_, _| deny("DENIED", 0, "everything"));
    memory.ignore(&[Concern::Pull]);
    let (manifest, layer) = (sha256(&bytes), sha256(b"layer"));
    for (method, path, status) in [
        ("GET", "/v2/a/manifests/image".to_owned(), 200),
        ("HEAD", format!("/v2/a/manifests/{manifest}"), 200),
        ("GET", format!("/v2/a/blobs/{layer}"), 200),
        ("GET", "/v2/a/tags/list".to_owned(), 200),
        ("GET", format!("/v2/a/referrers/{manifest}"), 200),
        ("GET", "/v2/_catalog".to_owned(), 200),
        ("GET", upload.clone(), 204),
        ("PATCH", upload.clone(), 202),
        ("PUT", "/v2/a/manifests/broken".to_owned(), 400),
        ("DELETE", "/v2/a/manifests/missing".to_owned(), 404),
        ("DELETE", format!("/v2/a/manifests/{layer}"), 404),
        ("DELETE", format!("/v2/a/blobs/{manifest}"), 404),
        ("DELETE", upload, 204),
    ] {
        assert_eq!(memory.send(method, &path, &[], b"x").status, status, "{method} {path}");
        assert!(memory.events().is_empty(), "{method} {path}");
    }
    assert!(memory.object(&layer_key("a", &layer)).is_some());
}

#[test]
fn a_manifest_is_served_where_policies_let_it() {
    let memory = registry();
    let blob = push_blob(&memory, "a", b"config");
    let subject = sha256(SMALL);
    let bytes = format!(
        r#"{{"mediaType":"{OCI_MANIFEST}","schemaVersion":2,"subject":{{"digest":"{subject}"}},"annotations":{{"k":"v"}},
            "config":{{"mediaType":"x/config","digest":"{blob}"}},"layers":[]}}"#
    )
    .into_bytes();
    let digest = sha256(&bytes);
    push_manifest(&memory, "a", "one", OCI_MANIFEST, &bytes);
    let asked = |tags: &[&str]| Event {
        repository: name("a"),
        happening: Happening::Pull(Box::new(KnownManifest {
            digest: digest.clone(),
            media_type: OCI_MANIFEST.to_owned(),
            artifact_type: Some("x/config".to_owned()),
            subject: Some(subject.clone()),
            annotations: vec![("k".to_owned(), "v".to_owned())],
            tags: tags.iter().map(|text| tag(text)).collect(),
            content: bytes.clone(),
        })),
    };
    let etag = [("if-none-match", format!("\"{digest}\""))];
    let etag = [(etag[0].0, etag[0].1.as_str())];
    for method in ["GET", "HEAD"] {
        for (reference, tags) in [("one", vec!["one"]), (digest.as_str(), Vec::new())] {
            let target = format!("/v2/a/manifests/{reference}");
            for (headers, status) in [(&[] as &[(&str, &str)], 200), (&etag, 304)] {
                memory.rule(|_, _| Ruling::Allow(vec!["old".to_owned()]));
                let answer = memory.send(method, &target, headers, b"");
                assert_eq!((answer.status, answer.header("warning")), (status, Some(r#"299 - "old""#)), "{target}");
                assert_eq!(memory.events(), [asked(&tags)]);
                // Nobody gets round it by knowing what it is.
                memory.rule(|_, _| deny("DENIED", 0, "it is not signed"));
                let answer = memory.send(method, &target, headers, b"");
                assert_error(&answer, 403, &["DENIED"]);
                assert_eq!(answer.header("docker-content-digest"), None);
                assert_eq!(json(&answer)["errors"][0]["message"], "it is not signed");
                memory.rule(|_, _| Ruling::Unavailable);
                assert_error(&memory.send(method, &target, headers, b""), 503, &["UNAVAILABLE"]);
            }
        }
    }
    // What is not there is not asked about.
    assert_error(&memory.send("GET", "/v2/a/manifests/none", &[], b""), 404, &["MANIFEST_UNKNOWN"]);
    assert!(memory.events().is_empty());
}

#[test]
fn what_no_manifest_can_be_is_asked_about_all_the_same() {
    let memory = registry();
    let bytes = br#"{"schemaVersion":1,"subject":{"digest":"x"},"layers":7}"#;
    let digest = sha256(bytes);
    memory.plant(&revision_key("a", &digest), digest.as_str().as_bytes());
    memory.plant(&data_key(&digest), bytes);
    memory.rule(|_, _| Ruling::Allow(Vec::new()));
    assert_eq!(memory.send("GET", &format!("/v2/a/manifests/{digest}"), &[], b"").status, 200);
    let [Event { happening: Happening::Pull(known), .. }] = &memory.events()[..] else { panic!("one pull") };
    assert_eq!((known.content.as_slice(), &known.subject), (&bytes[..], &None));
}

#[test]
fn what_nobody_asks_about_is_not_gathered() {
    let memory = registry();
    push_manifest(&memory, "a", "one", "a/b", OTHER);
    let reads = |memory: &Memory| memory.calls().iter().any(|call| call.contains(&tag_key("a", "one")));
    memory.rule(|_, _| Ruling::Allow(Vec::new()));
    assert_eq!(push_manifest(&memory, "a", "one", "a/b", SMALL).status, 201);
    assert!(reads(&memory), "where the tag leads is asked about: {:?}", memory.calls());
    memory.ignore(&[Concern::TagMove, Concern::ManifestPush, Concern::Pull]);
    assert_eq!(push_manifest(&memory, "a", "one", "a/c", OTHER).status, 201);
    assert!(!reads(&memory) && memory.events().is_empty(), "{:?}", memory.calls());
    assert_eq!(memory.object(&tag_key("a", "one")).unwrap(), sha256(OTHER).as_str().as_bytes());
    assert_eq!(memory.send("GET", "/v2/a/manifests/one", &[], b"").body, OTHER);
    assert!(memory.events().is_empty());
}

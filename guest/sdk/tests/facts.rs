//! Facts in memory are bounded as the host's are.
#![allow(clippy::unwrap_used)]

use skerry_sdk::{FactFailure, Facts, Failed, Referrer, StoredManifest, Tag, Usage, memory::Memory};

#[test]
fn what_was_put_in_is_told() {
    let usage = Usage { bytes: 5, blobs: 1, ..Usage::default() };
    let manifest = |digest: &str, size: usize| StoredManifest {
        digest: digest.into(),
        media_type: "x/y".into(),
        content: vec![0; size],
    };
    let referrer = |digest: &str, kind: Option<&str>| Referrer {
        digest: digest.into(),
        artifact_type: kind.map(str::to_owned),
        ..Referrer::default()
    };
    let host = Memory::default()
        .with_usage("team", usage)
        .with_added(Usage { bytes: 1, ..Usage::default() })
        .with_tag("b", "sha256:1")
        .with_tag("a", "sha256:2")
        .with_tag("c", "sha256:1")
        .with_manifest(manifest("sha256:1", 3))
        .with_manifest(manifest("sha256:2", (4 << 20) + 1))
        .with_referrer("sha256:1", referrer("sha256:3", Some("x/seal")))
        .with_referrer("sha256:1", referrer("sha256:4", None))
        .with_blob("sha256:5", "hello");
    assert_eq!((host.usage("team"), host.usage("")), (Ok(usage), Err(FactFailure::NotFound)));
    assert_eq!(host.adds().unwrap().bytes, 1);
    let tag = |name: &str, digest: &str| Tag { name: name.into(), digest: digest.into() };
    let page = host.tags(None, 2).unwrap();
    assert_eq!((page.tags, page.more), (vec![tag("a", "sha256:2"), tag("b", "sha256:1")], true));
    let page = host.tags(Some("b"), 2).unwrap();
    assert_eq!((page.tags, page.more), (vec![tag("c", "sha256:1")], false));
    assert_eq!(host.manifest("b"), Ok(manifest("sha256:1", 3)));
    assert_eq!(host.manifest("sha256:1"), Ok(manifest("sha256:1", 3)));
    assert_eq!((host.manifest("a"), host.manifest("x")), (Err(FactFailure::TooLarge), Err(FactFailure::NotFound)));
    let digests = |kind: Option<&str>| {
        host.referrers("sha256:1", kind).unwrap().into_iter().map(|referrer| referrer.digest).collect::<Vec<_>>()
    };
    assert_eq!(
        (digests(None), digests(Some("x/seal"))),
        (vec!["sha256:3".into(), "sha256:4".into()], vec!["sha256:3".into()])
    );
    assert!(host.referrers("sha256:9", None).unwrap().is_empty());
    assert_eq!(host.blob("sha256:5", 5), Ok(b"hello".to_vec()));
    assert_eq!((host.blob("sha256:5", 4), host.blob("x", 9)), (Err(FactFailure::TooLarge), Err(FactFailure::NotFound)));
}

#[test]
fn a_failure_is_one_sentence() {
    for (failure, said) in [
        (FactFailure::NotFound, "the registry tells of no such thing"),
        (FactFailure::TooLarge, "what the registry holds is larger than the limit"),
        (FactFailure::Other("busy".into()), "the registry does not tell: busy"),
    ] {
        assert_eq!(Failed::from(failure).to_string(), said);
    }
}

//! What the module tells of what it stores.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod client;
use client::{
    OCI_INDEX, OCI_MANIFEST, ROOT, data_key, image, layer_key, push_blob, push_manifest, registry, revision_key,
    sha256, sha512, tag_key,
};
use skerry_registry::{
    host::Failure,
    inventory::{self, Usage},
    memory::Memory,
    name::{Reference, RepositoryName},
};

fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).unwrap()
}

/// Counts a tree in steps of about this many looks.
fn count(memory: &Memory, tree: &str, budget: u32) -> Usage {
    let (mut sum, mut cursor, mut steps) = (Usage::default(), None::<String>, 0);
    loop {
        let tally = inventory::usage(memory, tree, cursor.as_deref(), budget).unwrap();
        sum.bytes += tally.usage.bytes;
        sum.blobs += tally.usage.blobs;
        sum.manifests += tally.usage.manifests;
        sum.tags += tally.usage.tags;
        sum.repositories += tally.usage.repositories;
        let seen = tally.usage.blobs + tally.usage.manifests + tally.usage.tags;
        assert!(seen <= u64::from(budget) + 600, "a step is bounded: {seen}");
        steps += 1;
        assert!(steps < 10_000, "it ends");
        let Some(next) = tally.cursor else { return sum };
        assert_ne!(cursor.as_ref(), Some(&next), "a step goes on");
        cursor = Some(next);
    }
}

fn usage(bytes: usize, blobs: u64, manifests: u64, tags: u64, repositories: u64) -> Usage {
    Usage { bytes: bytes as u64, blobs, manifests, tags, repositories }
}

#[test]
fn trees_are_counted_whatever_a_step_may_look_at() {
    let memory = registry();
    let mut sums = Vec::new();
    for (place, repository) in ["a", "a/b", "a/b/c", "a-b", "ab", "z/y"].into_iter().enumerate() {
        let layers: Vec<Vec<u8>> =
            (0..20 + place).map(|layer| vec![u8::try_from(layer).unwrap(); 10 + layer]).collect();
        let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
        let manifest = image(&memory, repository, &layers);
        for tag in ["v1", "v2"] {
            assert_eq!(push_manifest(&memory, repository, tag, OCI_MANIFEST, &manifest).status, 201);
        }
        let bytes = layers.iter().map(|layer| layer.len()).sum::<usize>() + 2 + manifest.len();
        sums.push(usage(bytes, layers.len() as u64 + 1, 1, 2, 1));
    }
    let sum = |places: &[usize]| {
        places.iter().fold(Usage::default(), |sum, place| {
            let one = sums[*place];
            Usage {
                bytes: sum.bytes + one.bytes,
                blobs: sum.blobs + one.blobs,
                manifests: sum.manifests + one.manifests,
                tags: sum.tags + one.tags,
                repositories: sum.repositories + one.repositories,
            }
        })
    };
    for budget in [0, 1, 16, 17, 23, 64, 100_000] {
        assert_eq!(count(&memory, "", budget), sum(&[0, 1, 2, 3, 4, 5]), "{budget}");
        assert_eq!(count(&memory, "a", budget), sum(&[0, 1, 2]), "{budget}");
        assert_eq!(count(&memory, "a/b", budget), sum(&[1, 2]), "{budget}");
        assert_eq!(count(&memory, "a/b/c", budget), sum(&[2]), "{budget}");
        assert_eq!(count(&memory, "z", budget), sum(&[5]), "{budget}");
        assert_eq!(count(&memory, "none", budget), Usage::default(), "{budget}");
    }
    for (tree, cursor) in [("A", None), ("a/", None), ("/", None), ("a//b", None), ("a", Some("a:x:"))] {
        assert!(matches!(inventory::usage(&memory, tree, cursor, 100), Err(Failure::Other(_))), "{tree}");
    }
}

#[test]
fn what_is_not_served_does_not_count() {
    let memory = registry();
    let manifest = image(&memory, "a", &[b"layer", b"gone"]);
    push_manifest(&memory, "a", "v1", OCI_MANIFEST, &manifest);
    // Under another algorithm it is another blob, as distribution stores it.
    memory.plant(&layer_key("a", &sha512(b"layer")), sha256(b"layer").as_str().as_bytes());
    let whole = usage(2 + 5 + 4 + 5 + manifest.len(), 4, 1, 1, 1);
    assert_eq!(count(&memory, "a", 100), whole);
    // Swept, empty and damaged.
    memory.steal(&data_key(&sha256(b"gone")));
    memory.plant(&layer_key("a", &sha256(b"empty")), b"");
    memory.plant(&layer_key("a", &sha256(b"wrong")), sha256(b"layer").as_str().as_bytes());
    memory.plant(&format!("{ROOT}/repositories/a/_layers/sha256/not-a-digest/link"), b"x");
    memory.plant(&format!("{ROOT}/repositories/a/_manifests/tags/.odd/current/link"), b"x");
    memory.plant(&revision_key("a", &sha256(b"none")), sha256(b"none").as_str().as_bytes());
    memory.plant(&format!("{ROOT}/repositories/a/_uploads/x/data"), b"unfinished");
    assert_eq!(count(&memory, "a", 100), usage(2 + 5 + 5 + manifest.len(), 3, 1, 1, 1));
    memory.send("DELETE", &format!("/v2/a/blobs/{}", sha256(b"layer")), &[], b"");
    memory.send("DELETE", &format!("/v2/a/manifests/{}", sha256(&manifest)), &[], b"");
    assert_eq!(count(&memory, "a", 100), usage(2 + 5, 2, 0, 0, 1));
}

#[test]
fn what_a_repository_holds() {
    let memory = registry();
    let manifest = image(&memory, "a", &[b"layer"]);
    push_manifest(&memory, "a", "v1", OCI_MANIFEST, &manifest);
    push_blob(&memory, "b", b"layer");
    let of = |repository: &str, manifest: Option<&[u8]>, blob: Option<&[u8]>| {
        let (manifest, blob) = (manifest.map(sha256), blob.map(sha256));
        let held = inventory::holds(&memory, &name(repository), manifest.as_ref(), blob.as_ref()).unwrap();
        (held.repository, held.manifest, held.blob)
    };
    assert_eq!(of("a", Some(&manifest), Some(b"layer")), (true, true, true));
    assert_eq!(of("b", Some(&manifest), Some(b"layer")), (true, false, true));
    assert_eq!(of("b", None, Some(b"{}")), (true, false, false));
    assert_eq!(of("c", None, Some(b"layer")), (false, false, false));
    assert_eq!(of("a", None, None), (true, false, false));
    memory.fail(Some(("stat", Failure::Io("broken".into()))));
    assert!(inventory::holds(&memory, &name("a"), None, None).is_err());
}

#[test]
fn tags_with_what_they_name() {
    let memory = registry();
    let one = image(&memory, "a", &[b"1"]);
    let two = image(&memory, "a", &[b"2"]);
    for (tag, manifest) in [("b", &one), ("a", &two), ("d", &one), ("c", &two)] {
        push_manifest(&memory, "a", tag, OCI_MANIFEST, manifest);
    }
    // A directory that leads nowhere.
    memory.plant(&format!("{ROOT}/repositories/a/_manifests/tags/bb/index/x"), b"");
    memory.plant(&tag_key("a", "bc"), b"nonsense");
    let page = |after: Option<&str>, limit: u32| {
        let page = inventory::tags(&memory, &name("a"), after.map(str::to_owned), limit).unwrap();
        let tags: Vec<_> = page.tags.iter().map(|(tag, digest)| (tag.to_string(), digest.clone())).collect();
        (tags, page.more)
    };
    let (first, second) = (sha256(&one), sha256(&two));
    let named = |tag: &str, digest: &skerry_registry::digest::Digest| (tag.to_owned(), digest.clone());
    assert_eq!(page(None, 1), (vec![named("a", &second)], true));
    assert_eq!(page(Some("a"), 2), (vec![named("b", &first), named("c", &second)], true));
    assert_eq!(page(Some("c"), 2), (vec![named("d", &first)], false));
    assert_eq!(page(Some("zz"), 2), (vec![], false));
    assert_eq!(page(None, u32::MAX).0.len(), 4);
    assert_eq!(inventory::tags(&memory, &name("none"), None, 1), Err(Failure::NotFound));
}

#[test]
fn manifests_blobs_and_referrers() {
    let memory = registry();
    let manifest = image(&memory, "a", &[b"layer"]);
    push_manifest(&memory, "a", "v1", OCI_MANIFEST, &manifest);
    let digest = sha256(&manifest);
    let index = |kind: &str| {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","artifactType":"{kind}","manifests":[],"annotations":{{"k":"v"}},"subject":{{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":{}}}}}"#,
            manifest.len()
        )
        .into_bytes()
    };
    let (seal, note) = (index("x/seal"), index("x/note"));
    for bytes in [&seal, &note] {
        assert_eq!(push_manifest(&memory, "a", sha256(bytes).as_str(), OCI_INDEX, bytes).status, 201);
    }
    for reference in ["v1", digest.as_str()] {
        let found = inventory::manifest(&memory, &name("a"), &Reference::parse(reference).unwrap()).unwrap();
        assert_eq!(
            (found.digest, found.media_type.as_str(), found.content),
            (digest.clone(), OCI_MANIFEST, manifest.clone())
        );
    }
    for reference in ["v2", sha256(b"layer").as_str()] {
        let reference = Reference::parse(reference).unwrap();
        assert_eq!(inventory::manifest(&memory, &name("a"), &reference), Err(Failure::NotFound));
    }
    assert_eq!(inventory::manifest(&memory, &name("b"), &Reference::parse("v1").unwrap()), Err(Failure::NotFound));
    let all = |kind: Option<&str>| inventory::referrers(&memory, &name("a"), &digest, kind).unwrap();
    assert_eq!(all(None).len(), 2);
    let [only] = all(Some("x/seal")).try_into().unwrap();
    assert_eq!((only.digest.as_str(), only.media_type.as_str()), (sha256(&seal).as_str(), OCI_INDEX));
    assert_eq!(only.annotations.unwrap()["k"], "v");
    assert_eq!((all(Some("x/none")), inventory::referrers(&memory, &name("b"), &digest, None)), (vec![], Ok(vec![])));
    let blob = inventory::blob(&memory, &name("a"), &sha256(b"layer")).unwrap();
    assert_eq!((blob.key, blob.size), (data_key(&sha256(b"layer")), 5));
    // That the data is there is not enough.
    assert_eq!(inventory::blob(&memory, &name("b"), &sha256(b"layer")), Err(Failure::NotFound));
    memory.plant(&data_key(&digest), &vec![b' '; (4 << 20) + 1]);
    let large = inventory::manifest(&memory, &name("a"), &Reference::parse("v1").unwrap());
    assert_eq!(large, Err(Failure::TooLarge((4 << 20) + 1)));
}

//! Garbage collection.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod client;
use client::{
    NOW, OCI_INDEX, OCI_MANIFEST, ROOT, data_key, image, layer_key, push_blob, push_manifest, registry, revision_key,
    sha256, sha512, tag_key,
};
use skerry_registry::{
    collect::{Collection, collect},
    digest::Digest,
    memory::Memory,
};

const HOUR: u64 = 3_600;
const ALL: Collection = Collection { now: NOW + 2 * HOUR, grace: HOUR, dry_run: false, delete_untagged: false };
const TAGGED: Collection = Collection { delete_untagged: true, ..ALL };

fn run_in_steps(memory: &Memory, collection: Collection, budget: u32) -> Result<Vec<String>, String> {
    memory.forget_marks();
    let (mut lines, mut cursor, mut steps) = (Vec::new(), None::<String>, 0);
    loop {
        let progress = collect(memory, collection, cursor.as_deref(), budget)?;
        lines.extend(progress.messages);
        steps += 1;
        assert!(steps < 20_000, "it ends");
        let Some(next) = progress.cursor else { return Ok(lines) };
        assert_ne!(cursor.as_ref(), Some(&next), "a step goes on");
        cursor = Some(next);
    }
}

fn run(memory: &Memory, collection: Collection) -> Result<String, String> {
    run_in_steps(memory, collection, 1_000).map(|lines| lines.join("\n"))
}

fn push(memory: &Memory, name: &str, reference: &str, media_type: &str, bytes: &[u8]) -> Digest {
    let answer = push_manifest(memory, name, reference, media_type, bytes);
    assert_eq!(answer.status, 201, "{}", answer.text());
    sha256(bytes)
}

/// An image of one layer, under a tag or by its digest.
fn pushed(memory: &Memory, name: &str, tag: Option<&str>, layer: &[u8]) -> Digest {
    let bytes = image(memory, name, &[layer]);
    push(memory, name, tag.unwrap_or(sha256(&bytes).as_str()), OCI_MANIFEST, &bytes)
}

fn index(memory: &Memory, name: &str, tag: Option<&str>, children: &[&Digest]) -> Digest {
    let children: Vec<_> = children
        .iter()
        .map(|child| format!(r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{child}","size":1}}"#))
        .collect();
    let bytes =
        format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{}]}}"#, children.join(",")).into_bytes();
    push(memory, name, tag.unwrap_or(sha256(&bytes).as_str()), OCI_INDEX, &bytes)
}

fn referrer(memory: &Memory, name: &str, subject: &Digest, layer: &[u8]) -> Digest {
    let image = String::from_utf8(image(memory, name, &[layer])).unwrap();
    let bytes = image.replacen(
        "\"config\"",
        &format!(r#""subject":{{"mediaType":"{OCI_MANIFEST}","digest":"{subject}","size":1}},"config""#),
        1,
    );
    push(memory, name, sha256(bytes.as_bytes()).as_str(), OCI_MANIFEST, bytes.as_bytes())
}

fn delete(memory: &Memory, name: &str, reference: &str) {
    assert_eq!(memory.send("DELETE", &format!("/v2/{name}/manifests/{reference}"), &[], b"").status, 202);
}

fn here(memory: &Memory, digest: &Digest) -> bool {
    memory.object(&data_key(digest)).is_some()
}

#[test]
fn what_nothing_names_goes() {
    let memory = registry();
    let kept = pushed(&memory, "a/b", Some("tag"), b"kept");
    let untagged = pushed(&memory, "a", None, b"untagged");
    let gone = pushed(&memory, "a/b", Some("gone"), b"garbage");
    delete(&memory, "a/b", gone.as_str());
    let orphan = push_blob(&memory, "c", b"orphan");
    let garbage = sha256(b"garbage");

    let before = memory.keys();
    let said = run(&memory, Collection { dry_run: true, ..ALL }).unwrap();
    assert_eq!(memory.keys(), before, "a dry run changes nothing");
    for line in [
        "a/b\n".to_owned(),
        format!("a/b: marking manifest {kept} "),
        format!("a: marking manifest {untagged} "),
        format!("a/b: marking blob {}", sha256(b"kept")),
        "5 blobs marked, 3 blobs and 0 manifests eligible for deletion".to_owned(),
        format!("blob eligible for deletion: {garbage}"),
        format!("a/b: layer link eligible for deletion: {garbage}"),
    ] {
        assert!(said.contains(&line), "{line}: {said}");
    }
    assert_eq!(run(&memory, ALL).unwrap(), said);
    for digest in [&gone, &garbage, &orphan] {
        assert!(!here(&memory, digest), "{digest}");
        assert!(!memory.has_directory(data_key(digest).strip_suffix("/data").unwrap()), "{digest}");
    }
    assert!(memory.object(&layer_key("c", &orphan)).is_none());
    for digest in [&kept, &untagged, &sha256(b"kept"), &sha256(b"untagged"), &sha256(b"{}")] {
        assert!(here(&memory, digest), "{digest}");
    }
    assert!(run(&memory, ALL).unwrap().contains("5 blobs marked, 0 blobs and 0 manifests"));
    assert_eq!(memory.send("GET", "/v2/a/b/manifests/tag", &[], b"").status, 200);
}

#[test]
fn untagged_ones_stay_with_what_they_belong_to() {
    let memory = registry();
    let child = pushed(&memory, "r", None, b"child");
    let inner = index(&memory, "r", None, &[&child]);
    index(&memory, "r", Some("list"), &[&inner]);
    let signature = referrer(&memory, "r", &child, b"signature");
    let of_signature = referrer(&memory, "r", &signature, b"of the signature");
    // As distribution leaves them: with no entry of ours.
    for key in memory.keys().iter().filter(|key| key.contains("_skerry")) {
        memory.steal(key);
    }
    let lonely = pushed(&memory, "r", None, b"lonely");
    let of_lonely = referrer(&memory, "r", &lonely, b"of the lonely one");
    let moved = pushed(&memory, "r", Some("moving"), b"before");
    let now = pushed(&memory, "r", Some("moving"), b"after");
    // The same is tagged elsewhere: its data stays.
    let elsewhere = pushed(&memory, "other", Some("tag"), b"lonely");
    assert_eq!(lonely, elsewhere);

    let said = run(&memory, Collection { dry_run: true, ..TAGGED }).unwrap();
    for digest in [&lonely, &of_lonely, &moved] {
        assert!(said.contains(&format!("r: manifest eligible for deletion: {digest}")), "{said}");
    }
    assert!(said.contains("and 3 manifests eligible"), "{said}");
    assert_eq!(run(&memory, TAGGED).unwrap(), said);
    for (name, digest, stays) in [
        ("r", &child, true),
        ("r", &inner, true),
        ("r", &signature, true),
        ("r", &of_signature, true),
        ("r", &now, true),
        ("other", &elsewhere, true),
        ("r", &lonely, false),
        ("r", &of_lonely, false),
        ("r", &moved, false),
    ] {
        let status = memory.send("GET", &format!("/v2/{name}/manifests/{digest}"), &[], b"").status;
        assert_eq!(status, if stays { 200 } else { 404 }, "{name}@{digest}");
        assert_eq!(memory.object(&revision_key(name, digest)).is_some(), stays);
    }
    assert!(here(&memory, &lonely) && !here(&memory, &moved) && !here(&memory, &sha256(b"before")));
    assert!(here(&memory, &sha256(b"of the signature")));
    // The tag has forgotten what it was.
    let history = memory.keys().into_iter().filter(|key| key.contains("/moving/index/")).count();
    assert_eq!(history, 1);
    assert!(run(&memory, TAGGED).unwrap().contains("0 blobs and 0 manifests"));
}

#[test]
fn the_young_are_spared() {
    let memory = registry();
    let old = push_blob(&memory, "a", b"old");
    let linked = push_blob(&memory, "a", b"linked again");
    memory.at(ALL.now - HOUR / 2);
    let young = push_blob(&memory, "a", b"young");
    memory.plant(&layer_key("b", &linked), linked.as_str().as_bytes());
    let untagged = pushed(&memory, "a", None, b"just pushed");
    // Its list comes next.
    let said = run(&memory, TAGGED).unwrap();
    assert!(said.contains("1 blobs and 0 manifests eligible"), "{said}");
    for (digest, stays) in [(&old, false), (&linked, true), (&young, true), (&untagged, true)] {
        assert_eq!(here(&memory, digest), stays, "{digest}");
    }
    let said = run(&memory, Collection { now: ALL.now + 2 * HOUR, ..TAGGED }).unwrap();
    assert!(said.contains("and 1 manifests eligible"), "{said}");
    assert!(!here(&memory, &young) && !here(&memory, &linked) && !here(&memory, &sha256(b"just pushed")));
}

#[test]
fn links_are_followed_and_damage_is_kept() {
    let memory = registry();
    // distribution keeps what it took by sha512 where its sha256 says.
    let (long, short) = (sha512(b"long"), sha256(b"long"));
    memory.plant(&data_key(&short), b"long");
    memory.plant(&layer_key("a", &long), short.as_str().as_bytes());
    let config = push_blob(&memory, "a", b"{}");
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"digest":"{config}"}},"layers":[{{"digest":"{long}"}}]}}"#
    );
    memory.plant(&data_key(&sha256(manifest.as_bytes())), manifest.as_bytes());
    // A link that a crash emptied, or that is written just now.
    memory.plant(&revision_key("a", &sha256(manifest.as_bytes())), b"");
    // Of a tag whose link is damaged, all that it named is kept.
    let before = pushed(&memory, "a", Some("tag"), b"one");
    let after = pushed(&memory, "a", Some("tag"), b"two");
    memory.plant(&tag_key("a", "tag"), b"");
    // Docker's first manifests name their layers otherwise.
    let layer = push_blob(&memory, "a", b"layer of schema 1");
    let first = format!(r#"{{"schemaVersion":1,"fsLayers":[{{"blobSum":"{layer}"}}]}}"#);
    memory.plant(&data_key(&sha256(first.as_bytes())), first.as_bytes());
    memory.plant(&revision_key("a", &sha256(first.as_bytes())), sha256(first.as_bytes()).as_str().as_bytes());

    let said = run(&memory, ALL).unwrap();
    assert!(said.contains("0 blobs and 0 manifests"), "{said}");
    for digest in [&short, &layer, &before, &after] {
        assert!(here(&memory, digest), "{digest}: {said}");
    }
    let said = run(&memory, TAGGED).unwrap();
    assert!(said.contains("damaged") && said.contains("and 2 manifests eligible"), "{said}");
    assert!(here(&memory, &before) && here(&memory, &after) && !here(&memory, &layer) && !here(&memory, &short));
}

#[test]
fn what_cannot_be_read_stops_it() {
    for (what, plant) in [
        ("its data is empty", Some(&b""[..])),
        ("its data is not there", None),
        ("no JSON object", Some(b"[]")),
        ("no JSON object", Some(b"{\"layers\":[")),
    ] {
        let memory = registry();
        let orphan = push_blob(&memory, "z", b"orphan");
        let digest = pushed(&memory, "a", Some("tag"), b"layer");
        match plant {
            Some(bytes) => memory.plant(&data_key(&digest), bytes),
            None => memory.steal(&data_key(&digest)),
        }
        for collection in [ALL, TAGGED] {
            let said = run(&memory, collection).unwrap_err();
            assert!(
                said.contains(what) && said.contains(digest.as_str()) && said.contains("nothing was removed"),
                "{said}"
            );
            assert!(here(&memory, &orphan) && here(&memory, &sha256(b"layer")));
        }
        // What nobody can pull is what `delete-untagged` is for.
        memory.steal(&tag_key("a", "tag"));
        run(&memory, TAGGED).unwrap();
        assert!(memory.object(&revision_key("a", &digest)).is_none() && !here(&memory, &sha256(b"layer")));
    }
}

#[test]
fn directories_that_are_no_repositories() {
    let memory = registry();
    let orphan = push_blob(&memory, "a", b"orphan");
    memory.plant(&format!("{ROOT}/repositories/@eaDir/x"), b"");
    memory.plant(&format!("{ROOT}/blobs/sha384/ab/{}/data", "ab".repeat(48)), b"x");
    memory.plant(&format!("{ROOT}/repositories/UPPER/_manifests/tags/x/current/link"), b"x");
    let said = run(&memory, ALL).unwrap_err();
    assert!(said.contains("repositories/UPPER") && here(&memory, &orphan), "{said}");
    memory.steal(&format!("{ROOT}/repositories/UPPER/_manifests/tags/x/current/link"));
    let unknown = format!("{ROOT}/repositories/b/_manifests/revisions/sha384/{}/link", "ab".repeat(48));
    memory.plant(&unknown, b"x");
    let memory = {
        let clean = registry();
        push_blob(&clean, "a", b"orphan");
        clean.plant(&unknown, b"x");
        clean
    };
    let said = run(&memory, ALL).unwrap_err();
    assert!(said.contains("algorithm that is not known") && here(&memory, &orphan), "{said}");
    assert_eq!(run(&registry(), TAGGED).unwrap(), "\n0 blobs marked, 0 blobs and 0 manifests eligible for deletion");
}

#[test]
fn small_steps_come_to_the_same_end() {
    let volume = || {
        let memory = registry();
        for number in 0..40_u32 {
            let name = format!("r{}/s{}", number % 5, number % 3);
            let layer = format!("layer {number}").into_bytes();
            let digest = pushed(&memory, &name, (number % 4 > 0).then_some(&*format!("t{number}")), &layer);
            if number % 3 == 0 {
                referrer(&memory, &name, &digest, format!("signature {number}").as_bytes());
            }
            push_blob(&memory, "blobs", format!("orphan {number}").as_bytes());
        }
        memory
    };
    for collection in [ALL, TAGGED] {
        let whole = volume();
        let said = run_in_steps(&whole, collection, 100_000).unwrap();
        assert!(said.iter().any(|line| line.contains(" blobs and ")));
        for budget in [1, 17, 50, 400] {
            let memory = volume();
            assert_eq!(run_in_steps(&memory, collection, budget).unwrap(), said, "budget {budget}");
            assert_eq!(memory.keys(), whole.keys(), "budget {budget}");
        }
    }
}

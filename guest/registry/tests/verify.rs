//! Verification, and what a repair does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod client;
use client::{
    NOW, OCI_INDEX, OCI_MANIFEST, ROOT, data_key, image, layer_key, push_blob, push_manifest, registry, revision_key,
    sha256, sha512, tag_key,
};
use skerry_registry::{
    digest::Digest,
    memory::Memory,
    tend::Damage,
    verify::{Verification, verify},
};

struct Said {
    damage: Vec<Damage>,
    messages: String,
}

fn run_in_steps(memory: &Memory, repair: bool, budget: u32) -> Said {
    memory.forget_marks();
    let asked = Verification { now: NOW + 60, repair };
    let (mut damage, mut messages, mut cursor, mut total) = (Vec::new(), Vec::new(), None::<String>, 0);
    for step in 0.. {
        assert!(step < 20_000, "it ends");
        let progress = verify(memory, asked, cursor.as_deref(), budget).unwrap();
        assert!(progress.total >= total, "it is known once");
        total = progress.total;
        damage.extend(progress.damage);
        messages.extend(progress.messages);
        let Some(next) = progress.cursor else { break };
        assert_ne!(cursor.as_ref(), Some(&next), "a step goes on");
        cursor = Some(next);
    }
    Said { damage, messages: messages.join("\n") }
}

fn found(memory: &Memory) -> Vec<Damage> {
    let before = memory.keys();
    let said = run_in_steps(memory, false, 1_000);
    assert_eq!(memory.keys(), before, "nothing is changed without a repair");
    assert!(said.damage.iter().all(|damage| damage.done.is_none()));
    assert!(said.messages.contains(&format!("; {} damaged, 0 of them", said.damage.len())), "{}", said.messages);
    said.damage
}

fn pushed(memory: &Memory, name: &str, tag: Option<&str>, layer: &[u8]) -> (Digest, Vec<u8>) {
    let bytes = image(memory, name, &[layer]);
    let answer = push_manifest(memory, name, tag.unwrap_or(sha256(&bytes).as_str()), OCI_MANIFEST, &bytes);
    assert_eq!(answer.status, 201, "{}", answer.text());
    (sha256(&bytes), bytes)
}

fn index(memory: &Memory, name: &str, tag: &str, children: &[&Digest]) -> Digest {
    let child = |child: &&Digest| format!(r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{child}","size":1}}"#);
    let children: Vec<_> = children.iter().map(child).collect();
    let bytes = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{}]}}"#, children.join(","));
    assert_eq!(push_manifest(memory, name, tag, OCI_INDEX, bytes.as_bytes()).status, 201);
    sha256(bytes.as_bytes())
}

fn pulled(memory: &Memory, name: &str, tag: &str) -> u16 {
    memory.send("GET", &format!("/v2/{name}/manifests/{tag}"), &[], b"").status
}

/// Two repositories with all that can be there.
fn whole() -> Memory {
    let memory = registry();
    let (child, _) = pushed(&memory, "team/app", None, b"child");
    index(&memory, "team/app", "multi", &[&child, &sha256(b"a child that is elsewhere")]);
    let (subject, bytes) = pushed(&memory, "team/app", Some("v1"), b"one");
    pushed(&memory, "team/app", Some("v1"), b"two");
    pushed(&memory, "other", Some("latest"), b"one");
    push_blob(&memory, "other", b"");
    let referrer = String::from_utf8(bytes).unwrap().replacen(
        "\"config\"",
        &format!(r#""subject":{{"mediaType":"{OCI_MANIFEST}","digest":"{subject}","size":1}},"config""#),
        1,
    );
    let answer =
        push_manifest(&memory, "team/app", sha256(referrer.as_bytes()).as_str(), OCI_MANIFEST, referrer.as_bytes());
    assert_eq!(answer.status, 201);
    // Objects of distribution by sha512 lie by sha256.
    memory.plant(&layer_key("other", &sha512(b"one")), sha256(b"one").as_str().as_bytes());
    assert_eq!(memory.send("POST", "/v2/other/blobs/uploads/", &[], b"").status, 202);
    memory
}

#[test]
fn what_is_whole_is_said_to_be() {
    let memory = whole();
    for budget in [16, 17, 40, 1_000] {
        let said = run_in_steps(&memory, false, budget);
        assert_eq!(said.damage, [], "{budget}");
        assert!(said.messages.contains("6 manifests and 3 tags in 2 repositories; 0 damaged"), "{}", said.messages);
        assert!(said.messages.contains("note: 1 manifests that an index names are not here"), "{}", said.messages);
    }
    let before = memory.keys();
    assert_eq!(run_in_steps(&memory, true, 1_000).damage, []);
    assert_eq!(memory.keys(), before, "a repair has nothing to do");
    assert_eq!(run_in_steps(&registry(), true, 1_000).damage, [], "nothing is whole too");
}

/// What is planted, what is said of it, and by what it is whole again.
#[test]
fn damage_is_found_and_mended() {
    type Plant = fn(&Memory, &Digest, &Digest);
    type Push = fn(&Memory);
    let nothing: Push = |_| {};
    let again: Push = |memory| drop(pushed(memory, "team/app", Some("v1"), b"two"));
    let both: Push = |memory| {
        pushed(memory, "team/app", Some("v1"), b"one");
        pushed(memory, "team/app", Some("v1"), b"two");
    };
    let cases: &[(&str, Plant, &[&str], Push)] = &[
        (
            "another layer",
            |memory, _, layer| memory.plant(&data_key(layer), b"owt"),
            &["another: it has the digest sha256:", "team/app:v1", "docker push HOST/team/app:v1"],
            again,
        ),
        (
            "an empty layer",
            |memory, _, layer| memory.plant(&data_key(layer), b""),
            &["it is empty", "cannot be pulled: team/app:v1"],
            again,
        ),
        ("no layer", |memory, _, layer| memory.steal(&data_key(layer)), &["is missing", "team/app:v1"], again),
        (
            "a pipe for a layer",
            |memory, _, layer| memory.plant_strange(&data_key(layer)),
            &["it is no file", "team/app:v1"],
            again,
        ),
        (
            "a cut manifest",
            |memory, manifest, _| memory.plant(&data_key(manifest), b"{\"schemaV"),
            &["it has the digest", "the manifest itself is damaged; cannot be pulled: team/app:v1"],
            again,
        ),
        (
            "no manifest",
            |memory, manifest, _| memory.steal(&data_key(manifest)),
            &["the manifest itself is missing"],
            again,
        ),
        (
            "an empty layer link",
            |memory, _, layer| memory.plant(&layer_key("team/app", layer), b""),
            &["_layers", "it is empty", "is not linked here"],
            nothing,
        ),
        (
            "a layer link of nonsense",
            |memory, _, layer| memory.plant(&layer_key("team/app", layer), &[0xff; 300]),
            &["it has 300 bytes, and is no link"],
            nothing,
        ),
        (
            "a layer link elsewhere",
            |memory, _, layer| memory.plant(&layer_key("team/app", layer), sha256(b"one").as_str().as_bytes()),
            &["it names sha256:"],
            nothing,
        ),
        (
            "no layer link",
            |memory, _, layer| memory.steal(&layer_key("team/app", layer)),
            &["is not linked here; cannot be pulled: team/app:v1"],
            nothing,
        ),
        (
            "no revision",
            |memory, manifest, _| memory.steal(&revision_key("team/app", manifest)),
            &["is not linked here; cannot be pulled: team/app:v1"],
            nothing,
        ),
        (
            "a revision of nonsense",
            |memory, manifest, _| memory.plant(&revision_key("team/app", manifest), b"nonsense"),
            &["it holds no digest; cannot be pulled: team/app:v1"],
            nothing,
        ),
        (
            "a tag of nothing",
            |memory, _, _| memory.plant(&tag_key("team/app", "v1"), b""),
            &["it is empty; cannot be pulled: team/app:v1; tag it and push it again"],
            both,
        ),
        (
            "a tag of what is not there",
            |memory, _, _| memory.plant(&tag_key("team/app", "v1"), sha256(b"?").as_str().as_bytes()),
            &["is not here; cannot be pulled: team/app:v1"],
            again,
        ),
        (
            "a tag with no link",
            |memory, _, _| memory.steal(&tag_key("team/app", "v1")),
            &["it does not say which manifest it is"],
            both,
        ),
        (
            "no index",
            |memory, manifest, _| {
                let hex = manifest.hex();
                memory.steal(&format!("{ROOT}/repositories/team/app/_manifests/tags/v1/index/sha256/{hex}/link"));
            },
            &["distribution may leave team/app:v1"],
            nothing,
        ),
        (
            "an index of nonsense",
            |memory, manifest, _| {
                let hex = manifest.hex();
                memory.plant(&format!("{ROOT}/repositories/team/app/_manifests/tags/v1/index/sha256/{hex}/link"), b"x");
            },
            &["it holds no digest"],
            nothing,
        ),
        (
            "things that do not belong there",
            |memory, _, _| {
                for stray in [
                    "blobs/sha256/stray",
                    "blobs/sha256/ab/short/data",
                    "repositories/team/app/_layers/sha256/stray",
                    "repositories/team/app/_manifests/tags/-no-tag/current/link",
                    "repositories/team/app/_uploads/no-uuid",
                    "repositories/team/app/_skerry/referrers/sha256/stray",
                ] {
                    memory.plant(&format!("{ROOT}/{stray}"), b"x");
                }
            },
            &["does not belong here"],
            nothing,
        ),
        (
            "a repository that nobody can name",
            |memory, _, _| memory.plant(&format!("{ROOT}/repositories/team/Upper/_layers/x"), b"x"),
            &["its name is none that a repository can have"],
            nothing,
        ),
    ];
    for (name, plant, says, push) in cases {
        let memory = whole();
        let manifest = Digest::parse(
            memory.send("GET", "/v2/team/app/manifests/v1", &[], b"").header("docker-content-digest").unwrap(),
        )
        .unwrap();
        plant(&memory, &manifest, &sha256(b"two"));
        let damage = found(&memory);
        let text: Vec<_> = damage
            .iter()
            .map(|damage| {
                let Damage { place, what, consequence, remedy, .. } = damage;
                format!("{place}: {what}; {consequence}; {remedy}")
            })
            .collect();
        let text = text.join("\n");
        for part in *says {
            assert!(text.contains(part), "{name}: {part} in {text}");
        }
        let objects = |memory: &Memory| memory.keys().len();
        let before = objects(&memory);
        let repaired = run_in_steps(&memory, true, 1_000);
        assert!(!repaired.damage.is_empty(), "{name}");
        assert!(objects(&memory) >= before, "{name}: nothing is deleted");
        push(&memory);
        assert_eq!(found(&memory), [], "{name}, after {:?}", repaired.damage);
        if !name.contains("repository") {
            assert_eq!(pulled(&memory, "team/app", "v1"), 200, "{name}");
        }
    }
}

/// A tag that never named anything else is what it was.
#[test]
fn a_tag_with_one_past_comes_back() {
    let memory = whole();
    let before = memory.send("GET", "/v2/other/manifests/latest", &[], b"");
    memory.plant(&tag_key("other", "latest"), b"nonsense");
    let done = run_in_steps(&memory, true, 1_000).damage[0].done.clone();
    assert_eq!(done.as_deref(), Some("set to the only manifest that it ever named"));
    assert_eq!(memory.send("GET", "/v2/other/manifests/latest", &[], b"").body, before.body);
    let kept = format!("quarantine/{}", tag_key("other", "latest"));
    assert_eq!(memory.object(&kept).unwrap(), b"nonsense");
}

/// Who pulls an index needs its children.
#[test]
fn a_tag_is_named_for_a_part_of_its_index() {
    let memory = whole();
    memory.steal(&data_key(&sha256(b"child")));
    let damage = found(&memory);
    let [damage] = damage.as_slice() else { panic!("{damage:?}") };
    assert_eq!(damage.consequence, "cannot be pulled: team/app:multi");
    assert!(damage.what.contains(sha256(b"child").as_str()) && damage.remedy.ends_with("HOST/team/app:multi"));
}

/// Where images may lack layers, they are not given any.
#[test]
fn a_sparse_registry_is_not_filled() {
    let memory = whole();
    memory.set("validation.manifests.sparse", "true");
    memory.steal(&layer_key("team/app", &sha256(b"two")));
    assert_eq!(run_in_steps(&memory, true, 1_000).damage, []);
    assert_eq!(memory.object(&layer_key("team/app", &sha256(b"two"))), None);
    // One that is linked and gone is lost all the same.
    memory.steal(&data_key(&sha256(b"child")));
    assert_eq!(found(&memory).len(), 1);
}

/// What distribution wrote has no lists of referrers, and may have half of the
/// directories.
#[test]
fn what_is_missing_on_volumes_of_others_is_made() {
    let memory = whole();
    let referrers: Vec<_> = memory.keys().into_iter().filter(|key| key.contains("_skerry")).collect();
    assert_eq!(referrers.len(), 1);
    let entry = memory.object(&referrers[0]).unwrap();
    memory.steal(&referrers[0]);
    memory.plant(&layer_key("bare", &sha256(b"one")), sha256(b"one").as_str().as_bytes());
    let said = run_in_steps(&memory, false, 1_000);
    assert_eq!(said.damage, []);
    assert!(said.messages.contains("1 manifests refer to others whose lists"), "{}", said.messages);
    assert!(said.messages.contains("1 repositories lack a directory"), "{}", said.messages);
    assert_eq!(run_in_steps(&memory, true, 1_000).damage, []);
    assert_eq!(memory.object(&referrers[0]), Some(entry));
    assert!(memory.has_directory(&format!("{ROOT}/repositories/bare/_manifests")));
}

#[test]
fn what_cannot_be_looked_at_ends_it() {
    use skerry_registry::host::Failure;

    let memory = whole();
    for (import, failure) in [("page", Failure::Io("disk".into())), ("digests", Failure::Busy)] {
        memory.fail(Some((import, failure)));
        let asked = Verification { now: NOW, repair: true };
        let (mut cursor, mut ended) = (None, None);
        while ended.is_none() {
            match verify(&memory, asked, cursor.as_deref(), 1_000) {
                Ok(progress) if progress.cursor.is_some() => cursor = progress.cursor,
                Ok(_) => panic!("{import}: it ended well"),
                Err(sentence) => ended = Some(sentence),
            }
        }
        assert!(ended.unwrap().contains("cannot be looked at"), "{import}");
    }
    memory.fail(Some(("digests", Failure::Io("input/output error".into()))));
    assert!(found(&memory).iter().any(|damage| damage.what.contains("cannot be read: input/output error")));
    assert!(verify(&memory, Verification { now: NOW, repair: false }, Some("nonsense"), 10).is_err());
}

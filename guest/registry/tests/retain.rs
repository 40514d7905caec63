//! Retention: what policies are told, and what becomes of what they say.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod client;
use std::{cell::RefCell, rc::Rc};

use client::{NOW, OCI_INDEX, OCI_MANIFEST, image, push_manifest, registry, sha256, tag_key};
use skerry_registry::{
    digest::Digest,
    host::{Denial, Departure, Happening, Ruling, TagFacts},
    memory::Memory,
    retain::{Run, retain},
};

fn run_in_steps(memory: &Memory, dry_run: bool, budget: u32) -> Result<Vec<String>, String> {
    let (mut lines, mut cursor) = (Vec::new(), None::<String>);
    for step in 0.. {
        assert!(step < 20_000, "it ends");
        let progress = retain(memory, Run { dry_run }, cursor.as_deref(), budget)?;
        lines.extend(progress.messages);
        let Some(next) = progress.cursor else { break };
        assert_ne!(cursor.as_ref(), Some(&next), "a step goes on");
        cursor = Some(next);
    }
    Ok(lines)
}

fn run(memory: &Memory, dry_run: bool) -> String {
    run_in_steps(memory, dry_run, 1_000).unwrap().join("\n")
}

fn push(memory: &Memory, name: &str, tag: &str, layer: &[u8], at: u64) -> Digest {
    memory.at(at);
    let bytes = image(memory, name, &[layer]);
    assert_eq!(push_manifest(memory, name, tag, OCI_MANIFEST, &bytes).status, 201);
    sha256(&bytes)
}

/// All tags whose name begins so go.
fn drop_all(prefix: &'static str) -> impl Fn(&Memory, &str, &[TagFacts]) -> Option<Vec<Departure>> {
    move |_, _, tags| {
        let gone = tags.iter().filter(|facts| facts.tag.as_str().starts_with(prefix));
        Some(gone.map(|facts| Departure { tag: facts.tag.as_str().to_owned(), reason: "old".to_owned() }).collect())
    }
}

fn tags(memory: &Memory, name: &str) -> String {
    memory.send("GET", &format!("/v2/{name}/tags/list"), &[], b"").text()
}

#[test]
fn policies_are_told_what_is_known() {
    let memory = registry();
    let first = push(&memory, "a/b", "v1", b"layer", NOW);
    let second = push(&memory, "a/b", "v2", b"another layer", NOW + 5);
    let list = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{{"mediaType":"{OCI_MANIFEST}","digest":"{first}","size":7}},{{"mediaType":"{OCI_MANIFEST}","digest":"{second}","size":7}}]}}"#
    );
    push_manifest(&memory, "a/b", "multi", OCI_INDEX, list.as_bytes());
    memory.used("a/b:v1", NOW + 100);
    memory.used(&format!("a/b@{first}"), NOW + 200);
    memory.used(&format!("a/b@{second}"), NOW + 300);
    memory.used("a/b:v3", NOW + 400);
    let told = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&told);
    memory.keep(move |_, name, tags| {
        seen.borrow_mut().push((name.to_owned(), tags.to_vec()));
        Some(Vec::new())
    });
    for budget in [16, 1_000] {
        told.borrow_mut().clear();
        assert_eq!(run_in_steps(&memory, false, budget).unwrap(), ["0 of 3 tags in 1 repositories are removed"]);
        let told = told.borrow();
        let [(name, tags)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(name, "a/b");
        let size = |digest: &Digest| {
            let key = client::data_key(digest);
            u64::try_from(memory.object(&key).unwrap().len()).unwrap()
        };
        let (one, two) = (size(&first) + 2 + 5, size(&second) + 2 + 13);
        let expected = [
            // The config that both have counts once.
            ("multi", sha256(list.as_bytes()), NOW + 5, u64::try_from(list.len()).unwrap() + one + two - 2, None),
            ("v1", first.clone(), NOW, one, Some(NOW + 200)),
            ("v2", second.clone(), NOW + 5, two, Some(NOW + 300)),
        ];
        for (facts, (tag, digest, updated, size, last_pull)) in tags.iter().zip(expected) {
            assert_eq!((facts.tag.as_str(), &facts.digest, facts.updated), (tag, &digest, updated));
            assert_eq!((facts.size, facts.last_pull), (size, last_pull), "{tag}");
        }
        assert_eq!(tags.len(), 3);
    }
}

#[test]
fn a_pull_is_noted() {
    let memory = registry();
    let digest = push(&memory, "a/b", "v1", b"layer", NOW);
    let used = |target: &str, headers: &[(&str, &str)]| -> Vec<String> {
        let notes = memory.send("GET", target, headers, b"").notes;
        notes.into_iter().filter(|(name, _)| name == "used").map(|(_, value)| value).collect()
    };
    let (by_digest, by_tag) = (format!("a/b@{digest}"), "a/b:v1".to_owned());
    assert_eq!(used("/v2/a/b/manifests/v1", &[]), [by_digest.clone(), by_tag.clone()]);
    assert_eq!(used(&format!("/v2/a/b/manifests/{digest}"), &[]), std::slice::from_ref(&by_digest));
    // Who has it already uses it too.
    let known = format!("\"{digest}\"");
    assert_eq!(used("/v2/a/b/manifests/v1", &[("if-none-match", &known)]), [by_digest, by_tag]);
    assert_eq!(used("/v2/a/b/manifests/v2", &[]), [""; 0]);
    assert_eq!(used("/v2/a/b/tags/list", &[]), [""; 0]);
}

#[test]
fn what_policies_say_is_done() {
    let memory = registry();
    for n in 0..40 {
        push(&memory, "a", &format!("old{n}"), b"layer", NOW);
        push(&memory, "a/b", &format!("new{n}"), b"layer", NOW);
    }
    memory.keep(drop_all("old"));
    let before = memory.keys();
    let dry = run(&memory, true);
    assert_eq!(memory.keys(), before);
    assert!(dry.contains("a:old7 would go: old") && dry.contains("40 of 80 tags in 2 repositories would go"), "{dry}");
    let said = run_in_steps(&memory, false, 16).unwrap().join("\n");
    assert!(said.contains("a:old7 is removed: old") && said.contains("40 of 80 tags in 2"), "{said}");
    assert!(said.contains("garbage-collect"), "{said}");
    assert!(!tags(&memory, "a").contains("old") && tags(&memory, "a/b").contains("new39"));
    assert!(!memory.has_directory("docker/registry/v2/repositories/a/_manifests/tags/old1"));
    assert!(run(&memory, false).contains("0 of 40 tags in 1 repositories"));
}

#[test]
fn what_stays_nevertheless() {
    let memory = registry();
    push(&memory, "a", "old-moved", b"one", NOW);
    push(&memory, "a", "old-held", b"one", NOW);
    push(&memory, "a", "old-gone", b"one", NOW);
    memory.keep(move |memory, name, tags| {
        let said = drop_all("old")(memory, name, tags);
        // Between the question and the removal.
        memory.plant(&tag_key("a", "old-moved"), sha256(b"elsewhere").as_str().as_bytes());
        said
    });
    memory.rule(|_, event| match &event.happening {
        Happening::TagDelete { tag, digest: Some(_) } if tag.as_str() == "old-held" => {
            let (code, message) = ("DENIED".to_owned(), "it is immutable".to_owned());
            Ruling::Deny(Denial { code, status: 0, message })
        }
        _ => Ruling::Allow(Vec::new()),
    });
    let said = run(&memory, false);
    for line in [
        "a:old-moved stays: it was moved meanwhile",
        "a:old-held stays: it is immutable",
        "a:old-gone is removed: old",
        "1 of 3 tags",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    // It is moved after the last look.
    memory.rule(|memory, _| {
        memory.plant(&tag_key("a", "old-held"), sha256(b"elsewhere").as_str().as_bytes());
        Ruling::Allow(Vec::new())
    });
    assert!(run(&memory, false).contains("a:old-held stays: it was moved meanwhile"));
    memory.rule(|_, _| Ruling::Unavailable);
    assert!(run(&memory, false).contains("stays: a policy failed"));
    assert!(tags(&memory, "a").contains("old-held"));
}

#[test]
fn nothing_goes_where_nobody_can_say() {
    let memory = registry();
    push(&memory, "a", "old", b"one", NOW);
    push(&memory, "b", "old", b"one", NOW);
    memory.keep(|memory, name, tags| if name == "a" { None } else { drop_all("old")(memory, name, tags) });
    let said = run(&memory, false);
    assert!(said.contains("a: a policy failed; all tags stay") && said.contains("b:old is removed"), "{said}");
    // Others than those that it was asked about, it cannot name.
    memory.keep(|_, _, _| {
        let gone = |tag: &str| Departure { tag: tag.to_owned(), reason: String::new() };
        Some(vec![gone("none"), gone("../b")])
    });
    assert!(run(&memory, false).contains("0 of 1 tags"));
    memory.set("storage.maintenance.readonly.enabled", "true");
    assert!(run_in_steps(&memory, false, 10).unwrap_err().contains("read-only"));
}

#[test]
fn so_many_tags_are_left_alone() {
    let memory = registry();
    let digest = push(&memory, "many", "v", b"one", NOW);
    for n in 0..10_000 {
        memory.plant(&tag_key("many", &format!("old{n}")), digest.as_str().as_bytes());
    }
    memory.keep(drop_all("old"));
    assert!(run(&memory, false).contains("many: it has more than 10000 tags"));
    assert!(memory.object(&tag_key("many", "old1")).is_some());
}

//! Referrers: entries, filters, fallback tags, deletes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod client;
use client::{OCI_INDEX, OCI_MANIFEST, ROOT, assert_error, json, push_blob, push_manifest, registry, sha256, sha512};
use serde_json::{Value, json as value};
use skerry_registry::{digest::Digest, memory::Memory};

fn artifact(memory: &Memory, subject: &Digest, extra: &Value) -> Vec<u8> {
    let config = push_blob(memory, "a", b"{}");
    let mut manifest = value!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "x/config", "digest": config.as_str(), "size": 2},
        "layers": [],
        "subject": {"mediaType": OCI_MANIFEST, "digest": subject.as_str(), "size": 1},
    });
    manifest.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    serde_json::to_vec(&manifest).unwrap()
}

fn list(memory: &Memory, subject: &Digest, query: &str) -> Vec<Value> {
    let answer = memory.send("GET", &format!("/v2/a/referrers/{subject}{query}"), &[], b"");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(OCI_INDEX)));
    let index = json(&answer);
    assert_eq!((index["schemaVersion"].as_u64(), index["mediaType"].as_str()), (Some(2), Some(OCI_INDEX)));
    assert_eq!(answer.header("oci-filters-applied"), query.contains("artifactType=x/").then_some("artifactType"));
    index["manifests"].as_array().unwrap().clone()
}

#[test]
fn a_list_is_always_there() {
    let memory = registry();
    for subject in [sha256(b"nobody"), sha512(b"nobody")] {
        assert_eq!(list(&memory, &subject, ""), Vec::<Value>::new());
        assert_eq!(list(&memory, &subject, "?artifactType=x/y"), Vec::<Value>::new());
    }
    assert_error(&memory.send("GET", "/v2/a/referrers/sha256:0", &[], b""), 400, &["DIGEST_INVALID"]);
}

#[test]
fn referrers_of_a_subject_that_is_not_here() {
    let memory = registry();
    for subject in [sha256(b"subject"), sha512(b"subject")] {
        let plain = artifact(&memory, &subject, &value!({}));
        let typed = artifact(&memory, &subject, &value!({"artifactType": "x/typed", "annotations": {"k": "v"}}));
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[],"subject":{{"digest":"{subject}"}}}}"#
        )
        .into_bytes();
        for (reference, media_type, bytes) in [
            (sha256(&plain).to_string(), OCI_MANIFEST, &plain),
            ("tagged".to_owned(), OCI_MANIFEST, &typed),
            (sha512(&index).to_string(), OCI_INDEX, &index),
            (sha256(&plain).to_string(), OCI_MANIFEST, &plain),
        ] {
            let answer = push_manifest(&memory, "a", &reference, media_type, bytes);
            assert_eq!((answer.status, answer.header("oci-subject")), (201, Some(subject.as_str())));
        }
        let descriptor = |digest: Digest, bytes: &[u8], media_type: &str| value!({"mediaType": media_type, "digest": digest.as_str(), "size": bytes.len()});
        let mut first = descriptor(sha256(&plain), &plain, OCI_MANIFEST);
        first["artifactType"] = value!("x/config");
        let mut second = descriptor(sha256(&typed), &typed, OCI_MANIFEST);
        second["artifactType"] = value!("x/typed");
        second["annotations"] = value!({"k": "v"});
        let third = descriptor(sha512(&index), &index, OCI_INDEX);
        let found = list(&memory, &subject, "");
        assert_eq!(found.len(), 3);
        for expected in [&first, &second, &third] {
            assert!(found.contains(expected), "{expected} in {found:?}");
        }
        assert_eq!(list(&memory, &subject, "?artifactType=x/typed"), [second.clone()]);
        assert_eq!(list(&memory, &subject, "?artifactType=x/config"), [first.clone()]);
        assert!(list(&memory, &subject, "?artifactType=x/other").is_empty());
        assert_eq!(list(&memory, &subject, "?artifactType=").len(), 3);

        let path = format!("/v2/a/manifests/{}", sha256(&typed));
        assert_eq!(memory.send("DELETE", &path, &[], b"").status, 202);
        assert_eq!(list(&memory, &subject, "").len(), 2);
        let left =
            memory.keys().into_iter().filter(|key| key.contains("/_skerry/")).filter(|key| key.contains(subject.hex()));
        assert_eq!(left.count(), 2);
    }
}

#[test]
fn an_entry_counts_while_its_manifest_is_here() {
    let memory = registry();
    let subject = sha256(b"subject");
    let bytes = artifact(&memory, &subject, &value!({"artifactType": "x/y"}));
    let digest = sha256(&bytes);
    push_manifest(&memory, "a", digest.as_str(), OCI_MANIFEST, &bytes);
    let entry = format!("{ROOT}/repositories/a/_skerry/referrers/sha256/{}/sha256-{}", subject.hex(), digest.hex());
    // Damaged, or longer than entries are: the manifest knows.
    for damage in [&b""[..], b"{}", b"nonsense", br#"{"digest":"sha256:00","mediaType":"x/z"}"#] {
        memory.plant(&entry, damage);
        let found = list(&memory, &subject, "");
        assert_eq!((found.len(), &found[0]["artifactType"]), (1, &value!("x/y")));
    }
    memory.plant(&client::data_key(&digest), b"");
    assert!(list(&memory, &subject, "").is_empty());
    memory.plant(&format!("{ROOT}/repositories/a/_skerry/referrers/sha256/{}/rubbish", subject.hex()), b"x");
    push_manifest(&memory, "a", digest.as_str(), OCI_MANIFEST, &bytes);
    assert_eq!(list(&memory, &subject, "").len(), 1);
}

#[test]
fn lists_that_clients_made_are_merged() {
    let memory = registry();
    for subject in [sha256(b"subject"), sha512(b"subject")] {
        // As they come onto a volume: nobody here saw a subject.
        let plain = br#"{"schemaVersion":2,"mediaType":"x/manifest","artifactType":"x/plain"}"#;
        push_manifest(&memory, "a", sha256(plain).as_str(), "x/manifest", plain);
        let known = artifact(&memory, &subject, &value!({"artifactType": "x/known"}));
        push_manifest(&memory, "a", sha256(&known).as_str(), OCI_MANIFEST, &known);
        let list_of = value!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
            {"mediaType": "x/manifest", "digest": sha256(plain).as_str(), "size": 1},
            {"mediaType": "x/manifest", "digest": sha256(plain).as_str(), "size": 1, "artifactType": "x/twice"},
            {"mediaType": OCI_MANIFEST, "digest": sha256(&known).as_str(), "size": 1, "artifactType": "x/stale"},
            {"mediaType": OCI_MANIFEST, "digest": sha256(b"gone").as_str(), "size": 1, "artifactType": "x/gone"},
        ]});
        let mut tag = format!("{}-{}", subject.algorithm().name(), subject.hex());
        tag.truncate(128);
        let answer = push_manifest(&memory, "a", &tag, OCI_INDEX, &serde_json::to_vec(&list_of).unwrap());
        assert_eq!(answer.status, 201, "{}", answer.text());
        let found = list(&memory, &subject, "");
        let types: Vec<_> = found.iter().map(|one| one["artifactType"].as_str().unwrap()).collect();
        assert_eq!(types, ["x/known", "x/plain"]);
        assert_eq!(found[1]["size"], plain.len());
        assert_eq!(list(&memory, &subject, "?artifactType=x/plain").len(), 1);
    }
}

#[test]
fn long_lists_come_in_parts() {
    let memory = registry();
    let subject = sha256(b"subject");
    let mut listed = Vec::new();
    for number in 0..1_300 {
        let bytes = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[],"artifactType":"x/{}","subject":{{"digest":"{subject}"}}}}"#,
            format_args!("{}{}", if number % 2 == 0 { "even" } else { "odd" }, " ".repeat(number).len() / 10_000),
        )
        .replace("[]", &format!("[{}]", " ".repeat(number)));
        push_manifest(&memory, "a", sha256(bytes.as_bytes()).as_str(), OCI_INDEX, bytes.as_bytes());
        let plain = format!(r#"{{"mediaType":"x/y","artifactType":"x/tag","n":{number}}}"#);
        push_manifest(&memory, "a", sha256(plain.as_bytes()).as_str(), "x/y", plain.as_bytes());
        listed.push(value!({"digest": sha256(plain.as_bytes()).as_str()}));
    }
    let index = value!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed});
    push_manifest(&memory, "a", &format!("sha256-{}", subject.hex()), OCI_INDEX, &serde_json::to_vec(&index).unwrap());
    for (query, total) in [("", 2_600), ("?artifactType=x/even0", 650), ("?artifactType=x/tag", 1_300)] {
        let mut target = format!("/v2/a/referrers/{subject}{query}");
        let (mut digests, mut parts) = (Vec::new(), 0);
        loop {
            let answer = memory.send("GET", &target, &[], b"");
            let manifests = json(&answer)["manifests"].as_array().unwrap().clone();
            digests.extend(manifests.into_iter().map(|one| one["digest"].as_str().unwrap().to_owned()));
            parts += 1;
            assert!(parts < 10);
            let Some(link) = answer.header("link") else {
                break;
            };
            target = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
        }
        digests.sort();
        digests.dedup();
        assert_eq!((digests.len(), parts), (total, 3), "{query}");
    }
}

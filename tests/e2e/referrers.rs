//! Referrers: what signatures, bills of material and attestations hang on.

use serde_json::{Value, json};
use skerry_tests::{
    Client, Registry,
    content::{self, IMAGE, INDEX, descriptor},
    push, sha256,
    table::{get, put, run},
};

use crate::base::NOBODY;

const SIGNATURE: &str = "application/vnd.example.signature";
const BILL: &str = "application/vnd.example.sbom.v1";

fn listed(client: &Client, name: &str, subject: &str, query: &str) -> Vec<String> {
    let answer = client.get(&format!("/v2/{name}/referrers/{subject}{query}")).expect(200);
    assert_eq!(answer.header("content-type"), INDEX);
    let json = answer.json();
    assert_eq!(json["mediaType"], INDEX);
    assert_eq!(json["schemaVersion"], 2);
    let mut digests: Vec<String> =
        json["manifests"].as_array().unwrap().iter().map(|one| one["digest"].as_str().unwrap().to_owned()).collect();
    digests.sort();
    digests
}

fn sorted(manifests: &[&[u8]]) -> Vec<String> {
    let mut digests: Vec<String> = manifests.iter().map(sha256).collect();
    digests.sort();
    digests
}

#[test]
fn nothing_refers_to_nothing() {
    let registry = Registry::new();
    let empty = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] });
    run(
        &registry.client(),
        &[
            get(format!("/v2/nobody/referrers/{NOBODY}"), 200).is("content-type", INDEX).json(empty.clone()),
            get(format!("/v2/nobody/referrers/{NOBODY}?artifactType=a/b"), 200)
                .is("oci-filters-applied", "artifactType")
                .json(empty),
            get("/v2/nobody/referrers/sha256:abc", 400).or(404).error(""),
            get("/v2/nobody/referrers/latest", 400).or(404).error(""),
        ],
    );
}

#[test]
fn referrers() {
    let registry = Registry::new();
    let client = registry.client();
    let name = "ref/one";
    let subject = push::image(&client, name, Some("v1"), 60);
    let digest = sha256(&subject);
    push::blob(&client, name, b"{}");
    let signature = content::artifact(&subject, SIGNATURE, "signed");
    run(
        &client,
        &[put(format!("/v2/{name}/manifests/{}", sha256(&signature)), 201)
            .media(IMAGE)
            .body(&signature)
            .is("oci-subject", &digest)],
    );
    let bill = push::referrer(&client, name, &subject, BILL, "listed");
    let answer = client.get(&format!("/v2/{name}/referrers/{digest}")).expect(200).json();
    let entries = answer["manifests"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["digest"] == sha256(&signature)).unwrap();
    assert_eq!(
        *entry,
        json!({
            "mediaType": IMAGE, "digest": sha256(&signature), "size": signature.len(),
            "artifactType": SIGNATURE, "annotations": { "note": "signed" },
        })
    );
    assert_eq!(listed(&client, name, &digest, ""), sorted(&[&signature, &bill]));
    assert_eq!(listed(&client, name, &digest, &format!("?artifactType={BILL}")), sorted(&[&bill]));
    let filtered = client.get(&format!("/v2/{name}/referrers/{digest}?artifactType={}", BILL.replace('/', "%2F")));
    assert_eq!(filtered.expect(200).header("oci-filters-applied"), "artifactType");
    assert!(listed(&client, name, &digest, "?artifactType=no/such").is_empty());
    // Not from another repository.
    assert!(listed(&client, "ref/two", &digest, "").is_empty());
    // Of a referrer; and an index as one.
    let counter = push::referrer(&client, name, &signature, SIGNATURE, "countersigned");
    assert_eq!(listed(&client, name, &sha256(&signature), ""), sorted(&[&counter]));
    let index = serde_json::to_vec(&json!({
        "schemaVersion": 2, "mediaType": INDEX, "artifactType": BILL, "manifests": [],
        "subject": descriptor(IMAGE, &digest, subject.len()),
    }))
    .unwrap();
    push::manifest(&client, name, "index", INDEX, &index);
    assert_eq!(listed(&client, name, &digest, &format!("?artifactType={BILL}")), sorted(&[&bill, &index]));
    // Deleted, it is not listed; pushed again, it is.
    client.delete(&format!("/v2/{name}/manifests/{}", sha256(&bill))).expect(202);
    assert_eq!(listed(&client, name, &digest, ""), sorted(&[&signature, &index]));
    push::referrer(&client, name, &subject, BILL, "listed");
    assert_eq!(listed(&client, name, &digest, ""), sorted(&[&signature, &bill, &index]));
    // The subject may go; what referred to it stays.
    client.delete(&format!("/v2/{name}/manifests/{digest}")).expect(202);
    assert_eq!(listed(&client, name, &digest, ""), sorted(&[&signature, &bill, &index]));
}

/// With no `artifactType`, the type of the configuration is meant.
#[test]
fn the_type_of_an_image_is_that_of_its_configuration() {
    let registry = Registry::new();
    let client = registry.client();
    push::blob(&client, "ref/config", b"{}");
    let referrer = serde_json::to_vec(&json!({
        "schemaVersion": 2, "mediaType": IMAGE, "config": descriptor("application/vnd.example.config", &sha256("{}"), 2),
        "layers": [], "subject": descriptor(IMAGE, NOBODY, 10),
    }))
    .unwrap();
    push::manifest(&client, "ref/config", "r", IMAGE, &referrer);
    let answer = client.get(&format!("/v2/ref/config/referrers/{NOBODY}")).expect(200).json();
    assert_eq!(answer["manifests"][0]["artifactType"], "application/vnd.example.config");
    assert_eq!(answer["manifests"][0].get("annotations"), None);
}

/// Clients of registries with no such API kept a list under a tag.
#[test]
fn fallback_tags_are_listed_too() {
    let registry = Registry::new();
    let client = registry.client();
    let name = "ref/fallback";
    let subject = push::image(&client, name, Some("v1"), 70);
    let digest = sha256(&subject);
    let own = push::referrer(&client, name, &subject, SIGNATURE, "by the API");
    // Its subject is in nothing but the list.
    push::blob(&client, name, b"{}");
    let mut old: Value = serde_json::from_slice(&content::artifact(&subject, BILL, "by the tag")).unwrap();
    old.as_object_mut().unwrap().remove("subject");
    let old = serde_json::to_vec(&old).unwrap();
    push::manifest(&client, name, &sha256(&old), IMAGE, &old);
    let entry = |bytes: &[u8], kind: &str| {
        let mut entry = descriptor(IMAGE, &sha256(bytes), bytes.len());
        entry["artifactType"] = json!(kind);
        entry
    };
    let list = json!({
        "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry(&old, BILL), entry(&own, SIGNATURE)],
    });
    push::manifest(&client, name, &digest.replace(':', "-"), INDEX, &serde_json::to_vec(&list).unwrap());
    assert_eq!(listed(&client, name, &digest, ""), sorted(&[&own, &old]));
    assert_eq!(listed(&client, name, &digest, &format!("?artifactType={BILL}")), sorted(&[&old]));
}

/// No push overwrites what another one added.
#[test]
fn many_referrers_at_once() {
    let registry = Registry::new();
    let name = "ref/many";
    let subject = push::image(&registry.client(), name, Some("v1"), 80);
    push::blob(&registry.client(), name, b"{}");
    let pushed: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|worker| {
                let (client, subject) = (registry.client(), &subject);
                scope.spawn(move || {
                    (0..5)
                        .map(|n| push::referrer(&client, name, subject, BILL, &format!("{worker}.{n}")))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let pushed: Vec<&[u8]> = pushed.iter().map(Vec::as_slice).collect();
    assert_eq!(listed(&registry.client(), name, &sha256(&subject), ""), sorted(&pushed));
}

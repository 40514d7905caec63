//! All that a registry gives, as one value to compare.

use std::collections::{BTreeMap, BTreeSet};

use skerry_tests::{Client, sha256};

/// Everything that can be reached from the catalog: what was asked for, and
/// what came, in words.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Snapshot(BTreeMap<String, String>);

impl Snapshot {
    /// Takes one.
    pub fn of(client: &Client) -> Self {
        let mut snapshot = Self::default();
        let catalog = client.get("/v2/_catalog?n=1000").expect(200).json();
        snapshot.0.insert("catalog".to_owned(), catalog["repositories"].to_string());
        for name in catalog["repositories"].as_array().unwrap() {
            let name = name.as_str().unwrap();
            let tags = client.get(&format!("/v2/{name}/tags/list")).expect(200).json();
            let mut tags: Vec<String> =
                tags["tags"].as_array().into_iter().flatten().map(|tag| tag.as_str().unwrap().to_owned()).collect();
            tags.sort();
            snapshot.0.insert(format!("{name}'s tags"), tags.join(" "));
            let mut done = BTreeSet::new();
            for tag in tags {
                snapshot.manifest(client, name, &tag, &mut done);
            }
        }
        snapshot
    }

    /// How much was seen.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds what can be reached from a manifest.
    pub fn manifest(&mut self, client: &Client, name: &str, reference: &str, done: &mut BTreeSet<String>) {
        let target = format!("/v2/{name}/manifests/{reference}");
        let answer = client.get(&target);
        let digest = answer.header("docker-content-digest").to_owned();
        self.0.insert(
            target,
            format!("{} {} {digest} {}", answer.status, answer.header("content-type"), sha256(&answer.body)),
        );
        if answer.status != 200 || !done.insert(digest) {
            return;
        }
        let manifest = answer.json();
        for child in manifest["manifests"].as_array().into_iter().flatten() {
            self.manifest(client, name, child["digest"].as_str().unwrap(), done);
        }
        let layers = manifest["layers"].as_array().into_iter().flatten();
        for blob in layers.chain(manifest.get("config")) {
            let target = format!("/v2/{name}/blobs/{}", blob["digest"].as_str().unwrap());
            let answer = client.get(&target);
            let length = answer.header("content-length").to_owned();
            self.0.insert(target, format!("{} {length} {}", answer.status, sha256(&answer.body)));
        }
    }
}

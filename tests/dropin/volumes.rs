//! One after the other on one volume.

use std::path::Path;

use skerry_tests::{
    Client, Options, Peer, Registry,
    client::with,
    content::{self, DOCKER_IMAGE, DOCKER_LIST, INDEX, Noise, descriptor},
    peer::Release,
    push, sha256, sha512,
};

use crate::snapshot::Snapshot;

pub fn ours(volume: &Path) -> Registry {
    Registry::start(Options { volume: Some(volume.to_owned()), ..Options::default() })
}

/// Images of several kinds in several repositories.
pub fn fill(client: &Client, seed: u64) {
    for (n, name) in ["one", "two/deep/er", "two"].iter().enumerate() {
        let n = n as u64;
        let first = push::image(client, name, Some("first"), seed + 10 * n);
        let second = push::image(client, name, Some("second"), seed + 10 * n + 5);
        push::image(client, name, Some(&format!("seed-{seed}")), seed + 10 * n);
        push::manifest(client, name, "multi", INDEX, &content::index(&[&first, &second]));
        // A tag that was another image before.
        push::image(client, name, Some("moved"), seed + 10 * n);
        push::image(client, name, Some("moved"), seed + 10 * n + 5);
    }
    let config = push::blob(client, "docker", b"{\"docker\":true}");
    let layer = push::blob(client, "docker", &Noise::new(seed).bytes(2000));
    let image = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": DOCKER_IMAGE,
        "config": descriptor("application/vnd.docker.container.image.v1+json", &config, 15),
        "layers": [descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", &layer, 2000)],
    }))
    .unwrap();
    push::manifest(client, "docker", "image", DOCKER_IMAGE, &image);
    let mut child = descriptor(DOCKER_IMAGE, &sha256(&image), image.len());
    child["platform"] = serde_json::json!({ "architecture": "amd64", "os": "linux" });
    let list = serde_json::json!({ "schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [child] });
    push::manifest(client, "docker", "list", DOCKER_LIST, &serde_json::to_vec(&list).unwrap());
    // What is deleted stays deleted on the other side.
    let gone = push::image(client, "one", Some("gone"), seed + 90);
    client.delete(&format!("/v2/one/manifests/{}", sha256(&gone))).expect(202);
}

fn there_and_back(release: Release) {
    let volume = tempfile::tempdir().unwrap();
    let peer = Peer::start(release, volume.path());
    fill(&peer.client(), 100);
    let theirs = Snapshot::of(&peer.client());
    assert!(theirs.len() > 40);
    peer.stop();

    let mut registry = ours(volume.path());
    assert_eq!(Snapshot::of(&registry.client()), theirs);
    // Content that is there already, and content that is new.
    fill(&registry.client(), 100);
    fill(&registry.client(), 500);
    let subject = push::image(&registry.client(), "one", Some("subject"), 700);
    push::referrer(&registry.client(), "one", &subject, "application/vnd.example.signature", "signed");
    let begun = registry.client().request("POST", "/v2/one/blobs/uploads/").send().expect(202).location();
    registry.client().request("PATCH", &begun).body("half an upload").send().expect(202);
    let our_own = Snapshot::of(&registry.client());
    assert!(our_own.len() > theirs.len());
    registry.stop();

    let peer = Peer::start(release, volume.path());
    assert_eq!(Snapshot::of(&peer.client()), our_own);
    fill(&peer.client(), 900);
    let theirs = Snapshot::of(&peer.client());
    peer.stop();

    let mut registry = ours(volume.path());
    assert_eq!(Snapshot::of(&registry.client()), theirs);
    let referrers = registry.client().get(&format!("/v2/one/referrers/{}", sha256(&subject))).expect(200).json();
    assert_eq!(referrers["manifests"].as_array().unwrap().len(), 1);
    // Our upload was left alone.
    let status = registry.client().get(&begun).expect(204);
    let finish = with(&status.location(), &format!("digest={}", sha256("half an upload")));
    registry.client().request("PUT", &finish).send().expect(201);
    registry.stop();
}

#[test]
#[ignore = "needs docker-registry 2.8: run by .ci/run"]
fn of_registry_2() {
    there_and_back(Release::Two);
}

#[test]
#[ignore = "needs registry 3.1.2: run by .ci/run"]
fn of_registry_3() {
    there_and_back(Release::Three);
}

/// distribution keeps an object of another algorithm where its sha256 says.
#[test]
#[ignore = "needs registry 3.1.2: run by .ci/run"]
fn objects_by_sha512_of_registry_3() {
    let volume = tempfile::tempdir().unwrap();
    let peer = Peer::registry3(volume.path());
    let bytes = Noise::new(6).bytes(5000);
    let begun = peer.client().request("POST", "/v2/long/blobs/uploads/").send().expect(202).location();
    let put = with(&begun, &format!("digest={}", sha512(&bytes)));
    peer.client().request("PUT", &put).body(bytes.clone()).send().expect(201);
    peer.stop();
    let registry = ours(volume.path());
    let answer = registry.client().get(&format!("/v2/long/blobs/{}", sha512(&bytes))).expect(200);
    assert!(answer.body == bytes);
}

/// An upload that distribution began is gone on with.
#[test]
#[ignore = "needs docker-registry 2.8 and registry 3.1.2: run by .ci/run"]
fn uploads_of_theirs() {
    for release in [Release::Two, Release::Three] {
        let volume = tempfile::tempdir().unwrap();
        let mut peer = Peer::start(release, volume.path());
        let bytes = Noise::new(7).bytes(100_000);
        let begun = peer.client().request("POST", "/v2/half/blobs/uploads/").send().expect(202).location();
        let patched =
            peer.client().request("PATCH", &begun).body(bytes[..60_000].to_vec()).send().expect(202).location();
        peer.kill9();
        let registry = ours(volume.path());
        let status = registry.client().get(&patched).expect(204);
        assert_eq!(status.header("range"), "0-59999");
        let patch = registry
            .client()
            .request("PATCH", &status.location())
            .header("content-range", "60000-99999")
            .body(bytes[60_000..].to_vec())
            .send()
            .expect(202);
        let finish = with(&patch.location(), &format!("digest={}", sha256(&bytes)));
        registry.client().request("PUT", &finish).send().expect(201);
        push::whole_blob(&registry.client(), "half", &sha256(&bytes)).unwrap();
    }
}

//! Both at once on one volume: what one writes, the other gives at once.

use skerry_tests::{Client, Peer, content::IMAGE, peer::Release, push, sha256};

use crate::{
    snapshot::Snapshot,
    volumes::{fill, ours},
};

fn digest(client: &Client, name: &str, tag: &str) -> String {
    client.head(&format!("/v2/{name}/manifests/{tag}")).expect(200).header("docker-content-digest").to_owned()
}

fn beside(release: Release) {
    let volume = tempfile::tempdir().unwrap();
    let registry = ours(volume.path());
    let peer = Peer::start(release, volume.path());
    let (our, their) = (registry.client(), peer.client());
    fill(&our, 100);
    assert_eq!(Snapshot::of(&our), Snapshot::of(&their));
    fill(&their, 500);
    assert_eq!(Snapshot::of(&our), Snapshot::of(&their));
    // A tag that moves to and fro is never the one before.
    let images = [push::image(&our, "moving", None, 800), push::image(&their, "moving", None, 810)];
    for round in 0..40 {
        let image = &images[round % 2];
        let writer = if round % 4 < 2 { &their } else { &our };
        push::manifest(writer, "moving", "tag", IMAGE, image);
        for _ in 0..3 {
            assert_eq!(digest(&our, "moving", "tag"), sha256(image), "round {round}");
        }
        assert_eq!(digest(&their, "moving", "tag"), sha256(image), "round {round}");
    }
    their.delete(&format!("/v2/moving/manifests/{}", sha256(&images[1]))).expect(202);
    our.get("/v2/moving/manifests/tag").expect(404);
    our.get(&format!("/v2/moving/manifests/{}", sha256(&images[1]))).expect(404);
    our.delete(&format!("/v2/moving/manifests/{}", sha256(&images[0]))).expect(202);
    their.get(&format!("/v2/moving/manifests/{}", sha256(&images[0]))).expect(404);
    assert_eq!(Snapshot::of(&our), Snapshot::of(&their));
}

#[test]
#[ignore = "needs docker-registry 2.8: run by .ci/run"]
fn registry_2() {
    beside(Release::Two);
}

#[test]
#[ignore = "needs registry 3.1.2: run by .ci/run"]
fn registry_3() {
    beside(Release::Three);
}

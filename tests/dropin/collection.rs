//! Their garbage collection over a volume that we wrote.

use std::path::Path;

use skerry_tests::{
    Client, Peer,
    content::{self, INDEX, Noise},
    layout,
    peer::{Release, collect},
    push, sha256,
};

use crate::{
    snapshot::Snapshot,
    volumes::{fill, ours},
};

const SIGNATURE: &str = "application/vnd.example.signature";

struct Written {
    subject: Vec<u8>,
    referrer: Vec<u8>,
    /// A layer that nothing names any more.
    garbage: String,
    upload: String,
}

fn write(client: &Client) -> Written {
    fill(client, 100);
    // Children that no tag names, and a referrer that none does.
    let children = [push::image(client, "multi", None, 300), push::image(client, "multi", None, 310)];
    let children: Vec<&[u8]> = children.iter().map(Vec::as_slice).collect();
    push::manifest(client, "multi", "only", INDEX, &content::index(&children));
    let subject = push::image(client, "multi", Some("subject"), 320);
    let referrer = push::referrer(client, "multi", &subject, SIGNATURE, "signed");
    let garbage = push::image(client, "multi", Some("garbage"), 330);
    client.delete(&format!("/v2/multi/manifests/{}", sha256(&garbage))).expect(202);
    let begun = client.request("POST", "/v2/multi/blobs/uploads/").send().expect(202).location();
    let upload = client.request("PATCH", &begun).body("half an upload").send().expect(202).location();
    Written { subject, referrer, garbage: sha256(Noise::new(330).bytes(3000)), upload }
}

fn referrers(client: &Client, subject: &[u8]) -> Vec<String> {
    let list = client.get(&format!("/v2/multi/referrers/{}", sha256(subject))).expect(200).json();
    list["manifests"].as_array().unwrap().iter().map(|one| one["digest"].as_str().unwrap().to_owned()).collect()
}

/// What can be served with a release's collector having been here.
fn collected(release: Release, volume: &Path) {
    let mut registry = ours(volume);
    let written = write(&registry.client());
    let before = Snapshot::of(&registry.client());
    registry.stop();

    let said = collect(release, volume, &[]);
    assert!(said.contains("blobs marked"), "{said}");
    assert!(!layout::blob(volume, &written.garbage).exists(), "{said}");
    let peer = Peer::start(release, volume);
    assert_eq!(Snapshot::of(&peer.client()), before, "{said}");
    peer.stop();
    registry.restart();
    let client = registry.client();
    assert_eq!(Snapshot::of(&client), before, "{said}");
    assert_eq!(referrers(&client, &written.subject), [sha256(&written.referrer)]);
    push::whole(&client, "multi", &sha256(&written.referrer)).unwrap();
    // What was swept is unknown here too, link or no link, and can come back.
    client.head(&format!("/v2/multi/blobs/{}", written.garbage)).expect(404);
    push::image(&client, "multi", Some("garbage"), 330);
    push::whole(&client, "multi", "garbage").unwrap();
    assert_eq!(client.get(&written.upload).expect(204).header("range"), "0-13");
    registry.stop();
}

#[test]
#[ignore = "needs docker-registry 2.8: run by .ci/run"]
fn by_registry_2() {
    let volume = tempfile::tempdir().unwrap();
    collected(Release::Two, volume.path());
}

#[test]
#[ignore = "needs registry 3.1.2: run by .ci/run"]
fn by_registry_3() {
    let volume = tempfile::tempdir().unwrap();
    collected(Release::Three, volume.path());
}

/// With `--delete-untagged` a referrer goes, as they know nothing of it: then
/// it is not listed any more.
#[test]
#[ignore = "needs registry 3.1.2: run by .ci/run"]
fn of_all_that_has_no_tag() {
    let volume = tempfile::tempdir().unwrap();
    let mut registry = ours(volume.path());
    let written = write(&registry.client());
    let before = Snapshot::of(&registry.client());
    registry.stop();
    let said = collect(Release::Three, volume.path(), &["--delete-untagged"]);
    registry.restart();
    let client = registry.client();
    assert_eq!(Snapshot::of(&client), before, "{said}");
    client.get(&format!("/v2/multi/manifests/{}", sha256(&written.referrer))).expect(404);
    assert_eq!(referrers(&client, &written.subject), [""; 0]);
    push::referrer(&client, "multi", &written.subject, SIGNATURE, "signed");
    assert_eq!(referrers(&client, &written.subject), [sha256(&written.referrer)]);
}

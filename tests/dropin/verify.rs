//! Our verification of their volumes.

use std::{fs, path::Path};

use skerry_tests::{
    Peer,
    client::with,
    command::{Ended, verify},
    content::Noise,
    layout,
    peer::{Release, collect},
    push, sha256, sha512,
};

use crate::{
    snapshot::Snapshot,
    volumes::{fill, ours},
};

#[track_caller]
fn clean(volume: &Path) -> Ended {
    let said = verify(volume, &[]);
    assert!(said.code == 0 && said.out.contains(" 0 damaged"), "{said:?}");
    said
}

/// What they wrote is whole, with their leftovers; what is damaged there is
/// mended by a push to either.
fn verified(release: Release) {
    let volume = tempfile::tempdir().unwrap();
    let volume = volume.path();
    let peer = Peer::start(release, volume);
    fill(&peer.client(), 100);
    let begun = peer.client().request("POST", "/v2/one/blobs/uploads/").send().expect(202).location();
    peer.client().request("PATCH", &begun).body("half an upload").send().expect(202);
    let before = Snapshot::of(&peer.client());
    // Beside theirs, too.
    clean(volume);
    peer.stop();
    // A repair only adds what they lack.
    let files = layout::files(&layout::root(volume));
    let said = verify(volume, &["--repair"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(layout::files(&layout::root(volume)), files);
    // A collection leaves links that lead to nothing.
    collect(release, volume, &[]);
    clean(volume);
    let layer = sha256(Noise::new(105).bytes(3000));
    let data = layout::blob(volume, &layer);
    let mut bytes = fs::read(&data).unwrap();
    bytes[0] ^= 0x80;
    fs::write(&data, bytes).unwrap();
    let found = verify(volume, &["--repair"]);
    assert!(found.code == 1 && found.out.contains("cannot be pulled: one:"), "{found:?}");
    let peer = Peer::start(release, volume);
    push::image(&peer.client(), "one", Some("second"), 105);
    assert_eq!(Snapshot::of(&peer.client()), before, "{found:?}");
    peer.stop();
    clean(volume);
    assert_eq!(Snapshot::of(&ours(volume).client()), before);
    // Not before: its own collector stops at such a blob.
    if release == Release::Three {
        let peer = Peer::start(release, volume);
        let bytes = Noise::new(6).bytes(5000);
        let begun = peer.client().request("POST", "/v2/long/blobs/uploads/").send().expect(202).location();
        let put = with(&begun, &format!("digest={}", sha512(&bytes)));
        peer.client().request("PUT", &put).body(bytes).send().expect(201);
        peer.stop();
        clean(volume);
    }
}

#[test]
#[ignore = "needs docker-registry 2.8: run by .ci/run"]
fn of_registry_2() {
    verified(Release::Two);
}

#[test]
#[ignore = "needs registry 3.1.2: run by .ci/run"]
fn of_registry_3() {
    verified(Release::Three);
}

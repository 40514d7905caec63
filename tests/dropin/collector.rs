//! Our garbage collection beside theirs, on the same volumes.

use std::{path::Path, process::Command};

use skerry_tests::{
    Client, Peer, command,
    content::{self, INDEX},
    layout,
    peer::{Release, collect},
    push, sha256, tools,
};

use crate::{
    snapshot::Snapshot,
    volumes::{fill, ours},
};

/// A volume with nothing on it that their collector handles wrongly.
fn plain(client: &Client) {
    fill(client, 100);
    let children = [push::image(client, "multi", None, 300), push::image(client, "multi", None, 310)];
    let children: Vec<&[u8]> = children.iter().map(Vec::as_slice).collect();
    push::manifest(client, "multi", "only", INDEX, &content::index(&children));
    push::image(client, "multi", None, 320);
    let gone = push::image(client, "multi", Some("gone"), 330);
    client.delete(&format!("/v2/multi/manifests/{}", sha256(&gone))).expect(202);
    push::blob(client, "orphans", b"nothing names this");
}

fn copy(from: &Path, to: &Path) {
    let mut cp = Command::new("cp");
    cp.arg("-a").arg(from.join("docker")).arg(to);
    tools::succeed(cp);
}

fn summary(said: &str) -> String {
    said.lines().find(|line| line.contains("blobs marked")).unwrap_or_else(|| panic!("{said}")).to_owned()
}

fn compare(write: impl FnOnce(&Path)) {
    let origin = tempfile::tempdir().unwrap();
    write(origin.path());
    for flags in [&["-d"][..], &[], &["-d", "-m"], &["-m"]] {
        let (mine, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        copy(origin.path(), mine.path());
        copy(origin.path(), other.path());
        let theirs = collect(Release::Three, other.path(), flags);
        let ended = command::collect(mine.path(), flags);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert_eq!(summary(&ended.out), summary(&theirs), "{flags:?}");
        let blobs = |volume: &Path| layout::files(&layout::root(volume).join("blobs"));
        assert_eq!(blobs(mine.path()), blobs(other.path()), "{flags:?}\n{theirs}\n{}", ended.out);
        let links = |volume: &Path| {
            let mut files = layout::files(&layout::root(volume).join("repositories"));
            files.retain(|file| file.ends_with("link") && !file.to_str().unwrap().contains("/index/"));
            // They see no repository that has blobs only, and leave its dead
            // links.
            files.retain(|file| !file.starts_with("orphans"));
            files
        };
        assert_eq!(links(mine.path()), links(other.path()), "{flags:?}\n{theirs}\n{}", ended.out);
        let (one, two) = (ours(mine.path()), ours(other.path()));
        assert_eq!(Snapshot::of(&one.client()), Snapshot::of(&two.client()), "{flags:?}");
    }
}

#[test]
#[ignore = "needs registry 3.1.2: run by .ci/run"]
fn the_same_goes_of_what_we_wrote() {
    compare(|volume| {
        let mut registry = ours(volume);
        plain(&registry.client());
        registry.stop();
    });
}

#[test]
#[ignore = "needs docker-registry 2.8 and registry 3.1.2: run by .ci/run"]
fn the_same_goes_of_what_they_wrote() {
    compare(|volume| {
        for release in [Release::Two, Release::Three] {
            let peer = Peer::start(release, volume);
            plain(&peer.client());
            peer.stop();
        }
    });
}

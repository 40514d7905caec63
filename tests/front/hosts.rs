//! Two registries on one volume: each goes on with what the other began, and
//! knows at once what the other did.

use std::{path::Path, thread};

use skerry_tests::{
    Client, Options, Peer, Registry,
    client::with,
    content::{IMAGE, Noise},
    peer::Release,
    push, sha256,
};

use crate::nginx::{Front, Nginx};

fn behind(front: Front, volume: &Path) -> Registry {
    let options = front.options();
    let http = format!("{}secret: the-same-on-all\n", options.http);
    Registry::start(Options { volume: Some(volume.to_owned()), http, ..options })
}

fn digest(client: &Client, name: &str, tag: &str) -> String {
    client.head(&format!("/v2/{name}/manifests/{tag}")).expect(200).header("docker-content-digest").to_owned()
}

/// Each request of an upload to the other one, with no pause.
#[test]
fn take_uploads_over_from_each_other() {
    let volume = tempfile::tempdir().unwrap();
    let one = Registry::start(Options { volume: Some(volume.path().to_owned()), ..Options::default() });
    let two = Registry::start(Options { volume: Some(volume.path().to_owned()), ..Options::default() });
    let clients = [one.client(), two.client()];
    for round in 0..20_usize {
        let other = |n: usize| &clients[(round + n) % 2];
        // Small pieces and large ones take different ways.
        let size = if round % 2 == 0 { 3000 } else { 300_000 };
        let bytes = Noise::new(round as u64).bytes(5 * size);
        let mut target = other(0).request("POST", "/v2/shared/blobs/uploads/").send().expect(202).location();
        for (n, piece) in bytes.chunks(size).enumerate() {
            let range = format!("{}-{}", n * size, (n + 1) * size - 1);
            let patch = other(n + 1).request("PATCH", &target).header("content-range", &range);
            target = patch.body(piece.to_vec()).send().expect(202).location();
            let status = other(n).get(&target).expect(204);
            assert_eq!(status.header("range"), format!("0-{}", (n + 1) * size - 1));
        }
        let digest = sha256(&bytes);
        other(round / 2).request("PUT", &with(&target, &format!("digest={digest}"))).send().expect(201);
        for client in &clients {
            push::whole_blob(client, "shared", &digest).unwrap();
            client.get(&target).expect(404);
        }
    }
}

#[test]
fn see_each_others_tags_and_deletes() {
    let volume = tempfile::tempdir().unwrap();
    let one = Registry::start(Options { volume: Some(volume.path().to_owned()), ..Options::default() });
    let two = Registry::start(Options { volume: Some(volume.path().to_owned()), ..Options::default() });
    let clients = [one.client(), two.client()];
    let images: Vec<_> = (0..2).map(|n| push::image(&clients[n], "seen", None, 10 * n as u64)).collect();
    for round in 0..40_usize {
        let (writer, reader) = (&clients[round % 2], &clients[(round + 1) % 2]);
        let image = &images[round / 2 % 2];
        push::manifest(writer, "seen", "tag", IMAGE, image);
        assert_eq!(digest(reader, "seen", "tag"), sha256(image), "round {round}");
        let tag = format!("t{round}");
        push::manifest(writer, "seen", &tag, IMAGE, image);
        let tags = reader.get("/v2/seen/tags/list").expect(200).json();
        assert!(tags["tags"].as_array().unwrap().iter().any(|name| *name == tag.as_str()), "{tags}");
        writer.delete(&format!("/v2/seen/manifests/{tag}")).expect(202);
        reader.get(&format!("/v2/seen/manifests/{tag}")).expect(404);
        let name = format!("new/{round}");
        let blob = push::blob(writer, &name, name.as_bytes());
        reader.head(&format!("/v2/{name}/blobs/{blob}")).expect(200);
        reader.delete(&format!("/v2/{name}/blobs/{blob}")).expect(202);
        writer.head(&format!("/v2/{name}/blobs/{blob}")).expect(404);
    }
    clients[0].delete(&format!("/v2/seen/manifests/{}", sha256(&images[0]))).expect(202);
    clients[1].get(&format!("/v2/seen/manifests/{}", sha256(&images[0]))).expect(404);
}

/// Whoever nginx gives a request to can answer it.
#[test]
#[ignore = "needs nginx: run by .ci/run"]
fn are_one_behind_nginx() {
    let volume = tempfile::tempdir().unwrap();
    let mut registries = [behind(Front::Proxy, volume.path()), behind(Front::Proxy, volume.path())];
    let nginx = Nginx::before(Front::Proxy, &[&registries[0], &registries[1]]);
    thread::scope(|scope| {
        for n in 0..4_u64 {
            let client = nginx.client();
            scope.spawn(move || {
                let name = format!("many/{n}");
                for round in 0..10 {
                    let bytes = Noise::new(n * 100 + round).bytes(200_000);
                    let pieces: Vec<&[u8]> = bytes.chunks(40_000).collect();
                    let digest = push::try_pieces(&client, &name, &pieces).unwrap();
                    push::whole_blob(&client, &name, &digest).unwrap();
                    let image = push::image(&client, &name, Some("tag"), n * 100 + round);
                    assert_eq!(self::digest(&client, &name, "tag"), sha256(&image));
                    push::whole(&client, &name, "tag").unwrap();
                }
            });
        }
    });
    assert_eq!(nginx.complaints(), [""; 0]);
    for registry in &mut registries {
        let posts = registry.service().lines().iter().filter(|line| line.contains("\"POST\"")).count();
        assert!(posts > 20, "one had {posts} of the uploads");
        registry.stop();
    }
}

/// One of ours beside one of distribution's: whole requests are seen by the
/// other at once. (An upload stays with whom it was begun at: distribution
/// wants to see a state that it signed itself.)
#[test]
#[ignore = "needs docker-registry 2.8: run by .ci/run"]
fn one_is_of_another_kind() {
    let volume = tempfile::tempdir().unwrap();
    let ours = Registry::start(Options { volume: Some(volume.path().to_owned()), ..Options::default() });
    let theirs = Peer::start(Release::Two, volume.path());
    let clients = [ours.client(), theirs.client()];
    for round in 0..10_usize {
        let (writer, reader) = (&clients[round % 2], &clients[(round + 1) % 2]);
        let image = push::image(writer, "both", Some("tag"), round as u64);
        assert_eq!(digest(reader, "both", "tag"), sha256(&image));
        push::whole(reader, "both", "tag").unwrap();
        reader.delete(&format!("/v2/both/manifests/{}", sha256(&image))).expect(202);
        writer.get("/v2/both/manifests/tag").expect(404);
    }
}

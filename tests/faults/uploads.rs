//! Blobs on their way in.

use skerry_tests::{
    Answer, Client,
    client::{Failure, with},
    push::{self, demand},
};

use crate::operation::{Operation, Scene, must};

/// What is held in memory at first, and what is not.
const SMALL: usize = 3_000;
const LARGE: usize = 200_000;
/// So much that it is synced before the answer.
const SYNCED: usize = (8 << 20) + 1;

pub fn all() -> Vec<Operation> {
    let patch = Operation {
        name: "uploads/patch",
        size: SMALL,
        fresh: false,
        prepare: begin,
        act: |client, scene| client.request("PATCH", &scene.target).body(scene.blob.clone()).try_send(),
        success: 202,
        check: under_way,
        again: go_on,
    };
    let put = Operation {
        name: "uploads/put",
        act: |client, scene| {
            let target = with(&scene.target, &format!("digest={}", scene.digest));
            client.request("PUT", &target).body(scene.blob.clone()).try_send()
        },
        success: 201,
        check: finished,
        ..patch
    };
    let post = Operation {
        name: "uploads/post",
        prepare: |_, _| {},
        act: |client, scene| {
            let target = scene.path(&format!("blobs/uploads/?digest={}", scene.digest));
            client.request("POST", &target).body(scene.blob.clone()).try_send()
        },
        again: |client, scene| push::try_blob(client, &scene.repository, &scene.blob).map(drop),
        ..put
    };
    vec![
        Operation {
            name: "uploads/start",
            fresh: true,
            prepare: |_, _| {},
            act: |client, scene| client.request("POST", &scene.path("blobs/uploads/")).try_send(),
            check: |_, _, _| Ok(()),
            again: |client, scene| push::try_pieces(client, &scene.repository, &[&scene.blob]).map(drop),
            ..patch
        },
        patch,
        Operation { name: "uploads/large-patch", size: LARGE, ..patch },
        Operation { name: "uploads/synced-patch", size: SYNCED, ..patch },
        put,
        Operation { name: "uploads/large-put", size: LARGE, ..put },
        Operation {
            name: "uploads/finish",
            prepare: |client, scene| {
                begin(client, scene);
                let patch = client.request("PATCH", &scene.target).body(scene.blob.clone());
                scene.target = patch.send().expect(202).location();
            },
            act: |client, scene| {
                client.request("PUT", &with(&scene.target, &format!("digest={}", scene.digest))).try_send()
            },
            ..put
        },
        post,
        Operation { name: "uploads/large-post", size: LARGE, ..post },
        Operation { name: "uploads/first-post", fresh: true, ..post },
        Operation {
            name: "uploads/mount",
            prepare: |client, scene| {
                push::blob(client, "uploads/from", &scene.blob);
            },
            act: |client, scene| {
                let target = scene.path(&format!("blobs/uploads/?mount={}&from=uploads/from", scene.digest));
                client.request("POST", &target).try_send()
            },
            ..post
        },
    ]
}

fn begin(client: &Client, scene: &mut Scene) {
    scene.target = client.request("POST", &scene.path("blobs/uploads/")).send().expect(202).location();
}

/// How far the upload is; none if it is gone.
fn offset(client: &Client, scene: &Scene) -> Result<Option<usize>, Failure> {
    let status = client.request("GET", &scene.target).try_send()?;
    match status.status {
        404 => Ok(None),
        // `0-0` is said of an empty one: no blob here has a single byte.
        204 => match status.header("range").strip_prefix("0-").ok_or("a range begins at 0")?.parse()? {
            0 => Ok(Some(0)),
            last => Ok(Some(last + 1_usize)),
        },
        status => Err(format!("GET of an upload: {status}").into()),
    }
}

/// The upload is where it was said to be, and there is no blob of it yet.
fn under_way(client: &Client, scene: &Scene, done: bool) -> Result<(), Failure> {
    let found = offset(client, scene)?;
    if scene.has_blob(client)? {
        return must(found.is_none(), "an upload that is finished is there");
    }
    must(!done || found == Some(scene.blob.len()), "what was acknowledged of an upload is gone")
}

/// The blob is there.
fn finished(client: &Client, scene: &Scene, done: bool) -> Result<(), Failure> {
    must(scene.has_blob(client)? || !done, "an acknowledged blob is gone")
}

/// Goes on from where the upload is, or, where it was given up, anew.
fn go_on(client: &Client, scene: &Scene) -> Result<(), Failure> {
    let target = with(&scene.target, &format!("digest={}", scene.digest));
    let rest = match offset(client, scene)? {
        Some(offset) => scene.blob.get(offset..).ok_or("an upload is longer than its blob")?,
        None => return push::try_blob(client, &scene.repository, &scene.blob).map(drop),
    };
    let answer: Answer = client.request("PUT", &target).body(rest.to_vec()).try_send()?;
    demand(answer, 201).map(drop)
}

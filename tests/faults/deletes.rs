//! What is to go.

use skerry_tests::{
    Client,
    client::{Failure, with},
    content::IMAGE,
    push, sha256,
};

use crate::operation::{Operation, Scene, must};

pub fn all() -> Vec<Operation> {
    let tag = Operation {
        name: "deletes/tag",
        size: 2_000,
        fresh: false,
        prepare: |client, scene| scene.push_image(client),
        act: |client, scene| client.request("DELETE", &scene.tagged()).try_send(),
        success: 202,
        check: |client, scene, done| {
            must(scene.named(client, &scene.tag())?.is_none() || !done, "a deleted tag is there")?;
            must(scene.named(client, &sha256(&scene.image))?.is_some(), "a manifest is gone with its tag")
        },
        again: |client, scene| gone(client, &scene.tagged()),
    };
    vec![
        tag,
        Operation {
            name: "deletes/manifest",
            // All tags of a repository are looked at: beside those of other
            // scenes there would be more and more calls, without an end.
            fresh: true,
            prepare: |client, scene| {
                scene.push_image(client);
                push::manifest(client, &scene.repository, &format!("o{}", scene.tag()), IMAGE, &scene.image);
            },
            act: |client, scene| client.request("DELETE", &manifest(scene)).try_send(),
            check: |client, scene, done| {
                for reference in [scene.tag(), format!("o{}", scene.tag()), sha256(&scene.image)] {
                    must(scene.named(client, &reference)?.is_none() || !done, "a deleted manifest is there")?;
                }
                must(scene.has_blob(client)?, "a blob is gone with its manifest")
            },
            again: |client, scene| gone(client, &manifest(scene)),
            ..tag
        },
        Operation {
            name: "deletes/blob",
            prepare: |client, scene| {
                push::blob(client, &scene.repository, &scene.blob);
                push::blob(client, "deletes/keeps", &scene.blob);
            },
            act: |client, scene| client.request("DELETE", &blob(scene)).try_send(),
            check: |client, scene, done| {
                must(!scene.has_blob(client)? || !done, "a deleted blob is there")?;
                push::whole_blob(client, "deletes/keeps", &scene.digest)
            },
            again: |client, scene| gone(client, &blob(scene)),
            ..tag
        },
        Operation {
            name: "deletes/upload",
            prepare: |client, scene| {
                let begun = client.request("POST", &scene.path("blobs/uploads/")).send().expect(202).location();
                let patch = client.request("PATCH", &begun).body(scene.blob.clone());
                scene.target = patch.send().expect(202).location();
            },
            act: |client, scene| client.request("DELETE", &scene.target).try_send(),
            success: 204,
            check: |client, scene, done| {
                let put = with(&scene.target, &format!("digest={}", scene.digest));
                let status = client.request("GET", &scene.target).try_send()?.status;
                must(status == 404 || status == 204 && !done, "an upload that was given up is there")?;
                if status == 404 {
                    must(client.request("PUT", &put).try_send()?.status == 404, "one can finish what is not there")?;
                }
                must(!scene.has_blob(client)?, "an upload that was given up became a blob")
            },
            again: |client, scene| gone(client, &scene.target),
            ..tag
        },
    ]
}

fn manifest(scene: &Scene) -> String {
    scene.path(&format!("manifests/{}", sha256(&scene.image)))
}

fn blob(scene: &Scene) -> String {
    scene.path(&format!("blobs/{}", scene.digest))
}

/// Deletes what may be deleted already.
fn gone(client: &Client, target: &str) -> Result<(), Failure> {
    match client.request("DELETE", target).try_send()?.status {
        202 | 204 | 404 => Ok(()),
        status => Err(format!("DELETE of {target}: {status}").into()),
    }
}

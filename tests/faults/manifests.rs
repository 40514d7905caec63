//! Manifests and tags.

use skerry_tests::{
    Client,
    client::Failure,
    content::{self, IMAGE},
    push::{self, demand},
    sha256,
};

use crate::operation::{Operation, Scene, must};

pub fn all() -> Vec<Operation> {
    let tag = Operation {
        name: "manifests/tag",
        size: 2_000,
        fresh: false,
        prepare: |client, scene| scene.push_blobs(client),
        act: |client, scene| {
            client.request("PUT", &scene.tagged()).header("content-type", IMAGE).body(scene.image.clone()).try_send()
        },
        success: 201,
        check: |client, scene, done| {
            let found = scene.named(client, &scene.tag())?;
            must(found.is_some() || !done, "an acknowledged tag is gone")?;
            must(found.is_none_or(|found| found == sha256(&scene.image)), "a tag names what nobody pushed")
        },
        again: |client, scene| {
            push::try_manifest(client, &scene.repository, &scene.tag(), IMAGE, &scene.image).map(drop)
        },
    };
    vec![
        tag,
        Operation { name: "manifests/first-tag", fresh: true, ..tag },
        Operation {
            name: "manifests/digest-and-tags",
            act: |client, scene| {
                let digest = sha256(&scene.image);
                let target = scene.path(&format!("manifests/{digest}?tag=a{0}&tag=b{0}", scene.tag()));
                client.request("PUT", &target).header("content-type", IMAGE).body(scene.image.clone()).try_send()
            },
            check: |client, scene, done| {
                let digest = sha256(&scene.image);
                for reference in [digest.clone(), format!("a{}", scene.tag()), format!("b{}", scene.tag())] {
                    let found = scene.named(client, &reference)?;
                    must(found.is_some() || !done, "an acknowledged name is gone")?;
                    must(found.is_none_or(|found| found == digest), "a name is another manifest's")?;
                }
                Ok(())
            },
            again: |client, scene| {
                let reference = format!("{}?tag=a{1}&tag=b{1}", sha256(&scene.image), scene.tag());
                push::try_manifest(client, &scene.repository, &reference, IMAGE, &scene.image).map(drop)
            },
            ..tag
        },
        Operation {
            name: "manifests/move",
            prepare: |client, scene| scene.push_image(client),
            act: |client, scene| {
                let put = client.request("PUT", &scene.tagged()).header("content-type", IMAGE);
                put.body(scene.other.clone()).try_send()
            },
            check: |client, scene, done| {
                let found = scene.named(client, &scene.tag())?.ok_or("a tag is gone that was only moved")?;
                let old = sha256(&scene.image);
                must(found == sha256(&scene.other) || found == old && !done, "an acknowledged move is undone")?;
                must(scene.named(client, &old)?.is_some(), "the manifest that the tag left is gone")
            },
            again: |client, scene| {
                push::try_manifest(client, &scene.repository, &scene.tag(), IMAGE, &scene.other).map(drop)
            },
            ..tag
        },
        Operation {
            name: "manifests/referrer",
            prepare: |client, scene| {
                scene.push_image(client);
                push::blob(client, &scene.repository, b"{}");
            },
            act: |client, scene| {
                let artifact = artifact(scene);
                let target = scene.path(&format!("manifests/{}", sha256(&artifact)));
                client.request("PUT", &target).header("content-type", IMAGE).body(artifact).try_send()
            },
            check: referred,
            again: |client, scene| {
                let artifact = artifact(scene);
                push::try_manifest(client, &scene.repository, &sha256(&artifact), IMAGE, &artifact).map(drop)
            },
            ..tag
        },
    ]
}

fn artifact(scene: &Scene) -> Vec<u8> {
    content::artifact(&scene.image, "application/vnd.example", &scene.digest)
}

fn referred(client: &Client, scene: &Scene, done: bool) -> Result<(), Failure> {
    let digest = sha256(artifact(scene));
    let target = scene.path(&format!("referrers/{}", sha256(&scene.image)));
    let listed = demand(client.request("GET", &target).try_send()?, 200)?.text().contains(&digest);
    let found = scene.named(client, &digest)?.is_some();
    must(found && listed || !done, "an acknowledged referrer is gone")?;
    must(found || !listed, "a referrer is listed that is not there")
}

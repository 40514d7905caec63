//! What is there, asked for.

use skerry_tests::{Answer, Client, client::Failure, push, sha256};

use crate::operation::{Operation, Scene, must};

/// More than is sent at a time.
const LARGE: usize = 300_000;

pub fn all() -> Vec<Operation> {
    let tag = Operation {
        name: "reads/tag",
        size: 2_000,
        fresh: false,
        prepare: |client, scene| scene.push_image(client),
        act: |client, scene| {
            let answer = client.request("GET", &scene.tagged()).try_send()?;
            same(answer, |answer| answer.body == scene.image)
        },
        success: 200,
        check: |client, scene, _| must(scene.named(client, &scene.tag())?.is_some(), "a tag is gone that was read"),
        again: |client, scene| push::whole(client, &scene.repository, &scene.tag()),
    };
    vec![
        tag,
        Operation {
            name: "reads/manifest",
            act: |client, scene| {
                let target = scene.path(&format!("manifests/{}", sha256(&scene.image)));
                same(client.request("GET", &target).try_send()?, |answer| answer.body == scene.image)
            },
            ..tag
        },
        Operation {
            name: "reads/head",
            act: |client, scene| {
                let answer = client.request("HEAD", &scene.tagged()).try_send()?;
                same(answer, |answer| answer.header("docker-content-digest") == sha256(&scene.image))
            },
            ..tag
        },
        Operation {
            name: "reads/blob",
            size: LARGE,
            act: |client, scene| {
                let target = scene.path(&format!("blobs/{}", scene.digest));
                same(client.request("GET", &target).try_send()?, |answer| answer.body == scene.blob)
            },
            ..tag
        },
        Operation {
            name: "reads/tags",
            fresh: true,
            act: |client, scene| {
                let answer = client.request("GET", &scene.path("tags/list")).try_send()?;
                same(answer, |answer| answer.text().contains(&scene.tag()))
            },
            ..tag
        },
        Operation { name: "reads/catalog", fresh: true, act: |client, scene| catalog(client, scene), ..tag },
        Operation {
            name: "reads/referrers",
            fresh: true,
            prepare: |client, scene| {
                scene.push_image(client);
                push::referrer(client, &scene.repository, &scene.image, "application/vnd.example", "one");
            },
            act: |client, scene| {
                let target = scene.path(&format!("referrers/{}", sha256(&scene.image)));
                same(client.request("GET", &target).try_send()?, |answer| answer.text().contains("vnd.example"))
            },
            ..tag
        },
    ]
}

fn catalog(client: &Client, scene: &Scene) -> Result<Answer, Failure> {
    // It begins right before the one that is looked for, and ends there: with
    // those of other scenes there would be more and more calls, without an end.
    let last = &scene.repository[..scene.repository.len() - 1];
    let answer = client.request("GET", &format!("/v2/_catalog?n=1&last={last}")).try_send()?;
    same(answer, |answer| answer.text().contains(&scene.repository))
}

/// A success gives what is there, and no refusal says that it is not.
fn same(answer: Answer, so: impl Fn(&Answer) -> bool) -> Result<Answer, Failure> {
    must(answer.status != 200 || so(&answer), &format!("{} gave something else: {}", answer.what(), answer.text()))?;
    Ok(answer)
}

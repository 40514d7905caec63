//! Whole images of ten small layers, pushed and pulled by many clients at once.

use std::{
    fs,
    sync::{Arc, Mutex, atomic::Ordering},
};

use bytes::Bytes;
use skerry_tests::{
    client::{Failure, target, with},
    content::{IMAGE, Noise},
    layout,
};

use super::{
    Context, Row, Unit, Workload,
    small::{Call, repeat},
};
use crate::{
    ask::{Ask, Checker, Expect, Sent},
    ground::{Image, LAYERS, Small, TAG, pulled},
    link::{Link, Protocol},
    load::{self, Sample, Shared},
    options::Sizes,
    servers::{Server, Who},
};

/// Of one image: its manifest, its configuration and its layers.
pub(super) const OBJECTS: usize = LAYERS + 2;

pub fn workloads(sizes: &Sizes) -> Vec<Workload> {
    let clients = sizes.clients;
    let row = |name: &str, what: &str| {
        let title = format!("{what} of an image of {LAYERS} layers of 16 KiB by {clients} clients");
        Row::new(name, title, Unit::ImagesPerSecond(OBJECTS))
    };
    let registries = [Who::Skerry, Who::Computed, Who::Registry3, Who::Registry2, Who::Disk];
    vec![
        Workload::shared(row("image-push", "push"), &registries, push),
        Workload::shared(row("image-pull", "pull"), &Who::OPEN, pull),
    ]
}

fn pull(context: &Context<'_>, server: &Server) -> Sample {
    let mut calls = Vec::new();
    for (index, image) in context.fixtures.images.iter().enumerate() {
        let name = pulled(index);
        calls.push(Call::manifest(server, "GET", &name, TAG, &image.manifest));
        calls.extend(image.blobs.iter().map(|blob| Call::blob(server, &name, blob)));
    }
    repeat(context, server, context.sizes.clients, calls, |client, turn| client * OBJECTS + turn % OBJECTS)
}

/// Each client pushes one new image after the other to a repository of its
/// own; the last whole one of each is read on the volume.
fn push(context: &Context<'_>, server: &Server) -> Sample {
    let clients = context.sizes.clients;
    let last: Arc<Vec<Mutex<Option<Image>>>> = Arc::new((0..clients).map(|_| Mutex::default()).collect());
    let mut sample = load::rate(
        || server.cpu(),
        clients,
        context.sizes.window,
        |client, shared| {
            let (place, last) = (server.place.clone(), Arc::clone(&last));
            Box::pin(async move {
                loop {
                    let failure = match place.link(Protocol::One).await {
                        Ok(link) => again(link, &format!("bench/pushed-{client}"), &shared, &last[client]).await,
                        Err(failure) => failure,
                    };
                    if !shared.failed(&failure) {
                        return;
                    }
                }
            })
        },
    );
    let volume = &context.fixtures.ground.volume;
    for image in last.iter().filter_map(|last| last.lock().unwrap().take()) {
        for object in image.blobs.iter().chain([&image.manifest]) {
            if fs::read(layout::blob(volume, &object.digest)).ok().as_deref() != Some(&object.bytes) {
                sample.failures += 1;
                sample.first.get_or_insert_with(|| format!("{} is not on the volume", object.digest));
            }
        }
    }
    sample
}

async fn again(mut link: Link, name: &str, shared: &Shared, last: &Mutex<Option<Image>>) -> Failure {
    loop {
        let image = Image::new(Noise::fresh().number());
        if let Err(failure) = one(&mut link, name, &image, shared).await {
            return failure;
        }
        *last.lock().unwrap() = Some(image);
    }
}

/// As clients do it: is the blob there? No: begin, and send it.
async fn one(link: &mut Link, name: &str, image: &Image, shared: &Shared) -> Result<(), Failure> {
    for Small { digest, bytes } in &image.blobs {
        let blob = format!("/v2/{name}/blobs/{digest}");
        link.exchange(&Ask::new("HEAD", &blob), &mut Checker::new(Expect::Any)).await?.demand(404)?;
        let begin = format!("/v2/{name}/blobs/uploads/");
        let begun = link.exchange(&Ask::new("POST", &begin), &mut Checker::new(Expect::Any)).await?.demand(202)?;
        let upload = with(target(&begun.location.ok_or("no Location")?), &format!("digest={digest}"));
        put(link, &upload, "application/octet-stream", digest, bytes).await?;
        shared.units.fetch_add(1, Ordering::Relaxed);
    }
    let Small { digest, bytes } = &image.manifest;
    put(link, &format!("/v2/{name}/manifests/{TAG}"), IMAGE, digest, bytes).await?;
    shared.units.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

async fn put(link: &mut Link, target: &str, media_type: &str, digest: &str, bytes: &Bytes) -> Result<(), Failure> {
    let headers = [("Content-Type", media_type.to_owned())];
    let ask = Ask { method: "PUT", target, headers: &headers, body: Sent::Bytes(bytes.clone()) };
    let reply = link.exchange(&ask, &mut Checker::new(Expect::Any)).await?.demand(201)?;
    if reply.digest.as_deref() == Some(digest) { Ok(()) } else { Err("another digest was acknowledged".into()) }
}

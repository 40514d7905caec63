//! Large blobs, pushed: by one PUT, by one PATCH of unknown length, by several
//! PATCHes. Each has new bytes, and what came of it is read on the volume.

use std::{fs, io::Read, sync::Arc};

use bytes::Bytes;
use skerry_tests::{
    client::{Failure, target, with},
    content::Noise,
    layout,
};

use super::{Context, Row, Unit, Workload};
use crate::{
    ask::{Ask, Checker, Expect, Reply, Sent},
    blob::{Blob, PIECE},
    link::{Link, Protocol},
    load::{self, Sample},
    options::Sizes,
    servers::{Server, Who},
};

const SERVERS: [Who; 3] = [Who::Skerry, Who::Registry3, Who::Registry2];

/// How a client pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Monolithic,
    Streamed,
    Chunked(u64),
}

impl How {
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Monolithic => ("put", "one `PUT`"),
            Self::Streamed => ("stream", "one `PATCH` of unknown length"),
            Self::Chunked(_) => ("chunks", "several `PATCH`es"),
        }
    }
}

pub fn workloads(sizes: &Sizes) -> Vec<Workload> {
    let once = sizes.pushed_once;
    let mut all = vec![workload(once, How::Monolithic, 1, Protocol::One)];
    for how in [How::Monolithic, How::Streamed, How::Chunked(sizes.chunk)] {
        for at_once in [1, 4] {
            for protocol in [Protocol::One, Protocol::Two] {
                // As much work for four as for two.
                let size = if at_once == 1 { sizes.pushed } else { sizes.pushed / 2 };
                all.push(workload(size, how, at_once, protocol));
            }
        }
    }
    all
}

fn workload(size: u64, how: How, at_once: usize, protocol: Protocol) -> Workload {
    let (name, title) = how.names();
    let mebibytes = size >> 20;
    let name = format!("blob-{name}-{mebibytes}m-{at_once}-{}", protocol.name());
    let title = format!("blob push of {mebibytes} MiB by {title}, {at_once} at once, {}", protocol.title());
    Workload::shared(Row::new(name, title, Unit::MibPerSecond), &SERVERS, move |context, server| {
        measure(context, server, size, how, at_once, protocol)
    })
}

fn measure(context: &Context<'_>, server: &Server, size: u64, how: How, at_once: usize, protocol: Protocol) -> Sample {
    let blobs: Vec<_> = (0..at_once).map(|_| Blob::new(size, Noise::fresh().below(1 << 32))).collect();
    let mut sample = load::whole(
        || server.cpu(),
        at_once,
        (size * at_once as u64) as f64,
        |index, shared| {
            let (place, blob) = (server.place.clone(), Arc::clone(&blobs[index]));
            Box::pin(async move {
                let pushed = async { push(&mut place.link(protocol).await?, "bench/push", &blob, how).await };
                if let Err(failure) = pushed.await {
                    shared.failed(&failure);
                }
            })
        },
    );
    for blob in blobs {
        let file = layout::blob(&context.fixtures.ground.volume, &blob.digest);
        if !whole(&file, &blob) {
            sample.failures += 1;
            sample.first.get_or_insert_with(|| "a blob on the volume is not what was pushed".to_owned());
        }
        let _ = fs::remove_dir_all(file.parent().unwrap());
    }
    sample
}

/// Whether a file holds a blob.
fn whole(file: &std::path::Path, blob: &Blob) -> bool {
    let Ok(mut file) = fs::File::open(file) else { return false };
    let (mut buffer, mut offset) = (vec![0; 1 << 20], 0);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return offset == blob.size,
            Ok(count) if blob.holds(offset, &buffer[..count]) => offset += count as u64,
            _ => return false,
        }
    }
}

/// Pushes one blob.
pub async fn push(link: &mut Link, name: &str, blob: &Arc<Blob>, how: How) -> Result<(), Failure> {
    let part = |from, to, declared| Sent::Part { blob: Arc::clone(blob), from, to, declared };
    let begun = send(link, "POST", &format!("/v2/{name}/blobs/uploads/"), &[], Sent::Bytes(Bytes::new())).await?;
    let mut upload = location(begun.demand(202)?)?;
    let mut last = Sent::Bytes(Bytes::new());
    match how {
        How::Monolithic => last = part(0, blob.size, true),
        How::Streamed => {
            let reply = send(link, "PATCH", &upload, &[], part(0, blob.size, false)).await?;
            upload = location(reply.demand(202)?)?;
        }
        How::Chunked(chunk) => {
            let chunk = chunk / PIECE * PIECE;
            for from in (0..blob.size).step_by(chunk as usize) {
                let to = blob.size.min(from + chunk);
                let range = [("Content-Range", format!("{from}-{}", to - 1))];
                let reply = send(link, "PATCH", &upload, &range, part(from, to, true)).await?;
                upload = location(reply.demand(202)?)?;
            }
        }
    }
    let end = with(&upload, &format!("digest={}", blob.digest));
    let reply = send(link, "PUT", &end, &[], last).await?.demand(201)?;
    if reply.digest.as_deref() == Some(&blob.digest) { Ok(()) } else { Err("another digest was acknowledged".into()) }
}

async fn send(
    link: &mut Link,
    method: &'static str,
    target: &str,
    more: &[(&'static str, String)],
    body: Sent,
) -> Result<Reply, Failure> {
    let mut headers = vec![("Content-Type", "application/octet-stream".to_owned())];
    headers.extend_from_slice(more);
    link.exchange(&Ask { method, target, headers: &headers, body }, &mut Checker::new(Expect::Any)).await
}

fn location(reply: Reply) -> Result<String, Failure> {
    let location = reply.location.ok_or("an upload with no Location")?;
    Ok(target(&location).to_owned())
}

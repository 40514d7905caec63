//! Large blobs, pulled.

use std::sync::Arc;

use skerry_tests::client::Failure;

use super::{Context, Row, Unit, Workload};
use crate::{
    ask::{Ask, Checker, Expect},
    blob::Blob,
    ground::NAME,
    link::{Link, Protocol},
    load::{self, Sample, Shared},
    options::Sizes,
    servers::{Server, Who},
};

const SERVERS: [Who; 4] = [Who::Skerry, Who::Nginx, Who::Registry3, Who::Registry2];

pub fn workloads(sizes: &Sizes) -> Vec<Workload> {
    let mut all = Vec::new();
    for (index, size) in sizes.large.iter().enumerate() {
        for connections in [1, 4] {
            for protocol in [Protocol::One, Protocol::Two] {
                let mebibytes = size >> 20;
                let name = format!("blob-get-{mebibytes}m-{connections}-{}", protocol.name());
                let s = if connections == 1 { "" } else { "s" };
                let title = format!("blob `GET` of {mebibytes} MiB, {connections} connection{s}, {}", protocol.title());
                all.push(Workload::shared(
                    Row::new(name, title, Unit::MibPerSecond),
                    &SERVERS,
                    move |context, server| pull(context, server, index, connections, protocol),
                ));
            }
        }
    }
    all
}

fn pull(context: &Context<'_>, server: &Server, index: usize, connections: usize, protocol: Protocol) -> Sample {
    load::rate(
        || server.cpu(),
        connections,
        context.sizes.window,
        |_, shared| {
            let (place, blob) = (server.place.clone(), Arc::clone(&context.fixtures.large[index]));
            Box::pin(async move {
                loop {
                    let failure = match place.link(protocol).await {
                        Ok(link) => again(link, &blob, &shared).await,
                        Err(failure) => failure,
                    };
                    if !shared.failed(&failure) {
                        return;
                    }
                }
            })
        },
    )
}

async fn again(mut link: Link, blob: &Blob, shared: &Shared) -> Failure {
    let target = format!("/v2/{NAME}/blobs/{}", blob.digest);
    loop {
        let mut check = Checker::new(Expect::Blob(blob)).counted(&shared.units);
        let reply = link.exchange(&Ask::new("GET", &target), &mut check).await;
        if let Err(failure) = reply.and_then(|reply| reply.demand(200)) {
            return failure;
        }
    }
}

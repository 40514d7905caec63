//! Small answers at a high rate: `/v2/`, manifests, tiny blobs.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;

use super::{Context, Row, Unit, Workload};
use crate::{
    ask::{Checker, Expect},
    ground::{NAME, Small, Tagged},
    load::{self, Sample},
    options::Sizes,
    servers::{Server, Who},
};

/// What docker says that it accepts; distribution wants to hear it.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// A request that was made before, and its answer.
pub struct Call {
    request: Bytes,
    head: bool,
    body: Bytes,
    digest: Option<String>,
}

impl Call {
    pub fn new(server: &Server, method: &str, target: &str, body: &Bytes, digest: Option<&str>) -> Self {
        let authority = server.place.authority();
        let request = format!("{method} {target} HTTP/1.1\r\nHost: {authority}\r\nAccept: {ACCEPT}\r\n\r\n");
        // Only registries know of digests.
        let digest = digest.filter(|_| server.who.registry()).map(str::to_owned);
        Self { request: request.into(), head: method == "HEAD", body: body.clone(), digest }
    }

    pub fn manifest(server: &Server, method: &str, name: &str, reference: &str, manifest: &Small) -> Self {
        let target = format!("/v2/{name}/manifests/{reference}");
        Self::new(server, method, &target, &manifest.bytes, Some(&manifest.digest))
    }

    pub fn blob(server: &Server, name: &str, blob: &Small) -> Self {
        Self::new(server, "GET", &format!("/v2/{name}/blobs/{}", blob.digest), &blob.bytes, Some(&blob.digest))
    }

    pub fn request(&self) -> &Bytes {
        &self.request
    }

    pub fn check(&self) -> Checker<'_> {
        Checker::new(Expect::Bytes(&self.body)).of(self.digest.as_deref())
    }
}

/// Sends calls on some connections, one after the other on each; `next` says
/// which, by connection and turn.
pub fn repeat(
    context: &Context<'_>,
    server: &Server,
    connections: usize,
    calls: Vec<Call>,
    next: impl Fn(usize, usize) -> usize + Copy + Send + Sync + 'static,
) -> Sample {
    let calls = Arc::new(calls);
    load::rate(
        || server.cpu(),
        connections,
        context.sizes.window,
        |connection, shared| {
            let (place, calls) = (server.place.clone(), Arc::clone(&calls));
            Box::pin(async move {
                let mut turn = 0;
                loop {
                    let failure = match place.one().await {
                        Ok((mut link, _)) => loop {
                            let call = &calls[next(connection, turn) % calls.len()];
                            turn += 1;
                            match link.fast(&call.request, call.head, &mut call.check()).await {
                                Ok(()) => shared.units.fetch_add(1, Ordering::Relaxed),
                                Err(failure) => break failure,
                            };
                        },
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

pub fn workloads(sizes: &Sizes) -> Vec<Workload> {
    let connections = sizes.connections;
    let row = |name: &str, title: String| {
        Row::new(name, format!("{title}, {connections} connections"), Unit::PerSecond("requests"))
    };
    let mut all = vec![Workload::shared(row("ping", "`GET /v2/`".into()), &Who::OPEN, move |context, server| {
        let call = Call::new(server, "GET", "/v2/", &Bytes::from_static(b"{}"), None);
        repeat(context, server, connections, vec![call], |_, _| 0)
    })];
    for many in [false, true] {
        for by in ["tag", "digest"] {
            for method in ["GET", "HEAD"] {
                let name = format!("manifest-{}-{by}{}", method.to_lowercase(), if many { "-many" } else { "" });
                let of = if many { format!(", another of {} each time", sizes.tags) } else { String::new() };
                let row = row(&name, format!("manifest `{method}` by {by}{of}"));
                // What policies cost is seen at the most common of them.
                let servers: Vec<Who> = match name.as_str() {
                    "manifest-get-tag" => Who::ALL.into_iter().filter(|who| who.serves()).collect(),
                    _ => Who::OPEN.to_vec(),
                };
                all.push(Workload::shared(row, &servers, move |context, server| {
                    let tagged = &context.fixtures.tagged;
                    let tagged = if many { &tagged[..] } else { &tagged[..1] };
                    let calls = tagged.iter().map(|one| call(server, method, by, one)).collect();
                    repeat(context, server, connections, calls, move |connection, turn| connection + turn * connections)
                }));
            }
        }
    }
    let row = row("blob-get-small", format!("blob `GET` of 2 KiB, another of {} each time", sizes.small));
    all.push(Workload::shared(row, &Who::OPEN, move |context, server| {
        let calls = context.fixtures.small.iter().map(|blob| Call::blob(server, NAME, blob)).collect();
        repeat(context, server, connections, calls, move |connection, turn| connection + turn * connections)
    }));
    all
}

fn call(server: &Server, method: &str, by: &str, tagged: &Tagged) -> Call {
    let reference = if by == "tag" { &tagged.tag } else { &tagged.digest };
    let manifest = Small { digest: tagged.digest.clone(), bytes: tagged.bytes.clone() };
    Call::manifest(server, method, NAME, reference, &manifest)
}

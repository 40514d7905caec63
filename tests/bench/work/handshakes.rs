//! New connections: a handshake, one request, and the end.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use skerry_tests::client::Failure;

use super::{Context, Row, Unit, Workload, small::Call};
use crate::{
    link::Place,
    load::{self, Sample},
    servers::{Server, Who},
};

/// Clients that connect at once.
const CLIENTS: usize = 8;

pub fn workloads() -> Vec<Workload> {
    let servers = [Who::Skerry, Who::Nginx, Who::Registry3, Who::Registry2];
    let row = |name: &str, kind: &str| {
        let title = format!("new TLS connections, {kind}, with a `GET /v2/` each, {CLIENTS} clients");
        Row::new(name, title, Unit::PerSecond("connections"))
    };
    vec![
        Workload::shared(row("handshake-full", "full handshakes"), &servers, |context, server| {
            connections(context, server, false)
        }),
        Workload::shared(row("handshake-resumed", "resumed sessions"), &servers, |context, server| {
            connections(context, server, true)
        }),
    ]
}

fn connections(context: &Context<'_>, server: &Server, resumed: bool) -> Sample {
    load::rate(
        || server.cpu(),
        CLIENTS,
        context.sizes.window,
        |_, shared| {
            let place = if resumed { server.place.resuming() } else { server.place.clone() };
            let call = Call::new(server, "GET", "/v2/", &Bytes::from_static(b"{}"), None);
            Box::pin(async move {
                // The first connection of a client has no ticket yet.
                let mut first = true;
                loop {
                    match one(&place, &call).await {
                        Ok(was) if was == resumed || first => shared.units.fetch_add(1, Ordering::Relaxed),
                        Ok(_) if shared.failed(&"the session was not resumed, or was".into()) => 0,
                        Err(failure) if shared.failed(&failure) => 0,
                        _ => return,
                    };
                    first = false;
                }
            })
        },
    )
}

async fn one(place: &Place, call: &Call) -> Result<bool, Failure> {
    let (mut link, resumed) = place.one().await?;
    link.fast(call.request(), false, &mut call.check()).await?;
    Ok(resumed)
}

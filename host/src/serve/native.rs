//! The same host in front of another handler than the sandbox.

use std::{sync::Arc, time::Duration};

use super::{Manager, ServeError, announce, bind, event_loops, map, open, runtime, tls};
use crate::{
    cli::Plan,
    config::Config,
    metrics::Metrics,
    server::{Endpoint, EventLoops, Handler, Health, Phase, Server, Trigger},
    storage::Storage,
};

/// Serves a plan until a signal ends it, with a handler made of its storage
/// and configuration. For those who compare: what else a host does (purging,
/// the admin listener, health checks) is left out.
///
/// # Errors
/// Whatever keeps it from starting.
pub fn run_with(
    plan: &Plan,
    handler: impl FnOnce(Arc<dyn Storage>, &Config) -> Arc<dyn Handler>,
) -> Result<(), ServeError> {
    let runtime = runtime()?;
    let loops = event_loops()?;
    let outcome = runtime.block_on(serve(plan, handler, &loops));
    loops.shutdown();
    runtime.shutdown_timeout(Duration::from_secs(2));
    outcome
}

async fn serve(
    plan: &Plan,
    handler: impl FnOnce(Arc<dyn Storage>, &Config) -> Arc<dyn Handler>,
    loops: &EventLoops,
) -> Result<(), ServeError> {
    let config = &plan.config;
    let (trigger, shutdown) = Trigger::new();
    trigger.on_signals().map_err(ServeError::Runtime)?;
    let reloads = tls::Reloads::new(plan.first_run.is_some(), Manager::of_process()).map_err(ServeError::Runtime)?;
    let listeners = bind(&config.http.listen)?;
    let storage = open(config)?;
    let metrics = Metrics::new();
    let handler = handler(Arc::clone(&storage) as _, config);
    let server = Server::new(map::options(config), handler, Health::new(), &metrics, loops);
    let (source, renewal) = tls::renewed(plan, reloads, None, &metrics);
    announce(plan, &listeners);
    let endpoints =
        listeners.into_iter().map(|listener| Endpoint { listener, tls: source.clone(), kept: false }).collect();
    server.run(endpoints, shutdown).await;
    renewal.abort();
    storage.close().await;
    trigger.advance(Phase::Stopping);
    Ok(())
}

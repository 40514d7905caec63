//! Retention: by the command `retain`, and by schedule.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use tokio::task::JoinHandle;

use super::{ServeError, artifacts::Artifacts, map, modules, open, runtime, start_with, uses};
use crate::{
    cli::Retain,
    config::Config,
    sandbox::{Limits, Sandbox},
    storage::Storage,
};

/// Why tags were not removed, or not all of them.
#[derive(Debug, thiserror::Error)]
pub enum RetainError {
    /// It does not start.
    #[error(transparent)]
    Start(#[from] ServeError),
    /// It ended early.
    #[error("{0}")]
    Ended(String),
}

/// Removes the tags that no policy keeps, and writes what it does to standard
/// output.
///
/// # Errors
/// Whatever ends it early.
pub fn retain(asked: &Retain) -> Result<(), RetainError> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(run(asked));
    runtime.shutdown_timeout(Duration::from_secs(2));
    outcome
}

async fn run(asked: &Retain) -> Result<(), RetainError> {
    let config = &asked.config;
    if !config.storage.root.is_dir() {
        let cause = "there is no such directory, and so no tags".to_owned();
        return Err(ServeError::Root { path: config.storage.root.display().to_string(), cause }.into());
    }
    let storage = open(config)?;
    // No client waits for a step.
    let limits = Limits { calls: u32::MAX, bytes: u64::MAX, time: Duration::from_secs(600), ..map::limits(config) };
    let artifacts = Arc::new(Artifacts::of(config, &storage).await?);
    let modules::Read { registry, policies, .. } = modules::read(config, artifacts)?;
    let sandbox = start_with(config, limits, Arc::clone(&storage), (registry, policies)).await?;
    if !sandbox.keeps_tags() {
        return Err(RetainError::Ended(NOBODY.to_owned()));
    }
    uses::load(&storage, &sandbox).await;
    let mut out = io::BufWriter::new(io::stdout());
    let outcome = sandbox
        .retain_once(asked.dry_run, |line| {
            // That nobody reads it is no reason to stop.
            let _ = writeln!(out, "{line}");
        })
        .await;
    let _ = out.flush();
    storage.close().await;
    outcome.map(|_| ()).map_err(RetainError::Ended)
}

const NOBODY: &str = "no policy says which tags are kept: configure `policies` with `module: retention`";

/// Begins the schedule, if there is one.
pub fn schedule(config: &Config, sandbox: &Arc<Sandbox>) -> Option<JoinHandle<()>> {
    let retention = map::retention(config.storage.retention.as_ref().filter(|_| !config.storage.read_only)?);
    if !sandbox.keeps_tags() {
        tracing::warn!("storage.maintenance.retention has no effect: {NOBODY}");
    }
    let sandbox = Arc::clone(sandbox);
    Some(tokio::spawn(async move { sandbox.retain_tags(&retention).await }))
}

//! `garbage-collect`: one task of the module, with the process for itself.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use super::{ServeError, artifacts::Artifacts, map, modules, open, runtime, start_with};
use crate::{cli::Collect, sandbox::Limits, storage::Storage};

/// Why garbage was not collected, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// It does not start.
    #[error(transparent)]
    Start(#[from] ServeError),
    /// It ended early.
    #[error("{0}")]
    Ended(String),
}

/// Collects garbage, and writes what it does to standard output.
///
/// # Errors
/// Whatever ends it early.
pub fn collect(asked: &Collect) -> Result<(), CollectError> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(run(asked));
    runtime.shutdown_timeout(Duration::from_secs(2));
    outcome
}

async fn run(asked: &Collect) -> Result<(), CollectError> {
    let config = &asked.config;
    if !config.storage.root.is_dir() {
        let cause = "there is no such directory, and so nothing to collect".to_owned();
        return Err(ServeError::Root { path: config.storage.root.display().to_string(), cause }.into());
    }
    let storage = open(config)?;
    // What lies behind a link is not seen, and what is needed there would go.
    match storage.unseen_link() {
        Ok(None) => {}
        Ok(Some(key)) => {
            return Err(CollectError::Ended(format!(
                "`{key}` is a symbolic link that is not followed, so that what it leads to would not count; nothing \
                 was removed: put the directory itself in its place, or add `{key}` to storage.filesystem.symlinks"
            )));
        }
        Err(failure) => return Err(CollectError::Ended(format!("{failure}; nothing was removed"))),
    }
    // A step looks at one manifest with all that it leads to, and no client
    // waits for it.
    let limits = Limits {
        calls: u32::MAX,
        bytes: u64::MAX,
        time: Duration::from_secs(600),
        object_in_memory: 16 << 20,
        ..map::limits(config)
    };
    let artifacts = Artifacts::of_registry(config, &storage).await?;
    let registry = modules::registry(config, &artifacts).map_err(ServeError::from)?;
    let sandbox = start_with(config, limits, Arc::clone(&storage), (registry, Vec::new())).await?;
    let collection = map::collection(asked);
    let mut out = io::BufWriter::new(io::stdout());
    let outcome = sandbox
        .collect(&collection, |line| {
            if !asked.quiet {
                // That nobody reads it is no reason to stop.
                let _ = writeln!(out, "{line}");
            }
        })
        .await;
    let _ = out.flush();
    storage.close().await;
    outcome.map(|_| ()).map_err(CollectError::Ended)
}

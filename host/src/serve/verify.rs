//! `verify`: one task of the module, over a volume that it may not change, or
//! that it has for itself.

use std::{sync::Arc, time::Duration};

use super::{ServeError, artifacts::Artifacts, map, modules, open_with, runtime, screen::Screen, start_with};
use crate::{
    cli::Verify,
    sandbox::{Damage, Heard, Limits},
    storage::{Change, Directory, Storage},
};

/// Things that are neither files nor directories; more of them are told of the
/// next time.
const OTHERS: usize = 10_000;

/// Why nobody knows whether all is whole.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It does not start.
    #[error(transparent)]
    Start(#[from] ServeError),
    /// It ended early.
    #[error("{0}")]
    Ended(String),
}

/// Verifies a volume, and writes what is wrong to standard output. Whether
/// nothing is.
///
/// # Errors
/// Whatever ends it early.
pub fn verify(asked: &Verify) -> Result<bool, VerifyError> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(run(asked));
    runtime.shutdown_timeout(Duration::from_secs(2));
    outcome
}

async fn run(asked: &Verify) -> Result<bool, VerifyError> {
    let config = &asked.config;
    let storage = &config.storage;
    if !storage.root.is_dir() {
        let cause = "there is no such directory, and so nothing to verify".to_owned();
        return Err(ServeError::Root { path: storage.root.display().to_string(), cause }.into());
    }
    let mut options = map::directory(config)?;
    (options.exclusive, options.read_only) = (asked.repair, !asked.repair);
    let storage = open_with(config, options)?;
    // A step hashes as much as there is, and no client waits for it.
    let limits = Limits {
        calls: u32::MAX,
        bytes: u64::MAX,
        time: Duration::from_secs(600),
        storage_time: Duration::from_secs(86_400),
        object_in_memory: 16 << 20,
        ..map::limits(config)
    };
    let screen = Screen::new();
    let mut damaged = 0_u64;
    for damage in others(&storage, asked.repair).await? {
        damaged += 1;
        screen.say(&line(&damage, asked.json));
    }
    let artifacts = Artifacts::of_registry(config, &storage).await?;
    let registry = modules::registry(config, &artifacts).map_err(ServeError::from)?;
    let sandbox = start_with(config, limits, Arc::clone(&storage), (registry, Vec::new())).await?;
    let heard = Arc::<Heard>::default();
    let watching = (!asked.quiet).then(|| tokio::spawn(Arc::clone(&screen).watch(Arc::clone(&heard))));
    let found = |damage: &Damage| {
        damaged += 1;
        screen.say(&line(damage, asked.json));
    };
    let say = |text: &str| {
        if !asked.json {
            screen.say(text);
        }
    };
    let outcome = sandbox.verify(asked.repair, &heard, found, say).await;
    if let Some(watching) = watching {
        watching.abort();
        let _ = watching.await;
    }
    screen.end();
    storage.close().await;
    outcome.map_err(VerifyError::Ended)?;
    Ok(damaged == 0)
}

/// What no module can see, and what is in its way.
async fn others(storage: &Arc<Directory>, repair: bool) -> Result<Vec<Damage>, VerifyError> {
    let ended = |failure: crate::storage::Failure| VerifyError::Ended(failure.to_string());
    let mut found = Vec::new();
    for key in storage.others(OTHERS).await.map_err(ended)? {
        let place = key.as_str().escape_debug().to_string();
        if repair {
            storage.commit(Vec::new(), vec![Change::Quarantine(key)]).await.map_err(ended)?;
        }
        found.push(Damage {
            place,
            what: "it is a link, a pipe or a device, and no file".to_owned(),
            consequence: "nothing is served from it or from below it, and what is pushed there fails".to_owned(),
            remedy: "push again what was there, as said of each below".to_owned(),
            done: repair.then(|| "moved to the quarantine".to_owned()),
        });
    }
    Ok(found)
}

fn line(damage: &Damage, json: bool) -> String {
    let Damage { place, what, consequence, remedy, done } = damage;
    if json {
        let fields = serde_json::json!({
            "place": place, "what": what, "consequence": consequence, "remedy": remedy, "done": done,
        });
        return fields.to_string();
    }
    let done = done.as_ref().map(|done| format!(" [{done}]")).unwrap_or_default();
    format!("damaged: {place}: {what}; {consequence}; {remedy}{done}")
}

//! When things were last used, written down beside the volume: about every
//! minute, and at the end. Several hosts on one volume add to one file.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;

use crate::{
    sandbox::{LARGEST_USES, Sandbox},
    storage::{Directory, Failure},
};

/// The host's own file.
const FILE: &str = "used";

/// A crash forgets no more than this.
const PERIOD: Duration = Duration::from_secs(60);

/// Reads what was written down before, where somebody wants to know.
pub async fn load(storage: &Arc<Directory>, sandbox: &Arc<Sandbox>) {
    if !sandbox.uses().is_recording() {
        return;
    }
    match storage.own(FILE, LARGEST_USES).await {
        Ok(text) => sandbox.uses().read(&text.unwrap_or_default()),
        Err(failure) => tracing::warn!("when tags were last pulled cannot be read: {failure}"),
    }
}

/// Writes it down now and then.
pub fn keep(storage: &Arc<Directory>, sandbox: &Arc<Sandbox>) -> JoinHandle<()> {
    let (storage, sandbox) = (Arc::clone(storage), Arc::clone(sandbox));
    tokio::spawn(async move {
        loop {
            save(&storage, &sandbox).await;
            tokio::time::sleep(PERIOD).await;
        }
    })
}

/// Writes it down, if there is anything new.
pub async fn save(storage: &Arc<Directory>, sandbox: &Arc<Sandbox>) {
    let saved = if sandbox.uses().is_recording() {
        if !sandbox.uses().is_changed() {
            return;
        }
        let sandbox = Arc::clone(sandbox);
        storage.change_own(FILE, LARGEST_USES, move |text| sandbox.uses().write(text.as_deref())).await
    } else {
        // While nobody wants to know, pulls are not noted: what was written
        // down before must not look as if it had been gone on with.
        match storage.own(FILE, LARGEST_USES).await {
            Ok(Some(text)) if !text.is_empty() => storage.change_own(FILE, LARGEST_USES, |_| Vec::new()).await,
            Ok(_) | Err(Failure::ReadOnly) => return,
            Err(failure) => Err(failure),
        }
    };
    if let Err(failure) = saved {
        sandbox.uses().not_written();
        tracing::warn!("when tags were last pulled cannot be written down: {failure}");
    }
}

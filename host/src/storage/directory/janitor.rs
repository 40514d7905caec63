//! What is to be done now and then while the storage is open.

use std::{sync::Arc, time::Duration};

use super::{Inner, commit::TRASH, sweep, uploads::staged};

const PERIOD: Duration = Duration::from_secs(10);
/// Hash states of uploads that others removed are looked for once in so many
/// periods.
const SWEEP_EVERY: u32 = 360;
/// What unfinished uploads hold is settled once in so many periods.
const SETTLE_EVERY: u32 = 6;
/// Removals in one period.
const BUDGET: u64 = 20_000;

/// Starts it, where there is a runtime. It ends with the storage.
pub(super) fn start(inner: &Arc<Inner>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    if inner.stages.is_empty() {
        return;
    }
    let weak = Arc::downgrade(inner);
    runtime.spawn(async move {
        for period in 0_u32.. {
            {
                let Some(inner) = weak.upgrade() else { return };
                let own = inner.clone();
                let step = move || {
                    tidy(&own, period);
                    Ok(())
                };
                if let Err(failure) = inner.blocking(&inner.pools.listings, step).await {
                    tracing::warn!("tidying the storage failed: {failure}");
                }
            }
            tokio::time::sleep(PERIOD).await;
        }
    });
}

/// One step.
pub(super) fn tidy(inner: &Arc<Inner>, period: u32) {
    inner.evict_uploads(inner.options.idle_upload);
    if period.is_multiple_of(SWEEP_EVERY)
        && let Some(states) = &inner.uploads.states
    {
        states.sweep(&inner.tree);
    }
    if period.is_multiple_of(SETTLE_EVERY) {
        staged::settle(inner);
    }
    for (_, stage) in &inner.stages {
        let Ok(entries) = stage.dir.entries() else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| name.starts_with(TRASH)) else { continue };
            if !matches!(sweep::tree(&stage.dir, name, BUDGET), Ok(true)) {
                break;
            }
        }
    }
}

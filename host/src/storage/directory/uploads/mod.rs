//! Uploads: files that grow until they are objects.
//!
//! An upload is used by one request at a time. Between two requests it stays
//! open for a while, so that a chunk and the end of an upload cost one sync of
//! the disk; then it is synced, its hash state is written down, and it is
//! closed. Whatever is lost of that is computed again from the bytes.

mod begin;
mod finish;
mod handle;
mod live;
mod spares;
pub(super) mod staged;
mod states;

use std::{
    collections::HashMap,
    os::fd::AsFd,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::fs::{FlockOperation, flock};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

pub(super) use self::states::States;
use self::{live::Live, spares::Spares, staged::Staged};
use super::{Inner, locks::guard};
use crate::storage::{Changing, Failure, Key};

/// All uploads of this process that are open.
pub(super) struct Uploads {
    table: Mutex<HashMap<Key, Slot>>,
    /// Uploads that requests use.
    permits: Arc<Semaphore>,
    max: usize,
    closed: AtomicBool,
    /// Told whenever a request gives an upload back.
    released: Notify,
    pub(super) states: Option<States>,
    pub(super) staged: Arc<Staged>,
    spares: Spares,
}

/// How long a request waits for the one before it: that one may be answered
/// already and not quite have ended.
const PATIENCE: Duration = Duration::from_millis(500);

enum Slot {
    InUse,
    Idle { live: Box<Live>, since: Instant },
}

/// The use of one upload; dropping it leaves the upload to the next request.
struct Lease {
    inner: Arc<Inner>,
    /// None for an upload that has no key.
    key: Option<Key>,
    live: Option<Box<Live>>,
    _permit: OwnedSemaphorePermit,
    /// Bytes come in as long as this lives.
    _changing: Changing,
}

impl Uploads {
    pub(super) fn new(max: usize, states: Option<States>, staged: Arc<Staged>) -> Self {
        let max = max.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            table: Mutex::default(),
            permits: Arc::new(Semaphore::new(max)),
            max,
            closed: AtomicBool::new(false),
            released: Notify::new(),
            states,
            staged,
            spares: Spares::default(),
        }
    }

    /// In use, and idle.
    pub(super) fn count(&self) -> (usize, usize) {
        let idle = guard(&self.table).values().filter(|slot| matches!(slot, Slot::Idle { .. })).count();
        (self.max - self.permits.available_permits(), idle)
    }
}

impl Inner {
    /// As [`lease`](Self::lease), with a little patience.
    async fn lease_soon(self: &Arc<Self>, key: &Key) -> Result<Lease, Failure> {
        let patience = async {
            loop {
                let released = self.uploads.released.notified();
                let in_use = matches!(guard(&self.uploads.table).get(key), Some(Slot::InUse));
                if !in_use {
                    return;
                }
                released.await;
            }
        };
        // Whatever the wait came to, the table decides.
        let _ = timeout(PATIENCE, patience).await;
        self.lease(Some(key.clone()))
    }

    /// Takes the upload at `key` for one request, or one that has none.
    fn lease(self: &Arc<Self>, key: Option<Key>) -> Result<Lease, Failure> {
        if self.stages.is_empty() {
            return Err(Failure::ReadOnly);
        }
        if self.uploads.closed.load(Ordering::Acquire) {
            return Err(Failure::Busy);
        }
        let permit = self.uploads.permits.clone().try_acquire_owned().map_err(|_| Failure::Busy)?;
        let mut live = None;
        if let Some(key) = &key {
            match guard(&self.uploads.table).entry(key.clone()) {
                std::collections::hash_map::Entry::Vacant(slot) => drop(slot.insert(Slot::InUse)),
                std::collections::hash_map::Entry::Occupied(mut slot) => match slot.insert(Slot::InUse) {
                    Slot::InUse => return Err(Failure::Busy),
                    Slot::Idle { live: idle, .. } => live = Some(idle),
                },
            }
        }
        let mut changing = self.generations.changing();
        // Where stamps are looked at, they tell of bytes that come in, and a
        // slow upload is to keep nobody from what shares its counter.
        if self.options.exclusive {
            key.iter().for_each(|key| changing.place(Some(key)));
        }
        Ok(Lease { inner: self.clone(), key, live, _permit: permit, _changing: changing })
    }

    /// Syncs and closes what was idle for `at_least`, or longest while more
    /// are idle than may be.
    pub(super) fn evict_uploads(self: &Arc<Self>, at_least: Duration) {
        loop {
            let next = {
                let mut table = guard(&self.uploads.table);
                let idle = || {
                    table.iter().filter_map(|(key, slot)| match slot {
                        Slot::Idle { since, .. } => Some((*since, key)),
                        Slot::InUse => None,
                    })
                };
                let crowded = idle().count() > self.options.idle_uploads;
                let oldest = idle().min().filter(|(since, _)| crowded || since.elapsed() >= at_least);
                let key = oldest.map(|(_, key)| key.clone());
                key.and_then(|key| match table.insert(key.clone(), Slot::InUse) {
                    Some(Slot::Idle { live, .. }) => Some((key, live)),
                    _ => None,
                })
            };
            let Some((key, mut live)) = next else { return };
            // Broken by this or before.
            let broken = live.checkpoint(self).is_err() || live.broken();
            if !broken {
                live.park();
            }
            drop(live);
            if broken {
                self.discard(&key);
            }
            guard(&self.uploads.table).remove(&key);
            self.uploads.released.notify_waiters();
        }
    }

    /// Closes all uploads; from now on those that requests give back too.
    pub(super) async fn close_uploads(self: &Arc<Self>) {
        self.uploads.closed.store(true, Ordering::Release);
        let inner = self.clone();
        let evict = move || {
            inner.evict_uploads(Duration::ZERO);
            staged::settle(&inner);
            Ok(())
        };
        if let Err(failure) = self.blocking(&self.pools.commits, evict).await {
            tracing::warn!("uploads could not be closed: {failure}");
        }
    }

    /// Takes the data of a broken upload away, so that nobody goes on from
    /// bytes that the disk may not have.
    fn discard(&self, key: &Key) {
        let mut changing = self.generations.changing();
        changing.place(Some(key));
        changing.place(key.parent().as_ref());
        if let Ok(directory) = self.tree.directory(key.parent().as_ref()) {
            let _ = rustix::fs::unlinkat(directory, key.name(), rustix::fs::AtFlags::empty());
        }
        self.forget_state(key);
        self.uploads.staged.forget(key);
    }

    fn forget_state(&self, key: &Key) {
        if let Some(states) = &self.uploads.states {
            states.remove(key);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        let uploads = &self.inner.uploads;
        let idle = match self.live.take() {
            Some(live) if live.broken() => {
                drop(live);
                self.inner.discard(&key);
                false
            }
            Some(live) if !live.gone() => {
                if let Some(file) = live.file() {
                    unlock(file);
                }
                let idle = Slot::Idle { live, since: Instant::now() };
                guard(&uploads.table).insert(key.clone(), idle);
                true
            }
            _ => false,
        };
        if !idle {
            guard(&uploads.table).remove(&key);
        }
        uploads.released.notify_waiters();
        if !idle {
            return;
        }
        let closed = uploads.closed.load(Ordering::Acquire);
        if !closed && uploads.count().1 <= self.inner.options.idle_uploads {
            return;
        }
        let inner = self.inner.clone();
        let evict = move || inner.evict_uploads(if closed { Duration::ZERO } else { inner.options.idle_upload });
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(evict)),
            Err(_) => evict(),
        }
    }
}

/// Takes the lock that other processes ask before they use an upload.
fn lock(file: impl AsFd) -> Result<(), Failure> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => Err(Failure::Busy),
        Err(errno) => Err(super::errors::failure(errno, "locking an upload")),
    }
}

fn unlock(file: impl AsFd) {
    // Cannot fail on a lock that is held; closing the file ends it too.
    let _ = flock(file, FlockOperation::Unlock);
}

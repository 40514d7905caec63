//! An upload as one request uses it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Lease, live::Live};
use crate::storage::{Algorithm, Change, Digest, Expectation, Failure, Key, Upload, directory::Inner};

/// As many bytes are hashed and written where they are; more by a thread that
/// may block.
const INLINE: usize = 64 << 10;

/// One use of an upload. Blocking jobs take the lease with them, so that it
/// comes free when the job ends, though the request may be gone before.
pub(in crate::storage::directory) struct Handle {
    lease: Option<Lease>,
    offset: u64,
}

impl Handle {
    pub(super) fn new(mut lease: Lease) -> Self {
        let mut offset = 0;
        if let Some(live) = &mut lease.live {
            live.begin();
            offset = live.offset();
        }
        Self { lease: Some(lease), offset }
    }

    pub(super) fn live(&mut self) -> Result<(&Arc<Inner>, &mut Live), Failure> {
        let Some(Lease { inner, live: Some(live), .. }) = &mut self.lease else {
            return Err(Failure::Other(String::from("the upload is finished, or a call to it was given up")));
        };
        Ok((inner, live))
    }

    pub(super) fn take(&mut self) -> Result<Lease, Failure> {
        self.live()?;
        self.lease.take().ok_or(Failure::Busy)
    }

    pub(super) fn give_back(&mut self, lease: Lease) {
        if let Some(live) = &lease.live {
            self.offset = live.offset();
        }
        self.lease = Some(lease);
    }

    /// Runs `job` where it may block.
    async fn blocking<T: Send + 'static>(
        &mut self,
        pool: impl FnOnce(&Inner) -> &Arc<tokio::sync::Semaphore>,
        job: impl FnOnce(&Arc<Inner>, &mut Live) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let mut lease = self.take()?;
        let inner = lease.inner.clone();
        let job = move || {
            let result = match &mut lease.live {
                Some(live) => job(&lease.inner, live),
                None => Err(Failure::Busy),
            };
            Ok((lease, result))
        };
        let (lease, result) = inner.blocking(pool(&inner), job).await?;
        self.give_back(lease);
        result
    }
}

#[async_trait]
impl Upload for Handle {
    fn offset(&self) -> u64 {
        self.offset
    }

    fn count_for(&mut self, holder: &Arc<str>) {
        // One that is finished holds nothing.
        if let Ok((_, live)) = self.live() {
            live.charge().count_for(holder);
        }
    }

    fn has_room_for(&mut self, bytes: u64) -> Result<(), Failure> {
        self.live()?.1.charge().has_room_for(bytes)
    }

    async fn write(&mut self, batch: Vec<Bytes>) -> Result<(), Failure> {
        let size: usize = batch.iter().map(Bytes::len).sum();
        let (inner, live) = self.live()?;
        let at_hand = live.file().is_some() || live.stays_in_memory(size);
        if size <= INLINE && at_hand && !live.shared() {
            let result = live.write(inner, &batch);
            self.offset = live.offset();
            return result;
        }
        self.blocking(|inner| &inner.pools.writes, move |inner, live| live.write(inner, &batch)).await
    }

    async fn truncate(&mut self, offset: u64) -> Result<(), Failure> {
        self.blocking(|inner| &inner.pools.writes, move |inner, live| live.truncate(inner, offset)).await
    }

    async fn pause(&mut self) -> Result<(), Failure> {
        let (_, live) = self.live()?;
        live.usable()?;
        if live.due() {
            self.blocking(
                |inner| &inner.pools.commits,
                |inner, live| {
                    live.checkpoint(inner)?;
                    live.usable()
                },
            )
            .await?;
        }
        self.live()?.1.begin();
        Ok(())
    }

    async fn digest(&mut self, algorithm: Algorithm) -> Result<Digest, Failure> {
        let (_, live) = self.live()?;
        live.usable()?;
        match live.known_digest(algorithm) {
            Some(known) => Ok(known),
            None => self.blocking(|inner| &inner.pools.hashes, move |_, live| live.digest(algorithm)).await,
        }
    }

    async fn finish(
        &mut self,
        to: Key,
        digest: Digest,
        expect: Vec<Expectation>,
        changes: Vec<Change>,
    ) -> Result<(), Failure> {
        if self.digest(digest.algorithm()).await? != digest {
            return Err(Failure::DigestMismatch);
        }
        self.finish_checked(to, expect, changes).await
    }

    async fn abort(&mut self) -> Result<(), Failure> {
        self.remove().await
    }
}

//! Small objects, and what is at a key.
//!
//! What the kernel has at hand is answered where it was asked, in a few
//! microseconds; only what must wait for a disk goes to another thread.

use std::sync::Arc;

use bytes::Bytes;
use rustix::io::Errno;

use super::{Inner, errors::looking, files, object::Opened, stamp, tree::Wait};
use crate::storage::{Failure, Key, Metadata};

/// No read allocates more, whatever its caller allows.
const MAX_READ: u64 = 64 << 20;

impl Inner {
    pub(super) async fn read(self: &Arc<Self>, key: &Key, limit: u64) -> Result<Bytes, Failure> {
        let limit = limit.min(MAX_READ);
        loop {
            let ready = match self.tree.object(key, Wait::No) {
                Ok(file) => {
                    let size = stamp::size(&files::object_stat(&file, key)?);
                    if size > limit {
                        return Err(Failure::TooLarge(size));
                    }
                    files::read_ready(&file, size)
                }
                Err(errno) => Err(errno),
            };
            let result = match ready {
                Ok(bytes) => Ok(bytes),
                Err(Errno::AGAIN) => {
                    let (inner, key) = (self.clone(), key.clone());
                    self.blocking(&self.pools.reads, move || files::whole(&inner.tree, &key, limit)).await
                }
                Err(errno) => Err(looking(errno, key)),
            };
            if !self.pending.settle(Some(key)).await {
                return result;
            }
        }
    }

    pub(super) async fn stat(self: &Arc<Self>, key: &Key) -> Result<Metadata, Failure> {
        loop {
            let result = match self.tree.look(Some(key), Wait::No) {
                Err(Errno::AGAIN) => {
                    let (inner, key) = (self.clone(), key.clone());
                    let look = move || Ok(inner.tree.look(Some(&key), Wait::Yes));
                    self.blocking(&self.pools.reads, look).await?
                }
                done => done,
            };
            let result = result.map_err(|errno| looking(errno, key)).and_then(|stat| stamp::metadata(&stat));
            if !self.pending.settle(Some(key)).await {
                return result;
            }
        }
    }

    pub(super) async fn open(self: &Arc<Self>, key: &Key) -> Result<Opened, Failure> {
        loop {
            let opened = match self.tree.object(key, Wait::No) {
                Err(Errno::AGAIN) => {
                    let (inner, key) = (self.clone(), key.clone());
                    let open = move || Ok(inner.tree.object(&key, Wait::Yes));
                    self.blocking(&self.pools.reads, open).await?
                }
                done => done,
            };
            let opened = opened.map_err(|errno| looking(errno, key)).and_then(|file| {
                let size = stamp::size(&files::object_stat(&file, key)?);
                Ok(Opened { inner: self.clone(), file: Arc::new(file), size })
            });
            if !self.pending.settle(Some(key)).await {
                return opened;
            }
        }
    }
}

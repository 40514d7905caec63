//! An object that is open to be sent.

use std::{os::fd::OwnedFd, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use rustix::io::Errno;

use super::{Inner, errors::failure, files};
use crate::storage::{Failure, Object, Seen};

/// More is never read at once, whoever asks.
const MAX_CHUNK: usize = 1 << 20;

pub(super) struct Opened {
    pub(super) inner: Arc<Inner>,
    pub(super) file: Arc<OwnedFd>,
    pub(super) size: u64,
    pub(super) seen: Seen,
}

impl Opened {
    /// How much to read; nothing beyond the size it had when it was opened.
    fn most(&self, offset: u64, max: usize) -> usize {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        max.min(left).min(MAX_CHUNK)
    }
}

fn ended() -> Failure {
    Failure::Io(String::from("the object ended before its size"))
}

#[async_trait]
impl Object for Opened {
    fn size(&self) -> u64 {
        self.size
    }

    fn seen(&self) -> Seen {
        self.seen
    }

    fn try_chunk(&self, offset: u64, max: usize) -> Option<Result<Bytes, Failure>> {
        match files::chunk_ready(&self.file, offset, self.most(offset, max)) {
            Ok(bytes) if bytes.is_empty() => Some(Err(ended())),
            Ok(bytes) => Some(Ok(bytes)),
            Err(Errno::AGAIN) => None,
            Err(errno) => Some(Err(failure(errno, "reading an object"))),
        }
    }

    async fn chunk(&self, offset: u64, max: usize) -> Result<Bytes, Failure> {
        let (file, most) = (self.file.clone(), self.most(offset, max));
        let read = move || files::chunk(&file, offset, most).map_err(|errno| failure(errno, "reading an object"));
        match self.inner.blocking(&self.inner.pools.reads, read).await? {
            bytes if bytes.is_empty() => Err(ended()),
            bytes => Ok(bytes),
        }
    }
}

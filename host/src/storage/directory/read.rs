//! Small objects, and what is at a key.
//!
//! What the kernel has at hand is answered where it was asked, in a few
//! microseconds; only what must wait for a disk goes to another thread.

use std::{os::fd::AsFd, sync::Arc};

use bytes::Bytes;
use rustix::{
    fs::{Stat, fstat},
    io::Errno,
};

use super::{
    Inner,
    errors::looking,
    files,
    object::Opened,
    stamp::{self, Stamp},
    tree::Wait,
};
use crate::storage::{Failure, Key, Looked, Metadata, Seen};

/// No read allocates more, whatever its caller allows.
const MAX_READ: u64 = 64 << 20;

impl Inner {
    pub(super) async fn read(self: &Arc<Self>, key: &Key, limit: u64) -> Looked<Bytes> {
        let limit = limit.min(MAX_READ);
        loop {
            let looked = match self.read_at_hand(key, limit) {
                Some(looked) => looked,
                None => {
                    let (inner, wanted) = (self.clone(), key.clone());
                    let read = move || {
                        let (bytes, file, stat) = files::whole(&inner.tree, &wanted, limit)?;
                        Ok((bytes, inner.unchanged(&wanted, file, &stat)))
                    };
                    split(self.blocking(&self.pools.reads, read).await)
                }
            };
            if !self.pending.settle(Some(key)).await {
                return looked;
            }
        }
    }

    /// None if it takes a wait.
    fn read_at_hand(&self, key: &Key, limit: u64) -> Option<Looked<Bytes>> {
        let read = || {
            let file = self.tree.object(key, Wait::No).map_err(|errno| at_hand(errno, key))?;
            let stat = files::object_stat(&file, key).map_err(Some)?;
            let size = stamp::size(&stat);
            if size > limit {
                return Err(Some(Failure::TooLarge(size)));
            }
            let bytes = files::read_ready(&file, size).map_err(|errno| at_hand(errno, key))?;
            Ok((bytes, self.unchanged(key, file, &stat)))
        };
        match read() {
            Ok(read) => Some(split(Ok(read))),
            Err(Some(failure)) => Some(split(Err(failure))),
            Err(None) => None,
        }
    }

    pub(super) async fn stat(self: &Arc<Self>, key: &Key) -> Looked<Metadata> {
        loop {
            let result = match self.tree.look(Some(key), Wait::No) {
                Err(Errno::AGAIN) => {
                    let (inner, wanted) = (self.clone(), key.clone());
                    let look = move || Ok(inner.tree.look(Some(&wanted), Wait::Yes));
                    self.blocking(&self.pools.reads, look).await
                }
                done => Ok(done),
            };
            let looked = result
                .and_then(|done| done.map_err(|errno| looking(errno, key)))
                .and_then(|stat| Ok((stamp::metadata(&stat)?, self.state(Some(key), &stat))));
            if !self.pending.settle(Some(key)).await {
                return split(looked);
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
                let stat = files::object_stat(&file, key)?;
                let (size, seen) = (stamp::size(&stat), self.state(Some(key), &stat));
                Ok(Opened { inner: self.clone(), file: Arc::new(file), size, seen })
            });
            if !self.pending.settle(Some(key)).await {
                return opened;
            }
        }
    }

    /// What a look would see now, without a wait.
    ///
    /// By the whole path and through no link, as every look: with `fstatat`,
    /// which costs half, an object would still be found where somebody had put
    /// a link in the place of a directory on the way, and a cold disk would
    /// hold up the thread.
    pub(super) fn glance(&self, place: Option<&Key>) -> Seen {
        match self.tree.look(place, Wait::No) {
            Ok(stat) => self.state(place, &stat),
            Err(Errno::NOENT | Errno::NOTDIR) => Seen::Nothing,
            Err(_) => Seen::Unknown,
        }
    }

    /// What was seen of a file, if it is as it was before it was read.
    pub(super) fn unchanged(&self, key: &Key, file: impl AsFd, before: &Stat) -> Seen {
        match fstat(file) {
            Ok(after) if Stamp::of(&after) == Stamp::of(before) => self.state(Some(key), before),
            _ => Seen::Unknown,
        }
    }

    /// What was seen, where stamps are worth something.
    pub(super) fn state(&self, place: Option<&Key>, stat: &Stat) -> Seen {
        let stamp = Stamp::of(stat);
        if self.filesystems.have_stamps(&self.tree, place, stamp.device) { Seen::State(stamp) } else { Seen::Unknown }
    }
}

/// What came of a look, as a pair.
pub(super) fn split<T>(looked: Result<(T, Seen), Failure>) -> Looked<T> {
    match looked {
        Ok((found, seen)) => (Ok(found), seen),
        Err(failure) => {
            let seen = Seen::of_failure(&failure);
            (Err(failure), seen)
        }
    }
}

/// None for what takes a wait.
fn at_hand(errno: Errno, key: &Key) -> Option<Failure> {
    if errno == Errno::AGAIN { None } else { Some(looking(errno, key)) }
}

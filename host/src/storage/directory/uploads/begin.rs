//! Beginning an upload, and going on with one.

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use rustix::{
    fs::{AtFlags, OFlags, fstat, unlinkat},
    io::Errno,
};

use super::{Inner, handle::Handle, live::Live, lock, spares};
use crate::storage::{
    Algorithm, Failure, Hasher, Key,
    directory::{
        errors::{failure, looking},
        files,
        flush::Target,
        locks::Mode,
        room::For,
        stamp::{self, Stamp},
        tree::{self, Wait},
    },
};

const MAX_BESIDE: usize = 16;
const MAX_BESIDE_BYTES: usize = 64 << 10;

impl Inner {
    pub(in crate::storage::directory) async fn create_upload(
        self: &Arc<Self>,
        key: Key,
        beside: Vec<(Key, Bytes)>,
    ) -> Result<Handle, Failure> {
        let Some(parent) = key.parent() else {
            return Err(Failure::InvalidKey(String::from("an upload needs a directory of its own")));
        };
        if beside.len() > MAX_BESIDE || beside.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > MAX_BESIDE_BYTES {
            return Err(Failure::TooLarge(MAX_BESIDE_BYTES as u64));
        }
        if beside.iter().any(|(other, _)| other.parent().as_ref() != Some(&parent) || *other == key) {
            return Err(Failure::InvalidKey(String::from("an object that is not beside its upload")));
        }
        if self.tree.holds_link(&parent) {
            return Err(Failure::InvalidKey(String::from("an upload in a directory that is not its own")));
        }
        let mut lease = self.lease(Some(key.clone()))?;
        if lease.live.is_some() {
            return Err(Failure::Conflict(key));
        }
        let held = self.locks.lock([(parent, Mode::Exclusive)]).await;
        let job = move || {
            let _held = held;
            let file = make(&lease.inner, &key, &beside)?;
            let charge = lease.inner.uploads.staged.begin(Some(key.clone()));
            let mut live = Live::new(Some(key), Some(file), charge);
            live.set_beside(spares::names(&beside));
            lease.live = Some(Box::new(live));
            Ok(lease)
        };
        Ok(Handle::new(self.blocking(&self.pools.commits, job).await?))
    }

    pub(in crate::storage::directory) fn temporary_upload(self: &Arc<Self>) -> Result<Handle, Failure> {
        let mut lease = self.lease(None)?;
        lease.live = Some(Box::new(Live::new(None, None, self.uploads.staged.begin(None))));
        Ok(Handle::new(lease))
    }

    pub(in crate::storage::directory) async fn resume_upload(self: &Arc<Self>, key: Key) -> Result<Handle, Failure> {
        if key.parent().is_none_or(|parent| self.tree.holds_link(&parent)) {
            return Err(Failure::NotFound);
        }
        let mut lease = self.lease_soon(&key).await?;
        if let Some(mut live) = lease.live.take() {
            let fits = still(self, &key, &mut live);
            if fits == Ok(true) {
                lease.live = Some(live);
                return Ok(Handle::new(lease));
            }
            live.park();
            // Somebody else changed or replaced the file: the disk decides.
            fits?;
        }
        let stop = Stop::default();
        let stopped = stop.0.clone();
        let job = move || {
            let live = from_disk(&lease.inner, key, &|| stopped.load(Ordering::Relaxed))?;
            lease.live = Some(Box::new(live));
            Ok(lease)
        };
        let lease = self.blocking(&self.pools.hashes, job).await;
        drop(stop);
        Ok(Handle::new(lease?))
    }
}

/// Tells a job that its request is gone.
#[derive(Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes the objects beside an upload and its empty data. Nothing is synced:
/// a power cut may take an upload that received nothing.
fn make(inner: &Arc<Inner>, key: &Key, beside: &[(Key, Bytes)]) -> Result<OwnedFd, Failure> {
    let parent = key.parent();
    let stage = inner.stage(Some(key))?;
    // An upload that could take no byte is none.
    stage.take(For::Upload, 1)?;
    let mut changing = inner.generations.changing();
    changing.place(parent.as_ref());
    changing.place(Some(key));
    beside.iter().for_each(|(key, _)| changing.place(Some(key)));
    let made = &mut |key: &Key| {
        changing.place(Some(key));
        changing.place(key.parent().as_ref());
        inner.listings.forget(&key.parent());
    };
    if let Some(spare) = inner.uploads.spares.take(stage, beside)
        && let Some(file) = spare.become_upload(&inner.tree, key, beside, made)
    {
        return Ok(file);
    }
    let directory =
        inner.tree.make_directory(parent.as_ref(), made).map_err(|errno| failure(errno, "making a directory"))?;
    inner.listings.forget(&parent);
    let mut done = Vec::new();
    let result = (|| {
        let mut create = |key: &Key, flags| match tree::create(&directory, key.name(), flags) {
            Ok(file) => {
                done.push(key.name().to_owned());
                Ok(file)
            }
            Err(Errno::EXIST) => Err(Failure::Conflict(key.clone())),
            Err(errno) => Err(failure(errno, key)),
        };
        for (key, bytes) in beside {
            files::write_whole(create(key, OFlags::WRONLY)?, bytes).map_err(|errno| failure(errno, key))?;
        }
        let file = create(key, OFlags::RDWR)?;
        lock(&file)?;
        Ok(file)
    })();
    if result.is_err() {
        for name in done {
            let _ = unlinkat(&directory, name.as_str(), AtFlags::empty());
        }
    }
    result
}

/// Whether an upload that stayed open is what is at its key, and takes it for
/// this process.
fn still(inner: &Inner, key: &Key, live: &mut Live) -> Result<bool, Failure> {
    let Some(file) = live.file() else { return Ok(false) };
    lock(file)?;
    let stat = fstat(file).map_err(|errno| failure(errno, key))?;
    let own = Stamp::of(&stat);
    // Another process may have tried to finish it meanwhile.
    live.set_shared(stat.st_nlink > 1);
    match inner.tree.look(Some(key), Wait::Yes) {
        Ok(stat) => Ok(own.same_file(&Stamp::of(&stat)) && own.size == live.offset()),
        Err(_) => Ok(false),
    }
}

/// Opens an upload that some process left, synced and with its digest so far.
fn from_disk(inner: &Arc<Inner>, key: Key, stop: &dyn Fn() -> bool) -> Result<Live, Failure> {
    let file = inner.tree.writable(&key).map_err(|errno| {
        if errno == Errno::NOENT {
            inner.uploads.staged.forget(&key);
        }
        looking(errno, &key)
    })?;
    lock(&file)?;
    let stat = files::object_stat(&file, &key)?;
    let (size, shared) = (stamp::size(&stat), stat.st_nlink > 1);
    if size == 0 {
        let charge = inner.uploads.staged.resume(key.clone(), 0);
        let mut live = Live::new(Some(key), Some(file), charge);
        live.set_shared(shared);
        return Ok(live);
    }
    let file = Arc::new(file);
    // Whoever wrote it may not have waited for the disk.
    if let Err(failure) = inner.flusher.sync(vec![Target::File(file.clone())]) {
        // The next sync would not tell again.
        inner.discard(&key);
        return Err(failure);
    }
    let saved = inner.uploads.states.as_ref().and_then(|states| states.load(&key, &file));
    let found = saved.is_some();
    let hasher = match saved {
        Some(hasher) => hasher,
        None => {
            let mut hasher = Hasher::new(Algorithm::Sha256);
            files::hash(&file, size, &mut hasher, stop).map_err(|errno| failure(errno, &key))?;
            hasher
        }
    };
    let file = Arc::into_inner(file).ok_or_else(|| Failure::Io(String::from("an upload is still being synced")))?;
    let charge = inner.uploads.staged.resume(key.clone(), size);
    let mut live = Live::resumed(key, file, hasher, found, charge);
    live.set_shared(shared);
    // So that the next process need not read it all again.
    live.checkpoint(inner)?;
    Ok(live)
}

//! The bytes of an upload that is open, and their digest so far.

use std::{os::fd::OwnedFd, sync::Arc};

use bytes::Bytes;
use rustix::{
    fs::{Advice, fadvise, ftruncate, renameat},
    io::Errno,
};

use super::{Inner, staged::Charge};
use crate::storage::{
    Algorithm, Digest, Failure, Hasher, Key,
    directory::{
        errors::failure,
        files,
        flush::Target,
        room::For,
        stage::{Stage, Temp},
    },
};

/// An upload that has no key is held in memory up to this size: its file is
/// made, written and synced in one go at the end.
pub(super) const IN_MEMORY: usize = 64 << 10;
/// The kernel is told to begin writing to the disk after so many bytes, so
/// that the sync at the end is short.
const WRITEBACK: u64 = 8 << 20;
/// A body that brought less than this is not synced before its answer: the
/// answer promises only that the upload can go on.
const CHECKPOINT: u64 = 8 << 20;

pub(super) struct Live {
    key: Option<Key>,
    /// None while an upload without a key is in memory.
    file: Option<Arc<OwnedFd>>,
    temp: Option<Temp>,
    memory: Vec<u8>,
    hasher: Hasher,
    offset: u64,
    /// For the bytes that are in it.
    charge: Charge,
    /// Where the current body began.
    mark: (u64, Hasher),
    /// A digest by another algorithm, and of how many bytes.
    other: Option<(u64, Digest)>,
    /// Not all bytes are known to be on the disk.
    dirty: bool,
    writeback: u64,
    /// Up to here a hash state was written down.
    saved: u64,
    /// The file has another name, which makes it somebody's object: it may be
    /// read and finished, and is copied before it changes.
    shared: bool,
    broken: bool,
    gone: bool,
    /// The names of the files beside it, where this process made them.
    beside: Option<Vec<String>>,
}

impl Live {
    /// An empty one, with or without a key.
    pub(super) fn new(key: Option<Key>, file: Option<OwnedFd>, charge: Charge) -> Self {
        let hasher = Hasher::new(Algorithm::Sha256);
        Self {
            key,
            file: file.map(Arc::new),
            temp: None,
            memory: Vec::new(),
            mark: (0, hasher.clone()),
            hasher,
            offset: 0,
            charge,
            other: None,
            dirty: true,
            writeback: 0,
            saved: 0,
            shared: false,
            broken: false,
            gone: false,
            beside: None,
        }
    }

    /// One that holds the bytes that it is charged for, synced, with this
    /// digest so far.
    pub(super) fn resumed(key: Key, file: OwnedFd, hasher: Hasher, saved: bool, charge: Charge) -> Self {
        let offset = charge.bytes();
        Self {
            mark: (offset, hasher.clone()),
            hasher,
            offset,
            dirty: false,
            writeback: offset,
            saved: if saved { offset } else { 0 },
            ..Self::new(Some(key), Some(file), charge)
        }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn file(&self) -> Option<&Arc<OwnedFd>> {
        self.file.as_ref()
    }

    pub(super) fn temp(&mut self) -> Option<&mut Temp> {
        self.temp.as_mut()
    }

    pub(super) fn shared(&self) -> bool {
        self.shared
    }

    pub(super) fn set_shared(&mut self, shared: bool) {
        self.shared = shared;
    }

    /// A write or a sync failed: what is on the disk is unknown.
    pub(super) fn broken(&self) -> bool {
        self.broken
    }

    /// Finished or removed.
    pub(super) fn gone(&self) -> bool {
        self.gone
    }

    /// This process made its directory, with these files beside it.
    pub(super) fn set_beside(&mut self, names: Vec<String>) {
        self.beside = Some(names);
    }

    pub(super) fn beside(&self) -> Option<&[String]> {
        self.beside.as_deref()
    }

    pub(super) fn take_beside(&mut self) -> Option<Vec<String>> {
        self.beside.take()
    }

    pub(super) fn set_gone(&mut self) {
        self.gone = true;
    }

    /// For the bytes that are in it.
    pub(super) fn charge(&mut self) -> &mut Charge {
        &mut self.charge
    }

    /// It is closed and stays: its bytes go on to count.
    pub(super) fn park(&mut self) {
        self.charge.park();
    }

    /// Fails if it cannot be used any more.
    pub(super) fn usable(&self) -> Result<(), Failure> {
        if self.broken {
            return Err(Failure::Io(String::from("the upload broke earlier and can only be aborted")));
        }
        if self.gone {
            return Err(Failure::Other(String::from("the upload is finished")));
        }
        Ok(())
    }

    /// Whether writing `bytes` more only fills memory.
    pub(super) fn stays_in_memory(&self, bytes: usize) -> bool {
        self.file.is_none() && self.memory.len() + bytes <= IN_MEMORY
    }

    /// A body begins here.
    pub(super) fn begin(&mut self) {
        self.mark = (self.offset, self.hasher.clone());
    }

    /// Appends and hashes.
    pub(super) fn write(&mut self, inner: &Inner, batch: &[Bytes]) -> Result<(), Failure> {
        self.usable()?;
        self.unshare(inner)?;
        let size: usize = batch.iter().map(Bytes::len).sum();
        self.charge.grow(size as u64)?;
        if let Err(failure) = self.append(inner, batch, size) {
            self.charge.shrink(size as u64);
            return Err(failure);
        }
        batch.iter().for_each(|bytes| self.hasher.update(bytes));
        self.offset += size as u64;
        if let Some(file) = self.file.as_ref().filter(|_| self.offset - self.writeback >= WRITEBACK) {
            // Begins the writing of dirty pages, waits for none and swallows
            // no error; pages that are on the disk already leave the cache.
            let _ = fadvise(
                file,
                self.writeback,
                std::num::NonZeroU64::new(self.offset - self.writeback),
                Advice::DontNeed,
            );
            self.writeback = self.offset;
        }
        Ok(())
    }

    /// Puts `size` bytes where they belong; none of them if that fails.
    fn append(&mut self, inner: &Inner, batch: &[Bytes], size: usize) -> Result<(), Failure> {
        if self.stays_in_memory(size) {
            // A copy, as the bytes may be a small part of a large buffer.
            batch.iter().for_each(|bytes| self.memory.extend_from_slice(bytes));
        } else {
            let stage = match &self.key {
                Some(key) => inner.stage(Some(key))?,
                None => inner.default_stage()?,
            };
            stage.take(For::Upload, size as u64)?;
            let file = self.spill(stage)?;
            let before = self.offset;
            self.dirty = true;
            if let Err(errno) = files::write_batch(&file, batch, before) {
                // What was written of the batch is not hashed: cut it off.
                let cut = ftruncate(&file, before);
                return Err(self.failed(if cut.is_ok() { errno } else { Errno::IO }, "writing an upload"));
            }
        }
        Ok(())
    }

    /// Its file; made now if it was in memory.
    pub(super) fn spill(&mut self, stage: &Arc<Stage>) -> Result<Arc<OwnedFd>, Failure> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        stage.take(For::Commit, self.memory.len() as u64)?;
        let (file, temp) = stage.create()?;
        files::write_whole(&file, &self.memory).map_err(|errno| failure(errno, "writing an upload"))?;
        self.memory = Vec::new();
        self.temp = Some(temp);
        Ok(self.file.insert(Arc::new(file)).clone())
    }

    /// Puts a copy of its own in the place of a file that is an object too.
    fn unshare(&mut self, inner: &Inner) -> Result<(), Failure> {
        let (true, Some(key), Some(file)) = (self.shared, &self.key, &self.file) else { return Ok(()) };
        let failed = |errno| failure(errno, "copying an upload");
        // On the disk of the upload: a rename must not cross devices.
        let (copy, mut temp) = inner.stage(Some(key))?.create()?;
        super::lock(&copy)?;
        files::copy(file, &copy, self.offset).map_err(failed)?;
        let directory = inner.tree.directory(key.parent().as_ref()).map_err(failed)?;
        renameat(&temp.stage.dir, temp.name.as_str(), &directory, key.name()).map_err(failed)?;
        temp.moved();
        self.file = Some(Arc::new(copy));
        self.shared = false;
        self.dirty = true;
        self.writeback = 0;
        self.saved = 0;
        Ok(())
    }

    /// Cuts back to `offset`.
    pub(super) fn truncate(&mut self, inner: &Inner, offset: u64) -> Result<(), Failure> {
        self.usable()?;
        if offset > self.offset {
            return Err(Failure::WrongOffset(self.offset));
        }
        if offset == self.offset {
            return Ok(());
        }
        self.unshare(inner)?;
        let hasher = if self.mark.0 == offset { self.mark.1.clone() } else { self.hash(Algorithm::Sha256, offset)? };
        match &self.file {
            Some(file) => {
                if let Err(errno) = ftruncate(file, offset) {
                    return Err(self.failed(errno, "cutting an upload"));
                }
            }
            None => self.memory.truncate(usize::try_from(offset).unwrap_or(0)),
        }
        self.hasher = hasher;
        self.charge.shrink(self.offset - offset);
        self.offset = offset;
        self.mark = (offset, self.hasher.clone());
        self.other = None;
        self.dirty = true;
        self.writeback = self.writeback.min(offset);
        self.saved = 0;
        Ok(())
    }

    /// The digest of all bytes, if it is known without reading them again.
    pub(super) fn known_digest(&self, algorithm: Algorithm) -> Option<Digest> {
        if algorithm == self.hasher.algorithm() {
            return Some(self.hasher.digest());
        }
        self.other
            .as_ref()
            .filter(|(size, digest)| *size == self.offset && digest.algorithm() == algorithm)
            .map(|(_, digest)| digest.clone())
    }

    /// The digest of all bytes.
    pub(super) fn digest(&mut self, algorithm: Algorithm) -> Result<Digest, Failure> {
        if let Some(known) = self.known_digest(algorithm) {
            return Ok(known);
        }
        let digest = self.hash(algorithm, self.offset)?.digest();
        self.other = Some((self.offset, digest.clone()));
        Ok(digest)
    }

    fn hash(&mut self, algorithm: Algorithm, size: u64) -> Result<Hasher, Failure> {
        let mut hasher = Hasher::new(algorithm);
        match &self.file {
            Some(file) => {
                if let Err(errno) = files::hash(file, size, &mut hasher, &|| false) {
                    return Err(self.failed(errno, "reading an upload"));
                }
            }
            None => hasher
                .update(usize::try_from(size).ok().and_then(|size| self.memory.get(..size)).unwrap_or(&self.memory)),
        }
        Ok(hasher)
    }

    /// Whether the end of this body is worth a sync.
    pub(super) fn due(&self) -> bool {
        self.key.is_some() && self.dirty && self.offset.saturating_sub(self.saved) >= CHECKPOINT
    }

    /// Syncs the bytes and writes the hash state down: what a process that
    /// has only the disk goes on from. It fails if the bytes are not synced,
    /// and the upload is broken then.
    pub(super) fn checkpoint(&mut self, inner: &Inner) -> Result<(), Failure> {
        let (Some(key), Some(file)) = (self.key.clone(), self.file.clone()) else { return Ok(()) };
        if self.broken || self.gone {
            return Ok(());
        }
        if self.dirty {
            if let Err(failed) = inner.flusher.sync(vec![Target::File(file.clone())]) {
                tracing::warn!(%key, "an upload cannot be synced and is lost: {failed}");
                self.broken = true;
                return Err(failed);
            }
            self.dirty = false;
        }
        if self.saved == self.offset {
            return Ok(());
        }
        if let Some(states) = &inner.uploads.states {
            match states.save(&key, &file, self.offset, &self.hasher) {
                Ok(()) => self.saved = self.offset,
                // Only a read of all bytes is lost.
                Err(failure) => tracing::warn!(%key, "a hash state cannot be written: {failure}"),
            }
        }
        Ok(())
    }

    /// A sync failed elsewhere.
    pub(super) fn break_off(&mut self) {
        self.broken = true;
    }

    fn failed(&mut self, errno: Errno, what: &str) -> Failure {
        let failed = failure(errno, what);
        // A full disk is no damage: the batch was cut off again. Anything else
        // leaves pages in doubt, and a later sync would not tell.
        if !matches!(failed, Failure::NoSpace | Failure::Busy | Failure::ReadOnly) {
            self.broken = true;
        }
        failed
    }
}

//! Where objects lie: a trait, and a directory behind it.
//!
//! Storage knows keys, bytes, digests and durability. It knows no route, no
//! repository and no tag: those are names that a guest chose.

mod digest;
mod directory;
mod failure;
mod generations;
mod grant;
mod key;
mod seen;

#[cfg(test)]
pub mod suite;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;

/// Where guests' objects lie. Every method is bounded, and cancelling a
/// future that one returned leaves the storage whole.
#[async_trait]
pub trait Storage: Send + Sync + 'static {
    /// The bytes of an object of at most `limit` bytes, and what was seen.
    async fn look_read(&self, key: &Key, limit: u64) -> Looked<Bytes>;
    /// What is at a key.
    async fn look_stat(&self, key: &Key) -> Looked<Metadata>;
    /// Sorted names below `parent` (`None`: the root), after `after`.
    async fn look_page(&self, parent: Option<&Key>, after: Option<&str>, limit: u32) -> Looked<Listing>;
    /// What a look at a place would see now, if that can be had without
    /// waiting for a disk; `Unknown` if not.
    fn glance(&self, place: Option<&Key>) -> Seen;
    /// What tells of every change that is made through this storage.
    fn generations(&self) -> &Arc<Generations>;
    /// How a look that is remembered is to be checked.
    fn trust(&self) -> Trust;
    /// Changes several keys, durably and in order (see `wit/storage.wit`).
    async fn commit(&self, expect: Vec<Expectation>, changes: Vec<Change>) -> Result<(), Failure>;
    /// Opens an object to be sent.
    async fn open(&self, key: &Key) -> Result<Box<dyn Object>, Failure>;
    /// The digest of an object, whole. What is hashed is added to `hashed` as
    /// it goes on.
    async fn digest(&self, key: &Key, algorithm: Algorithm, hashed: &Arc<AtomicU64>) -> Result<Digest, Failure>;
    /// Begins an upload at a key, with small objects beside it.
    async fn create_upload(&self, key: Key, beside: Vec<(Key, Bytes)>) -> Result<Box<dyn Upload>, Failure>;
    /// Begins an upload that has no key.
    async fn temporary_upload(&self) -> Result<Box<dyn Upload>, Failure>;
    /// Goes on with an upload.
    async fn resume_upload(&self, key: Key) -> Result<Box<dyn Upload>, Failure>;
    /// Whether writes can succeed: for the health check.
    async fn check(&self) -> Result<(), Failure>;
    /// Ends what is open: saves hash states, releases locks. Called on drain.
    async fn close(&self);

    /// As [`look_read`](Self::look_read), for who does not remember.
    async fn read(&self, key: &Key, limit: u64) -> Result<Bytes, Failure> {
        self.look_read(key, limit).await.0
    }

    /// As [`look_stat`](Self::look_stat), for who does not remember.
    async fn stat(&self, key: &Key) -> Result<Metadata, Failure> {
        self.look_stat(key).await.0
    }

    /// As [`look_page`](Self::look_page), for who does not remember.
    async fn page(&self, parent: Option<&Key>, after: Option<&str>, limit: u32) -> Result<Listing, Failure> {
        self.look_page(parent, after, limit).await.0
    }
}

/// An object that is open for reading. It stays readable when its key is
/// removed meanwhile.
#[async_trait]
pub trait Object: Send + Sync + 'static {
    /// Bytes, when it was opened.
    fn size(&self) -> u64;
    /// What was opened.
    fn seen(&self) -> Seen {
        Seen::Unknown
    }
    /// Up to `max` bytes at `offset` if they can be had without waiting for a
    /// disk; `None` if they cannot.
    fn try_chunk(&self, offset: u64, max: usize) -> Option<Result<Bytes, Failure>>;
    /// Up to `max` bytes at `offset`, at least one; `io` at the end.
    async fn chunk(&self, offset: u64, max: usize) -> Result<Bytes, Failure>;
}

/// An upload that this request alone uses.
#[async_trait]
pub trait Upload: Send + 'static {
    /// Bytes received so far.
    fn offset(&self) -> u64;
    /// Whom its bytes count for from now on, unless they do for somebody
    /// already (see [`Options::staged_per_holder`]).
    fn count_for(&mut self, holder: &Arc<str>);
    /// Whether so many bytes more are within what its holder may have.
    ///
    /// # Errors
    /// [`Failure::TooMuchStaged`] if not.
    fn has_room_for(&mut self, bytes: u64) -> Result<(), Failure>;
    /// Appends bytes. The plane calls it with batches of up to a MiB and
    /// never two at a time; small ones are written where they are, large ones
    /// by a blocking thread.
    async fn write(&mut self, batch: Vec<Bytes>) -> Result<(), Failure>;
    /// Cuts back to `offset`: for a body that proved too long.
    async fn truncate(&mut self, offset: u64) -> Result<(), Failure>;
    /// The end of one body: what an answer that says "go on from here" needs.
    async fn pause(&mut self) -> Result<(), Failure>;
    /// The digest of all bytes so far.
    async fn digest(&mut self, algorithm: Algorithm) -> Result<Digest, Failure>;
    /// Checks the digest, then makes the upload an object, with changes.
    async fn finish(
        &mut self,
        to: Key,
        digest: Digest,
        expect: Vec<Expectation>,
        changes: Vec<Change>,
    ) -> Result<(), Failure>;
    /// Removes the upload.
    async fn abort(&mut self) -> Result<(), Failure>;
}

pub use self::{
    digest::{Algorithm, Digest, Hasher},
    directory::{Directory, Durability, Options, SyncWhole, Threads},
    failure::Failure,
    generations::{Changing, Cover, Generations},
    grant::{Grant, LARGEST_GRANTED, Opener},
    key::{HOST_SEGMENT, Key},
    seen::{Looked, Seen, Stamp, Trust},
};

/// What is at a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Object or directory.
    pub kind: Kind,
    /// Bytes; 0 for a directory.
    pub size: u64,
    /// When it was last changed.
    pub modified: SystemTime,
}

/// What can be at a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes.
    Object,
    /// Names.
    Directory,
}

/// One page of a directory's names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Sorted by the bytes of the name.
    pub entries: Vec<(String, Kind)>,
    /// Whether more come after these.
    pub more: bool,
}

/// What must be so for a commit to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing is there.
    Absent(Key),
    /// An object is there, and it is not empty.
    Present(Key),
    /// An object with exactly these bytes is there.
    Equals(Key, Bytes),
}

/// One step of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Write, over what may be there.
    Put(Key, Bytes),
    /// Write where nothing is.
    Create(Key, Bytes),
    /// Remove an object, if it is there.
    Remove(Key),
    /// Remove a directory and all below it, if it is there.
    RemoveTree(Key),
    /// Make a directory, with those above it, durably; that it is there
    /// already is no failure. (`make-directory` in `wit/storage.wit`: it
    /// counts as a step of the commit like the others.)
    MakeDirectory(Key),
    /// Take what is there, whatever it is, to the host's own place for such
    /// things, if it is there.
    Quarantine(Key),
}

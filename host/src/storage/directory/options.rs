//! How a [`Directory`](super::Directory) is to behave, and what it is worth.

use std::time::Duration;

use super::together::SyncWhole;
use crate::storage::Key;

/// Settings of a [`Directory`](super::Directory).
#[derive(Debug, Clone)]
pub struct Options {
    /// Keys of directories that may be symbolic links, to another disk say.
    /// They are followed once, when the directory is opened; no other link is.
    pub allowed_links: Vec<Key>,
    /// Whether no other process may have the storage open, nor writes to it:
    /// a second Skerry is refused, and others are the operator's care.
    pub exclusive: bool,
    /// Bytes of the disk that uploads leave alone, or a sixteenth of a small
    /// one; 0 for none.
    pub reserve: u64,
    /// Whether filesystems are synced whole, or each file by itself.
    pub sync_whole: SyncWhole,
    /// Nothing is written, not even the host's own: beside any other process,
    /// whatever that one insists on.
    pub read_only: bool,
    /// Uploads that requests use at once; one more is `Busy`.
    pub max_open_uploads: usize,
    /// Uploads that stay open between two requests.
    pub idle_uploads: usize,
    /// How long they do.
    pub idle_upload: Duration,
    /// Bytes of names kept of directories that do not change.
    pub listing_cache: usize,
    /// Bytes that uploads which are not finished may hold for one holder (see
    /// [`Upload::count_for`](crate::storage::Upload::count_for)); 0 for any
    /// number.
    pub staged_per_holder: u64,
    /// Threads that may wait for a disk at once, by kind of work.
    pub threads: Threads,
}

/// Bounds on blocking work. Each kind has its own, so that many slow uploads
/// never keep a commit from the disk.
#[derive(Debug, Clone)]
pub struct Threads {
    /// Reads of what is not in the page cache.
    pub reads: usize,
    /// Commits, and what else is synced.
    pub commits: usize,
    /// Writing and hashing of uploads.
    pub writes: usize,
    /// Listings of directories.
    pub listings: usize,
    /// Reading whole uploads again, to hash them.
    pub hashes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            allowed_links: Vec::new(),
            exclusive: false,
            reserve: 64 << 20,
            sync_whole: SyncWhole::Auto,
            read_only: false,
            max_open_uploads: 4096,
            idle_uploads: 256,
            idle_upload: Duration::from_secs(60),
            listing_cache: 8 << 20,
            staged_per_holder: 256 << 30,
            threads: Threads { reads: 64, commits: 64, writes: 32, listings: 4, hashes: 4 },
        }
    }
}

/// What an answered write is worth after a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It is on the disk, content and name.
    Full,
    /// This filesystem cannot sync directories: the name may be lost.
    Weak,
    /// Nothing can be written.
    ReadOnly,
}

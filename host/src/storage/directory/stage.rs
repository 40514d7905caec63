//! The host's own directory on the same filesystem: temporary files, removed
//! trees on their way out, the host's key.
//!
//! `<root>/.skerry/tmp/<instance>/` belongs to one process while it holds the
//! lock in it. What dead processes left is removed at start.

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use cap_fs_ext::{DirExt, OpenOptionsFollowExt};
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, File, OpenOptions, OpenOptionsExt};
use rustix::{
    fs::{AtFlags, FlockOperation, OFlags, flock, fsync, statat, unlinkat},
    io::Errno,
};

use super::{
    errors::{failure, from_io},
    room::{For, Room},
    sweep, tree,
};
use crate::storage::{Failure, digest::to_hex, key::HOST_SEGMENT};

const LOCK: &str = "lock";

/// Opens `<base>/.skerry`, made if need be. Nobody else may look into it.
pub(super) fn home(base: &Dir) -> Result<Dir, Failure> {
    private_directory(base, HOST_SEGMENT)
}

/// Opens a directory of the host's, made if need be.
pub(super) fn private_directory(parent: &Dir, name: &str) -> Result<Dir, Failure> {
    let failed = |error: std::io::Error| from_io(&error, format_args!("the host's directory {name}"));
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    match parent.create_dir_with(name, &builder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    parent.open_dir_nofollow(name).map_err(failed)
}

/// Opens a file of the host's, made 0600 if need be.
pub(super) fn private_file(parent: &Dir, name: &str) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600).follow(cap_fs_ext::FollowSymlinks::No);
    parent.open_with(name, &options).map_err(|error| from_io(&error, format_args!("the host's file {name}")))
}

/// Waits a little for a lock that processes hold only while they start.
pub(super) fn lock_start(home: &Dir) -> Result<File, Failure> {
    let file = private_file(home, "start.lock")?;
    for _ in 0..200 {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK | Errno::INTR) => thread::sleep(Duration::from_millis(50)),
            Err(errno) => return Err(failure(errno, "locking the host's directory")),
        }
    }
    Err(Failure::Busy)
}

/// Says, until the file is closed, that this process uses the storage: alone,
/// or beside others that do not insist on that.
pub(super) fn claim(home: &Dir, exclusive: bool) -> Result<File, Failure> {
    let file = private_file(home, "use.lock")?;
    let how = if exclusive { FlockOperation::NonBlockingLockExclusive } else { FlockOperation::NonBlockingLockShared };
    match flock(&file, how) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) if exclusive => Err(Failure::Other(String::from(
            "another process of Skerry uses the directory, and this one is to have it alone \
             (storage.filesystem.exclusive, or a repair): end that one first",
        ))),
        Err(Errno::WOULDBLOCK) => Err(Failure::Other(String::from(
            "another process of Skerry uses the directory alone (storage.filesystem.exclusive): end that one first, \
             or unset it there",
        ))),
        Err(errno) => Err(failure(errno, "locking the storage")),
    }
}

/// This process's own part of `<base>/.skerry/tmp`.
pub(super) struct Stage {
    home: Dir,
    tmp: Dir,
    name: String,
    pub(super) dir: Dir,
    pub(super) room: Room,
    next: AtomicU64,
    _lock: File,
}

impl Stage {
    /// Makes this process's part, and removes those of the dead. The caller
    /// holds the start lock.
    pub(super) fn open(home: &Dir, reserve: u64) -> Result<Arc<Self>, Failure> {
        let tmp = private_directory(home, "tmp")?;
        bury(&tmp)?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| Failure::Io(format!("random numbers: {error}")))?;
        let name = to_hex(&random);
        let dir = private_directory(&tmp, &name)?;
        let lock = private_file(&dir, LOCK)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|errno| failure(errno, "locking the staging directory"))?;
        let home = home.try_clone().map_err(|error| from_io(&error, "the host's directory"))?;
        Ok(Arc::new(Self { home, tmp, name, dir, room: Room::new(reserve), next: AtomicU64::new(0), _lock: lock }))
    }

    /// The host's own directory that it is in.
    pub(super) const fn home(&self) -> &Dir {
        &self.home
    }

    /// A name that is free here.
    pub(super) fn name(&self) -> String {
        format!("{:x}", self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Takes room on this disk.
    pub(super) fn take(&self, wanted: For, bytes: u64) -> Result<(), Failure> {
        self.room.take(&self.dir, wanted, bytes)
    }

    /// Makes a file here, open for reading and writing.
    pub(super) fn create(self: &Arc<Self>) -> Result<(OwnedFd, Temp), Failure> {
        let name = self.name();
        let file = tree::create(&self.dir, &name, OFlags::RDWR).map_err(|errno| failure(errno, "a temporary file"))?;
        Ok((file, Temp { stage: self.clone(), name, armed: true }))
    }

    /// A name for something that will be put here.
    pub(super) fn reserve(self: &Arc<Self>) -> Temp {
        Temp { stage: self.clone(), name: self.name(), armed: true }
    }

    /// Whether names that differ by case or by normalisation are one here.
    pub(super) fn folds(self: &Arc<Self>) -> bool {
        [("Probe", "probe"), ("prob\u{e9}", "probe\u{301}")].into_iter().any(|(name, other)| {
            let made = tree::create(&self.dir, name, OFlags::WRONLY);
            let _temp = made.is_ok().then(|| Temp { stage: self.clone(), name: name.to_owned(), armed: true });
            made.is_ok() && statat(&self.dir, other, AtFlags::SYMLINK_NOFOLLOW).is_ok()
        })
    }

    /// Whether a file can be written and synced here.
    pub(super) fn probe(self: &Arc<Self>) -> Result<(), Failure> {
        let (file, _temp) = self.create()?;
        rustix::io::write(&file, b"probe")
            .and_then(|_| fsync(&file))
            .map_err(|errno| failure(errno, "a probe of the storage"))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Best effort: the next start removes what is left.
        let _ = self.tmp.remove_dir_all(&self.name);
    }
}

/// A file in the stage; removed unless it was renamed away.
pub(super) struct Temp {
    pub(super) stage: Arc<Stage>,
    pub(super) name: String,
    armed: bool,
}

impl Temp {
    /// It is not here any more.
    pub(super) fn moved(&mut self) {
        self.armed = false;
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if self.armed {
            let _ = unlinkat(&self.stage.dir, self.name.as_str(), AtFlags::empty());
        }
    }
}

/// Removes the parts of processes that hold no lock any more.
fn bury(tmp: &Dir) -> Result<(), Failure> {
    let entries = tmp.entries().map_err(|error| from_io(&error, "the staging directory"))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let alive = tmp.open_dir_nofollow(name).and_then(|dir| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).follow(cap_fs_ext::FollowSymlinks::No);
            dir.open_with(LOCK, &options)
        });
        // No lock file: its owner died before it made one, as the start lock
        // is ours.
        if alive.is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err()) {
            continue;
        }
        if let Err(failure) = sweep::tree(tmp, name, u64::MAX) {
            tracing::warn!(name, "a dead process's temporary files cannot be removed: {failure}");
        }
    }
    Ok(())
}

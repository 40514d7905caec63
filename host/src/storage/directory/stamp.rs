//! What tells one state of a file from another.

use std::{os::fd::AsFd, time::Duration};

use rustix::fs::{AtFlags, FileType, Stat, StatxFlags, statx};

pub(super) use crate::storage::Stamp;
use crate::storage::{Failure, Kind, Metadata, seen::time};

/// The age at which a kept listing's stamp counts.
pub(super) const SETTLED: Duration = Duration::from_secs(2);

impl Stamp {
    // The types of these fields differ between the platforms of Linux.
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)]
    pub(in crate::storage) fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: size(stat),
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u64),
        }
    }

    /// Whether it is the same file, whatever happened to its content.
    pub(super) fn same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// Bytes of a file.
#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)]
pub(super) fn size(stat: &Stat) -> u64 {
    (stat.st_size as i64).max(0) as u64
}

/// Object, directory, or neither.
pub(in crate::storage) fn kind(stat: &Stat) -> Option<Kind> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Some(Kind::Object),
        FileType::Directory => Some(Kind::Directory),
        _ => None,
    }
}

/// What callers of storage see of it.
pub(super) fn metadata(stat: &Stat) -> Result<Metadata, Failure> {
    let kind = kind(stat).ok_or(Failure::WrongKind)?;
    let size = if kind == Kind::Object { size(stat) } else { 0 };
    Ok(Metadata { kind, size, modified: time(Stamp::of(stat).modified) })
}

/// Tells one incarnation of a file from a later one that got the same inode
/// number: the time of its birth does. For objects with size and time, so that
/// one that was written anew is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: (u32, u32),
    inode: u64,
    born: (i64, u32),
    content: Option<(u64, i64, u32)>,
}

impl Identity {
    /// The identity of what `fd` is; none where the filesystem keeps no time
    /// of birth.
    pub(super) fn of(fd: impl AsFd) -> Option<Self> {
        let found = statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS | StatxFlags::BTIME).ok()?;
        if found.stx_mask & StatxFlags::BTIME.bits() == 0 {
            return None;
        }
        let directory = FileType::from_raw_mode(found.stx_mode.into()) == FileType::Directory;
        Some(Self {
            device: (found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
            born: (found.stx_btime.tv_sec, found.stx_btime.tv_nsec),
            content: (!directory).then_some((found.stx_size, found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec)),
        })
    }
}

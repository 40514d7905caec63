//! Room on the disk that is left alone: on a disk that is full, what makes room
//! needs some itself.
//!
//! The bytes of uploads stop at the reserve. What a commit writes (links,
//! manifests) may take most of it, so that a push whose bytes are there comes
//! to its end, and a start, a delete or a garbage collection the rest.

use std::{
    os::fd::AsFd,
    sync::Mutex,
    time::{Duration, Instant},
};

use rustix::fs::fstatvfs;

use super::locks::guard;
use crate::storage::Failure;

/// Of a small filesystem, no more than one part in so many is left alone.
const PART: u64 = 16;
/// What commits leave of the reserve: one part in so many.
const LAST: u64 = 4;
/// Names (inodes) that are left too, at the most.
const NAMES: u64 = 256;
/// How long what the filesystem said is relied on; others write to it too.
const FRESH: Duration = Duration::from_millis(100);

/// What room is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// Bytes of an upload.
    Upload,
    /// What a commit writes.
    Commit,
}

/// The room of one filesystem.
pub(super) struct Room {
    reserve: u64,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    at: Option<Instant>,
    /// Free, and in all; nothing where the filesystem does not say.
    bytes: Option<(u64, u64)>,
    names: Option<(u64, u64)>,
    /// Whether it was said that there is none.
    said: bool,
}

impl Room {
    pub(super) fn new(reserve: u64) -> Self {
        Self { reserve, known: Mutex::default() }
    }

    /// Takes `bytes` of the filesystem that `file` lies on.
    pub(super) fn take(&self, file: impl AsFd, wanted: For, bytes: u64) -> Result<(), Failure> {
        if self.reserve == 0 {
            return Ok(());
        }
        let mut known = guard(&self.known);
        let fresh = known.at.is_some_and(|at| at.elapsed() < FRESH);
        if !fresh || known.left(self.reserve, wanted) < bytes {
            known.look(file);
        }
        if known.left(self.reserve, wanted) < bytes {
            if !known.said {
                known.said = true;
                tracing::warn!(
                    reserve = self.reserve,
                    "the disk is full but for storage.filesystem.reserve: pushes are refused until something is deleted"
                );
            }
            return Err(Failure::NoSpace);
        }
        if wanted == For::Upload && bytes > 0 {
            known.said = false;
        }
        if let Some((free, _)) = &mut known.bytes {
            *free = free.saturating_sub(bytes);
        }
        Ok(())
    }

    /// Bytes that uploads may take now; nothing where that is not known.
    pub(super) fn left(&self, file: impl AsFd) -> Option<u64> {
        let mut known = Known::default();
        known.look(file);
        known.bytes.map(|_| known.left(self.reserve, For::Upload))
    }
}

impl Known {
    fn look(&mut self, file: impl AsFd) {
        self.at = Some(Instant::now());
        let said = fstatvfs(file).ok();
        // Some say nothing by saying 0 of 0.
        let both =
            |free: u64, all: u64, unit: u64| (all > 0).then(|| (free.saturating_mul(unit), all.saturating_mul(unit)));
        self.bytes = said.as_ref().and_then(|said| both(said.f_bavail, said.f_blocks, said.f_frsize));
        self.names = said.as_ref().and_then(|said| both(said.f_favail, said.f_files, 1));
    }

    fn left(&self, reserve: u64, wanted: For) -> u64 {
        let floor = |most: u64, all: u64| match wanted {
            For::Upload => most.min(all / PART),
            For::Commit => most.min(all / PART) / LAST,
        };
        if self.names.is_some_and(|(free, all)| free < floor(NAMES, all)) {
            return 0;
        }
        self.bytes.map_or(u64::MAX, |(free, all)| free.saturating_sub(floor(reserve, all)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn known(free: u64, all: u64) -> Known {
        Known { bytes: Some((free, all)), names: Some((1000, 2000)), ..Known::default() }
    }

    #[test]
    fn commits_go_on_where_uploads_stop() {
        let large = known(70 * MIB, 10_000 * MIB);
        assert_eq!(large.left(64 * MIB, For::Upload), 6 * MIB);
        assert_eq!(large.left(64 * MIB, For::Commit), 54 * MIB);
        let full = known(16 * MIB, 10_000 * MIB);
        assert_eq!((full.left(64 * MIB, For::Upload), full.left(64 * MIB, For::Commit)), (0, 0));
    }

    #[test]
    fn a_small_filesystem_leaves_a_small_part() {
        let small = known(4 * MIB, 16 * MIB);
        assert_eq!(small.left(64 * MIB, For::Upload), 3 * MIB);
        assert_eq!(small.left(64 * MIB, For::Commit), 4 * MIB - MIB / 4);
    }

    #[test]
    fn names_run_out_too() {
        let few = |free| Known { names: Some((free, 16_000)), ..known(64 * MIB, 64 * MIB) };
        assert_eq!(few(255).left(MIB, For::Upload), 0);
        assert_ne!(few(255).left(MIB, For::Commit), 0);
        assert_eq!(few(63).left(MIB, For::Commit), 0);
    }

    #[test]
    fn what_says_nothing_bounds_nothing() {
        assert_eq!(Known::default().left(64 * MIB, For::Upload), u64::MAX);
    }
}

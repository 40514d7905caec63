//! What a look at a place saw, kept so that a later look can tell whether it
//! would see the same.

use std::time::{Duration, SystemTime};

use super::Failure;

/// What one look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Nothing was there.
    Nothing,
    /// An object or a directory in this state, before and after the look.
    State(Stamp),
    /// It cannot be told.
    Unknown,
}

/// What came of a look, and what it saw.
pub type Looked<T> = (Result<T, Failure>, Seen);

/// How a remembered look is to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Nobody else writes: the [generations](super::Generations) tell of all
    /// changes.
    Generations,
    /// Others may write too: look again, and compare what is seen.
    Stamps,
    /// Stamps mean nothing here: remember nothing.
    Nothing,
}

/// Device, inode, size and times: equal stamps that have settled mean equal
/// content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Of the filesystem.
    pub device: u64,
    /// On that device.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// Of the content: seconds since 1970, and nanoseconds.
    pub modified: (i64, u64),
    /// Of content, names or rights; nobody can set it.
    pub changed: (i64, u64),
}

impl Stamp {
    /// Whether both times are at least `age` before `now`. Clocks of
    /// filesystems tick in steps of up to two seconds: what is younger may
    /// change again under the same stamp (git's "racily clean" rule).
    #[must_use]
    pub fn settled(&self, now: SystemTime, age: Duration) -> bool {
        let Some(edge) = now.checked_sub(age) else { return false };
        time(self.modified) <= edge && time(self.changed) <= edge
    }
}

impl Seen {
    /// What is known where the look itself failed.
    pub(super) fn of_failure(failure: &Failure) -> Self {
        if *failure == Failure::NotFound { Self::Nothing } else { Self::Unknown }
    }
}

/// A time of a stamp; of before 1970, 1970.
pub(super) fn time((seconds, nanoseconds): (i64, u64)) -> SystemTime {
    let whole = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    SystemTime::UNIX_EPOCH + whole + Duration::from_nanos(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_young_or_of_the_future_has_not_settled() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let stamp = |modified, changed| Stamp { device: 1, inode: 1, size: 1, modified, changed };
        let age = Duration::from_secs(2);
        for (modified, changed, settled) in [
            ((998, 0), (998, 0), true),
            ((0, 0), (998, 0), true),
            ((-5, 0), (997, 999_999_999), true),
            ((998, 1), (998, 0), false),
            // Anybody sets the one; the other tells.
            ((0, 0), (999, 0), false),
            ((0, 0), (2_000, 0), false),
            ((2_000, 0), (0, 0), false),
        ] {
            assert_eq!(stamp(modified, changed).settled(now, age), settled, "{modified:?} {changed:?}");
        }
    }
}

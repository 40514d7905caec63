//! Syncing a whole filesystem, for several who wait at once.
//!
//! A commit syncs about seven files and directories in three rounds, and each
//! sync writes blocks that the others write too and flushes the disk's cache.
//! Where several wait at the same time, one `syncfs` does for all of them what
//! each would do for itself. It also writes what others have in memory for
//! that disk, so it is not done while that is much.

use std::{
    fs, mem,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Sender},
    },
    time::{Duration, Instant},
};

use rustix::{
    fs::{FsWord, fstat, fstatfs, syncfs},
    system::uname,
};

use super::{flush::Target, locks::guard};

/// So many who wait at once are several.
const SEVERAL: usize = 4;
/// Bytes that wait in memory for any disk, at most, for one to be synced whole.
const MUCH: u64 = 64 << 20;
/// How long it is relied on that they are not more.
const FRESH: Duration = Duration::from_millis(20);
/// A sync that took longer than this was of more than several commits …
const LONG: Duration = Duration::from_millis(250);
/// … and there is none for so long.
const REST: Duration = Duration::from_secs(10);
/// The first Linux whose `syncfs` tells that something could not be written.
const TELLS: (u32, u32) = (5, 8);
/// ext2 to 4 and XFS: their `syncfs` returns when all is on the disk, and what
/// it writes are the same few blocks.
const KINDS: [u64; 2] = [0xef53, 0x5846_5342];

/// Whether filesystems are synced whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncWhole {
    /// Where that is known to be right, while several wait and little else
    /// would be written.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Where that is known to be right.
    Always,
}

/// The filesystems of a storage.
pub(super) struct Together {
    when: SyncWhole,
    waiting: AtomicUsize,
    all: Vec<Filesystem>,
}

struct Filesystem {
    device: u64,
    root: OwnedFd,
    turns: Mutex<Turns>,
}

/// Syncs of one filesystem, one after the other.
#[derive(Default)]
struct Turns {
    running: bool,
    /// Who wait for the next, as one that runs may be past what is to be
    /// synced for them.
    next: Vec<Sender<Told>>,
    /// One failed. Of whose bytes that told is not known, so each is to be
    /// asked by itself from then on, those that were written before too.
    failed: bool,
    /// When memory was looked at, and whether there was little.
    looked: Option<(Instant, bool)>,
    rests: Option<Instant>,
}

/// What those who wait are told.
enum Told {
    /// Whether it was synced.
    Done(bool),
    /// To sync for themselves and for all who wait.
    Go,
}

/// Somebody who waits.
pub(super) struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Together {
    /// Of the filesystems that these directories lie on.
    pub(super) fn new(when: SyncWhole, directories: impl IntoIterator<Item = OwnedFd>) -> Self {
        let mut all = Vec::<Filesystem>::new();
        if when != SyncWhole::Never && tells(uname().release().to_str().unwrap_or_default()) {
            for root in directories {
                let Some(device) = device(&root) else { continue };
                if fstatfs(&root).is_ok_and(|said| fits(said.f_type)) && all.iter().all(|one| one.device != device) {
                    all.push(Filesystem { device, root, turns: Mutex::default() });
                }
            }
        }
        Self { when, waiting: AtomicUsize::new(0), all }
    }

    /// From now on the caller is one of those who wait.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(&self.waiting)
    }

    /// Syncs all of them with what others wait for, if that is better. Where it
    /// returns false nothing is known.
    pub(super) fn sync(&self, targets: &[Target]) -> bool {
        let always = self.when == SyncWhole::Always;
        if self.all.is_empty() || !always && self.waiting.load(Ordering::Relaxed) < SEVERAL {
            return false;
        }
        let Some(first) = targets.first().and_then(device) else { return false };
        let Some(filesystem) = self.all.iter().find(|one| one.device == first) else { return false };
        targets.iter().skip(1).all(|target| device(target) == Some(first)) && filesystem.sync(always)
    }
}

impl Filesystem {
    fn sync(&self, always: bool) -> bool {
        let mut turns = guard(&self.turns);
        if turns.running {
            let (sender, receiver) = mpsc::channel();
            turns.next.push(sender);
            drop(turns);
            match receiver.recv() {
                Ok(Told::Go) => turns = guard(&self.turns),
                Ok(Told::Done(done)) => return done,
                Err(_) => return false,
            }
        }
        turns.running = true;
        let with = mem::take(&mut turns.next);
        let worth_it = !turns.failed && (always || turns.worth_it());
        drop(turns);
        let done = worth_it && self.turn();
        // Who is told first to go on has the next one begin sooner.
        let mut turns = guard(&self.turns);
        turns.running = loop {
            let Some(next) = turns.next.pop() else { break false };
            if next.send(Told::Go).is_ok() {
                break true;
            }
        };
        drop(turns);
        for other in with {
            let _ = other.send(Told::Done(done));
        }
        done
    }

    fn turn(&self) -> bool {
        let begun = Instant::now();
        let result = syncfs(&self.root);
        let now = Instant::now();
        let mut turns = guard(&self.turns);
        if now.duration_since(begun) > LONG {
            turns.rests = Some(now + REST);
        }
        if let Err(errno) = result {
            turns.failed = true;
            tracing::warn!("the filesystem cannot be synced whole, each file is from now on: {errno}");
        }
        result.is_ok()
    }
}

impl Turns {
    /// Whether little else would be written.
    fn worth_it(&mut self) -> bool {
        let now = Instant::now();
        if self.rests.is_some_and(|until| now < until) {
            return false;
        }
        match self.looked {
            Some((at, little)) if now.duration_since(at) < FRESH => little,
            _ => {
                let waits = fs::read_to_string("/proc/meminfo").ok().and_then(|text| unwritten(&text));
                let little = waits.is_some_and(|bytes| bytes < MUCH);
                self.looked = Some((now, little));
                little
            }
        }
    }
}

fn device(file: impl AsFd) -> Option<u64> {
    // Its type differs between the platforms of Linux.
    #[allow(clippy::useless_conversion)]
    fstat(file).ok().map(|stat| stat.st_dev.into())
}

/// Bytes that wait in memory for a disk, as `/proc/meminfo` has it.
fn unwritten(text: &str) -> Option<u64> {
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    Some(kib("Dirty")?.saturating_add(kib("Writeback")?).saturating_mul(1024))
}

/// Whether a kernel's `syncfs` tells of errors.
fn tells(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse::<u32>().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) >= TELLS)
}

// The type of this field differs between the platforms of Linux; the numbers
// have 32 bits.
#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, trivial_numeric_casts)]
fn fits(kind: FsWord) -> bool {
    KINDS.contains(&(kind as u64 & 0xffff_ffff))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods)]
mod tests {
    use std::{path::Path, sync::Arc, thread};

    use rustix::fs::OFlags;

    use super::*;

    fn filesystem(directory: &tempfile::TempDir) -> Filesystem {
        let root: OwnedFd = fs::File::open(directory.path()).unwrap().into();
        let device = device(&root).unwrap();
        Filesystem { device, root, turns: Mutex::default() }
    }

    fn together(when: SyncWhole, all: Vec<Filesystem>) -> Together {
        Together { when, waiting: AtomicUsize::new(0), all }
    }

    fn target(path: &Path) -> Target {
        Target::File(Arc::new(fs::File::open(path).unwrap().into()))
    }

    #[test]
    fn all_who_wait_are_served() {
        let directory = tempfile::tempdir().unwrap();
        let filesystem = filesystem(&directory);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..50).for_each(|_| assert!(filesystem.sync(true))));
            }
        });
        let turns = guard(&filesystem.turns);
        assert!(!turns.running && turns.next.is_empty() && !turns.failed);
    }

    #[test]
    fn what_comes_while_one_runs_waits_for_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let filesystem = filesystem(&directory);
        guard(&filesystem.turns).running = true;
        thread::scope(|scope| {
            let waiting: Vec<_> = (0..5).map(|_| scope.spawn(|| filesystem.sync(true))).collect();
            while guard(&filesystem.turns).next.len() < waiting.len() {
                thread::yield_now();
            }
            assert!(waiting.iter().all(|thread| !thread.is_finished()));
            // One of them syncs for all.
            let first = guard(&filesystem.turns).next.pop().unwrap();
            first.send(Told::Go).unwrap();
            assert!(waiting.into_iter().all(|thread| thread.join().unwrap()));
        });
        assert!(!guard(&filesystem.turns).running);
    }

    #[test]
    fn after_one_that_failed_there_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let mut filesystem = filesystem(&directory);
        assert!(filesystem.sync(true));
        // What was opened as a path only cannot be synced.
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        filesystem.root = rustix::fs::open(directory.path(), flags, rustix::fs::Mode::empty()).unwrap();
        thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| filesystem.sync(true))).collect();
            assert!(!threads.into_iter().any(|thread| thread.join().unwrap()));
        });
        filesystem.root = fs::File::open(directory.path()).unwrap().into();
        assert!(!filesystem.sync(true));
        assert!(guard(&filesystem.turns).failed);
    }

    #[test]
    fn a_long_one_is_followed_by_a_rest() {
        let directory = tempfile::tempdir().unwrap();
        let filesystem = filesystem(&directory);
        let little = Some((Instant::now() + Duration::from_secs(60), true));
        *guard(&filesystem.turns) = Turns { looked: little, ..Turns::default() };
        assert!(filesystem.sync(false));
        guard(&filesystem.turns).rests = Some(Instant::now() + REST);
        assert!(!filesystem.sync(false) && filesystem.sync(true));
        guard(&filesystem.turns).rests = Some(Instant::now());
        assert!(filesystem.sync(false));
        // Nor is there one while much waits in memory.
        guard(&filesystem.turns).looked = Some((Instant::now() + Duration::from_secs(60), false));
        assert!(!filesystem.sync(false) && filesystem.sync(true));
    }

    #[test]
    fn one_alone_and_what_lies_elsewhere_is_synced_by_itself() {
        let directory = tempfile::tempdir().unwrap();
        let here = || target(directory.path());
        let elsewhere = || target(Path::new("/proc/self/status"));
        let always = together(SyncWhole::Always, vec![filesystem(&directory)]);
        assert!(always.sync(&[here(), here()]));
        assert!(!always.sync(&[here(), elsewhere()]) && !always.sync(&[elsewhere()]) && !always.sync(&[]));
        let auto = together(SyncWhole::Auto, vec![filesystem(&directory)]);
        guard(&auto.all[0].turns).looked = Some((Instant::now() + Duration::from_secs(60), true));
        let mut others: Vec<_> = (1..SEVERAL).map(|_| auto.wait()).collect();
        assert!(!auto.sync(&[here()]));
        others.push(auto.wait());
        assert!(auto.sync(&[here()]));
        others.pop();
        assert!(!auto.sync(&[here()]));
        assert!(Together::new(SyncWhole::Never, [fs::File::open(directory.path()).unwrap().into()]).all.is_empty());
        assert!(Together::new(SyncWhole::Always, [fs::File::open("/proc").unwrap().into()]).all.is_empty());
    }

    #[test]
    fn what_waits_in_memory() {
        let text =
            "MemTotal:       24 kB\nDirty:             88 kB\nWriteback:         4 kB\nWritebackTmp:      7 kB\n";
        assert_eq!(unwritten(text), Some(92 * 1024));
        assert_eq!(unwritten("Dirty: 88 kB\n"), None);
        assert_eq!(unwritten("Dirty: 88 MB\nWriteback: 4 kB\n"), None);
        assert_eq!(unwritten(&format!("Dirty: {} kB\nWriteback: 4 kB\n", u64::MAX)), Some(u64::MAX));
        assert!(unwritten(&fs::read_to_string("/proc/meminfo").unwrap()).is_some());
    }

    #[test]
    fn kernels_that_tell() {
        assert!(["5.8", "5.8.0", "5.10.0-23-amd64", "6.18.44-fc-v657", "10.0.1"].into_iter().all(tells));
        assert!(!["5.7.19", "4.19.0", "3.10.0-1160.el7.x86_64", "", "x", "6", "6.x"].into_iter().any(tells));
    }

    #[test]
    fn filesystems_that_fit() {
        assert!(fits(0xef53) && fits(0x5846_5342));
        // Btrfs, tmpfs, overlay, NFS, FUSE.
        for kind in [0x9123_683e_u32, 0x0102_1994, 0x794c_7630, 0x6969, 0x6573_5546] {
            assert!(!fits(kind as FsWord), "{kind:x}");
        }
    }
}

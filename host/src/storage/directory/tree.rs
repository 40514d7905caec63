//! From keys to open files, without leaving the root.
//!
//! Every look-up is one `openat2` on a held directory: beneath it, through no
//! symbolic link. Where the kernel (or a container's filter) has no `openat2`,
//! cap-std walks there segment by segment under the same rules. The only links
//! that count are those that the operator allowed, each opened once at start.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
};

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, mkdirat, openat, openat2, readlinkat, statat},
    io::Errno,
};

use super::{errors::failure, stamp::Stamp};
use crate::storage::{Failure, Key, key::HOST_SEGMENT};

/// A directory by its key; none is the root.
pub(super) type Place = Option<Key>;

/// May a look-up wait for a disk?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// `EAGAIN` when it would have to.
    No,
    /// It may.
    Yes,
}

/// Files and directories 0666 and 0777 less the umask, as distribution has it.
const FILE: Mode = Mode::from_raw_mode(0o666);
const DIRECTORY: Mode = Mode::from_raw_mode(0o777);

/// A race with a rename elsewhere may fail a look-up: this many tries.
const TRIES: u32 = 16;

/// The root, and the links below it that may be followed.
pub(super) struct Tree {
    /// Longest prefix first; the root last.
    bases: Vec<Base>,
    openat2: AtomicBool,
    cached: AtomicBool,
}

/// A directory that look-ups begin at.
pub(super) struct Base {
    pub place: Place,
    pub dir: Dir,
    pub device: u64,
}

impl Tree {
    /// Opens the root, and those of `links` that are symbolic links.
    pub(super) fn open(root: Dir, links: &[Key]) -> Result<Self, Failure> {
        let failed = |errno| failure(errno, "opening the storage");
        let device = Stamp::of(&fstat(&root).map_err(failed)?).device;
        let bases = vec![Base { place: None, dir: root, device }];
        let mut tree = Self { bases, openat2: AtomicBool::new(true), cached: AtomicBool::new(true) };
        let mut links = links.to_vec();
        links.sort_by_key(|key| key.as_str().len());
        links.dedup();
        for link in links {
            let parent = match tree.directory(link.parent().as_ref()) {
                Ok(parent) => parent,
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
                Err(errno) => return Err(failed(errno)),
            };
            match statat(&parent, link.name(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {}
                Ok(_) | Err(Errno::NOENT) => continue,
                Err(errno) => return Err(failed(errno)),
            }
            // The one place where a link is followed: the operator named it.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let dir = openat(&parent, link.name(), flags, Mode::empty()).map_err(|errno| {
                let target = readlinkat(&parent, link.name(), Vec::new()).unwrap_or_default();
                let target = target.to_string_lossy().escape_debug().to_string();
                Failure::Other(format!("`{link}` is a symbolic link to `{target}`, which does not open: {errno}"))
            })?;
            let device = Stamp::of(&fstat(&dir).map_err(failed)?).device;
            tree.bases.insert(0, Base { place: Some(link), dir: Dir::from(dir), device });
        }
        Ok(tree)
    }

    /// The root and the links that were opened, longest key first.
    pub(super) fn bases(&self) -> &[Base] {
        &self.bases
    }

    /// Whether `key` is a link that was opened at start.
    pub(super) fn is_link(&self, key: &Key) -> bool {
        self.bases.iter().any(|base| base.place.as_ref() == Some(key))
    }

    /// Whether `key` is such a link, or one is somewhere below: then it stays.
    pub(super) fn holds_link(&self, key: &Key) -> bool {
        self.bases.iter().filter_map(|base| base.place.as_ref()).any(|link| link == key || link.is_below(key))
    }

    /// The directory that a look-up of `place` begins at, and the way on from
    /// it; `.` is the directory itself.
    pub(super) fn base<'a>(&self, place: Option<&'a Key>) -> Result<(&Base, &'a str), Errno> {
        for base in &self.bases {
            let rest = match (&base.place, place) {
                (None, None) => ".",
                (None, Some(key)) => key.as_str(),
                (Some(_), None) => continue,
                (Some(link), Some(key)) if link == key => ".",
                (Some(link), Some(key)) => match key.below(link) {
                    Some(rest) => rest,
                    None => continue,
                },
            };
            // A link to another disk has a staging directory of its own.
            if rest.split('/').next() == Some(HOST_SEGMENT) {
                return Err(Errno::NOENT);
            }
            return Ok((base, rest));
        }
        Err(Errno::NOENT)
    }

    /// Opens what is at `key` without touching it: to be looked at.
    pub(super) fn look(&self, place: Option<&Key>, wait: Wait) -> Result<Stat, Errno> {
        fstat(self.resolve(place, OFlags::PATH | OFlags::NOFOLLOW, wait)?)
    }

    /// A handle of what is at a place, good for questions about it alone.
    pub(super) fn handle(&self, place: Option<&Key>) -> Result<OwnedFd, Errno> {
        self.resolve(place, OFlags::PATH | OFlags::NOFOLLOW, Wait::Yes)
    }

    /// Opens an object for reading. What was opened may still be a pipe or a
    /// device: it did not block, and the caller looks.
    pub(super) fn object(&self, key: &Key, wait: Wait) -> Result<OwnedFd, Errno> {
        self.resolve(Some(key), OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY, wait)
    }

    /// Opens an object for reading and writing.
    pub(super) fn writable(&self, key: &Key) -> Result<OwnedFd, Errno> {
        self.resolve(Some(key), OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY, Wait::Yes)
    }

    /// Opens a directory so that it can be listed and synced.
    pub(super) fn directory(&self, place: Option<&Key>) -> Result<OwnedFd, Errno> {
        self.resolve(place, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW, Wait::Yes)
    }

    fn resolve(&self, place: Option<&Key>, flags: OFlags, wait: Wait) -> Result<OwnedFd, Errno> {
        let (base, rest) = self.base(place)?;
        let flags = flags | OFlags::CLOEXEC;
        if !self.openat2.load(Ordering::Relaxed) {
            return walk(&base.dir, rest, flags);
        }
        let mut how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let cached = wait == Wait::No && self.cached.load(Ordering::Relaxed);
        if cached {
            how |= ResolveFlags::CACHED;
        }
        for _ in 0..TRIES {
            match openat2(&base.dir, rest, flags, Mode::empty(), how) {
                Err(Errno::AGAIN) if !cached => {}
                // Kernels before 5.12.
                Err(Errno::INVAL) if cached => {
                    self.cached.store(false, Ordering::Relaxed);
                    return self.resolve(place, flags, wait);
                }
                // Kernels before 5.6, and filters that know no `openat2`.
                Err(Errno::NOSYS | Errno::PERM) => {
                    self.openat2.store(false, Ordering::Relaxed);
                    return walk(&base.dir, rest, flags);
                }
                done => return done,
            }
        }
        Err(Errno::BUSY)
    }

    /// Opens a directory, made if need be with those above it. `made` is told
    /// of each before it is made.
    pub(super) fn make_directory(&self, place: Option<&Key>, made: &mut dyn FnMut(&Key)) -> Result<OwnedFd, Errno> {
        for _ in 0..TRIES {
            match (self.directory(place), place) {
                (Err(Errno::NOENT), Some(key)) => {
                    let parent = key.parent();
                    let above = self.make_directory(parent.as_ref(), made)?;
                    made(key);
                    match mkdirat(&above, key.name(), DIRECTORY) {
                        // Somebody else made it, or removed what is above.
                        Ok(()) | Err(Errno::EXIST | Errno::NOENT) => {}
                        Err(errno) => return Err(errno),
                    }
                }
                (done, _) => return done,
            }
        }
        Err(Errno::BUSY)
    }

    /// Turns the kernel's shorter way off: for a test of the longer one.
    #[cfg(test)]
    pub(super) fn forget_openat2(&self) {
        self.openat2.store(false, Ordering::Relaxed);
    }
}

/// Makes an object where none is, in an open directory.
pub(super) fn create(directory: impl AsFd, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    openat(directory, name, flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC, FILE)
}

fn walk(base: &Dir, rest: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let Some((above, name)) = rest.rsplit_once('/') else {
        return openat(base, rest, flags | OFlags::NOFOLLOW, Mode::empty());
    };
    let mut segments = above.split('/');
    let mut dir = base.open_dir_nofollow(segments.next().unwrap_or(".")).map_err(errno)?;
    for segment in segments {
        dir = dir.open_dir_nofollow(segment).map_err(errno)?;
    }
    openat(&dir, name, flags | OFlags::NOFOLLOW, Mode::empty())
}

//! Taking what is at a key out of the way, to where people find it again.

use std::{os::fd::OwnedFd, sync::Arc};

use cap_std::fs::Dir;
use rustix::{
    fs::{AtFlags, Mode, OFlags, RenameFlags, openat, renameat, renameat_with, statat},
    io::Errno,
};
use time::OffsetDateTime;

use super::Run;
use crate::storage::{
    Failure, Key,
    directory::{errors::failure, flush::Target, stage::private_directory},
};

/// Where it goes, in the host's own directory.
const QUARANTINE: &str = "quarantine";
/// The same key may come here so many times in a second.
const TRIES: u32 = 1_000;

impl Run<'_> {
    /// Moves what is at `key`, if anything is. The move itself is on the disk
    /// after the next flush.
    pub(super) fn quarantine(&mut self, key: &Key) -> Result<(), Failure> {
        let source = match self.inner.tree.directory(key.parent().as_ref()) {
            Ok(directory) => Arc::new(directory),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(errno) => return Err(failure(errno, key)),
        };
        match statat(&source, key.name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => {}
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(failure(errno, key)),
        }
        let home = self.inner.stage(Some(key))?.home();
        let time = stamp(OffsetDateTime::now_utc());
        for n in 0..TRIES {
            let folder = if n == 0 { time.clone() } else { format!("{time}.{n}") };
            let way = way(home, &folder, key)?;
            let Some(last) = way.last() else { break };
            match rename_new(&source, last, key.name()) {
                Ok(()) => {
                    // There before it is gone here.
                    self.inner.flusher.sync(way.into_iter().rev().map(Target::Directory).collect())?;
                    self.changed(key, source);
                    // Handles below it are of what is there now.
                    self.directories.clear();
                    return Ok(());
                }
                Err(Errno::EXIST | Errno::NOTEMPTY) => {}
                Err(errno) => return Err(failure(errno, format_args!("moving {key} to the quarantine"))),
            }
        }
        Err(Failure::Io(format!("{key} is in the quarantine of {time} already")))
    }
}

/// As `20260102T030405Z`.
fn stamp(now: OffsetDateTime) -> String {
    let (year, month, day) = now.to_calendar_date();
    let (hour, minute, second) = now.to_hms();
    format!("{year:04}{:02}{day:02}T{hour:02}{minute:02}{second:02}Z", u8::from(month))
}

/// The directories from the host's own down to that of the key there, made if
/// need be, open to be synced.
fn way(home: &Dir, folder: &str, key: &Key) -> Result<Vec<Arc<OwnedFd>>, Failure> {
    let failed = |errno| failure(errno, "the quarantine");
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = |dir: &Dir| openat(dir, ".", flags, Mode::empty()).map(Arc::new).map_err(failed);
    let mut way = vec![open(home)?];
    let mut dir = private_directory(home, QUARANTINE)?;
    way.push(open(&dir)?);
    let parent = key.parent();
    for segment in [folder].into_iter().chain(parent.iter().flat_map(Key::segments)) {
        dir = private_directory(&dir, segment)?;
        way.push(open(&dir)?);
    }
    Ok(way)
}

fn rename_new(from: &OwnedFd, to: &OwnedFd, name: &str) -> Result<(), Errno> {
    match renameat_with(from, name, to, name, RenameFlags::NOREPLACE) {
        // Filesystems that do not know the flag; nobody but a process of ours
        // puts anything there.
        Err(Errno::INVAL | Errno::NOSYS) => match statat(to, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => renameat(from, name, to, name),
            Ok(_) => Err(Errno::EXIST),
            Err(errno) => Err(errno),
        },
        done => done,
    }
}

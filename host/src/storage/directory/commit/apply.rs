//! Making a step of a commit visible.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use rustix::{
    fs::{AtFlags, OFlags, RenameFlags, fstat, fsync, linkat, renameat, renameat_with, statat, unlinkat},
    io::Errno,
};

use super::{Incoming, Run, Step};
use crate::storage::{
    Failure, Key,
    directory::{
        errors::failure,
        files,
        stage::Stage,
        stamp::{Identity, Stamp},
        sweep, tree,
    },
};

/// Directories can vanish between mkdir and rename; not for ever.
const TRIES: u32 = 8;
/// Removals that a commit does itself; what is left is swept later.
const SWEEP: u64 = 1_000;
/// Removals where a tree cannot be taken out of the way first.
const MAX_TREE: u64 = 100_000;

impl Run<'_> {
    /// Makes one step visible. Its name is on the disk after the next flush.
    pub(super) fn apply(&mut self, step: Step<'_>) -> Result<(), Failure> {
        match step {
            Step::Move { incoming } => {
                let to = incoming.to.clone();
                let stage = self.inner.stage(Some(&to))?.clone();
                self.place(&to, &mut |directory, name| move_to(incoming, &stage, directory, name))?;
                self.learned.push((to, Identity::of(&incoming.file)));
            }
            Step::Write { key, file, mut temp, create } => {
                self.place(&key, &mut |directory, name| {
                    if create {
                        rename_new(&temp.stage.dir, &temp.name, directory, name)
                    } else {
                        renameat(&temp.stage.dir, temp.name.as_str(), directory, name)
                    }
                })?;
                temp.moved();
                self.learned.push((key, Identity::of(&file)));
            }
            Step::MakeDirectory { key } => {
                self.directory(&Some(key))?;
            }
            Step::Quarantine { key } => self.quarantine(&key)?,
            Step::Remove { key } => {
                self.remove(&key, &mut |directory, name| unlinkat(directory, name, AtFlags::empty()))?
            }
            Step::RemoveTree { key } => {
                let stage = self.inner.stage(Some(&key))?.clone();
                let trash = format!("{}{}", super::TRASH, stage.name());
                self.remove(
                    &key,
                    &mut |directory, name| match renameat(directory, name, &stage.dir, trash.as_str()) {
                        // Overlay filesystems cannot rename what an image brought.
                        Err(Errno::XDEV) => match sweep::tree(directory, name, MAX_TREE) {
                            Ok(true) => Ok(()),
                            Ok(false) => Err(Errno::NOTEMPTY),
                            Err(_) => Err(Errno::IO),
                        },
                        done => done,
                    },
                )?;
                self.trash.push((stage.clone(), trash));
                // Handles below it are of what is in the trash now.
                self.directories.clear();
            }
        }
        self.visible = true;
        Ok(())
    }

    /// Gives something a name; the directory may have to be made again.
    fn place(&mut self, key: &Key, rename: &mut dyn FnMut(&OwnedFd, &str) -> Result<(), Errno>) -> Result<(), Failure> {
        let parent = key.parent();
        for _ in 0..TRIES {
            let directory = self.directory(&parent)?;
            match rename(&directory, key.name()) {
                Ok(()) => {
                    self.changed(key, directory);
                    return Ok(());
                }
                Err(Errno::NOENT) => self.directories.clear(),
                Err(Errno::EXIST) if !self.visible => return Err(Failure::Conflict(key.clone())),
                Err(Errno::EXIST) => return Err(Failure::Io(format!("{key} was made by somebody else meanwhile"))),
                Err(Errno::NOTEMPTY) => return Err(Failure::WrongKind),
                Err(errno) => return Err(failure(errno, key)),
            }
        }
        Err(Failure::Io(format!("{key}: its directory vanishes again and again")))
    }

    /// Takes a name away, if it is there. Somebody else may have removed it a
    /// moment ago: the directory is synced all the same.
    fn remove(
        &mut self,
        key: &Key,
        unlink: &mut dyn FnMut(&OwnedFd, &str) -> Result<(), Errno>,
    ) -> Result<(), Failure> {
        let directory = match self.inner.tree.directory(key.parent().as_ref()) {
            Ok(directory) => Arc::new(directory),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(errno) => return Err(failure(errno, key)),
        };
        match unlink(&directory, key.name()) {
            Ok(()) | Err(Errno::NOENT) => self.changed(key, directory),
            Err(errno) => return Err(failure(errno, key)),
        }
        Ok(())
    }

    pub(super) fn changed(&mut self, key: &Key, directory: Arc<OwnedFd>) {
        let parent = key.parent();
        self.inner.listings.forget(&parent);
        self.unsynced.push((parent, directory));
    }

    /// Removes what was taken out of the way; a failure leaves rubbish only.
    pub(super) fn clear(&mut self) {
        for (stage, name) in self.trash.drain(..) {
            if let Err(failure) = sweep::tree(&stage.dir, &name, SWEEP) {
                tracing::warn!("a removed directory leaves rubbish in the host's own: {failure}");
            }
        }
    }
}

fn move_to(incoming: &mut Incoming, stage: &Arc<Stage>, directory: &OwnedFd, name: &str) -> Result<(), Errno> {
    let from = incoming.name.as_str();
    // The name may be another file's by now; what was hashed is this one.
    let there = match statat(&incoming.directory, from, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Err(Errno::STALE),
        looked => looked?,
    };
    if !Stamp::of(&there).same_file(&Stamp::of(&fstat(&incoming.file)?)) {
        return Err(Errno::STALE);
    }
    let moved = if incoming.keep {
        link_to(incoming, stage, directory, name)
    } else {
        renameat(&incoming.directory, from, directory, name)
    };
    match moved {
        Err(Errno::XDEV) => {
            // The keys lie on different disks.
            let (copy, mut temp) = stage.create().map_err(|_| Errno::NOSPC)?;
            files::copy(&incoming.file, &copy, incoming.size)?;
            fsync(&copy)?;
            renameat(&stage.dir, temp.name.as_str(), directory, name)?;
            temp.moved();
            incoming.file = Arc::new(copy);
            Ok(())
        }
        Err(errno) => Err(errno),
        Ok(()) => {
            incoming.moved = true;
            Ok(())
        }
    }
}

/// Gives the file a second name, over what may have the name already; the
/// first goes with the upload.
fn link_to(incoming: &Incoming, stage: &Arc<Stage>, directory: &OwnedFd, name: &str) -> Result<(), Errno> {
    let from = incoming.name.as_str();
    let linked = match linkat(&incoming.directory, from, directory, name, AtFlags::empty()) {
        // What a crash of another writer left: a link replaces nothing, a
        // rename does.
        Err(Errno::EXIST) => {
            let temp = stage.reserve();
            linkat(&incoming.directory, from, &stage.dir, temp.name.as_str(), AtFlags::empty())
                .and_then(|()| renameat(&stage.dir, temp.name.as_str(), directory, name))
        }
        done => done,
    };
    match linked {
        // Filesystems without links, and other people's files where the
        // kernel protects them from being linked.
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {
            renameat(&incoming.directory, from, directory, name)
        }
        done => done,
    }
}

/// Renames where nothing is.
fn rename_new(from: impl AsFd, name: &str, to: impl AsFd, new: &str) -> Result<(), Errno> {
    match renameat_with(&from, name, &to, new, RenameFlags::NOREPLACE) {
        // Filesystems that do not know the flag: NFS, some of FUSE.
        Err(Errno::INVAL | Errno::NOSYS) => match linkat(&from, name, &to, new, AtFlags::empty()) {
            Ok(()) => unlinkat(&from, name, AtFlags::empty()),
            // Nor links: the name is taken by an empty file, which a crash may
            // leave, and which counts as nothing.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {
                drop(tree::create(&to, new, OFlags::WRONLY)?);
                renameat(&from, name, &to, new)
            }
            Err(errno) => Err(errno),
        },
        done => done,
    }
}

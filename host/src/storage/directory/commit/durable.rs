//! What must be on the disk, and what is known to be.

use std::{os::fd::OwnedFd, sync::Arc};

use super::Run;
use crate::storage::{
    Failure, Key,
    directory::{
        errors::failure,
        flush::Target,
        stamp::Identity,
        tree::{Place, Wait},
    },
};

impl Run<'_> {
    /// The directory at `place`, made if need be. It and those above it will
    /// be on the disk after the next flush.
    pub(super) fn directory(&mut self, place: &Place) -> Result<Arc<OwnedFd>, Failure> {
        if let Some(directory) = self.directories.get(place) {
            return Ok(directory.clone());
        }
        let mut made = Vec::new();
        let opened = self.inner.tree.make_directory(place.as_ref(), &mut |key| {
            self.marks.made(key);
            made.push(key.parent());
        });
        for parent in made {
            self.inner.listings.forget(&parent);
        }
        let directory = Arc::new(opened.map_err(|errno| failure(errno, "making a directory"))?);
        self.directories.insert(place.clone(), directory.clone());
        self.settle(place.clone(), directory.clone())?;
        Ok(directory)
    }

    /// Has every name on the way to `place` synced that is not known to be.
    fn settle(&mut self, mut place: Place, mut directory: Arc<OwnedFd>) -> Result<(), Failure> {
        while let Some(key) = place {
            let identity = Identity::of(&directory);
            if self.inner.tree.is_link(&key) || self.inner.known.has(&key, identity) {
                break;
            }
            let parent = key.parent();
            self.learned.push((key, identity));
            if let Some(above) = self.directories.get(&parent) {
                // This commit has been there: what is above is settled.
                self.unsynced.push((parent, above.clone()));
                break;
            }
            let above = self.inner.tree.directory(parent.as_ref()).map_err(|errno| failure(errno, "a directory"))?;
            let above = Arc::new(above);
            self.directories.insert(parent.clone(), above.clone());
            self.unsynced.push((parent.clone(), above.clone()));
            (place, directory) = (parent, above);
        }
        Ok(())
    }

    /// Has an object that somebody else may have written synced, and its name.
    pub(super) fn durable(&mut self, key: &Key, targets: &mut Vec<Target>) -> Result<(), Failure> {
        let file = self.inner.tree.object(key, Wait::Yes).map_err(|errno| failure(errno, key))?;
        let identity = Identity::of(&file);
        if self.inner.known.has(key, identity) {
            return Ok(());
        }
        targets.push(Target::File(Arc::new(file)));
        let parent = key.parent();
        let directory = self.directory(&parent)?;
        self.unsynced.push((parent, directory));
        self.learned.push((key.clone(), identity));
        Ok(())
    }

    pub(super) fn flush(&mut self, mut targets: Vec<Target>) -> Result<(), Failure> {
        self.unsynced.sort_by(|(left, _), (right, _)| left.cmp(right));
        // The same place may have become another directory: only equal ones
        // are one.
        self.unsynced.dedup_by(|(left, one), (right, other)| left == right && Arc::ptr_eq(one, other));
        targets.extend(self.unsynced.drain(..).map(|(_, directory)| Target::Directory(directory)));
        self.inner.flusher.sync(targets)?;
        for (key, identity) in self.learned.drain(..) {
            self.inner.known.add(key, identity);
        }
        Ok(())
    }
}

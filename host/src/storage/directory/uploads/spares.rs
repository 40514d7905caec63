//! Directories of uploads that ended, used again.
//!
//! Each upload has a directory of its own and a small file or two beside its
//! data, which are made for it and removed after it. Two renames are cheaper,
//! and on ext4 without a journal much: there a new inode is looked for past
//! every one that was freed within the last minutes.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use rustix::{
    fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, flock, fstat, ftruncate, openat, renameat, unlinkat},
    io::Errno,
};

use crate::storage::{
    Key,
    directory::{
        commit::TRASH,
        files::write_whole,
        locks::guard,
        stage::Stage,
        stamp, sweep,
        tree::{self, Tree},
    },
};

/// Directories kept, each with the files beside an upload.
const MAX: usize = 32;
/// Of a spare directory's name in the stage: the janitor removes no such.
const PREFIX: &str = "u-";
/// Removals done at once; what is left of an upload's directory is swept later.
pub(super) const SWEEP: u64 = 1_000;

/// Directories that wait for an upload.
#[derive(Default)]
pub(super) struct Spares {
    list: Mutex<Vec<Spare>>,
}

/// One of them, in the stage.
pub(super) struct Spare {
    stage: Arc<Stage>,
    name: String,
    /// The names in it, sorted.
    beside: Vec<String>,
}

/// The names beside an upload, as spares are known by.
pub(super) fn names(beside: &[(Key, Bytes)]) -> Vec<String> {
    let mut names: Vec<String> = beside.iter().map(|(key, _)| key.name().to_owned()).collect();
    names.sort_unstable();
    names
}

impl Spares {
    /// Takes one on this disk with files of these names.
    pub(super) fn take(&self, stage: &Arc<Stage>, beside: &[(Key, Bytes)]) -> Option<Spare> {
        let mut list = guard(&self.list);
        if list.is_empty() {
            return None;
        }
        let names = names(beside);
        let fits = |spare: &Spare| Arc::ptr_eq(&spare.stage, stage) && spare.beside == names;
        let found = list.iter().rposition(fits)?;
        Some(list.swap_remove(found))
    }

    /// Moves the directory `name` in `above`, of an upload `data` that ended,
    /// into the stage: to be used again if `beside` says which files are in it,
    /// and nothing else is; to be removed otherwise.
    ///
    /// # Errors
    /// That of the move.
    pub(super) fn put(
        &self,
        stage: &Arc<Stage>,
        (above, name): (OwnedFd, &str),
        data: &str,
        beside: Option<&[String]>,
    ) -> Result<(), Errno> {
        let beside = beside.filter(|_| guard(&self.list).len() < MAX);
        let spare = Spare {
            stage: stage.clone(),
            name: format!("{}{}", if beside.is_some() { PREFIX } else { TRASH }, stage.name()),
            beside: beside.unwrap_or_default().to_vec(),
        };
        renameat(above, name, &stage.dir, spare.name.as_str())?;
        if beside.is_some() && spare.clear(data).unwrap_or(false) {
            guard(&self.list).push(spare);
        } else {
            spare.remove();
        }
        Ok(())
    }
}

impl Spare {
    /// Makes an upload of it, at `key`. What cannot be used is removed.
    pub(super) fn become_upload(
        self,
        tree: &Tree,
        key: &Key,
        beside: &[(Key, Bytes)],
        made: &mut dyn FnMut(&Key),
    ) -> Option<OwnedFd> {
        let mut become_it = || {
            let directory = self.open()?;
            for (key, bytes) in beside {
                let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = openat(&directory, key.name(), flags, Mode::empty())?;
                if stamp::size(&fstat(&file)?) != bytes.len() as u64 {
                    ftruncate(&file, 0)?;
                }
                write_whole(file, bytes)?;
            }
            let data = tree::create(&directory, key.name(), OFlags::RDWR)?;
            flock(&data, FlockOperation::NonBlockingLockExclusive)?;
            let place = key.parent().ok_or(Errno::INVAL)?;
            let above = tree.make_directory(place.parent().as_ref(), made)?;
            made(&place);
            renameat(&self.stage.dir, self.name.as_str(), above, place.name())?;
            Ok::<_, Errno>(data)
        };
        let file = become_it();
        if file.is_err() {
            self.remove();
        }
        file.ok()
    }

    fn open(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&self.stage.dir, self.name.as_str(), flags, Mode::empty())
    }

    /// Removes the data; whether there was nothing else than the files beside.
    fn clear(&self, data: &str) -> Result<bool, Errno> {
        let directory = self.open()?;
        match unlinkat(&directory, data, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        let mut found = 0;
        for entry in Dir::read_from(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let known =
                name.to_str().is_ok_and(|name| self.beside.binary_search_by(|other| other.as_str().cmp(name)).is_ok());
            if !known || !entry.file_type().is_file() {
                return Ok(false);
            }
            found += 1;
        }
        Ok(found == self.beside.len())
    }

    /// What is not gone now is the janitor's, by its name.
    fn remove(mut self) {
        if !self.name.starts_with(TRASH) {
            let trash = format!("{TRASH}{}", self.name);
            match renameat(&self.stage.dir, self.name.as_str(), &self.stage.dir, trash.as_str()) {
                Ok(()) => self.name = trash,
                // It became an upload's directory.
                Err(_) => return,
            }
        }
        if let Err(failure) = sweep::tree(&self.stage.dir, &self.name, SWEEP) {
            tracing::warn!("an upload's directory cannot be removed yet: {failure}");
        }
    }
}

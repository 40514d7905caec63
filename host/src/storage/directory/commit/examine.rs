//! What must hold before anything is changed.

use rustix::io::Errno;

use super::{Incoming, Run, key_of};
use crate::storage::{
    Change, Expectation, Failure, Key, Kind,
    directory::{errors::failure, files, flush::Target, stamp, tree::Wait},
};

impl Run<'_> {
    pub(super) fn expect(&mut self, expectation: &Expectation, targets: &mut Vec<Target>) -> Result<(), Failure> {
        let tree = &self.inner.tree;
        let (key, holds) = match expectation {
            Expectation::Absent(key) => match tree.look(Some(key), Wait::Yes) {
                Err(Errno::NOENT | Errno::NOTDIR) => (key, true),
                Ok(_) | Err(Errno::LOOP) => (key, false),
                Err(errno) => return Err(failure(errno, key)),
            },
            Expectation::Present(key) => (key, self.present(key)?),
            Expectation::Equals(key, bytes) => match files::whole(tree, key, bytes.len() as u64) {
                Ok((found, ..)) => (key, found == *bytes),
                Err(Failure::NotFound | Failure::WrongKind | Failure::TooLarge(_)) => (key, false),
                Err(other) => return Err(other),
            },
        };
        if !holds {
            return Err(Failure::Conflict(key.clone()));
        }
        if !matches!(expectation, Expectation::Absent(_)) {
            // What a commit rests on must be as durable as what it writes.
            self.durable(key, targets)?;
        }
        Ok(())
    }

    fn present(&self, key: &Key) -> Result<bool, Failure> {
        match self.inner.tree.look(Some(key), Wait::Yes) {
            Ok(stat) => Ok(stamp::kind(&stat) == Some(Kind::Object) && stamp::size(&stat) > 0),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(false),
            Err(errno) => Err(failure(errno, key)),
        }
    }

    /// What is at a key that is to be changed.
    fn kind(&self, key: &Key) -> Result<Option<Kind>, Failure> {
        match self.inner.tree.look(Some(key), Wait::Yes) {
            Ok(stat) => stamp::kind(&stat).map(Some).ok_or(Failure::WrongKind),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(failure(errno, key)),
        }
    }

    /// Whether the object is there already, whole. A shorter one is what a
    /// crash of another writer left: it is replaced.
    pub(super) fn keeps(&self, incoming: &Incoming) -> Result<bool, Failure> {
        match self.inner.tree.look(Some(&incoming.to), Wait::Yes) {
            Ok(stat) if stamp::kind(&stat) == Some(Kind::Object) => Ok(stamp::size(&stat) == incoming.size),
            Ok(_) => Err(Failure::WrongKind),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(failure(errno, &incoming.to)),
        }
    }

    /// Finds what would fail while nothing is changed yet.
    pub(super) fn examine(&self, changes: &[Change]) -> Result<(), Failure> {
        for (index, change) in changes.iter().enumerate() {
            let key = key_of(change);
            let before = changes.iter().take(index).map(key_of);
            // An earlier step decides what this one finds.
            if before.into_iter().any(|other| key == other || key.is_below(other)) {
                continue;
            }
            if matches!(change, Change::Remove(_) | Change::RemoveTree(_) | Change::Quarantine(_))
                && self.inner.tree.holds_link(key)
            {
                return Err(Failure::WrongKind);
            }
            if matches!(change, Change::Quarantine(_)) {
                // Whatever it is, it goes.
                continue;
            }
            match (change, self.kind(key)) {
                (Change::Remove(_) | Change::RemoveTree(_), Err(Failure::WrongKind)) if !self.exists(key) => {}
                (Change::Create(..), Ok(Some(_))) => return Err(Failure::Conflict(key.clone())),
                (Change::Put(..) | Change::Remove(_), Ok(Some(Kind::Directory))) => return Err(Failure::WrongKind),
                (Change::RemoveTree(_) | Change::MakeDirectory(_), Ok(Some(Kind::Object))) => {
                    return Err(Failure::WrongKind);
                }
                (_, Err(other)) => return Err(other),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn exists(&self, key: &Key) -> bool {
        !matches!(self.inner.tree.look(Some(key), Wait::Yes), Err(Errno::NOENT | Errno::NOTDIR))
    }
}

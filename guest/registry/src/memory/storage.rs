//! Objects and directories in memory.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

use super::Memory;
use crate::host::{Change, Expectation, Failure, Kind, Listing, Metadata, Storage};

/// What the host keeps between requests.
#[derive(Default)]
pub struct State {
    pub objects: RefCell<BTreeMap<String, (Vec<u8>, u64)>>,
    pub directories: RefCell<BTreeSet<String>>,
    pub busy: RefCell<BTreeSet<String>>,
    pub body: RefCell<Option<Vec<u8>>>,
    pub now: Cell<u64>,
    pub random: Cell<u128>,
    /// Names of imports, in the order in which they were called.
    pub calls: RefCell<Vec<String>>,
    /// Keys of what is neither an object nor a directory.
    pub strange: RefCell<BTreeSet<String>>,
    pub failing: RefCell<Option<(&'static str, Failure)>>,
}

impl State {
    pub fn call(&self, name: &'static str, argument: &str) -> Result<(), Failure> {
        self.calls.borrow_mut().push(format!("{name} {argument}"));
        match &*self.failing.borrow() {
            Some((failing, failure)) if *failing == name => Err(failure.clone()),
            _ => Ok(()),
        }
    }

    pub fn put(&self, key: &str, bytes: Vec<u8>) {
        self.make_directory(parent(key));
        self.objects.borrow_mut().insert(key.to_owned(), (bytes, self.now.get()));
    }

    pub fn make_directory(&self, key: &str) {
        let mut directories = self.directories.borrow_mut();
        let mut key = key;
        while !key.is_empty() {
            directories.insert(key.to_owned());
            key = parent(key);
        }
    }

    pub fn remove_tree(&self, key: &str) {
        let prefix = format!("{key}/");
        self.objects.borrow_mut().retain(|other, _| !other.starts_with(&prefix));
        self.directories.borrow_mut().retain(|other| other != key && !other.starts_with(&prefix));
    }

    /// Moves an object, or all below a directory, to `quarantine/…`.
    pub fn quarantine(&self, key: &str) {
        let prefix = format!("{key}/");
        let all = std::mem::take(&mut *self.objects.borrow_mut());
        let place = |other: String| {
            if other == key || other.starts_with(&prefix) { format!("quarantine/{other}") } else { other }
        };
        *self.objects.borrow_mut() = all.into_iter().map(|(key, object)| (place(key), object)).collect();
        self.strange.borrow_mut().retain(|other| other != key && !other.starts_with(&prefix));
        self.remove_tree(key);
    }

    pub fn commit(&self, expect: &[Expectation], changes: Vec<Change>) -> Result<(), Failure> {
        if expect.len() > 64 || changes.len() > 64 {
            return Err(Failure::Other("a commit of more than 64 changes".to_owned()));
        }
        for expectation in expect {
            let objects = self.objects.borrow();
            let (key, holds) = match expectation {
                Expectation::Absent(key) => (key, !objects.contains_key(key)),
                Expectation::Present(key) => (key, objects.get(key).is_some_and(|(bytes, _)| !bytes.is_empty())),
                Expectation::Equals(key, wanted) => (key, objects.get(key).is_some_and(|(bytes, _)| bytes == wanted)),
            };
            if !holds {
                return Err(Failure::Conflict(key.clone()));
            }
        }
        for change in changes {
            match change {
                Change::Put(key, bytes) => self.put(&key, bytes),
                Change::Create(key, bytes) => {
                    if self.objects.borrow().contains_key(&key) {
                        return Err(Failure::Conflict(key));
                    }
                    self.put(&key, bytes);
                }
                Change::Remove(key) => {
                    self.objects.borrow_mut().remove(&key);
                }
                Change::RemoveTree(key) => self.remove_tree(&key),
                Change::MakeDirectory(key) => self.make_directory(&key),
                Change::Quarantine(key) => self.quarantine(&key),
            }
        }
        Ok(())
    }
}

impl Storage for Memory {
    fn read(&self, key: &str, limit: u64) -> Result<Vec<u8>, Failure> {
        self.state.call("read", key)?;
        if self.state.directories.borrow().contains(key) || self.state.strange.borrow().contains(key) {
            return Err(Failure::WrongKind);
        }
        let objects = self.state.objects.borrow();
        let (bytes, _) = objects.get(key).ok_or(Failure::NotFound)?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if size > limit { Err(Failure::TooLarge(size)) } else { Ok(bytes.clone()) }
    }

    fn stat(&self, key: &str) -> Result<Metadata, Failure> {
        self.state.call("stat", key)?;
        if self.state.directories.borrow().contains(key) {
            return Ok(Metadata { kind: Kind::Directory, size: 0, modified: 0 });
        }
        if self.state.strange.borrow().contains(key) {
            return Err(Failure::WrongKind);
        }
        let objects = self.state.objects.borrow();
        let (bytes, modified) = objects.get(key).ok_or(Failure::NotFound)?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(Metadata { kind: Kind::Object, size, modified: *modified })
    }

    fn page(&self, parent: &str, after: Option<&str>, limit: u32) -> Result<Listing, Failure> {
        self.state.call("page", parent)?;
        if !self.state.directories.borrow().contains(parent) {
            return Err(Failure::NotFound);
        }
        let prefix = format!("{parent}/");
        let below = |key: &str| {
            let name = key.strip_prefix(&prefix).filter(|name| !name.contains('/'))?;
            after.is_none_or(|after| name > after).then(|| name.to_owned())
        };
        let mut entries: Vec<_> = Vec::new();
        let (objects, directories) = (self.state.objects.borrow(), self.state.directories.borrow());
        let objects = objects.range(prefix.clone()..).map(|(key, _)| key).take_while(|key| key.starts_with(&prefix));
        entries.extend(objects.filter_map(|key| Some((below(key)?, Kind::Object))));
        let directories = directories.range(prefix.clone()..).take_while(|key| key.starts_with(&prefix));
        entries.extend(directories.filter_map(|key| Some((below(key)?, Kind::Directory))));
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        let limit = usize::try_from(limit.min(10_000)).unwrap_or(10_000);
        let more = entries.len() > limit;
        entries.truncate(limit);
        Ok(Listing { entries, more })
    }

    fn commit(&self, expect: Vec<Expectation>, changes: Vec<Change>) -> Result<(), Failure> {
        self.state.call("commit", "")?;
        self.state.commit(&expect, changes)
    }
}

/// The directory that a key is in.
pub fn parent(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(parent, _)| parent)
}

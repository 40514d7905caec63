//! The tree of repositories, walked in order and in bounded steps.

use std::{iter, vec};

use crate::{
    host::{Failure, Host, Kind, Storage},
    layout,
    name::{RepositoryName, is_component},
};

/// Names asked for at a time.
const PAGE: u32 = 256;

/// Walks the directories below the repositories: a directory comes before what
/// is in it, and siblings come in the order of their bytes. That is the order
/// of names compared component by component, as distribution orders them.
///
/// A directory may be a repository, hold others, or both.
pub struct Walk<'a, S: Storage + ?Sized> {
    storage: &'a S,
    levels: Vec<Level>,
    budget: u32,
    /// The last directory that was given out.
    last: Option<String>,
    strange: Vec<String>,
}

struct Level {
    path: String,
    after: Option<String>,
    /// Names that were read and not given out yet, the next one last.
    names: Vec<String>,
    more: bool,
}

impl<'a, S: Storage + ?Sized> Walk<'a, S> {
    /// A walk of what comes after a path, which need not be there. It looks at
    /// about `budget` directories.
    pub fn new(storage: &'a S, after: &str, budget: u32) -> Self {
        let mut levels = vec![Level::new(String::new())];
        let mut path = String::new();
        for component in after.split('/').filter(|_| !after.is_empty()) {
            if let Some(level) = levels.last_mut() {
                level.after = Some(component.to_owned());
            }
            if !is_component(component) {
                break;
            }
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(component);
            if path.len() > RepositoryName::LIMIT {
                break;
            }
            levels.push(Level::new(path.clone()));
        }
        Self { storage, levels, budget, last: None, strange: Vec::new() }
    }

    /// The same of what is below one directory alone, which is not given out
    /// itself.
    pub fn below(storage: &'a S, directory: &str, after: &str, budget: u32) -> Self {
        let mut walk = Self::new(storage, if after.is_empty() { directory } else { after }, budget);
        let is_within = |path: &str| match path.strip_prefix(directory) {
            Some(rest) => directory.is_empty() || rest.is_empty() || rest.starts_with('/'),
            None => false,
        };
        walk.levels.retain(|level| is_within(&level.path));
        walk
    }

    /// The next directory, if there is one and the budget is not used up.
    pub fn next(&mut self) -> Result<Option<String>, Failure> {
        while let Some(level) = self.levels.last_mut() {
            let Some(name) = level.names.pop() else {
                if !level.more {
                    self.levels.pop();
                    continue;
                }
                if self.budget == 0 {
                    return Ok(None);
                }
                self.budget -= 1;
                level.read(self.storage, &mut self.strange)?;
                continue;
            };
            if self.budget == 0 {
                level.names.push(name);
                return Ok(None);
            }
            self.budget -= 1;
            let path = if level.path.is_empty() { name } else { format!("{}/{name}", level.path) };
            if path.len() > RepositoryName::LIMIT {
                self.strange.push(path);
                continue;
            }
            self.levels.push(Level::new(path.clone()));
            self.last = Some(path.clone());
            return Ok(Some(path));
        }
        Ok(None)
    }

    /// Spends a part of the budget on something else.
    pub fn spend(&mut self, looks: u32) {
        self.budget = self.budget.saturating_sub(looks);
    }

    /// Whether it ended because the budget was used up, and not at the end.
    pub fn is_cut_short(&self) -> bool {
        self.budget == 0 && !self.levels.is_empty()
    }

    /// Directories that were passed over as their names are none of
    /// repositories, since this was asked last.
    pub fn strange(&mut self) -> Vec<String> {
        std::mem::take(&mut self.strange)
    }

    /// Where a later walk can go on: the last directory that was given out.
    pub fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }
}

/// Walks those directories from whose names the client may pull. Nothing else
/// is looked at of the others, so that not even the time tells what they hold.
pub struct Readable<'a> {
    host: &'a dyn Host,
    walk: Walk<'a, dyn Host + 'a>,
    /// Names that are asked about at a time.
    batch: usize,
    names: vec::IntoIter<String>,
    allowed: vec::IntoIter<bool>,
    last: Option<String>,
}

impl<'a> Readable<'a> {
    /// A walk as `Walk::new` makes it, which asks about up to `batch` names at
    /// a time.
    pub fn new(host: &'a dyn Host, after: &str, budget: u32, batch: usize) -> Self {
        let walk = Walk::new(host, after, budget);
        let (names, allowed) = (Vec::new().into_iter(), Vec::new().into_iter());
        Self { host, walk, batch: batch.clamp(16, 1024), names, allowed, last: None }
    }

    /// The next directory, if there is one and the budget is not used up.
    pub fn next(&mut self) -> Result<Option<String>, Failure> {
        loop {
            for name in self.names.by_ref() {
                if self.allowed.next() == Some(true) {
                    self.last = Some(name.clone());
                    return Ok(Some(name));
                }
            }
            let more: Vec<_> =
                iter::from_fn(|| self.walk.next().transpose()).take(self.batch).collect::<Result<_, _>>()?;
            if more.is_empty() {
                return Ok(None);
            }
            self.allowed = self.host.may_pull(&more).into_iter();
            self.names = more.into_iter();
        }
    }

    /// Whether it ended because the budget was used up, and not at the end.
    pub fn is_cut_short(&self) -> bool {
        self.walk.is_cut_short()
    }

    /// Where a later walk can go on: the last directory that was given out.
    pub fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }
}

impl Level {
    const fn new(path: String) -> Self {
        Self { path, after: None, names: Vec::new(), more: true }
    }

    fn read<S: Storage + ?Sized>(&mut self, storage: &S, strange: &mut Vec<String>) -> Result<(), Failure> {
        let listing = match storage.page(&layout::below_repositories(&self.path), self.after.as_deref(), PAGE) {
            Ok(listing) => listing,
            Err(Failure::NotFound | Failure::WrongKind) => {
                self.more = false;
                return Ok(());
            }
            Err(failure) => return Err(failure),
        };
        self.more = listing.more && !listing.entries.is_empty();
        if let Some((name, _)) = listing.entries.last() {
            self.after = Some(name.clone());
        }
        let directories = listing.entries.into_iter().rev().filter(|(_, kind)| *kind == Kind::Directory);
        let (names, others): (Vec<_>, Vec<_>) = directories.map(|(name, _)| name).partition(|name| is_component(name));
        self.names = names;
        // What begins so lies within a repository.
        let others = others.iter().filter(|name| !name.starts_with('_'));
        strange.extend(others.map(|name| format!("{}/{name}", self.path)));
        Ok(())
    }
}

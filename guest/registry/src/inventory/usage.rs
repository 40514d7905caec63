//! How much a tree of repositories holds, counted in bounded steps.

use crate::{
    digest::{Algorithm, Digest},
    host::{Failure, Kind, Storage},
    layout,
    links::{self, Found},
    name::{RepositoryName, Tag},
    walk::Walk,
};

/// Names asked for at a time.
const PAGE: u32 = 500;
/// What a look at one link and its data spends.
const LINK: u32 = 2;

/// What a tree holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of all blobs and manifests, in each repository that links them.
    pub bytes: u64,
    /// Links of blobs that lead to data.
    pub blobs: u64,
    /// Links of manifests that do.
    pub manifests: u64,
    /// Tags.
    pub tags: u64,
    /// Repositories.
    pub repositories: u64,
}

/// What one step counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// In this step.
    pub usage: Usage,
    /// Where to go on; nothing at the end.
    pub cursor: Option<String>,
}

/// What is counted of a repository, one after the other.
const PARTS: [Part; 5] = [
    Part::Layers(Algorithm::Sha256),
    Part::Layers(Algorithm::Sha512),
    Part::Revisions(Algorithm::Sha256),
    Part::Revisions(Algorithm::Sha512),
    Part::Tags,
];

#[derive(Clone, Copy)]
enum Part {
    Layers(Algorithm),
    Revisions(Algorithm),
    Tags,
}

/// Counts a part of a tree.
///
/// A cursor is the last directory that was counted as a whole; within one, it
/// has the part and the last name of that behind a `:`, which no name has.
///
/// # Errors
/// A failure of the storage, or a tree or cursor that is none.
pub fn usage(
    storage: &(impl Storage + ?Sized),
    tree: &str,
    cursor: Option<&str>,
    budget: u32,
) -> Result<Tally, Failure> {
    if !tree.is_empty() && RepositoryName::parse(tree).is_none() {
        return Err(Failure::Other("the tree is no name of a repository".to_owned()));
    }
    let mut step = Step { storage, usage: Usage::default(), left: budget.max(16) };
    let cursor = step.run(tree, cursor)?;
    Ok(Tally { usage: step.usage, cursor })
}

struct Step<'a, S: Storage + ?Sized> {
    storage: &'a S,
    usage: Usage,
    left: u32,
}

impl<S: Storage + ?Sized> Step<'_, S> {
    fn run(&mut self, tree: &str, cursor: Option<&str>) -> Result<Option<String>, Failure> {
        let mut last = match cursor {
            // A tree is its own first directory.
            None if tree.is_empty() => String::new(),
            None => match self.repository(tree, 0, None)? {
                Some(place) => return Ok(Some(format!("{tree}:{place}"))),
                None => tree.to_owned(),
            },
            Some(cursor) => match cursor.split_once(':') {
                None => cursor.to_owned(),
                Some((path, place)) => {
                    let (part, after) = place.split_once(':').unwrap_or((place, ""));
                    let part = part.parse().map_err(|_| Failure::Other("not a cursor".to_owned()))?;
                    let after = (!after.is_empty()).then(|| after.to_owned());
                    match self.repository(path, part, after)? {
                        Some(place) => return Ok(Some(format!("{path}:{place}"))),
                        None => path.to_owned(),
                    }
                }
            },
        };
        let mut walk = Walk::below(self.storage, tree, &last, self.left);
        while let Some(path) = walk.next()? {
            self.left = self.left.saturating_sub(1);
            let before = self.left;
            if let Some(place) = self.repository(&path, 0, None)? {
                return Ok(Some(format!("{path}:{place}")));
            }
            walk.spend(before.saturating_sub(self.left));
            last = path;
        }
        Ok((walk.is_cut_short() && !last.is_empty()).then_some(last))
    }

    /// Counts a directory from a place in it on. Returns the place at which
    /// the budget ended, if it did.
    fn repository(&mut self, path: &str, from: usize, mut after: Option<String>) -> Result<Option<String>, Failure> {
        let Some(name) = RepositoryName::parse(path) else {
            return Ok(None);
        };
        if from == 0 && after.is_none() {
            self.left = self.left.saturating_sub(LINK);
            if !links::is_repository(self.storage, path)? {
                return Ok(None);
            }
            self.usage.repositories += 1;
        }
        for (number, part) in PARTS.iter().enumerate().skip(from) {
            if let Some(last) = self.part(&name, *part, after.take())? {
                return Ok(Some(format!("{number}:{last}")));
            }
        }
        Ok(None)
    }

    /// Counts one part. Returns the last name that was counted, if there are
    /// more and the budget ended.
    fn part(
        &mut self,
        name: &RepositoryName,
        part: Part,
        mut after: Option<String>,
    ) -> Result<Option<String>, Failure> {
        let directory = match part {
            Part::Layers(algorithm) => format!("{}/{}", layout::layers(name.as_str()), algorithm.name()),
            Part::Revisions(algorithm) => format!("{}/{}", layout::revisions(name), algorithm.name()),
            Part::Tags => layout::tags(name),
        };
        loop {
            self.left = self.left.saturating_sub(1);
            let listing = match self.storage.page(&directory, after.as_deref(), PAGE) {
                Ok(listing) => listing,
                Err(Failure::NotFound | Failure::WrongKind) => return Ok(None),
                Err(failure) => return Err(failure),
            };
            for (entry, kind) in listing.entries {
                if self.left == 0 && after.is_some() {
                    return Ok(after);
                }
                if kind == Kind::Directory {
                    self.entry(name, part, &entry)?;
                }
                after = Some(entry);
            }
            if !listing.more || after.is_none() {
                return Ok(None);
            }
        }
    }

    fn entry(&mut self, name: &RepositoryName, part: Part, entry: &str) -> Result<(), Failure> {
        let digest = |algorithm: Algorithm| Digest::parse(&format!("{}:{entry}", algorithm.name())).ok();
        let (found, count): (Option<Found>, _) = match part {
            Part::Tags => {
                self.usage.tags += u64::from(Tag::parse(entry).is_some());
                return Ok(());
            }
            Part::Layers(algorithm) => {
                let Some(digest) = digest(algorithm) else { return Ok(()) };
                (links::layer(self.storage, name, &digest)?, &mut self.usage.blobs)
            }
            Part::Revisions(algorithm) => {
                let Some(digest) = digest(algorithm) else { return Ok(()) };
                (links::revision(self.storage, name, &digest)?, &mut self.usage.manifests)
            }
        };
        self.left = self.left.saturating_sub(LINK);
        if let Some(found) = found {
            *count += 1;
            self.usage.bytes = self.usage.bytes.saturating_add(found.size);
        }
        Ok(())
    }
}

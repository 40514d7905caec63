//! Garbage collection: marks what manifests name, and sweeps the rest.
//!
//! It is meant to run while nobody pushes, as distribution's is. People run it
//! beside the live server all the same, so what is younger than a grace time
//! stays, whatever names it or not; and the marking is done twice, so that
//! what was linked while the first round went on is seen.
//!
//! 1. *mark*, two rounds over all repositories: with `delete-untagged` what
//!    tags name, what that is made of, and what refers to it; else every
//!    revision. What a link's content names is marked, not what its path says.
//! 2. *manifests*, with `delete-untagged`: the links of revisions that were not
//!    marked go.
//! 3. *blobs*: data that was not marked goes.
//! 4. *links*: the layer links whose data is gone go.
//!
//! Whatever cannot be read in the first part ends the collection with an
//! error, and nothing was removed: what it names is not known.

mod mark;
mod sweep;
mod tree;

use serde::{Deserialize, Serialize};

use crate::{
    host::{Failure, Marks, Storage},
    layout,
    name::RepositoryName,
    tend::Progress,
    walk::Walk,
};

/// Lines of one step; what is beyond is counted.
const MESSAGES: usize = 5_000;
/// Rounds of marking.
const ROUNDS: u32 = 2;

/// What to collect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collection {
    /// Now, in seconds since 1970.
    pub now: u64,
    /// Seconds: what is younger stays.
    pub grace: u64,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Manifests go too that no tag leads to.
    pub delete_untagged: bool,
}

/// Where a collection is: its cursor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Place {
    phase: Phase,
    round: u32,
    /// The repository, and whether it is done.
    repository: String,
    inside: bool,
    /// Which part of it.
    part: Part,
    /// How often all its revisions were looked at, and whether this time one
    /// more was kept.
    pass: u32,
    found: bool,
    /// The last thing that was looked at there.
    after: Option<String>,
    count: Count,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    #[default]
    Mark,
    Manifests,
    Blobs,
    Links,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Part {
    #[default]
    Tags,
    Revisions,
    Layers,
    Done,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Count {
    marked: u64,
    blobs: u64,
    manifests: u64,
    young: u64,
}

/// Does a step of a collection.
///
/// # Errors
/// A sentence, when something could not be read or removed.
pub fn collect<S: Storage + Marks + ?Sized>(
    host: &S,
    collection: Collection,
    cursor: Option<&str>,
    budget: u32,
) -> Result<Progress, String> {
    let place = match cursor {
        Some(cursor) => serde_json::from_str(cursor).map_err(|_| "the cursor of the collection is none".to_owned())?,
        None => Place::default(),
    };
    let mut step = Step { host, collection, place, left: budget.max(16), progress: Progress::default(), unsaid: 0 };
    let done = step.run()?;
    let Step { place, mut progress, unsaid, .. } = step;
    if unsaid > 0 {
        progress.messages.push(format!("… and {unsaid} lines more"));
    }
    if !done {
        let cursor = serde_json::to_string(&place).map_err(|error| format!("no cursor: {error}"))?;
        progress.cursor = Some(cursor);
    }
    Ok(progress)
}

struct Step<'a, S: Storage + Marks + ?Sized> {
    host: &'a S,
    collection: Collection,
    place: Place,
    /// Looks left.
    left: u32,
    progress: Progress,
    unsaid: u64,
}

impl<S: Storage + Marks + ?Sized> Step<'_, S> {
    /// Whether the collection is done.
    fn run(&mut self) -> Result<bool, String> {
        loop {
            let whole = match self.place.phase {
                Phase::Blobs => self.blobs()?,
                _ => self.repositories()?,
            };
            if !whole {
                return Ok(false);
            }
            (self.place.repository, self.place.inside, self.place.after) = (String::new(), false, None);
            self.place.phase = match self.place.phase {
                Phase::Mark if self.place.round + 1 < ROUNDS => {
                    self.place.round += 1;
                    Phase::Mark
                }
                Phase::Mark if self.collection.delete_untagged => Phase::Manifests,
                Phase::Mark | Phase::Manifests => Phase::Blobs,
                Phase::Blobs => {
                    self.sum_up();
                    Phase::Links
                }
                Phase::Links => return Ok(true),
            };
        }
    }

    /// Goes on with the walk over repositories; whether it is at its end.
    fn repositories(&mut self) -> Result<bool, String> {
        if self.place.inside && !self.repository()? {
            return Ok(false);
        }
        let host = self.host;
        let after = self.place.repository.clone();
        let mut walk = Walk::new(host, &after, self.left);
        loop {
            let next = walk.next().map_err(|failure| unlisted("the repositories", &failure))?;
            for path in walk.strange() {
                self.strange(&path)?;
            }
            let Some(path) = next else {
                // Cut short before it gave out any: go on with a new budget.
                return Ok(!walk.is_cut_short());
            };
            self.left = self.left.saturating_sub(1);
            let before = self.left;
            self.place.repository = path;
            (self.place.inside, self.place.part, self.place.after) = (true, Part::Tags, None);
            (self.place.pass, self.place.found) = (0, false);
            if !self.repository()? {
                return Ok(false);
            }
            walk.spend(before.saturating_sub(self.left));
        }
    }

    /// Goes on with one directory that may be a repository; whether it is
    /// done.
    fn repository(&mut self) -> Result<bool, String> {
        let Some(name) = RepositoryName::parse(&self.place.repository) else {
            return Err(format!("{:?} is no name of a repository", self.place.repository));
        };
        while self.place.part != Part::Done {
            let whole = match self.place.phase {
                Phase::Mark => self.mark(&name)?,
                _ => self.sweep(&name)?,
            };
            if !whole {
                return Ok(false);
            }
        }
        self.place.inside = false;
        Ok(true)
    }

    /// A directory whose name is none of a repository must not be one: what
    /// it names would go.
    fn strange(&mut self, path: &str) -> Result<(), String> {
        let path = path.trim_start_matches('/');
        for inner in [layout::manifests(path), layout::layers(path)] {
            if present(self.host.stat(&inner)).map_err(|failure| unlisted(&inner, &failure))?.is_some() {
                return Err(format!(
                    "{}: the name is none that a repository can have, and what it holds is not known; move it away",
                    layout::below_repositories(path)
                ));
            }
        }
        Ok(())
    }

    /// What a time stamp says of a thing's age.
    fn is_young(&self, modified: u64) -> bool {
        modified.saturating_add(self.collection.grace) > self.collection.now
    }

    fn say(&mut self, message: String) {
        if self.progress.messages.len() < MESSAGES {
            self.progress.messages.push(message);
        } else {
            self.unsaid += 1;
        }
    }

    fn sum_up(&mut self) {
        let Count { marked, blobs, manifests, young } = self.place.count;
        self.say(String::new());
        self.say(format!("{marked} blobs marked, {blobs} blobs and {manifests} manifests eligible for deletion"));
        if young > 0 {
            self.say(format!("{young} blobs spared that nothing names, as they are younger than the grace time"));
        }
    }
}

/// What is not there is no failure.
fn present<T>(result: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Failure::NotFound | Failure::WrongKind) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn unlisted(what: &str, failure: &Failure) -> String {
    format!("{what} cannot be read: {failure:?}; nothing more was removed")
}

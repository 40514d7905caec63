//! Whether all that is stored is whole, and what becomes of what is not.
//!
//! 1. *survey*: how much there is to be hashed.
//! 2. *blobs*: all data is hashed, by the host; what is not what its name says
//!    is remembered.
//! 3. *repositories*: links, manifests and what they name, tags.
//!
//! Beside a live server, what looks damaged is looked at again before that is
//! said, as it may just have been replaced or deleted. A repair makes anew what
//! follows from what is there, and takes the rest out of the way: data that
//! stayed would be taken for the right one by the next push. What only lost its
//! target stays as it is: it says what is missing.

mod blobs;
mod data;
mod manifest;
mod repository;
mod tags;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    descent::Descent,
    digest::Digest,
    host::{Change, Expectation, Failure, Hashes, Marks, Settings, Storage},
    layout,
    name::RepositoryName,
    settings,
    tend::{Damage, Progress},
    walk::Walk,
};

/// Things that are said of one step; what is beyond is counted.
const LINES: usize = 5_000;

/// What to verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verification {
    /// Now, in seconds since 1970.
    pub now: u64,
    /// Whether to mend what can be mended.
    pub repair: bool,
}

/// What it takes.
pub trait Verifiable: Storage + Marks + Hashes + Settings {}

impl<T: Storage + Marks + Hashes + Settings + ?Sized> Verifiable for T {}

/// Where a verification is: its cursor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Place {
    phase: Phase,
    /// The repository, and whether it is begun.
    repository: String,
    inside: bool,
    part: Part,
    /// The last thing that was looked at.
    after: Option<String>,
    count: Count,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    #[default]
    Survey,
    Blobs,
    Repositories,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Part {
    #[default]
    Begin,
    Layers,
    Revisions,
    Tags,
    Index,
    Referrers,
    Uploads,
    Done,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Count {
    bytes: u64,
    blobs: u64,
    repositories: u64,
    manifests: u64,
    tags: u64,
    /// Of an algorithm that is not known here.
    unknown: u64,
    /// Links of blobs that are not here.
    dangling: u64,
    /// Children of indexes that are not here.
    sparse: u64,
    /// Manifests that the list of their subject's referrers lacks.
    unlisted: u64,
    /// Repositories of which a directory is missing.
    bare: u64,
    /// Uploads that lack a part.
    uploads: u64,
    damaged: u64,
    mended: u64,
}

/// Does a step of a verification.
///
/// # Errors
/// A sentence, when something cannot be looked at or mended.
pub fn verify<S: Verifiable + ?Sized>(
    host: &S,
    asked: Verification,
    cursor: Option<&str>,
    budget: u32,
) -> Result<Progress, String> {
    let place = match cursor {
        Some(cursor) => {
            serde_json::from_str(cursor).map_err(|_| "the cursor of the verification is none".to_owned())?
        }
        None => Place::default(),
    };
    let sparse = settings::flag(host, "validation.manifests.sparse");
    let left = budget.max(16);
    let mut step =
        Step { host, asked, sparse, place, left, progress: Progress::default(), batch: Vec::new(), names: None };
    let done = step.run()?;
    let Step { place, mut progress, .. } = step;
    if place.phase != Phase::Survey {
        progress.total = place.count.bytes;
    }
    if !done {
        progress.cursor = Some(serde_json::to_string(&place).map_err(|error| format!("no cursor: {error}"))?);
    }
    Ok(progress)
}

struct Step<'a, S: Verifiable + ?Sized> {
    host: &'a S,
    asked: Verification,
    /// Whether images may lack layers.
    sparse: bool,
    place: Place,
    /// Looks left.
    left: u32,
    progress: Progress,
    /// Data that is to be hashed before the step ends.
    batch: Vec<Digest>,
    /// Of a repository: by the digest of a manifest, the tags that need it.
    names: Option<(String, BTreeMap<String, Vec<String>>)>,
}

/// What is wrong with something.
struct Wrong {
    place: String,
    what: String,
    consequence: String,
    remedy: String,
}

impl<S: Verifiable + ?Sized> Step<'_, S> {
    /// Whether the verification is done.
    fn run(&mut self) -> Result<bool, String> {
        loop {
            let whole = match self.place.phase {
                Phase::Survey | Phase::Blobs => self.blobs()?,
                Phase::Repositories => self.repositories()?,
            };
            if !whole {
                return Ok(false);
            }
            self.place.after = None;
            self.place.phase = match self.place.phase {
                Phase::Survey => Phase::Blobs,
                Phase::Blobs => Phase::Repositories,
                Phase::Repositories => {
                    self.sum_up();
                    return Ok(true);
                }
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
        let mut walk = Walk::new(host, &after, self.left.max(16));
        loop {
            let next = walk.next().map_err(|failure| unread("the repositories", &failure))?;
            for path in walk.strange() {
                self.strange(&path)?;
            }
            let Some(path) = next else { return Ok(!walk.is_cut_short()) };
            let before = self.left;
            self.place.repository = path;
            (self.place.inside, self.place.part, self.place.after) = (true, Part::Begin, None);
            if !self.repository()? {
                return Ok(false);
            }
            walk.spend(before.saturating_sub(self.left));
        }
    }

    /// A directory whose name is none of a repository.
    fn strange(&mut self, path: &str) -> Result<(), String> {
        let path = path.trim_start_matches('/');
        for inner in [layout::manifests(path), layout::layers(path)] {
            if present(self.host.stat(&inner)).map_err(|failure| unread(&inner, &failure))?.is_some() {
                let key = layout::below_repositories(path);
                let wrong = Wrong {
                    place: key.clone(),
                    what: "its name is none that a repository can have".to_owned(),
                    consequence: "nothing in it can be pulled".to_owned(),
                    remedy: "push to another name; what is in it can be taken from the quarantine".to_owned(),
                };
                return self.set_aside(wrong, &key);
            }
        }
        Ok(())
    }

    /// Goes on with the tree below a root; whether it is at its end.
    fn descend(
        &mut self,
        root: &str,
        depth: usize,
        visit: &mut dyn FnMut(&mut Self, &str, crate::host::Kind) -> Result<(), String>,
    ) -> Result<bool, String> {
        use crate::descent::Next;

        let host = self.host;
        let after = self.place.after.clone();
        let mut descent = Descent::new(host, root, depth, after.as_deref());
        loop {
            match descent.next(&mut self.left).map_err(|failure| unread(root, &failure))? {
                Next::Found(path, kind) => {
                    self.progress.examined += 1;
                    self.left = self.left.saturating_sub(1);
                    visit(self, &path, kind)?;
                    self.place.after = Some(path);
                }
                Next::Cut => return Ok(false),
                Next::End => {
                    self.place.after = None;
                    return Ok(true);
                }
            }
        }
    }

    /// Tells of damage.
    fn damaged(&mut self, wrong: Wrong, done: Option<String>) {
        self.place.count.damaged += 1;
        self.place.count.mended += u64::from(done.is_some());
        let Wrong { place, what, consequence, remedy } = wrong;
        if self.progress.damage.len() < LINES {
            self.progress.damage.push(Damage { place, what, consequence, remedy, done });
        }
    }

    /// Tells of damage, and takes it out of the way in a repair.
    fn set_aside(&mut self, wrong: Wrong, key: &str) -> Result<(), String> {
        let done = self.mend("moved to the quarantine", Vec::new(), vec![Change::Quarantine(key.to_owned())])?;
        self.damaged(wrong, done);
        Ok(())
    }

    /// Changes something in a repair; what was done, if that is so.
    fn mend(&mut self, done: &str, expect: Vec<Expectation>, changes: Vec<Change>) -> Result<Option<String>, String> {
        if !self.asked.repair {
            return Ok(None);
        }
        self.left = self.left.saturating_sub(4);
        match self.host.commit(expect, changes) {
            Ok(()) => {
                self.progress.changed += 1;
                Ok(Some(done.to_owned()))
            }
            // It is not as it was: another run finds out.
            Err(Failure::Conflict(_)) => Ok(None),
            Err(failure) => Err(format!("the repair ends here: it cannot be that something is {done}: {failure:?}")),
        }
    }

    fn stray(&mut self, key: &str) -> Result<(), String> {
        let wrong = Wrong {
            place: key.to_owned(),
            what: "it does not belong here".to_owned(),
            consequence: "nothing is served from it, and a collection of distribution may stop at it".to_owned(),
            remedy: "move it away".to_owned(),
        };
        self.set_aside(wrong, key)
    }

    fn say(&mut self, message: String) {
        self.progress.messages.push(message);
    }

    fn sum_up(&mut self) {
        let Count { bytes, blobs, repositories, manifests, tags, damaged, mended, .. } = self.place.count;
        let Count { unknown, dangling, sparse, unlisted, bare, uploads, .. } = self.place.count;
        let made = if self.asked.repair { "; that is mended now" } else { "; a repair mends that" };
        for (count, what) in [
            (unknown, "are of an algorithm that is not known here, and were not looked at".to_owned()),
            (dangling, "links are of blobs that are not here, as a collection leaves them".to_owned()),
            (sparse, "manifests that an index names are not here, as is allowed".to_owned()),
            (unlisted, format!("manifests refer to others whose lists of referrers lack them{made}")),
            (bare, format!("repositories lack a directory that distribution looks for{made}")),
            (uploads, "uploads lack a part; they are purged in time".to_owned()),
        ] {
            if count > 0 {
                self.say(format!("note: {count} {what}"));
            }
        }
        self.say(format!(
            "{blobs} blobs of {bytes} bytes, {manifests} manifests and {tags} tags in {repositories} repositories; \
             {damaged} damaged, {mended} of them set aside or mended"
        ));
    }
}

/// What is not there, or not of its kind, is no failure.
fn present<T>(result: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Failure::NotFound | Failure::WrongKind) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn unread(what: &str, failure: &Failure) -> String {
    format!("{what} cannot be looked at: {failure:?}")
}

/// By what something in a repository is mended.
fn push_again(name: &RepositoryName, tag: Option<&str>) -> String {
    match tag {
        Some(tag) => format!("push it again: docker push HOST/{name}:{tag}"),
        None => "push it again".to_owned(),
    }
}

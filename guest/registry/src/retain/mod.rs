//! Retention: which tags are kept is for the policies to say; here is gathered
//! what they are told, and done what they say.
//!
//! Repository by repository: first all of its tags with what is known of them,
//! then one question, then the removals. A tag that was moved since the
//! question was put stays, and so does one that the policies do not admit to
//! go. Manifests and blobs stay until a garbage collection.

mod gather;

use serde::{Deserialize, Serialize};

use crate::{
    descent::{Descent, Next},
    digest::Digest,
    host::{Admission, Event, Failure, Happening, Kind, LastUse, Retention, Ruling, Settings, Storage, TagFacts},
    layout, links,
    manifests::untag,
    name::{RepositoryName, Tag},
    settings::Write,
    tend::Progress,
    walk::Walk,
};

/// Tags of one repository that a policy is asked about.
const TAGS: usize = 10_000;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What it takes.
pub trait Retaining: Storage + Settings + Admission + LastUse + Retention {}

impl<T: Storage + Settings + Admission + LastUse + Retention + ?Sized> Retaining for T {}

/// Where a run is: its cursor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Place {
    /// The repository, and whether it is begun.
    repository: String,
    inside: bool,
    /// The last tag that was looked at.
    after: Option<String>,
    /// What was gathered so far.
    tags: Vec<Gathered>,
    /// What is to go, once the policies have said so; the next one last.
    leaving: Option<Vec<Leaving>>,
    count: Count,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Gathered {
    tag: String,
    digest: String,
    updated: u64,
    size: u64,
    pull: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Leaving {
    tag: String,
    digest: String,
    reason: String,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Count {
    repositories: u64,
    tags: u64,
    gone: u64,
}

/// Does a step of a run.
///
/// # Errors
/// A sentence, when something cannot be read or removed.
pub fn retain<S: Retaining + ?Sized>(
    host: &S,
    run: Run,
    cursor: Option<&str>,
    budget: u32,
) -> Result<Progress, String> {
    if Write::ask(host).is_err() {
        return Err("the registry is in its read-only mode (storage.maintenance.readonly)".to_owned());
    }
    let place = match cursor {
        Some(cursor) => serde_json::from_str(cursor).map_err(|_| "the cursor of the retention is none".to_owned())?,
        None => Place::default(),
    };
    let mut step = Step { host, run, place, left: budget.max(16), progress: Progress::default() };
    let done = step.run()?;
    let Step { place, mut progress, .. } = step;
    if !done {
        progress.cursor = Some(serde_json::to_string(&place).map_err(|error| format!("no cursor: {error}"))?);
    }
    Ok(progress)
}

struct Step<'a, S: Retaining + ?Sized> {
    host: &'a S,
    run: Run,
    place: Place,
    /// Looks left.
    left: u32,
    progress: Progress,
}

impl<S: Retaining + ?Sized> Step<'_, S> {
    /// Whether the run is done.
    fn run(&mut self) -> Result<bool, String> {
        if self.place.inside && !self.repository()? {
            return Ok(false);
        }
        let host = self.host;
        let after = self.place.repository.clone();
        let mut walk = Walk::new(host, &after, self.left.max(16));
        loop {
            let Some(path) = walk.next().map_err(|failure| unread("the repositories", &failure))? else {
                if walk.is_cut_short() {
                    return Ok(false);
                }
                self.sum_up();
                return Ok(true);
            };
            let before = self.left;
            self.place.repository = path;
            (self.place.inside, self.place.after) = (true, None);
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
        if self.place.leaving.is_none() {
            if !self.tags(&name)? {
                return Ok(false);
            }
            self.place.leaving = Some(self.judge(&name));
        }
        while let Some(leaving) = self.place.leaving.as_mut().and_then(Vec::pop) {
            self.leave(&name, &leaving)?;
            self.left = self.left.saturating_sub(6);
            if self.left == 0 {
                return Ok(false);
            }
        }
        (self.place.leaving, self.place.inside) = (None, false);
        Ok(true)
    }

    /// Goes on with gathering; whether all tags are there.
    fn tags(&mut self, name: &RepositoryName) -> Result<bool, String> {
        let host = self.host;
        let root = layout::tags(name);
        let after = self.place.after.clone();
        let mut descent = Descent::new(host, &root, 1, after.as_deref());
        loop {
            match descent.next(&mut self.left).map_err(|failure| unread(&root, &failure))? {
                Next::Cut => return Ok(false),
                Next::End => return Ok(true),
                Next::Found(text, kind) => {
                    if let Some(tag) = Tag::parse(&text).filter(|_| kind == Kind::Directory)
                        && self.place.tags.len() <= TAGS
                    {
                        let gathered = self.gather(name, &tag);
                        self.place.tags.extend(gathered.map_err(|failure| unread(&format!("{name}:{tag}"), &failure))?);
                    }
                    self.progress.examined += 1;
                    self.left = self.left.saturating_sub(1);
                    self.place.after = Some(text);
                    if self.left == 0 {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Asks which tags are to go.
    fn judge(&mut self, name: &RepositoryName) -> Vec<Leaving> {
        let gathered = std::mem::take(&mut self.place.tags);
        if gathered.is_empty() {
            return Vec::new();
        }
        self.place.count.repositories += 1;
        self.place.count.tags += u64::try_from(gathered.len()).unwrap_or(u64::MAX);
        if gathered.len() > TAGS {
            self.say(format!(
                "{name}: it has more than {TAGS} tags, which is more than a policy is asked about; all stay"
            ));
            return Vec::new();
        }
        let facts: Vec<TagFacts> = gathered.iter().filter_map(Gathered::facts).collect();
        let Some(mut departures) = self.host.retain(name, &facts) else {
            self.say(format!("{name}: a policy failed; all tags stay"));
            return Vec::new();
        };
        departures.reverse();
        let digest = |tag: &str| gathered.iter().find(|one| one.tag == tag).map(|one| one.digest.clone());
        let leaving = departures
            .into_iter()
            .filter_map(|gone| Some(Leaving { digest: digest(&gone.tag)?, tag: gone.tag, reason: gone.reason }));
        leaving.collect()
    }

    /// Removes a tag, if it is still what was judged and may go.
    fn leave(&mut self, name: &RepositoryName, Leaving { tag, digest, reason }: &Leaving) -> Result<(), String> {
        let (Some(tag), Ok(digest)) = (Tag::parse(tag), Digest::parse(digest)) else { return Ok(()) };
        let failed = |failure: &Failure| format!("{name}:{tag} cannot be removed: {failure:?}");
        let (now, expected) = links::current(self.host, name, &tag).map_err(|failure| failed(&failure))?;
        if now.as_ref() != Some(&digest) {
            self.say(format!("{name}:{tag} stays: it was moved meanwhile"));
            return Ok(());
        }
        let happening = Happening::TagDelete { tag: tag.clone(), digest: Some(digest) };
        match self.host.admit(Event { repository: name.clone(), happening }) {
            Ruling::Allow(_) => {}
            Ruling::Deny(denial) => {
                self.say(format!("{name}:{tag} stays: {}", denial.message));
                return Ok(());
            }
            Ruling::Unavailable => {
                self.say(format!("{name}:{tag} stays: a policy failed"));
                return Ok(());
            }
        }
        if self.run.dry_run {
            self.say(format!("{name}:{tag} would go: {reason}"));
        } else {
            match self.host.commit(expected.into_iter().collect(), untag(name, &tag)) {
                Ok(()) => self.say(format!("{name}:{tag} is removed: {reason}")),
                Err(Failure::Conflict(_)) => {
                    self.say(format!("{name}:{tag} stays: it was moved meanwhile"));
                    return Ok(());
                }
                Err(failure) => return Err(failed(&failure)),
            }
        }
        self.progress.changed += 1;
        self.place.count.gone += 1;
        Ok(())
    }

    fn say(&mut self, message: String) {
        self.progress.messages.push(message);
    }

    fn sum_up(&mut self) {
        let Count { repositories, tags, gone } = self.place.count;
        let said = if self.run.dry_run { "would go" } else { "are removed" };
        self.say(format!("{gone} of {tags} tags in {repositories} repositories {said}"));
        if gone > 0 {
            self.say("what no tag leads to any more goes with `garbage-collect --delete-untagged`".to_owned());
        }
    }
}

impl Gathered {
    fn facts(&self) -> Option<TagFacts> {
        Some(TagFacts {
            tag: Tag::parse(&self.tag)?,
            digest: Digest::parse(&self.digest).ok()?,
            updated: self.updated,
            size: self.size,
            last_pull: self.pull,
        })
    }
}

fn unread(what: &str, failure: &Failure) -> String {
    format!("{what} cannot be read: {failure:?}")
}

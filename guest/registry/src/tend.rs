//! Work in the background, in small steps that the host asks for.

use crate::{
    host::{Change, Failure, Kind, Storage, Uploads},
    layout, time,
    uploads::UploadId,
    walk::Walk,
};

/// Uploads asked for at a time.
const PAGE: u32 = 100;
/// Lines of one step.
const MESSAGES: usize = 100;
/// Bytes of the longest time stamp.
const STAMP: u64 = 64;

/// Which uploads are too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purge {
    /// Now, in seconds since 1970.
    pub now: u64,
    /// Seconds.
    pub older_than: u64,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// How far a task is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Where to go on; nothing when the task is done.
    pub cursor: Option<String>,
    /// Things looked at in this step.
    pub examined: u64,
    /// Things changed in this step.
    pub changed: u64,
    /// Lines for the log.
    pub messages: Vec<String>,
    /// Bytes that are to be hashed in the whole task, where that is known.
    pub total: u64,
    /// What is not as it was stored.
    pub damage: Vec<Damage>,
}

/// Something that is not as it was stored: texts for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where it is.
    pub place: String,
    /// What is wrong with it.
    pub what: String,
    /// Who cannot have what.
    pub consequence: String,
    /// By what it is mended.
    pub remedy: String,
    /// What was done about it.
    pub done: Option<String>,
}

/// Aborts uploads at which nothing happened for a time.
///
/// A cursor is the last directory of which all uploads were looked at; while
/// some are left, it has the last of those after a `:`, which no name has.
pub fn purge_uploads<S: Storage + Uploads + ?Sized>(
    host: &S,
    purge: Purge,
    cursor: Option<&str>,
    budget: u32,
) -> Progress {
    let mut progress = Progress::default();
    let budget = budget.max(16);
    let cursor = cursor.unwrap_or_default();
    let (after, resume) = cursor.split_once(':').map_or((cursor, None), |(path, id)| (path, Some(id)));
    let mut step = Step { host, purge, progress: &mut progress, left: budget };
    let outcome = step.run(after, resume);
    match outcome {
        Ok(cursor) => progress.cursor = cursor,
        // The next run begins anew: what cannot be listed now may be later.
        Err(failure) => progress.say(format!("purge: the walk ended early: {failure:?}")),
    }
    progress
}

struct Step<'a, S: Storage + Uploads + ?Sized> {
    host: &'a S,
    purge: Purge,
    progress: &'a mut Progress,
    left: u32,
}

impl<S: Storage + Uploads + ?Sized> Step<'_, S> {
    fn run(&mut self, after: &str, resume: Option<&str>) -> Result<Option<String>, Failure> {
        if let Some(id) = resume
            && let Some(id) = self.directory(after, Some(id.to_owned()))?
        {
            return Ok(Some(format!("{after}:{id}")));
        }
        let mut walk = Walk::new(self.host, after, self.left);
        while let Some(path) = walk.next()? {
            let before = self.left;
            if let Some(id) = self.directory(&path, None)? {
                return Ok(Some(format!("{path}:{id}")));
            }
            walk.spend(before.saturating_sub(self.left));
            self.left = self.left.saturating_sub(1);
        }
        let last = walk.last().unwrap_or(after);
        // An empty cursor would begin anew for ever.
        Ok((walk.is_cut_short() && !last.is_empty()).then(|| last.to_owned()))
    }

    /// The uploads of one directory. Returns the last that was looked at, if
    /// some are left.
    fn directory(&mut self, path: &str, mut after: Option<String>) -> Result<Option<String>, Failure> {
        let directory = layout::uploads(path);
        loop {
            self.left = self.left.saturating_sub(1);
            let listing = match self.host.page(&directory, after.as_deref(), PAGE) {
                Ok(listing) => listing,
                Err(Failure::NotFound | Failure::WrongKind) => return Ok(None),
                Err(failure) => return Err(failure),
            };
            for (entry, kind) in listing.entries {
                if self.left == 0 && after.is_some() {
                    return Ok(after);
                }
                if kind == Kind::Directory
                    && let Some(id) = UploadId::parse(&entry)
                {
                    self.upload(path, &id);
                }
                after = Some(entry);
            }
            if !listing.more {
                return Ok(None);
            }
        }
    }

    fn upload(&mut self, path: &str, id: &UploadId) {
        self.progress.examined += 1;
        self.left = self.left.saturating_sub(3);
        match self.purge_one(path, id) {
            Ok(true) => {
                self.progress.changed += 1;
                let done = if self.purge.dry_run { "would remove" } else { "removed" };
                self.progress.say(format!("purge: {done} upload {id} of {path}"));
            }
            Ok(false) => {}
            Err(failure) => self.progress.say(format!("purge: upload {id} of {path} stays: {failure:?}")),
        }
    }

    /// Whether the upload is too old, and gone if it may be.
    fn purge_one(&self, path: &str, id: &UploadId) -> Result<bool, Failure> {
        let data = layout::upload_data(path, id);
        let received = absent(self.host.stat(&data))?;
        let started = match absent(self.host.read(&layout::upload_started(path, id), STAMP))? {
            Some(bytes) => str::from_utf8(&bytes).ok().and_then(time::parse),
            None => None,
        };
        let latest = match (started, received) {
            (started, Some(data)) => data.modified.max(started.unwrap_or_default()),
            (Some(started), None) => started,
            // Nothing in it says how old it is: its directory does.
            (None, None) => match absent(self.host.stat(&layout::upload(path, id)))? {
                Some(directory) => directory.modified,
                None => return Ok(false),
            },
        };
        if self.purge.now.saturating_sub(latest) <= self.purge.older_than {
            return Ok(false);
        }
        if self.purge.dry_run {
            return Ok(true);
        }
        if received.is_some_and(|data| data.kind == Kind::Object) {
            match self.host.resume(&data) {
                Ok(upload) => return upload.abort().map(|()| true),
                Err(Failure::Busy) => return Ok(false),
                Err(Failure::NotFound | Failure::WrongKind) => {}
                Err(failure) => return Err(failure),
            }
        }
        self.host.commit(Vec::new(), vec![Change::RemoveTree(layout::upload(path, id))]).map(|()| true)
    }
}

impl Progress {
    fn say(&mut self, message: String) {
        if self.messages.len() < MESSAGES {
            self.messages.push(message);
        }
    }
}

/// What is not there is no failure here.
fn absent<T>(result: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Failure::NotFound | Failure::WrongKind | Failure::TooLarge(_)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

//! Several keys changed durably, in order.
//!
//! All of it runs in one blocking job, under the locks of its keys, so that a
//! request that goes away does not stop it half way. The disk is waited for
//! three times at most, whatever the number of keys: for the new files and
//! directories, for the names of all keys but the last, for the last name.

mod apply;
mod durable;
mod examine;
mod quarantine;

use std::{collections::HashMap, os::fd::OwnedFd, sync::Arc};

use super::{
    Inner,
    errors::failure,
    files::write_whole,
    flush::Target,
    locks::{Marks, Mode},
    room::For,
    stage::{Stage, Temp},
    stamp::Identity,
    tree::Place,
};
use crate::storage::{Change, Expectation, Failure, Key};

const MAX_CHANGES: usize = 64;
const MAX_EXPECTATIONS: usize = 64;
const MAX_BYTES: usize = 8 << 20;
const MAX_EQUALS: usize = 64 << 10;
/// Names of removed trees in the stage begin with this.
pub(super) const TRASH: &str = "t-";

/// A file that was received, to become the first change of a commit.
pub(super) struct Incoming {
    pub to: Key,
    pub file: Arc<OwnedFd>,
    pub size: u64,
    /// Where it is now.
    pub directory: Arc<OwnedFd>,
    pub name: String,
    /// Whether it keeps its name there until all is done, so that a process
    /// that dies half way leaves an upload to go on with.
    pub keep: bool,
    /// Set when it is at `to`: whatever fails then, nobody may write to this
    /// file any more.
    pub moved: bool,
    /// Set while it is being synced; if it stays, nobody knows what the disk
    /// has.
    pub doubtful: bool,
}

enum Step<'a> {
    Move { incoming: &'a mut Incoming },
    Write { key: Key, file: Arc<OwnedFd>, temp: Temp, create: bool },
    Remove { key: Key },
    RemoveTree { key: Key },
    MakeDirectory { key: Key },
    Quarantine { key: Key },
}

/// Refuses what no commit may be.
pub(super) fn check(expect: &[Expectation], changes: &[Change]) -> Result<(), Failure> {
    let bytes = |change: &Change| match change {
        Change::Put(_, bytes) | Change::Create(_, bytes) => bytes.len(),
        Change::Remove(_) | Change::RemoveTree(_) | Change::MakeDirectory(_) | Change::Quarantine(_) => 0,
    };
    if changes.len() > MAX_CHANGES || expect.len() > MAX_EXPECTATIONS {
        return Err(Failure::TooLarge(MAX_CHANGES as u64));
    }
    if changes.iter().map(bytes).sum::<usize>() > MAX_BYTES {
        return Err(Failure::TooLarge(MAX_BYTES as u64));
    }
    if expect.iter().any(|expectation| matches!(expectation, Expectation::Equals(_, bytes) if bytes.len() > MAX_EQUALS))
    {
        return Err(Failure::TooLarge(MAX_EQUALS as u64));
    }
    Ok(())
}

/// The locks that a commit needs.
pub(super) fn locks(expect: &[Expectation], changes: &[Change]) -> Vec<(Key, Mode)> {
    let expected = expect.iter().map(|expectation| match expectation {
        Expectation::Absent(key) | Expectation::Present(key) | Expectation::Equals(key, _) => {
            (key.clone(), Mode::Shared)
        }
    });
    let changed = changes.iter().map(|change| match change {
        // Who makes a directory does not mind what others do in it.
        Change::MakeDirectory(key) => (key.clone(), Mode::Shared),
        other => (key_of(other).clone(), Mode::Exclusive),
    });
    expected.chain(changed).collect()
}

fn key_of(change: &Change) -> &Key {
    match change {
        Change::Put(key, _)
        | Change::Create(key, _)
        | Change::Remove(key)
        | Change::RemoveTree(key)
        | Change::MakeDirectory(key)
        | Change::Quarantine(key) => key,
    }
}

/// Does it. The caller holds the locks and is on a thread that may block.
pub(super) fn run(
    inner: &Arc<Inner>,
    incoming: Option<&mut Incoming>,
    expect: &[Expectation],
    changes: Vec<Change>,
) -> Result<(), Failure> {
    let mut run = Run {
        inner,
        marks: inner.pending.marks(),
        directories: HashMap::new(),
        unsynced: Vec::new(),
        learned: Vec::new(),
        trash: Vec::new(),
        visible: false,
        frees: false,
    };
    let mut targets = Vec::new();
    for expectation in expect {
        run.expect(expectation, &mut targets)?;
    }
    let mut steps = Vec::with_capacity(changes.len() + 1);
    if let Some(incoming) = incoming {
        if run.keeps(incoming)? {
            run.durable(&incoming.to, &mut targets)?;
        } else {
            run.announce(&incoming.to)?;
            targets.push(Target::File(incoming.file.clone()));
            steps.push(Step::Move { incoming });
        }
    }
    run.examine(&changes)?;
    // What makes room may take the last of it.
    run.frees = changes.iter().any(|change| matches!(change, Change::Remove(_) | Change::RemoveTree(_)));
    for change in changes {
        steps.push(run.prepare(change, &mut targets)?);
    }
    doubt(&mut steps, true);
    run.flush(targets)?;
    doubt(&mut steps, false);
    if let Some(last) = steps.pop() {
        if !steps.is_empty() {
            for step in steps {
                run.apply(step)?;
            }
            run.flush(Vec::new())?;
        }
        run.apply(last)?;
        run.flush(Vec::new())?;
    }
    run.clear();
    Ok(())
}

fn doubt(steps: &mut [Step<'_>], doubtful: bool) {
    if let Some(Step::Move { incoming }) = steps.first_mut() {
        incoming.doubtful = doubtful;
    }
}

struct Run<'a> {
    inner: &'a Arc<Inner>,
    marks: Marks,
    directories: HashMap<Place, Arc<OwnedFd>>,
    /// Directories with names that may not be on the disk.
    unsynced: Vec<(Place, Arc<OwnedFd>)>,
    /// What is known once these are synced.
    learned: Vec<(Key, Option<Identity>)>,
    trash: Vec<(Arc<Stage>, String)>,
    /// Whether anything was changed already.
    visible: bool,
    /// Whether anything is removed.
    frees: bool,
}

impl Run<'_> {
    /// Makes directories and the temporary file, and marks what will change.
    fn prepare<'s>(&mut self, change: Change, targets: &mut Vec<Target>) -> Result<Step<'s>, Failure> {
        let (key, bytes, create) = match change {
            Change::Put(key, bytes) => (key, bytes, false),
            Change::Create(key, bytes) => (key, bytes, true),
            Change::Remove(key) => {
                self.marks.place(Some(key.clone()));
                self.marks.place(key.parent());
                return Ok(Step::Remove { key });
            }
            Change::RemoveTree(key) => {
                self.marks.tree(key.clone());
                self.marks.place(key.parent());
                return Ok(Step::RemoveTree { key });
            }
            Change::Quarantine(key) => {
                self.marks.tree(key.clone());
                self.marks.place(key.parent());
                return Ok(Step::Quarantine { key });
            }
            Change::MakeDirectory(key) => {
                // Now, like the directories of objects, so that it is synced
                // with them; the step itself finds it there.
                self.directory(&Some(key.clone()))?;
                return Ok(Step::MakeDirectory { key });
            }
        };
        let stage = self.inner.stage(Some(&key))?.clone();
        if !self.frees {
            stage.take(For::Commit, bytes.len() as u64)?;
        }
        self.announce(&key)?;
        let (file, temp) = stage.create()?;
        write_whole(&file, &bytes).map_err(|errno| failure(errno, "writing a temporary file"))?;
        let file = Arc::new(file);
        targets.push(Target::File(file.clone()));
        Ok(Step::Write { key, file, temp, create })
    }

    /// Something will be at `key`: makes its directory, and marks both.
    fn announce(&mut self, key: &Key) -> Result<(), Failure> {
        self.marks.place(Some(key.clone()));
        if !self.exists(key) {
            self.marks.place(key.parent());
        }
        self.directory(&key.parent()).map(drop)
    }
}

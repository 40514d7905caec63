//! What trees of repositories hold: never too little of what goes through this
//! host.
//!
//! A figure is what a count found, and everything that was let in since the
//! count began or was on its way then. What the count has met already is in it
//! twice until the next one; what was let in and not stored goes out again
//! when its request ends; what was deleted stays in until the next count.
//!
//! Nobody can rely on a figure and be late: an event that was judged by figures
//! which have grown since is not let in, and is judged anew.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    super::bindings::{fact_types::Usage, types::Failure},
    thing::{Addition, Thing, trees},
};

/// Trees of which figures are kept.
const TREES: usize = 4_096;

/// Things that were let in and that no count has met yet; about 20 MiB.
const THINGS: usize = 1 << 16;

/// How long a request may be gone that was in the middle of storing something:
/// the storage brings that to an end by itself.
const LINGER: Duration = Duration::from_secs(60);

/// A count takes no more than this part of the time.
const SHARE: u32 = 4;

/// A figure that is older than this many intervals is none.
const STALE: u32 = 4;

/// Figures, and what they rest on.
pub struct Ledger {
    /// How long a count is relied on.
    interval: Duration,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    /// Goes up with each thing that happens here.
    clock: u64,
    trees: HashMap<String, Tree>,
    things: HashMap<Thing, Entry>,
    lingering: Vec<(Instant, Vec<Thing>)>,
}

#[derive(Default)]
struct Tree {
    figure: Option<Figure>,
    /// Another one for each change of the figure that may matter to who was
    /// told of it.
    version: u64,
    /// The count that goes on.
    counting: Option<Counting>,
    asked: u64,
}

struct Figure {
    usage: Usage,
    /// The clock when its count began.
    since: u64,
    /// When that ended, and how long it took.
    counted: Instant,
    took: Duration,
}

struct Counting {
    since: u64,
    began: Instant,
    ended: Ended,
}

/// Something that was let in.
struct Entry {
    bytes: u64,
    /// Requests that it was let in for and that go on.
    open: u32,
    /// The clock when the last of them ended.
    ended: u64,
    /// It was not there before.
    new: bool,
    /// One of them may have stored it.
    stored: bool,
}

/// A figure that a policy was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relied {
    pub tree: String,
    version: u64,
}

/// What there is to know of a tree.
pub enum Known {
    /// This much.
    Figure {
        usage: Usage,
        relied: Relied,
        /// It is time to count anew.
        due: bool,
    },
    /// It has to be counted first.
    Nothing,
}

/// What becomes of the wish to count a tree.
pub enum Begin {
    /// A count that began late enough is done.
    Done,
    /// Whoever asks counts it now, and says so when it is done.
    Count(Count),
    /// Somebody does.
    Wait(Ended),
    /// It was counted a moment ago.
    Later(Duration),
}

/// Tells when a count is over, and why it failed if it did.
pub type Ended = watch::Receiver<Option<Failure>>;

/// A count that goes on; nobody else counts the tree until it ends.
pub struct Count {
    ledger: Arc<Ledger>,
    pub tree: String,
    ended: watch::Sender<Option<Failure>>,
    over: bool,
}

/// What was let in for a request that goes on.
pub struct Admitted {
    ledger: Arc<Ledger>,
    things: Vec<Thing>,
    stored: bool,
    storing: bool,
}

impl Ledger {
    /// An empty one, whose counts are relied on for so long.
    pub fn new(interval: Duration) -> Self {
        Self { interval, books: Mutex::default() }
    }

    /// The clock.
    pub fn now(&self) -> u64 {
        self.books().tick()
    }

    /// What is known of a tree.
    pub fn ask(&self, tree: &str) -> Known {
        let mut books = self.books();
        let asked = books.tick();
        let Some(known) = books.trees.get_mut(tree) else { return Known::Nothing };
        known.asked = asked;
        let Some(figure) = &known.figure else { return Known::Nothing };
        let lasts = self.interval.max(figure.took.saturating_mul(SHARE));
        let age = figure.counted.elapsed();
        if age >= lasts.saturating_mul(STALE) {
            return Known::Nothing;
        }
        let relied = Relied { tree: tree.to_owned(), version: known.version };
        Known::Figure { usage: figure.usage, relied, due: age >= lasts && known.counting.is_none() }
    }

    /// Has a tree counted, if no count of it began after that time.
    pub fn begin(self: &Arc<Self>, tree: &str, after: u64) -> Begin {
        let mut books = self.books();
        let since = books.tick();
        if !books.trees.contains_key(tree) {
            books.make_room();
        }
        let known = books.trees.entry(tree.to_owned()).or_default();
        known.asked = since;
        if let Some(counting) = &known.counting {
            return Begin::Wait(counting.ended.clone());
        }
        if let Some(figure) = &known.figure {
            let age = figure.counted.elapsed();
            let lasts = self.interval.max(figure.took.saturating_mul(SHARE)).saturating_mul(STALE);
            if figure.since > after && age < lasts {
                return Begin::Done;
            }
            let pause = figure.took.saturating_mul(SHARE).saturating_sub(age);
            if !pause.is_zero() {
                return Begin::Later(pause);
            }
        }
        let (sender, ended) = watch::channel(None);
        known.counting = Some(Counting { since, began: Instant::now(), ended });
        Begin::Count(Count { ledger: Arc::clone(self), tree: tree.to_owned(), ended: sender, over: false })
    }

    /// Lets an event in that adds this much, unless one of the figures that it
    /// was judged by has grown since.
    pub fn admit(self: &Arc<Self>, repository: &str, additions: &[Addition], relied: &[Relied]) -> Option<Admitted> {
        let mut books = self.books();
        let adds = |books: &Books, tree: &str| -> Vec<&Addition> {
            let since = books.trees.get(tree).and_then(|tree| Some(tree.figure.as_ref()?.since));
            let has = |addition: &&Addition| addition.new && !books.holds(since, repository, addition);
            additions.iter().filter(has).collect()
        };
        for Relied { tree, version } in relied {
            let same = books.trees.get(tree).is_some_and(|known| known.figure.is_some() && known.version == *version);
            if !same && !adds(&books, tree).is_empty() {
                return None;
            }
        }
        for tree in trees(repository) {
            let more = adds(&books, tree);
            if let Some(known) = books.trees.get_mut(tree).filter(|_| !more.is_empty()) {
                known.version += 1;
                if let Some(figure) = &mut known.figure {
                    figure.usage = more.iter().fold(figure.usage, |sum, addition| sum.plus(&addition.usage()));
                }
            }
        }
        if books.things.len() >= THINGS {
            books.forget();
        }
        let things: Vec<_> = additions.iter().map(|addition| addition.thing(repository)).collect();
        for (thing, addition) in things.iter().zip(additions) {
            let fresh = Entry { bytes: addition.bytes, open: 0, ended: 0, new: true, stored: false };
            let entry = books.things.entry(thing.clone()).or_insert(fresh);
            if entry.open == 0 {
                (entry.new, entry.stored) = (true, false);
            }
            entry.new &= addition.new;
            entry.open += 1;
        }
        Some(Admitted { ledger: Arc::clone(self), things, stored: false, storing: false })
    }

    /// Whether something is on its way already, for another request or an
    /// earlier event of the same.
    pub fn is_open(&self, repository: &str, addition: &Addition) -> bool {
        self.books().is_open(repository, addition)
    }

    /// Whether any figure is kept of a tree that a repository is in.
    pub fn keeps(&self, repository: &str) -> bool {
        let books = self.books();
        trees(repository).any(|tree| books.trees.contains_key(tree))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        if !books.lingering.is_empty() {
            let now = Instant::now();
            let lingering = std::mem::take(&mut books.lingering);
            let (over, rest) = lingering.into_iter().partition(|(until, _)| *until <= now);
            books.lingering = rest;
            for (_, things) in over {
                books.close(&things, true);
            }
        }
        books
    }
}

impl Books {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn is_open(&self, repository: &str, addition: &Addition) -> bool {
        self.things.get(&addition.thing(repository)).is_some_and(|entry| entry.open > 0)
    }

    /// Whether a figure whose count began then has this already, as something
    /// that was let in.
    fn holds(&self, since: Option<u64>, repository: &str, addition: &Addition) -> bool {
        let entry = self.things.get(&addition.thing(repository));
        entry.is_some_and(|entry| entry.open > 0 || since.is_some_and(|since| entry.ended > since))
    }

    /// A tree more.
    fn make_room(&mut self) {
        if self.trees.len() < TREES {
            return;
        }
        let idle = self.trees.iter().filter(|(_, tree)| tree.counting.is_none());
        let oldest = idle.min_by_key(|(_, tree)| tree.asked).map(|(name, _)| name.clone());
        if let Some(oldest) = oldest {
            self.trees.remove(&oldest);
        }
    }

    /// Gives up all figures, for there is too much that they rest on: they are
    /// counted anew when they are asked for.
    fn forget(&mut self) {
        for tree in self.trees.values_mut() {
            tree.figure = None;
        }
        self.prune();
    }

    /// Drops what every figure has from its count.
    fn prune(&mut self) {
        let trees = &self.trees;
        self.things.retain(|thing, entry| {
            let oldest = trees_of(trees, &thing.repository).filter_map(Tree::since).min();
            entry.open > 0 || oldest.is_some_and(|since| entry.ended > since)
        });
    }

    /// A request is over that things were let in for.
    fn close(&mut self, things: &[Thing], stored: bool) {
        let now = self.tick();
        for thing in things {
            let Some(entry) = self.things.get_mut(thing) else { continue };
            entry.open = entry.open.saturating_sub(1);
            entry.stored |= stored;
            if entry.open > 0 {
                continue;
            }
            entry.ended = now;
            let gone = entry.new && !entry.stored;
            let usage = thing.usage(entry.bytes);
            let mut needed = false;
            for tree in trees(&thing.repository) {
                let Some(tree) = self.trees.get_mut(tree) else { continue };
                needed = true;
                if let Some(figure) = tree.figure.as_mut().filter(|_| gone) {
                    figure.usage = figure.usage.minus(&usage);
                    // Somebody may have been told that this was on its way.
                    tree.version += 1;
                }
            }
            if gone || !needed {
                self.things.remove(thing);
            }
        }
    }

    /// A count is over.
    fn counted(&mut self, name: &str, counted: Result<Usage, Failure>) {
        let Some(tree) = self.trees.get_mut(name) else { return };
        let Some(Counting { since, began, .. }) = tree.counting.take() else { return };
        let Ok(mut usage) = counted else {
            if tree.figure.is_none() {
                self.trees.remove(name);
            }
            return;
        };
        for (thing, entry) in &self.things {
            if (entry.open > 0 || entry.ended > since) && thing.is_in(name) {
                usage = usage.plus(&thing.usage(entry.bytes));
            }
        }
        tree.version += 1;
        tree.figure = Some(Figure { usage, since, counted: Instant::now(), took: began.elapsed() });
        self.prune();
    }
}

impl Tree {
    /// Since when things count that were let in.
    fn since(&self) -> Option<u64> {
        let counting = self.counting.as_ref().map(|counting| counting.since);
        self.figure.as_ref().map(|figure| figure.since).or(counting)
    }
}

fn trees_of<'a>(known: &'a HashMap<String, Tree>, repository: &str) -> impl Iterator<Item = &'a Tree> {
    trees(repository).filter_map(|tree| known.get(tree))
}

impl Count {
    /// Tells when it is over.
    pub fn ended(&self) -> Ended {
        self.ended.subscribe()
    }

    /// This much is there, or why that did not come to light.
    pub fn end(mut self, counted: Result<Usage, Failure>) {
        self.over = true;
        let failed = counted.as_ref().err().cloned();
        self.ledger.books().counted(&self.tree, counted);
        self.ended.send_replace(failed);
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        if !self.over {
            self.ledger.books().counted(&self.tree, Err(Failure::Interrupted));
        }
    }
}

impl Admitted {
    /// The request stores something: from now on nobody knows whether this is
    /// there.
    pub const fn begin_to_store(&mut self) {
        self.storing = true;
    }

    /// That is over. Whether it may have changed anything.
    pub const fn end_to_store(&mut self, changed: bool) {
        self.storing = false;
        self.stored |= changed;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut books = self.ledger.books();
        if self.storing {
            let things = std::mem::take(&mut self.things);
            books.lingering.push((Instant::now() + LINGER, things));
        } else {
            books.close(&self.things, self.stored);
        }
    }
}

//! Remembered answers: why the sandbox can be free.
//!
//! A guest has no state, no clock and no randomness but what it imports, and
//! every import goes through the host. So the host can write down all that an
//! answer depended on ([`Trail`]): the questions that the guest asked about
//! the request with what it was told, and the places in the storage that it
//! looked at with what was seen there. While a request would be told the same,
//! and every look would see the same, the same answer is right, and is given
//! without entering the sandbox.
//!
//! What could not be written down is not remembered: a run that touched a
//! clock, random numbers, a stream or a file of WASI, read the body, wrote
//! anything, or met a failure other than "not found".
//!
//! *How an answer is found.* Guests ask in turn, and what they ask next
//! follows from what they were told. The memory keeps, under the hash of
//! questions and answers so far, either the next question or the answer at the
//! end. To find an answer is to walk along with the request at hand; at the end
//! all of it is compared, not hashes alone.
//!
//! *How it is known to be right still.* Where nobody else writes
//! ([`Trust::Generations`]) by the counters of the storage; else every place is
//! looked at again and must have the stamp that it had. A stamp counts only if
//! it was old enough when it was taken. Requests for one answer that wait at
//! the same time share the looks that begin after them.
//!
//! This room knows neither what the questions mean nor what an answer is.

mod crowd;
mod kept;
mod question;
mod shelf;
mod trail;

#[cfg(test)]
mod tests;

use std::{
    hash::RandomState,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use self::{
    kept::Kept,
    question::{Asked, Question},
    trail::{Before, Reason, Trail},
};
use self::{
    question::Transcript,
    shelf::{Shelf, Step},
    trail::Rules,
};
use crate::storage::{Key, Storage, Trust};

/// What may be remembered; `remember` in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Answers.
    pub entries: usize,
    /// Bytes of all of them, with what belongs to them.
    pub bytes: usize,
    /// Bytes of one answer, with what belongs to it.
    pub answer: usize,
    /// How long something must have been left alone before an answer that
    /// rests on it is kept, where others may write too.
    pub age: Duration,
}

/// What can be remembered.
pub trait Answer: Send + Sync {
    /// Bytes that it takes.
    fn weight(&self) -> usize;
    /// Whether it says no: anybody can ask for what is not there, so such
    /// answers have a small part of the memory for themselves.
    fn is_refusal(&self) -> bool;
}

/// One part in so many is for refusals.
const REFUSALS: usize = 8;

/// Answers, and what they depended on.
pub struct Memory<A> {
    rules: Arc<Rules>,
    storage: Arc<dyn Storage>,
    hashing: RandomState,
    /// Answers of an earlier one are not found any more.
    epoch: AtomicU64,
    most: usize,
    found: Shelf<A>,
    refused: Shelf<A>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
    not_kept: [AtomicU64; Reason::ALL.len()],
}

/// What was counted since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Answers that were given again.
    pub hits: u64,
    /// Requests that no answer was there for.
    pub misses: u64,
    /// Answers that were there and no longer right.
    pub stale: u64,
    /// Answers that are there now.
    pub entries: usize,
    /// Bytes of them.
    pub bytes: usize,
    /// Answers that were not kept, by why: in the order of [`Reason::ALL`].
    pub not_kept: [u64; Reason::ALL.len()],
}

impl<A: Answer> Memory<A> {
    /// An empty one; none where the storage gives nothing to rely on.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, options: &Options) -> Option<Self> {
        let trust = storage.trust();
        if trust == Trust::Nothing {
            return None;
        }
        let refusals = |all: usize| (all / REFUSALS).max(1);
        let rules = Rules { trust, age: options.age, generations: Arc::clone(storage.generations()) };
        let refused = (refusals(options.entries), refusals(options.bytes));
        let found = (options.entries.saturating_sub(refused.0).max(1), options.bytes.saturating_sub(refused.1));
        Some(Self {
            rules: Arc::new(rules),
            storage,
            hashing: RandomState::new(),
            epoch: AtomicU64::new(0),
            most: options.answer,
            found: Shelf::new(found.0, found.1, options.answer),
            refused: Shelf::new(refused.0, refused.1, options.answer),
            counters: Counters::default(),
        })
    }

    /// Begins the record of one run. Ask for it before the module is chosen
    /// that runs: whoever changes the module calls [`forget`](Self::forget)
    /// afterwards, so that no answer of the old one is kept after that.
    #[must_use]
    pub fn trail(&self) -> Trail {
        let epoch = self.epoch.load(Ordering::SeqCst);
        Trail::new(Arc::clone(&self.rules), Transcript::new(&self.hashing, epoch), epoch)
    }

    /// The answer that a request would be given, if it is there; whether it is
    /// still right is [`holds`](Self::holds)' to say.
    pub fn find(&self, request: &mut impl Asked) -> Option<Arc<Kept<A>>> {
        let mut transcript = Transcript::new(&self.hashing, self.epoch.load(Ordering::SeqCst));
        // A run asks no more questions than that, so no way is longer.
        for _ in 0..=trail::MOST {
            let hash = transcript.hash();
            let step = self.found.get(hash).or_else(|| self.refused.get(hash));
            match step {
                Some(Step::Ask(question)) => {
                    if !transcript.add(&question, request) {
                        break;
                    }
                }
                Some(Step::Answer(kept)) if kept.is_of(&transcript) => return Some(kept),
                _ => break,
            }
        }
        self.counters.misses.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Whether every look of the run would see now what it saw then; `but` is
    /// a place that the caller looks at itself.
    pub fn holds(&self, kept: &Kept<A>, but: Option<&Key>) -> bool {
        self.is_of_now(kept) && kept.holds(&self.rules, &*self.storage, but)
    }

    /// The same, where one look may do for several requests that wait for it.
    pub async fn holds_for_all(&self, kept: &Kept<A>) -> bool {
        if !self.is_of_now(kept) {
            return false;
        }
        match self.rules.trust {
            Trust::Stamps => kept.crowd.ask(|| kept.holds(&self.rules, &*self.storage, None)).await,
            Trust::Generations | Trust::Nothing => kept.holds(&self.rules, &*self.storage, None),
        }
    }

    /// Whether it was not forgotten: whoever has it may have it from before.
    fn is_of_now(&self, kept: &Kept<A>) -> bool {
        kept.epoch() == self.epoch.load(Ordering::SeqCst)
    }

    /// The answer was given again.
    pub fn hit(&self) {
        self.counters.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// The answer is not right any more.
    pub fn stale(&self, kept: &Kept<A>) {
        self.counters.stale.fetch_add(1, Ordering::Relaxed);
        let shelf = if kept.answer().is_refusal() { &self.refused } else { &self.found };
        shelf.remove(kept.hash());
    }

    /// Keeps the answer of a run, if its record allows it.
    pub fn keep(&self, trail: Trail, answer: A) {
        if let Err(reason) = self.try_keep(trail, answer) {
            self.count(reason);
        }
    }

    /// The run had no answer.
    pub fn no_answer(&self) {
        self.count(Reason::Failed);
    }

    fn try_keep(&self, trail: Trail, answer: A) -> Result<(), Reason> {
        let epoch = trail.epoch();
        let (steps, kept) = trail.end(answer)?;
        let weight = kept.weight();
        let is_refusal = kept.answer().is_refusal();
        let (shelf, other) = if is_refusal { (&self.refused, &self.found) } else { (&self.found, &self.refused) };
        if weight > self.most || weight > shelf.most() {
            return Err(Reason::Large);
        }
        if epoch != self.epoch.load(Ordering::SeqCst) {
            return Err(Reason::Changed);
        }
        for (hash, question) in steps {
            // What leads to answers of both kinds lies with the better ones.
            let asks = |shelf: &Shelf<A>| shelf.get(hash).is_some_and(|step| step.asks(&question));
            let there = asks(&self.found) || is_refusal && asks(&self.refused);
            if !there {
                other.remove(hash);
                shelf.put(hash, Step::Ask(question));
            }
        }
        other.remove(kept.hash());
        shelf.put(kept.hash(), Step::Answer(Arc::new(kept)));
        Ok(())
    }

    /// Forgets everything: the module, or what it is told of the
    /// configuration, is another from now on.
    pub fn forget(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.found.clear();
        self.refused.clear();
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let ((answers, bytes), (refusals, more)) = (self.found.size(), self.refused.size());
        Counts {
            hits: count(&self.counters.hits),
            misses: count(&self.counters.misses),
            stale: count(&self.counters.stale),
            entries: answers + refusals,
            bytes: bytes + more,
            not_kept: self.counters.not_kept.each_ref().map(count),
        }
    }

    fn count(&self, reason: Reason) {
        if let Some(counter) = self.counters.not_kept.get(reason as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

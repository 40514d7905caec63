//! What one run of a guest depended on, as it goes.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    Answer,
    kept::Kept,
    question::{Asked, Question, Transcript},
};
use crate::storage::{Cover, Generations, Key, Seen, Trust};

/// Questions, and places looked at, of one answer.
pub const MOST: usize = 64;

/// Bytes of what is asked and answered.
const TRANSCRIPT: usize = 64 << 10;

/// What decides whether a look can be remembered.
pub struct Rules {
    pub trust: Trust,
    pub age: Duration,
    pub generations: Arc<Generations>,
}

/// Why an answer is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The guest read a clock.
    Clock,
    /// The guest took random numbers.
    Random,
    /// The guest waited for something, or used a stream: its log is one.
    Stream,
    /// The guest touched WASI's filesystem.
    Files,
    /// The guest took the body.
    Body,
    /// The guest wrote to the storage, or used an upload.
    Wrote,
    /// A call of the guest failed, or the guest itself.
    Failed,
    /// What it saw was changed too short a time ago.
    Young,
    /// What it saw, or the module, was changed meanwhile.
    Changed,
    /// What it saw cannot be told from what may come.
    Unsure,
    /// It asked or looked at too much.
    Many,
    /// The answer is too large.
    Large,
    /// A policy gave an answer that holds for one request only.
    Policy,
}

impl Reason {
    /// Every one, in order.
    pub const ALL: [Self; 13] = [
        Self::Clock,
        Self::Random,
        Self::Stream,
        Self::Files,
        Self::Body,
        Self::Wrote,
        Self::Failed,
        Self::Young,
        Self::Changed,
        Self::Unsure,
        Self::Many,
        Self::Large,
        Self::Policy,
    ];

    /// Its name in the metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Stream => "stream",
            Self::Files => "files",
            Self::Body => "body",
            Self::Wrote => "wrote",
            Self::Failed => "failed",
            Self::Young => "young",
            Self::Changed => "changed",
            Self::Unsure => "unsure",
            Self::Many => "many",
            Self::Large => "large",
            Self::Policy => "policy",
        }
    }
}

/// Each question, and where it is found.
type Steps = Vec<(u64, Question)>;

/// The record of one run.
pub struct Trail {
    rules: Arc<Rules>,
    epoch: u64,
    transcript: Transcript,
    steps: Steps,
    looks: Vec<Look>,
    refused: Option<Reason>,
}

struct Look {
    place: Option<Key>,
    seen: Seen,
    cover: Cover,
    sample: u64,
}

/// What is to be known before a look.
pub struct Before {
    cover: Cover,
    sample: Option<u64>,
    now: SystemTime,
}

/// What a kept answer rests on.
pub struct Ground {
    pub looks: Box<[(Option<Key>, Seen)]>,
    pub cover: Cover,
    pub sample: u64,
}

impl Trail {
    pub(super) fn new(rules: Arc<Rules>, transcript: Transcript, epoch: u64) -> Self {
        Self { rules, epoch, transcript, steps: Vec::new(), looks: Vec::new(), refused: None }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whatever comes, the answer is not kept.
    pub fn refuse(&mut self, reason: Reason) {
        self.refused.get_or_insert(reason);
    }

    /// The guest asks something about the request.
    pub fn asked(&mut self, question: Question, request: &mut impl Asked) {
        if self.refused.is_some() || self.steps.iter().any(|(_, known)| *known == question) {
            return;
        }
        if self.steps.len() >= MOST {
            return self.refuse(Reason::Many);
        }
        let hash = self.transcript.hash();
        if !self.transcript.add(&question, request) {
            return self.refuse(Reason::Policy);
        }
        self.steps.push((hash, question));
        if self.transcript.bytes().len() > TRANSCRIPT {
            self.refuse(Reason::Large);
        }
    }

    /// To be called before the guest looks at a place in the storage; none
    /// when it does not matter any more.
    #[must_use]
    pub fn before(&self, place: Option<&Key>) -> Option<Before> {
        if self.refused.is_some() {
            return None;
        }
        let cover = self.rules.generations.cover(place);
        let sample = self.rules.generations.sample(&cover);
        Some(Before { cover, sample, now: SystemTime::now() })
    }

    /// The guest looked at a place, and this was seen.
    pub fn looked(&mut self, before: Option<Before>, place: Option<Key>, seen: Seen) {
        let Some(before) = before.filter(|_| self.refused.is_none()) else { return };
        let Some(sample) = before.sample else { return self.refuse(Reason::Changed) };
        if let Some(known) = self.looks.iter().find(|known| known.place == place) {
            if (known.seen, known.sample) != (seen, sample) {
                self.refuse(Reason::Changed);
            }
            return;
        }
        if self.looks.len() >= MOST {
            return self.refuse(Reason::Many);
        }
        if self.rules.trust != Trust::Generations {
            match seen {
                Seen::Unknown => return self.refuse(Reason::Unsure),
                Seen::State(stamp) if !stamp.settled(before.now, self.rules.age) => return self.refuse(Reason::Young),
                Seen::State(_) | Seen::Nothing => {}
            }
        }
        self.looks.push(Look { place, seen, cover: before.cover, sample });
    }

    /// The answer with all that it rests on, and the way to it.
    pub(super) fn end<A: Answer>(self, answer: A) -> Result<(Steps, Kept<A>), Reason> {
        let ground = self.ground()?;
        Ok((self.steps, Kept::new(self.epoch, &self.transcript, ground, answer)))
    }

    fn ground(&self) -> Result<Ground, Reason> {
        if let Some(reason) = self.refused {
            return Err(reason);
        }
        let generations = &self.rules.generations;
        let cover = Cover::join(self.looks.iter().map(|look| &look.cover));
        let sample = generations.sample(&cover).ok_or(Reason::Changed)?;
        // Taken after it, and as they were before the looks: so nothing was
        // changed since, and that sample is of what was seen.
        if self.looks.iter().any(|look| generations.sample(&look.cover) != Some(look.sample)) {
            return Err(Reason::Changed);
        }
        let looks = self.looks.iter().map(|look| (look.place.clone(), look.seen)).collect();
        Ok(Ground { looks, cover, sample })
    }
}

//! An answer that is remembered, and what it rests on.

use super::{
    Answer,
    crowd::Crowd,
    question::Transcript,
    trail::{Ground, Rules},
};
use crate::storage::{Key, Seen, Storage, Trust};

/// An answer, and all that it depended on.
pub struct Kept<A> {
    epoch: u64,
    hash: u64,
    transcript: Box<[u8]>,
    of_request: bool,
    ground: Ground,
    answer: A,
    pub(super) crowd: Crowd,
}

/// Of an allocation, beside its bytes.
const ALLOCATION: usize = 16;

impl<A: Answer> Kept<A> {
    pub(super) fn new(epoch: u64, transcript: &Transcript, ground: Ground, answer: A) -> Self {
        Self {
            epoch,
            hash: transcript.hash(),
            transcript: transcript.bytes().into(),
            of_request: transcript.is_of_request(),
            ground,
            answer,
            crowd: Crowd::default(),
        }
    }

    /// Whether it is the answer to the same bytes of a request from anybody:
    /// the guest asked neither who sends them nor what policies say.
    pub fn is_of_request(&self) -> bool {
        self.of_request
    }

    /// The answer, as it was checked.
    pub fn answer(&self) -> &A {
        &self.answer
    }

    /// What was seen at a place, if it was looked at.
    pub fn seen(&self, place: &Key) -> Option<Seen> {
        let found = self.ground.looks.iter().find(|(looked, _)| looked.as_ref() == Some(place));
        found.map(|(_, seen)| *seen)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn is_of(&self, transcript: &Transcript) -> bool {
        *self.transcript == *transcript.bytes()
    }

    /// Bytes that it takes.
    pub(super) fn weight(&self) -> usize {
        let places = self.ground.looks.iter().map(|(place, _)| {
            place.as_ref().map_or(0, |key| key.as_str().len() + ALLOCATION) + size_of::<(Option<Key>, Seen)>()
        });
        size_of::<Self>()
            + self.answer.weight()
            + self.transcript.len()
            + places.sum::<usize>()
            + self.ground.cover.len() * size_of::<u32>()
            + 4 * ALLOCATION
    }

    pub(super) fn holds(&self, rules: &Rules, storage: &dyn Storage, but: Option<&Key>) -> bool {
        let unchanged = |looks: &[(Option<Key>, Seen)]| {
            let mut checked = looks.iter().filter(|(place, _)| but.is_none() || place.as_ref() != but);
            checked.all(|(place, seen)| *seen != Seen::Unknown && storage.glance(place.as_ref()) == *seen)
        };
        match rules.trust {
            Trust::Generations => rules.generations.sample(&self.ground.cover) == Some(self.ground.sample),
            // Looked at first: what is visible and not yet on the disk is
            // under way still when the counters are asked.
            Trust::Stamps => unchanged(&self.ground.looks) && rules.generations.sample(&self.ground.cover).is_some(),
            Trust::Nothing => false,
        }
    }
}

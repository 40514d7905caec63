//! Where answers lie, and the questions that lead to them: bounded, in parts
//! with a lock each.
//!
//! What is full makes room by a clock hand: it passes over what was used since
//! it came by last, and takes the rest. What was put there and never asked for
//! goes first, so a stranger who asks a thousand things once drives out little.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Answer, kept::Kept, question::Question};

/// Parts, where they are large enough for the largest answer.
const SHARDS: usize = 8;

/// The hand passes over so many at a time, and then takes what it points at.
const CHANCES: usize = 32;

/// Bytes of one thing on the shelf beside its own.
const PLACE: usize = 96;

/// What is found under a hash.
pub enum Step<A> {
    /// The guest asked this next.
    Ask(Question),
    /// This was the answer.
    Answer(Arc<Kept<A>>),
}

impl<A> Clone for Step<A> {
    fn clone(&self) -> Self {
        match self {
            Self::Ask(question) => Self::Ask(question.clone()),
            Self::Answer(kept) => Self::Answer(Arc::clone(kept)),
        }
    }
}

impl<A: Answer> Step<A> {
    /// Whether it is this question.
    pub fn asks(&self, question: &Question) -> bool {
        matches!(self, Self::Ask(known) if known == question)
    }

    fn weight(&self) -> usize {
        PLACE
            + match self {
                Self::Ask(Question::Query(name)) => name.len(),
                Self::Ask(Question::Header(name)) => name.as_str().len(),
                Self::Ask(Question::Policies(asked)) => asked.len(),
                Self::Ask(_) => 0,
                Self::Answer(kept) => kept.weight(),
            }
    }

    const fn is_answer(&self) -> bool {
        matches!(self, Self::Answer(_))
    }
}

/// A bounded number of them.
pub struct Shelf<A> {
    shards: Box<[Mutex<Shard<A>>]>,
    entries: usize,
    bytes: usize,
}

struct Shard<A> {
    places: HashMap<u64, usize>,
    slots: Vec<Option<Slot<A>>>,
    free: Vec<usize>,
    hand: usize,
    answers: usize,
    bytes: usize,
}

struct Slot<A> {
    hash: u64,
    step: Step<A>,
    weight: usize,
    used: bool,
}

impl<A: Answer> Shelf<A> {
    /// Room for so many answers of so many bytes in all, of which one may have
    /// `largest`.
    pub fn new(entries: usize, bytes: usize, largest: usize) -> Self {
        let shards = (bytes / largest.saturating_mul(2).max(1)).min(entries).clamp(1, SHARDS);
        Self {
            shards: (0..shards).map(|_| Mutex::new(Shard::default())).collect(),
            entries: (entries / shards).max(1),
            bytes: bytes / shards,
        }
    }

    /// Bytes of the largest answer that fits.
    pub fn most(&self) -> usize {
        self.bytes.saturating_sub(PLACE)
    }

    /// What is under a hash; it counts as used.
    pub fn get(&self, hash: u64) -> Option<Step<A>> {
        let mut shard = self.shard(hash)?;
        let at = *shard.places.get(&hash)?;
        let slot = shard.slots.get_mut(at)?.as_mut()?;
        slot.used = true;
        Some(slot.step.clone())
    }

    /// Puts something there, in the place of what was there before.
    pub fn put(&self, hash: u64, step: Step<A>) {
        let weight = step.weight();
        if let Some(mut shard) = self.shard(hash).filter(|_| weight <= self.bytes) {
            shard.remove(hash);
            shard.put(Slot { hash, step, weight, used: false }, self.entries, self.bytes);
        }
    }

    /// Takes it away.
    pub fn remove(&self, hash: u64) {
        if let Some(mut shard) = self.shard(hash) {
            shard.remove(hash);
        }
    }

    /// Takes all away.
    pub fn clear(&self) {
        for shard in &self.shards {
            // What was there is dropped when the lock is free again.
            let _gone = std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Answers, and bytes.
    pub fn size(&self) -> (usize, usize) {
        let each = self.shards.iter().map(|shard| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            (shard.answers, shard.bytes)
        });
        each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    fn shard(&self, hash: u64) -> Option<MutexGuard<'_, Shard<A>>> {
        // The map within takes other bits.
        let at = usize::try_from(hash >> 48).unwrap_or(0) % self.shards.len().max(1);
        Some(self.shards.get(at)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<A> Default for Shard<A> {
    fn default() -> Self {
        Self { places: HashMap::new(), slots: Vec::new(), free: Vec::new(), hand: 0, answers: 0, bytes: 0 }
    }
}

impl<A: Answer> Shard<A> {
    fn put(&mut self, slot: Slot<A>, entries: usize, bytes: usize) {
        while self.bytes + slot.weight > bytes || (slot.step.is_answer() && self.answers >= entries) {
            if !self.evict(slot.step.is_answer() && self.answers >= entries) {
                break;
            }
        }
        self.bytes += slot.weight;
        self.answers += usize::from(slot.step.is_answer());
        let (hash, at) = (slot.hash, self.free.pop().unwrap_or(self.slots.len()));
        match self.slots.get_mut(at) {
            Some(free) => *free = Some(slot),
            None => self.slots.push(Some(slot)),
        }
        self.places.insert(hash, at);
    }

    fn remove(&mut self, hash: u64) {
        let Some(at) = self.places.remove(&hash) else { return };
        self.vacate(at);
    }

    fn vacate(&mut self, at: usize) -> Option<u64> {
        let slot = self.slots.get_mut(at)?.take()?;
        self.bytes -= slot.weight;
        self.answers -= usize::from(slot.step.is_answer());
        self.free.push(at);
        Some(slot.hash)
    }

    /// Makes room by one, or says that there is nothing left to take.
    fn evict(&mut self, answers_only: bool) -> bool {
        if self.places.is_empty() || answers_only && self.answers == 0 {
            return false;
        }
        let mut chances = CHANCES;
        loop {
            self.hand = if self.hand + 1 < self.slots.len() { self.hand + 1 } else { 0 };
            let Some(Some(slot)) = self.slots.get_mut(self.hand) else { continue };
            if answers_only && !slot.step.is_answer() {
                continue;
            }
            if slot.used && chances > 0 {
                slot.used = false;
                chances -= 1;
                continue;
            }
            if let Some(hash) = self.vacate(self.hand) {
                self.places.remove(&hash);
                return true;
            }
        }
    }
}

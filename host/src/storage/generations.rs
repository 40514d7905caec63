//! Counters that tell whether what was read may have changed since.
//!
//! There are a fixed few of them, however many keys there are: a key's counter
//! is found by its hash, so two keys may share one, and then a change of one
//! seems to be a change of the other. That costs a look, and is never wrong.
//!
//! Whoever changes something says so before the first bit of it can be seen,
//! and ends it when the last bit is on the disk ([`Changing`]). In between the
//! key is neither what it was nor anything else.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::Key;

/// Counters, 8 bytes each.
const SLOTS: usize = 1 << 15;
/// The lower bits of a counter: changes that are under way.
const UNDER_WAY: u64 = (1 << 24) - 1;
/// One change that has ended.
const ENDED: u64 = 1 << 24;

/// Counters of changes, by key.
pub struct Generations {
    counters: Box<[AtomicU64]>,
    /// Secret: clients choose parts of keys.
    hashing: RandomState,
}

/// Which counters some places depend on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cover(Vec<u32>);

impl Default for Generations {
    fn default() -> Self {
        Self { counters: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(), hashing: RandomState::new() }
    }
}

impl Generations {
    /// The counters that tell of every change of what is at `place` (none: the
    /// root): its own, and those of all trees that it lies in.
    #[must_use]
    pub fn cover(&self, place: Option<&Key>) -> Cover {
        let mut hasher = self.hashing.build_hasher();
        let mut slots = Vec::with_capacity(12);
        let text = place.map_or("", Key::as_str);
        let mut from = 0;
        for (at, _) in text.match_indices('/') {
            hasher.write(text.as_bytes().get(from..at).unwrap_or_default());
            slots.push(tree_slot(hasher.finish()));
            from = at;
        }
        hasher.write(text.as_bytes().get(from..).unwrap_or_default());
        slots.push(own_slot(hasher.finish()));
        Cover(slots)
    }

    /// The state of the counters: equal numbers at two times mean that nothing
    /// they cover was changed between. None while something is being changed.
    #[must_use]
    pub fn sample(&self, cover: &Cover) -> Option<u64> {
        let mut sum = 0_u64;
        for slot in &cover.0 {
            let counter = self.counter(*slot)?.load(Ordering::SeqCst);
            if counter & UNDER_WAY != 0 {
                return None;
            }
            // They only grow: equal sums are equal parts.
            sum = sum.wrapping_add(counter);
        }
        Some(sum)
    }

    /// Begins a change of nothing yet.
    #[must_use]
    pub fn changing(self: &Arc<Self>) -> Changing {
        Changing { generations: Arc::clone(self), slots: Vec::new() }
    }

    fn counter(&self, slot: u32) -> Option<&AtomicU64> {
        self.counters.get(usize::try_from(slot).ok()?)
    }

    fn hash(&self, place: Option<&Key>) -> u64 {
        let mut hasher = self.hashing.build_hasher();
        hasher.write(place.map_or("", Key::as_str).as_bytes());
        hasher.finish()
    }
}

impl Cover {
    /// The counters of all of them, each once.
    #[must_use]
    pub fn join<'a>(covers: impl Iterator<Item = &'a Self>) -> Self {
        let mut slots: Vec<u32> = covers.flat_map(|cover| cover.0.iter().copied()).collect();
        slots.sort_unstable();
        slots.dedup();
        slots.shrink_to_fit();
        Self(slots)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it covers nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "these bits are meant")]
const fn own_slot(hash: u64) -> u32 {
    hash as u32 % SLOTS as u32
}

#[expect(clippy::cast_possible_truncation, reason = "these bits are meant")]
const fn tree_slot(hash: u64) -> u32 {
    (hash >> 32) as u32 % SLOTS as u32
}

/// A change that is under way until this is dropped. It belongs to the job
/// that makes the change, not to the request that waits for it: a client that
/// goes away drops the one and not the other.
pub struct Changing {
    generations: Arc<Generations>,
    slots: Vec<u32>,
}

impl Changing {
    /// What is at `place` is about to change: an object's bytes, a directory's
    /// set of names.
    pub fn place(&mut self, place: Option<&Key>) {
        let slot = own_slot(self.generations.hash(place));
        self.begin(slot);
    }

    /// All at and below `key` is about to go.
    pub fn tree(&mut self, key: &Key) {
        let hash = self.generations.hash(Some(key));
        self.begin(own_slot(hash));
        self.begin(tree_slot(hash));
    }

    fn begin(&mut self, slot: u32) {
        if let Some(counter) = self.generations.counter(slot) {
            counter.fetch_add(1, Ordering::SeqCst);
            self.slots.push(slot);
        }
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        for slot in self.slots.drain(..) {
            if let Some(counter) = self.generations.counter(slot) {
                counter.fetch_add(ENDED - 1, Ordering::SeqCst);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    /// Whether a change of `what` is seen by who depends on `place`, while it
    /// is under way and afterwards.
    fn seen(place: Option<&str>, what: impl Fn(&mut Changing)) -> bool {
        let generations = Arc::new(Generations::default());
        let cover = generations.cover(place.map(key).as_ref());
        let before = generations.sample(&cover);
        assert!(before.is_some());
        let mut changing = generations.changing();
        what(&mut changing);
        let during = generations.sample(&cover);
        drop(changing);
        let after = generations.sample(&cover);
        assert!(after.is_some());
        assert_eq!(during.is_none(), before != after);
        before != after
    }

    #[test]
    fn changes_are_seen_where_they_matter() {
        // By chance, one in some thousands of these shares a counter.
        let (one, other) = (key("a/b/c"), key("a/b/d"));
        let tries = |place: Option<&str>, what: &dyn Fn(&mut Changing)| (0..3).filter(|_| seen(place, what)).count();
        assert_eq!(tries(Some("a/b/c"), &|change| change.place(Some(&one))), 3);
        assert_eq!(tries(Some("a/b/c"), &|change| change.tree(&one)), 3);
        for above in ["a/b", "a"] {
            assert_eq!(tries(Some("a/b/c"), &|change| change.tree(&key(above))), 3);
            assert_eq!(tries(Some(above), &|change| change.tree(&key(above))), 3);
            // A new name in a directory changes nothing below it.
            assert!(tries(Some("a/b/c"), &|change| change.place(Some(&key(above)))) < 3);
        }
        assert_eq!(tries(None, &|change| change.place(None)), 3);
        assert!(tries(Some("a/b/c"), &|change| change.place(Some(&other))) < 3);
        assert!(tries(Some("a/b"), &|change| change.place(Some(&one))) < 3);
    }

    #[test]
    fn two_changes_at_once_end_when_both_have() {
        let generations = Arc::new(Generations::default());
        let cover = Cover::join([generations.cover(Some(&key("a"))), generations.cover(Some(&key("b")))].iter());
        assert_eq!(cover.len(), 2);
        let before = generations.sample(&cover);
        let (mut one, mut two) = (generations.changing(), generations.changing());
        one.place(Some(&key("a")));
        two.place(Some(&key("a")));
        drop(one);
        assert_eq!(generations.sample(&cover), None);
        drop(two);
        assert!(generations.sample(&cover).is_some_and(|after| Some(after) != before));
    }
}

//! What policies decided, kept for as long as they gave for it and while the
//! files that they read are as they were.
//!
//! Only what let somebody in is kept: who a client is, and what it may do. It
//! is found by a keyed hash of all that the client showed and of the question,
//! so that nothing here tells a credential, and no client meets what was
//! decided about another.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hmac::Mac;

use super::{
    super::{bindings::identity::Principal, moment::Moment},
    client::{Fingerprint, keyed},
    rights::Rights,
};
use crate::storage::Seen;

/// Decisions that are kept, about half of them for longer than it takes to
/// make as many new ones.
const MOST: usize = 32_768;

/// Files that a kept decision may rest on.
const FILES: usize = 32;

/// What a decision rests on beside what the client showed.
#[derive(Clone)]
pub struct Ground {
    /// Nothing where it holds for one request only.
    until: Option<Moment>,
    files: Vec<(Arc<Rights>, Arc<str>, Seen)>,
}

impl Ground {
    /// Nothing yet: it holds until something that it rests on ends.
    pub const fn firm() -> Self {
        Self { until: Some(Moment::NEVER), files: Vec::new() }
    }

    /// For one request only.
    pub const fn none() -> Self {
        Self { until: None, files: Vec::new() }
    }

    /// Of one answer of a policy, which was asked at `asked` and read `files`.
    pub fn of(asked: Moment, lifetime: Option<u64>, files: Vec<(Arc<Rights>, Arc<str>, Seen)>) -> Self {
        let until = lifetime.map(|millis| asked.after(Duration::from_millis(millis)));
        Self { until, files }.known()
    }

    /// What rests on both.
    pub fn and(mut self, other: &Self) -> Self {
        self.until = self.until.zip(other.until).map(|(a, b)| a.earlier(b));
        for file in &other.files {
            let known = self
                .files
                .iter()
                .any(|(rights, name, seen)| Arc::ptr_eq(rights, &file.0) && *name == file.1 && *seen == file.2);
            if !known {
                self.files.push(file.clone());
            }
        }
        self.known()
    }

    fn known(self) -> Self {
        let unsure = self.files.iter().any(|(_, _, seen)| *seen == Seen::Unknown) || self.files.len() > FILES;
        if unsure { Self::none() } else { self }
    }

    /// Whether it may be relied on beyond one request.
    pub fn lasts(&self) -> bool {
        self.until.is_some()
    }

    /// Whether it holds still.
    pub fn holds(&self, now: Moment) -> bool {
        self.until.is_some_and(|until| now.is_before(until))
            && self.files.iter().all(|(rights, name, seen)| rights.grant.glance(name) == *seen)
    }
}

/// Something that was decided.
pub struct Decided {
    /// Who the client is; nothing for nobody in particular.
    pub who: Option<Arc<Principal>>,
    /// Which of several things it may do; empty where all, or none were asked.
    pub may: Box<[bool]>,
    pub ground: Ground,
}

/// All that is kept, in two halves: when the newer one is full, the older one
/// goes. What is used moves to the newer one.
pub struct Decisions {
    secret: [u8; 32],
    halves: Mutex<Halves>,
    most: usize,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Default)]
struct Halves {
    newer: HashMap<Fingerprint, Arc<Decided>>,
    older: HashMap<Fingerprint, Arc<Decided>>,
}

impl Decisions {
    /// None yet. The secret is that of the clients' fingerprints.
    pub fn new(secret: [u8; 32]) -> Self {
        let (hits, misses) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { secret, halves: Mutex::default(), most: MOST, hits, misses }
    }

    pub fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// What was decided on a question of a client, if it holds still.
    pub fn find(&self, client: &Fingerprint, question: &[u8]) -> Option<Arc<Decided>> {
        let place = self.place(client, question);
        let found = {
            let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
            match halves.newer.get(&place) {
                Some(decided) => Some(Arc::clone(decided)),
                None => {
                    halves.older.remove(&place).inspect(|decided| halves.put(place, Arc::clone(decided), self.most))
                }
            }
        };
        // Files are looked at without the lock.
        let held = found.filter(|decided| decided.ground.holds(Moment::now()));
        let counter = if held.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        held
    }

    /// Keeps what was decided, if it may be relied on.
    pub fn keep(&self, client: &Fingerprint, question: &[u8], decided: Decided) -> Arc<Decided> {
        let decided = Arc::new(decided);
        if decided.ground.lasts() {
            let place = self.place(client, question);
            let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
            halves.older.remove(&place);
            halves.put(place, Arc::clone(&decided), self.most);
        }
        decided
    }

    /// How often something was found, and how often not.
    pub fn counts(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }

    fn place(&self, client: &Fingerprint, question: &[u8]) -> Fingerprint {
        let mut mac = keyed(&self.secret);
        mac.update(client);
        mac.update(question);
        mac.finalize().into_bytes().into()
    }
}

impl Halves {
    fn put(&mut self, place: Fingerprint, decided: Arc<Decided>, most: usize) {
        if self.newer.len() >= most / 2 && !self.newer.contains_key(&place) {
            self.older = mem::take(&mut self.newer);
        }
        self.newer.insert(place, decided);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(until: Option<Moment>) -> Decided {
        Decided { who: None, may: Box::default(), ground: Ground { until, files: Vec::new() } }
    }

    const LONG: Option<Moment> = Some(Moment::NEVER);

    #[test]
    fn what_was_decided_is_found_by_its_own_client_and_question_alone() {
        let decisions = Decisions::new([7; 32]);
        decisions.keep(&[1; 32], b"a", decided(LONG));
        assert!(decisions.find(&[1; 32], b"a").is_some());
        assert!(decisions.find(&[2; 32], b"a").is_none());
        assert!(decisions.find(&[1; 32], b"b").is_none());
        assert_eq!(decisions.counts(), (1, 2));
    }

    #[test]
    fn it_ends_when_it_was_to_end() {
        let decisions = Decisions::new([7; 32]);
        decisions.keep(&[1; 32], b"request", decided(None));
        decisions.keep(&[1; 32], b"past", decided(Some(Moment::now())));
        decisions.keep(&[1; 32], b"soon", decided(Some(Moment::now().after(Duration::from_secs(60)))));
        assert!(decisions.find(&[1; 32], b"request").is_none());
        assert!(decisions.find(&[1; 32], b"past").is_none());
        assert!(decisions.find(&[1; 32], b"soon").is_some());
    }

    #[test]
    fn the_earliest_end_counts() {
        let time = |seconds| Moment::at(seconds, 1_000 + seconds);
        let at = |seconds| Ground { until: Some(time(seconds)), files: Vec::new() };
        let both = Ground::firm().and(&at(5)).and(&at(3)).and(&at(9));
        assert!(both.holds(time(2)) && !both.holds(time(3)));
        assert!(!at(5).and(&Ground::none()).lasts());
        let of = |lifetime| Ground::of(time(1), lifetime, Vec::new());
        let after = |millis| time(1).after(Duration::from_millis(millis));
        assert!(of(Some(500)).holds(after(499)) && !of(Some(500)).holds(after(500)));
        assert!(of(Some(u64::MAX)).lasts());
        assert!(!of(None).lasts());
    }

    #[test]
    fn there_is_an_end_to_them() {
        let mut decisions = Decisions::new([7; 32]);
        decisions.most = 8;
        for n in 0_u32..100 {
            decisions.keep(&[1; 32], &n.to_le_bytes(), decided(LONG));
            // What is used stays.
            assert!(decisions.find(&[1; 32], &0_u32.to_le_bytes()).is_some(), "{n}");
        }
        let halves = decisions.halves.lock().unwrap();
        assert!(halves.newer.len() + halves.older.len() <= 8);
    }
}

//! The room by itself, over a storage that does what it is told.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderName;

use super::*;
use crate::storage::{
    Algorithm, Change, Changing, Digest, Expectation, Failure, Generations, Listing, Looked, Metadata, Object, Seen,
    Stamp, Upload,
};

/// Places and what is seen there.
#[derive(Default)]
struct Fake {
    places: Mutex<HashMap<Key, Seen>>,
    generations: Arc<Generations>,
    exclusive: bool,
}

#[async_trait]
impl Storage for Fake {
    async fn look_read(&self, key: &Key, _: u64) -> Looked<Bytes> {
        (Err(Failure::NotFound), self.glance(Some(key)))
    }
    async fn look_stat(&self, key: &Key) -> Looked<Metadata> {
        (Err(Failure::NotFound), self.glance(Some(key)))
    }
    async fn look_page(&self, parent: Option<&Key>, _: Option<&str>, _: u32) -> Looked<Listing> {
        (Err(Failure::NotFound), self.glance(parent))
    }
    fn glance(&self, place: Option<&Key>) -> Seen {
        place.and_then(|key| self.places.lock().unwrap().get(key).copied()).unwrap_or(Seen::Nothing)
    }
    fn generations(&self) -> &Arc<Generations> {
        &self.generations
    }
    fn trust(&self) -> Trust {
        if self.exclusive { Trust::Generations } else { Trust::Stamps }
    }
    async fn commit(&self, _: Vec<Expectation>, _: Vec<Change>) -> Result<(), Failure> {
        Err(Failure::ReadOnly)
    }
    async fn digest(&self, _: &Key, _: Algorithm, _: &Arc<AtomicU64>) -> Result<Digest, Failure> {
        Err(Failure::NotFound)
    }

    async fn open(&self, _: &Key) -> Result<Box<dyn Object>, Failure> {
        Err(Failure::NotFound)
    }
    async fn create_upload(&self, _: Key, _: Vec<(Key, Bytes)>) -> Result<Box<dyn Upload>, Failure> {
        Err(Failure::ReadOnly)
    }
    async fn temporary_upload(&self) -> Result<Box<dyn Upload>, Failure> {
        Err(Failure::ReadOnly)
    }
    async fn resume_upload(&self, _: Key) -> Result<Box<dyn Upload>, Failure> {
        Err(Failure::ReadOnly)
    }
    async fn check(&self) -> Result<(), Failure> {
        Ok(())
    }
    async fn close(&self) {}
}

/// An answer: what it says, how heavy it is, whether it refuses.
#[derive(Debug, PartialEq)]
struct Said(String, usize, bool);

impl Answer for Said {
    fn weight(&self) -> usize {
        self.1
    }
    fn is_refusal(&self) -> bool {
        self.2
    }
}

/// A request: answers by the name of the question.
struct Told(Vec<(Question, Vec<&'static str>)>);

impl Asked for Told {
    fn answer(&mut self, question: &Question, part: &mut dyn FnMut(&[u8])) -> bool {
        let told = self.0.iter().filter(|(known, _)| known == question);
        told.flat_map(|(_, values)| values).for_each(|value| part(value.as_bytes()));
        // What policies say is to be had only where it was put.
        !matches!(question, Question::Policies(_)) || self.0.iter().any(|(known, _)| known == question)
    }
}

struct Room {
    storage: Arc<Fake>,
    memory: Memory<Said>,
}

const AGE: Duration = Duration::from_secs(2);

fn room(exclusive: bool) -> Room {
    room_of(exclusive, 1_000, 1 << 20, 64 << 10)
}

fn room_of(exclusive: bool, entries: usize, bytes: usize, answer: usize) -> Room {
    let storage = Arc::new(Fake { exclusive, ..Fake::default() });
    let options = Options { entries, bytes, answer, age: AGE };
    let memory = Memory::new(Arc::clone(&storage) as Arc<dyn Storage>, &options).unwrap();
    Room { storage, memory }
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn header(name: &'static str) -> Question {
    Question::Header(HeaderName::from_static(name))
}

/// A state that has settled, or was changed `age` seconds ago.
fn state(inode: u64, age: u64) -> Seen {
    let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() - age;
    let at = (i64::try_from(at).unwrap(), 0);
    Seen::State(Stamp { device: 1, inode, size: 71, modified: at, changed: at })
}

impl Room {
    fn set(&self, place: &str, seen: Seen) {
        self.storage.places.lock().unwrap().insert(key(place), seen);
    }

    fn change(&self, place: &str) -> Changing {
        let mut changing = self.storage.generations.changing();
        changing.place(Some(&key(place)));
        changing
    }

    fn look(&self, trail: &mut Trail, place: &str) {
        let place = key(place);
        let before = trail.before(Some(&place));
        trail.looked(before, Some(place.clone()), self.storage.glance(Some(&place)));
    }

    /// A run that asks for the path, looks at `places` and says `text`.
    fn run(&self, path: &'static str, places: &[&str], text: &str) {
        let mut trail = self.memory.trail();
        trail.asked(Question::Path, &mut told(path));
        places.iter().for_each(|place| self.look(&mut trail, place));
        self.memory.keep(trail, said(text));
    }

    fn recall(&self, path: &'static str) -> Option<String> {
        self.recall_for(&mut told(path))
    }

    /// The answer that is right still.
    fn recall_for(&self, told: &mut Told) -> Option<String> {
        let kept = self.memory.find(told)?;
        if !self.memory.holds(&kept, None) {
            self.memory.stale(&kept);
            return None;
        }
        self.memory.hit();
        Some(kept.answer().0.clone())
    }

    fn not_kept(&self, reason: Reason) -> u64 {
        self.memory.counts().not_kept[reason as usize]
    }
}

fn said(text: &str) -> Said {
    Said(text.to_owned(), 100, false)
}

fn told(path: &'static str) -> Told {
    Told(vec![(Question::Path, vec![path])])
}

#[test]
fn an_answer_holds_while_what_was_seen_is_there() {
    let room = room(false);
    room.set("a/b", state(1, 10));
    room.run("/x", &["a/b", "absent"], "one");
    assert_eq!(room.recall("/x").as_deref(), Some("one"));
    assert_eq!(room.recall("/y"), None);
    for (place, seen) in
        [("a/b", state(2, 10)), ("a/b", Seen::Nothing), ("a/b", Seen::Unknown), ("absent", state(3, 10))]
    {
        room.set("a/b", state(1, 10));
        room.set("absent", Seen::Nothing);
        room.run("/x", &["a/b", "absent"], "one");
        assert!(room.recall("/x").is_some());
        room.set(place, seen);
        assert_eq!(room.recall("/x"), None, "{place} {seen:?}");
        // It is gone, whatever comes.
        room.set("a/b", state(1, 10));
        room.set("absent", Seen::Nothing);
        assert_eq!(room.recall("/x"), None);
    }
    assert_eq!(room.memory.counts().stale, 4);
}

#[test]
fn a_young_stamp_is_not_relied_on() {
    let room = room(false);
    let future = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 100;
    let future = (i64::try_from(future).unwrap(), 0);
    let old = (1_000_000_000, 0);
    for (modified, changed) in [(future, future), (old, future), (future, old)] {
        room.set("a", Seen::State(Stamp { device: 1, inode: 1, size: 1, modified, changed }));
        room.run("/x", &["a"], "one");
        assert_eq!(room.recall("/x"), None);
    }
    room.set("a", state(1, 0));
    room.run("/x", &["a"], "one");
    assert_eq!((room.recall("/x"), room.not_kept(Reason::Young)), (None, 4));
    room.set("a", state(1, 3));
    room.run("/x", &["a"], "one");
    assert!(room.recall("/x").is_some());
    // What cannot be told is not relied on either.
    room.set("a", Seen::Unknown);
    room.run("/z", &["a"], "one");
    assert_eq!((room.recall("/z"), room.not_kept(Reason::Unsure)), (None, 1));
}

/// Does something at some moment, and perhaps leaves it under way.
type Moment = fn(&Room) -> Option<Changing>;

#[test]
fn a_write_that_races_the_insert_wins() {
    for exclusive in [false, true] {
        let room = room(exclusive);
        room.set("a", state(1, 10));
        // Before the look, and not over when it is kept; begun and over
        // between; begun after the look; over before it all.
        let cases: [(&str, Moment, Moment, bool); 5] = [
            ("around", |room| Some(room.change("a")), |_| None, false),
            (
                "between",
                |_| None,
                |room| {
                    drop(room.change("a"));
                    None
                },
                false,
            ),
            ("after", |_| None, |room| Some(room.change("a")), false),
            (
                "before",
                |room| {
                    drop(room.change("a"));
                    None
                },
                |_| None,
                true,
            ),
            ("of another", |room| Some(room.change("b")), |_| None, true),
        ];
        for (name, before, between, kept) in cases {
            room.memory.forget();
            let _first = before(&room);
            let mut trail = room.memory.trail();
            trail.asked(Question::Path, &mut told("/x"));
            room.look(&mut trail, "a");
            let _second = between(&room);
            room.memory.keep(trail, said("one"));
            assert_eq!(room.recall("/x").is_some(), kept, "{name}, exclusive: {exclusive}");
        }
    }
}

#[test]
fn writers_are_seen_by_generations() {
    for exclusive in [false, true] {
        let room = room(exclusive);
        room.set("a/b", state(1, 10));
        room.run("/x", &["a/b"], "one");
        let changing = room.change("a/b");
        // What may be visible and not yet durable is neither old nor new.
        assert_eq!(room.recall("/x"), None, "exclusive: {exclusive}");
        drop(changing);
        room.run("/x", &["a/b"], "one");
        assert!(room.recall("/x").is_some());
        let mut changing = room.storage.generations.changing();
        changing.tree(&key("a"));
        drop(changing);
        // Stamps tell that nothing was changed; generations alone cannot.
        assert_eq!(room.recall("/x").is_some(), !exclusive);
    }
}

#[test]
fn exclusive_asks_for_no_stamps() {
    let room = room(true);
    room.set("a", Seen::Unknown);
    room.run("/x", &["a"], "one");
    room.set("a", state(7, 0));
    assert!(room.recall("/x").is_some());
    drop(room.change("a"));
    assert_eq!(room.recall("/x"), None);
}

#[test]
fn what_was_told_is_the_key() {
    let room = room(false);
    let ask = |told: &mut Told, text: &str| {
        let mut trail = room.memory.trail();
        trail.asked(Question::Path, told);
        trail.asked(header("accept"), told);
        // Asked again, it is the same question.
        trail.asked(header("accept"), told);
        trail.asked(Question::Query("n".into()), told);
        room.memory.keep(trail, said(text));
    };
    let request = |accept: &[&'static str], n: &[&'static str]| {
        Told(vec![
            (Question::Path, vec!["/x"]),
            (header("accept"), accept.to_vec()),
            (Question::Query("n".into()), n.to_vec()),
            (header("user-agent"), vec!["whoever"]),
        ])
    };
    // Values that only look alike when they are put together.
    let requests: [(&[&str], &[&str]); 8] = [
        (&[], &[]),
        (&[""], &[]),
        (&["a", "b"], &[]),
        (&["ab"], &[]),
        (&["b", "a"], &[]),
        (&["a"], &["b"]),
        (&[], &["a", "b"]),
        (&["a, b"], &[]),
    ];
    for (index, (accept, n)) in requests.iter().enumerate() {
        assert_eq!(room.recall_for(&mut request(accept, n)), None);
        ask(&mut request(accept, n), &index.to_string());
    }
    for (index, (accept, n)) in requests.iter().enumerate() {
        assert_eq!(room.recall_for(&mut request(accept, n)), Some(index.to_string()));
    }
    assert_eq!(room.memory.counts().hits, 8);
}

#[test]
fn a_guest_that_asks_otherwise_than_before_is_found_again() {
    let room = room(false);
    let ask = |more: Option<Question>, text: &str, refusal: bool| {
        let mut trail = room.memory.trail();
        trail.asked(Question::Path, &mut told("/x"));
        if let Some(question) = more {
            trail.asked(question, &mut told("/x"));
        }
        room.memory.keep(trail, Said(text.to_owned(), 100, refusal));
    };
    // As a tag that is pushed, deleted, and pushed again.
    for (more, text, refusal) in [
        (None, "no", true),
        (Some(Question::Method), "yes", false),
        (None, "no", true),
        (Some(Question::Peer), "yes", false),
        (Some(Question::Method), "no", true),
    ] {
        ask(more, text, refusal);
        assert_eq!(room.recall("/x").as_deref(), Some(text));
    }
}

#[test]
fn what_cannot_be_told_again_is_not_kept() {
    let room = room(false);
    for reason in Reason::ALL {
        let mut trail = room.memory.trail();
        trail.asked(Question::Path, &mut told("/x"));
        trail.refuse(reason);
        // The first reason is the one that counts.
        trail.refuse(Reason::Clock);
        room.memory.keep(trail, said("one"));
        assert_eq!((room.recall("/x"), room.not_kept(reason)), (None, 1), "{reason:?}");
        assert!(Reason::ALL[reason as usize] == reason);
    }
}

#[test]
fn runs_and_answers_are_bounded() {
    let room = room(false);
    let places: Vec<String> = (0..65).map(|n| format!("a/{n}")).collect();
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    room.run("/64", &places[..64], "one");
    room.run("/65", &places, "one");
    assert_eq!((room.recall("/64").is_some(), room.recall("/65").is_some()), (true, false));
    let mut trail = room.memory.trail();
    (0..65).for_each(|n| trail.asked(Question::Query(n.to_string().into()), &mut told("/x")));
    room.memory.keep(trail, said("one"));
    assert_eq!(room.not_kept(Reason::Many), 2);
    for (weight, kept) in [(60 << 10, true), (65 << 10, false), (usize::MAX >> 8, false)] {
        room.memory.forget();
        let mut trail = room.memory.trail();
        trail.asked(Question::Path, &mut told("/large"));
        room.memory.keep(trail, Said("large".to_owned(), weight, false));
        assert_eq!(room.recall("/large").is_some(), kept, "{weight}");
    }
}

#[test]
fn it_is_full_and_what_is_used_stays() {
    let room = room_of(false, 64, 1 << 20, 1 << 10);
    let paths: Vec<&'static str> = (0..2_000).map(|n| &*format!("/{n}").leak()).collect();
    room.run("/hot", &[], "hot");
    for path in &paths {
        assert!(room.recall("/hot").is_some(), "{path}");
        room.run(path, &[], "once");
        let counts = room.memory.counts();
        assert!(counts.entries <= 64 && counts.bytes <= 1 << 20, "{counts:?}");
    }
    // Names that anybody may make up drive out nothing but each other.
    let entries = room.memory.counts().entries;
    let cold = paths.iter().filter(|path| room.recall(path).is_some()).count();
    assert!(cold >= 40, "{cold} of {entries}");
    for path in &paths {
        let mut trail = room.memory.trail();
        trail.asked(Question::Path, &mut Told(vec![(Question::Path, vec![path, "no"])]));
        room.memory.keep(trail, Said("no".to_owned(), 100, true));
    }
    assert_eq!(paths.iter().filter(|path| room.recall(path).is_some()).count(), cold);
    // By bytes.
    let room = room_of(false, 1 << 20, 64 << 10, 1 << 10);
    for path in &paths {
        room.run(path, &[], "once");
        assert!(room.memory.counts().bytes <= 64 << 10);
    }
    assert!((20..200).contains(&room.memory.counts().entries), "{:?}", room.memory.counts());
}

#[test]
fn what_is_forgotten_is_gone_and_does_not_come_back() {
    let room = room(false);
    room.run("/x", &[], "old");
    let mut under_way = room.memory.trail();
    under_way.asked(Question::Path, &mut told("/y"));
    room.memory.forget();
    room.memory.keep(under_way, said("old"));
    assert_eq!((room.recall("/x"), room.recall("/y")), (None, None));
    assert_eq!((room.memory.counts().entries, room.not_kept(Reason::Changed)), (0, 1));
    room.run("/x", &[], "new");
    assert_eq!(room.recall("/x").as_deref(), Some("new"));
}

#[test]
fn a_place_that_changed_between_two_looks_of_a_run_is_not_relied_on() {
    let room = room(false);
    let mut trail = room.memory.trail();
    room.set("a", state(1, 10));
    room.look(&mut trail, "a");
    room.look(&mut trail, "a");
    room.set("a", state(2, 10));
    room.look(&mut trail, "a");
    room.memory.keep(trail, said("one"));
    assert_eq!(room.not_kept(Reason::Changed), 1);
}

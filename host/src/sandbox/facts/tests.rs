//! The ledger, without a module behind it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    super::bindings::{fact_types::Usage, types::Failure},
    ledger::{Admitted, Begin, Count, Known, Ledger, Relied},
    thing::{Addition, Kind, is_within, trees},
};

const LONG: Duration = Duration::from_secs(3600);
const TREES: [&str; 4] = ["", "a", "a/b", "c"];
const REPOSITORIES: [&str; 3] = ["a", "a/b", "c"];

fn ledger() -> Arc<Ledger> {
    Arc::new(Ledger::new(LONG))
}

fn blob(name: &str, bytes: u64, new: bool) -> Vec<Addition> {
    vec![Addition { kind: Kind::Blob(name.to_owned()), bytes, new }]
}

fn of_bytes(bytes: u64, blobs: u64) -> Usage {
    Usage { bytes, blobs, ..Usage::default() }
}

fn begin(ledger: &Arc<Ledger>, tree: &str) -> Count {
    // A small tree may be counted again at once, almost.
    for _ in 0..1_000 {
        match ledger.begin(tree, ledger.now()) {
            Begin::Count(count) => return count,
            Begin::Later(pause) => std::thread::sleep(pause),
            Begin::Done | Begin::Wait(_) => panic!("somebody counts {tree}"),
        }
    }
    panic!("{tree} is never to be counted")
}

#[track_caller]
fn known(ledger: &Ledger, tree: &str) -> (Usage, Relied) {
    match ledger.ask(tree) {
        Known::Figure { usage, relied, .. } => (usage, relied),
        Known::Nothing => panic!("{tree} was not counted"),
    }
}

#[test]
fn what_is_let_in_counts_at_once_and_once() {
    let ledger = ledger();
    assert!(matches!(ledger.ask("a"), Known::Nothing));
    begin(&ledger, "a").end(Ok(of_bytes(100, 1)));
    begin(&ledger, "").end(Ok(of_bytes(500, 5)));
    let (usage, relied) = known(&ledger, "a");
    assert_eq!(usage, of_bytes(100, 1));
    let mut first = ledger.admit("a/b", &blob("x", 10, true), std::slice::from_ref(&relied)).unwrap();
    assert_eq!((known(&ledger, "a").0, known(&ledger, "").0), (of_bytes(110, 2), of_bytes(510, 6)));
    // Who was told of less is too late, unless nothing is added.
    assert!(ledger.admit("a", &blob("y", 10, true), std::slice::from_ref(&relied)).is_none());
    assert!(ledger.admit("a", &blob("y", 10, false), std::slice::from_ref(&relied)).is_some());
    let again = ledger.admit("a/b", &blob("x", 10, true), std::slice::from_ref(&relied)).unwrap();
    assert_eq!(known(&ledger, "a").0, of_bytes(110, 2), "the same blob on its way twice is one");
    assert!(ledger.is_open("a/b", &blob("x", 10, true)[0]) && !ledger.is_open("a", &blob("x", 10, true)[0]));
    drop(again);
    first.begin_to_store();
    first.end_to_store(true);
    drop(first);
    assert_eq!(known(&ledger, "a").0, of_bytes(110, 2));
    assert!(ledger.admit("c", &blob("z", 10, true), &[]).is_some());
    assert_eq!((known(&ledger, "a").0, known(&ledger, "").0), (of_bytes(110, 2), of_bytes(510, 6)));
}

#[test]
fn what_is_not_stored_goes_out_again() {
    let ledger = ledger();
    begin(&ledger, "a").end(Ok(Usage::default()));
    let (_, relied) = known(&ledger, "a");
    let refused = ledger.admit("a", &blob("x", 10, true), &[]).unwrap();
    let (told, late) = known(&ledger, "a");
    assert_eq!(told, of_bytes(10, 1));
    let mut conflict = ledger.admit("a", &blob("y", 5, true), std::slice::from_ref(&late)).unwrap();
    conflict.begin_to_store();
    conflict.end_to_store(false);
    drop((refused, conflict));
    assert_eq!(known(&ledger, "a").0, Usage::default());
    // Who was told that it is on its way is told anew.
    assert!(ledger.admit("a", &blob("z", 1, true), &[late]).is_none());
    assert!(ledger.admit("a", &blob("z", 1, true), &[relied]).is_none());
    // A request that is gone in the middle may have stored it.
    let mut gone = ledger.admit("a", &blob("x", 10, true), &[]).unwrap();
    gone.begin_to_store();
    drop(gone);
    assert_eq!(known(&ledger, "a").0, of_bytes(10, 1));
    assert!(ledger.is_open("a", &blob("x", 10, true)[0]), "and is on its way for a while");
}

#[test]
fn a_count_adds_what_it_may_have_missed() {
    let ledger = ledger();
    let stored = |bytes: u64, name: &str| {
        let mut admitted = ledger.admit("a", &blob(name, bytes, true), &[]).unwrap();
        admitted.begin_to_store();
        admitted.end_to_store(true);
        admitted
    };
    let before = stored(1, "before");
    drop(before);
    let (open, closing) = (stored(10, "open"), stored(100, "closing"));
    let count = begin(&ledger, "a");
    drop(closing);
    let during = stored(1_000, "during");
    drop(during);
    assert!(matches!(ledger.begin("a", 0), Begin::Wait(_)), "one count at a time");
    count.end(Ok(of_bytes(1, 1)));
    assert_eq!(known(&ledger, "a").0, of_bytes(1_111, 4));
    drop(open);
    // The next one finds all of it.
    begin(&ledger, "a").end(Ok(of_bytes(1_111, 4)));
    assert_eq!(known(&ledger, "a").0, of_bytes(1_111, 4));
    // One that fails changes nothing.
    begin(&ledger, "a").end(Err(Failure::Busy));
    drop(begin(&ledger, "a"));
    assert_eq!(known(&ledger, "a").0, of_bytes(1_111, 4));
    begin(&ledger, "c").end(Err(Failure::Busy));
    assert!(matches!(ledger.ask("c"), Known::Nothing));
}

#[test]
fn a_count_is_fresh_if_it_began_after_the_question() {
    let ledger = ledger();
    let asked = ledger.now();
    begin(&ledger, "a").end(Ok(Usage::default()));
    assert!(matches!(ledger.begin("a", asked), Begin::Done));
    assert!(!matches!(ledger.begin("a", ledger.now()), Begin::Done));
}

#[test]
fn what_is_kept_is_bounded() {
    let ledger = ledger();
    for tree in 0..5_000 {
        begin(&ledger, &format!("t{tree}")).end(Ok(Usage::default()));
    }
    assert!(matches!(ledger.ask("t0"), Known::Nothing) && matches!(ledger.ask("t4999"), Known::Figure { .. }));
    begin(&ledger, "a").end(Ok(Usage::default()));
    let open = ledger.admit("a", &blob("open", 7, true), &[]).unwrap();
    for number in 0..70_000 {
        let mut one = ledger.admit("a", &blob(&number.to_string(), 1, true), &[]).unwrap();
        one.end_to_store(true);
    }
    assert!(matches!(ledger.ask("a"), Known::Nothing), "there was too much, and the figure is given up");
    begin(&ledger, "a").end(Ok(of_bytes(1, 1)));
    assert_eq!(known(&ledger, "a").0, of_bytes(8, 2));
    drop(open);
}

/// A disk, and what goes on around it.
struct World {
    ledger: Arc<Ledger>,
    disk: BTreeSet<(usize, Item)>,
    open: Vec<(usize, Vec<Item>, Admitted)>,
    counts: Vec<(Count, usize, Usage)>,
    random: u64,
}

type Item = (u8, u8);

fn kind((kind, number): Item) -> Kind {
    match kind {
        0 => Kind::Repository,
        1 => Kind::Manifest(number.to_string()),
        2 => Kind::Tag(number.to_string()),
        _ => Kind::Blob(number.to_string()),
    }
}

fn usage(item: Item) -> Usage {
    Addition { kind: kind(item), bytes: bytes(item), new: true }.usage()
}

fn bytes((kind, number): Item) -> u64 {
    if kind == 1 || kind == 3 { 10 + u64::from(number) } else { 0 }
}

impl World {
    fn roll(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % u64::try_from(below).unwrap()).unwrap()
    }

    fn step(&mut self) {
        match self.roll(10) {
            0..=3 => self.admit(),
            4 | 5 if !self.open.is_empty() => {
                let at = self.roll(self.open.len());
                let (place, items, admitted) = &mut self.open[at];
                self.disk.extend(items.iter().map(|item| (*place, *item)));
                admitted.begin_to_store();
                admitted.end_to_store(true);
            }
            6 if !self.open.is_empty() => {
                let at = self.roll(self.open.len());
                self.open.swap_remove(at);
            }
            // A repository stays when all in it is gone.
            7 if !self.disk.is_empty() => {
                let at = self.roll(self.disk.len());
                let gone = *self.disk.iter().nth(at).unwrap();
                if gone.1.0 != 0 {
                    self.disk.remove(&gone);
                }
            }
            8 => {
                let tree = TREES[self.roll(TREES.len())];
                if let Begin::Count(count) = self.ledger.begin(tree, u64::MAX) {
                    self.counts.push((count, 0, Usage::default()));
                }
            }
            _ if !self.counts.is_empty() => {
                let at = self.roll(self.counts.len());
                let (count, place, sum) = &mut self.counts[at];
                if *place == REPOSITORIES.len() {
                    let (count, _, sum) = self.counts.swap_remove(at);
                    return count.end(Ok(sum));
                }
                if is_within(REPOSITORIES[*place], &count.tree) {
                    let here = self.disk.iter().filter(|(known, _)| known == place);
                    *sum = here.fold(*sum, |sum, (_, item)| sum.plus(&usage(*item)));
                }
                *place += 1;
            }
            _ => {}
        }
    }

    fn admit(&mut self) {
        let place = self.roll(REPOSITORIES.len());
        let item = (u8::try_from(1 + self.roll(3)).unwrap(), u8::try_from(self.roll(3)).unwrap());
        let items = vec![(0, 0), item];
        let additions: Vec<_> = items
            .iter()
            .map(|item| Addition { kind: kind(*item), bytes: bytes(*item), new: !self.disk.contains(&(place, *item)) })
            .collect();
        let relied: Vec<_> = trees(REPOSITORIES[place])
            .filter_map(|tree| match self.ledger.ask(tree) {
                Known::Figure { relied, .. } => Some(relied),
                Known::Nothing => None,
            })
            .collect();
        let admitted = self.ledger.admit(REPOSITORIES[place], &additions, &relied).unwrap();
        self.open.push((place, items, admitted));
    }

    /// What is there, and what may be there soon.
    fn truth(&self, tree: &str) -> Usage {
        let open = self.open.iter().flat_map(|(place, items, _)| items.iter().map(move |item| (*place, *item)));
        let all: BTreeSet<_> = self.disk.iter().copied().chain(open).collect();
        let here = all.iter().filter(|(place, _)| is_within(REPOSITORIES[*place], tree));
        here.fold(Usage::default(), |sum, (_, item)| sum.plus(&usage(*item)))
    }
}

/// Whatever happens, and in which order: no figure is too small, and one that
/// nothing interferes with is right.
#[test]
fn figures_are_never_too_small() {
    for seed in 1..=200_u64 {
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (disk, open, counts) = (BTreeSet::new(), Vec::new(), Vec::new());
        let mut world = World { ledger: ledger(), disk, open, counts, random };
        for step in 0..400 {
            world.step();
            for tree in TREES {
                if let Known::Figure { usage, .. } = world.ledger.ask(tree) {
                    let truth = world.truth(tree);
                    assert_eq!(truth.minus(&usage), Usage::default(), "seed {seed}, step {step}, tree {tree:?}");
                }
            }
        }
        world.counts.clear();
        world.open.clear();
        for tree in TREES {
            let truth = world.truth(tree);
            begin(&world.ledger, tree).end(Ok(truth));
            assert_eq!(known(&world.ledger, tree).0, truth, "seed {seed}, tree {tree:?}");
        }
    }
}

//! The power fails. What was done to a volume is written down, call by call,
//! and from that every state is rebuilt that a disk could be found in: on each,
//! the registry starts, what it acknowledged is there and whole, what it
//! deleted stays away, and nothing is half there.
//!
//! `SKERRY_POWER_SEED` chooses what is pushed and which states are looked at,
//! `SKERRY_POWER_STATES` how many.

#![cfg(target_arch = "x86_64")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod clients;
mod disk;
mod promises;
mod states;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use skerry_tests::{
    Options,
    content::Noise,
    supervisor::{Event, Supervised},
};

use crate::{clients::Book, disk::Loss};

/// States that are looked at by threads of their own.
const THREADS: usize = 2;
/// Steps of each client, while all is written down.
const STEPS: usize = 7;

fn setting(name: &str) -> Option<u64> {
    Some(env::var(name).ok()?.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn what_a_power_cut_leaves() {
    cut("never");
}

#[test]
fn what_a_power_cut_leaves_where_the_filesystem_is_synced_whole() {
    cut("always");
}

fn cut(syncfs: &'static str) {
    let seed = setting("SKERRY_POWER_SEED").unwrap_or_else(|| Noise::fresh().number());
    println!("SKERRY_POWER_SEED={seed}");
    let mut noise = Noise::new(seed);
    let options = || Options { tls: false, syncfs, ..Options::default() };
    let mut supervised = Supervised::start(env!("CARGO_BIN_EXE_supervise"), true, options());
    let book = Book::default();
    thread::scope(|scope| {
        for client in 0..2 {
            let (registry, book, seed) = (supervised.registry.client(), &book, noise.number());
            scope.spawn(move || clients::work(&registry, book, client, Noise::new(seed), STEPS));
        }
    });
    supervised.registry.stop();
    let events = supervised.events();
    let pages = book.close();

    // After each answer nothing is there but what was synced; and everywhere
    // between anything may be.
    let answered = (1..=events.len()).filter(|point| matches!(events[point - 1], Event::Sent { .. }));
    let mut cuts: Vec<(usize, Loss, u64)> = answered.map(|point| (point, Loss::All, 0)).collect();
    for n in 0..setting("SKERRY_POWER_STATES").unwrap_or(150) {
        let loss = [Loss::Chance, Loss::Content, Loss::Chance, Loss::None, Loss::All][(n % 5) as usize];
        cuts.push((1 + noise.below(events.len() as u64) as usize, loss, noise.number()));
    }
    println!("{} calls and answers, {} states", events.len(), cuts.len());
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((point, loss, seed)) = cuts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let look = || states::check(&events[..*point], *loss, Noise::new(*seed), &pages);
                    // One that does not start panics: which one is to be said.
                    let looked = catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|_| Err("a panic".into()));
                    if let Err(error) = looked {
                        let last = &events[point - 1];
                        wrong.lock().unwrap().push(format!("after event {point}, {last:?}, {loss:?} lost: {error}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} states:\n{}", wrong.len(), cuts.len(), wrong.join("\n"));

    let whole = events.iter().filter(|event| matches!(event, Event::SyncAll)).count();
    let each = events.iter().filter(|event| matches!(event, Event::Sync { .. })).count();
    println!("{each} syncs of something, {whole} of all");
    // On ext2 to 4 and XFS; the first directory is synced at the start.
    let may = matches!(rustix::fs::statfs(env::temp_dir()).unwrap().f_type, 0xef53 | 0x5846_5342);
    assert_eq!(whole > each, may && syncfs == "always");

    // All this would be noticed if it were otherwise.
    let directories: Vec<u64> = events
        .iter()
        .filter_map(|event| match event {
            Event::Root { inode } | Event::Make { inode, .. } => Some(*inode),
            _ => None,
        })
        .collect();
    for (of_directories, loss) in [(true, Loss::All), (false, Loss::All), (false, Loss::Content)] {
        let kept = |event: &&Event| match event {
            Event::Sync { inode } => directories.contains(inode) != of_directories,
            Event::SyncAll => false,
            _ => true,
        };
        let careless: Vec<Event> = events.iter().filter(kept).cloned().collect();
        let looked = states::check(&careless, loss, noise.clone(), &pages);
        assert!(looked.is_err(), "nobody would notice if nothing were synced (directories: {of_directories})");
    }
}

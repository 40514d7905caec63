//! `kill -9` at any moment: nothing that was acknowledged is lost, nothing
//! corrupt is served, and everything goes on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod checks;
mod pusher;

use std::{
    collections::BTreeSet,
    env,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use skerry_tests::{Registry, content::Noise, push::Unexpected};

use crate::pusher::Pusher;

const PUSHERS: u64 = 4;

fn rounds(count: u64) {
    let seed: u64 = env::var("SKERRY_CRASH_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| Noise::fresh().number());
    println!("SKERRY_CRASH_SEED={seed}");
    let mut noise = Noise::new(seed);
    let mut registry = Registry::new();
    let mut pushers: Vec<Pusher> = (0..PUSHERS).map(|n| Pusher::new(n, noise.number())).collect();
    let mut acknowledged = 0;
    let mut seen = BTreeSet::new();
    for round in 0..count {
        let stop = AtomicBool::new(false);
        let begin = Barrier::new(pushers.len() + 1);
        let client = registry.client();
        thread::scope(|scope| {
            for pusher in &mut pushers {
                let (client, stop, begin) = (&client, &stop, &begin);
                scope.spawn(move || {
                    begin.wait();
                    while !stop.load(Ordering::SeqCst) {
                        match pusher.step(client) {
                            Ok(()) => {}
                            // The server is gone. It must not say anything
                            // but what is due as long as it is not.
                            Err(error) if error.is::<Unexpected>() => panic!("round {round} of seed {seed}: {error}"),
                            Err(_) => break,
                        }
                    }
                });
            }
            begin.wait();
            thread::sleep(Duration::from_micros(noise.below(400_000)));
            registry.kill9();
            stop.store(true, Ordering::SeqCst);
        });
        registry.restart();
        let client = registry.client();
        checks::blobs(registry.volume(), &mut seen);
        for pusher in &mut pushers {
            pusher
                .check(&client, registry.volume())
                .unwrap_or_else(|error| panic!("round {round} of seed {seed}: {error}"));
        }
        acknowledged = pushers.iter().map(Pusher::acknowledged).sum();
    }
    println!("{count} rounds, {acknowledged} images acknowledged");
    let client = registry.client();
    for pusher in &pushers {
        pusher.check_all(&client).unwrap_or_else(|error| panic!("at the end of seed {seed}: {error}"));
    }
    registry.stop();
}

#[test]
fn a_few_rounds() {
    rounds(5);
}

/// `SKERRY_CRASH_ROUNDS` of them: 100 where it is not set.
#[test]
#[ignore = "takes minutes: run by .ci/run"]
fn many_rounds() {
    let count =
        env::var("SKERRY_CRASH_ROUNDS").map_or(100, |count| count.parse().expect("SKERRY_CRASH_ROUNDS is a number"));
    rounds(count);
}

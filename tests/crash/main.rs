//! `kill -9` at any moment: nothing that was acknowledged is lost, nothing
//! corrupt is served, and everything goes on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod checks;
mod pusher;
mod report;

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

use crate::{pusher::Pusher, report::Report};

const PUSHERS: u64 = 4;

fn rounds(count: u64) {
    let seed: u64 = env::var("SKERRY_CRASH_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| Noise::fresh().number());
    let mut noise = Noise::new(seed);
    let mut registry = Registry::new();
    let mut pushers: Vec<Pusher> = (0..PUSHERS).map(|n| Pusher::new(n, noise.number())).collect();
    let mut report = Report::new(seed);
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
        report.killed(&pushers);
        registry.restart();
        let client = registry.client();
        if let Err(torn) = checks::blobs(registry.volume(), &mut seen) {
            report.wrong(format!("kill {round}: {torn}"));
        }
        for pusher in &mut pushers {
            if let Err(error) = pusher.check(&client, registry.volume()) {
                report.wrong(format!("kill {round}: {error}"));
            }
        }
        report.read(seen.len());
        report.acknowledged(&pushers);
        // A client that lost something does not know what is due from here.
        assert!(report.is_well(), "{report}");
    }
    let client = registry.client();
    for pusher in &pushers {
        if let Err(error) = pusher.check_all(&client) {
            report.wrong(format!("at the end: {error}"));
        }
    }
    assert!(report.is_well(), "{report}");
    println!("{report}");
    registry.stop();
}

#[test]
fn a_few_rounds() {
    rounds(5);
}

/// `SKERRY_CRASH_ROUNDS` of them: 100 where it is not set. `--nocapture` shows
/// the report.
#[test]
#[ignore = "takes minutes: run by .ci/run"]
fn many_rounds() {
    let count =
        env::var("SKERRY_CRASH_ROUNDS").map_or(100, |count| count.parse().expect("SKERRY_CRASH_ROUNDS is a number"));
    rounds(count);
}

//! Floods of frames, and clients that stop half way: each ends, others are
//! served meanwhile, and memory and descriptors come back to where they were.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod crowd;
mod http2;
mod refusals;
mod slow;
mod stages;

use std::thread;

use skerry_tests::{Options, Registry, push, vitals::Vitals};

/// Beyond what it took before.
const SPARE: u64 = 24 << 20;
/// The same, while it goes on.
const PEAK: u64 = 64 << 20;

/// A registry whose limits of time are short, that has served.
fn started() -> Registry {
    let limits =
        "limits:\n  head_time: 2s\n  handshake_time: 2s\n  write_idle: 2s\n  read_idle: 2s\n  keep_alive: 5s\n";
    let registry = Registry::start(Options { more: limits.to_owned(), ..Options::default() });
    for _ in 0..10 {
        push::image(&registry.client(), "flood", Some("t"), 1);
        push::whole(&registry.http2(), "flood", "t").unwrap();
    }
    registry
}

/// Has an attack run, beside clients that are served, and sees that nothing is
/// left of it.
fn survives<T: Send>(registry: &mut Registry, attack: impl FnOnce(&Registry) -> T + Send) -> T {
    let pid = registry.service().pid();
    let before = Vitals::of(pid);
    let shared = &*registry;
    let outcome = thread::scope(|scope| {
        let attack = scope.spawn(move || attack(shared));
        let mut served = 0;
        while served < 5 || !attack.is_finished() {
            push::whole(&shared.client(), "flood", "t").unwrap();
            served += 1;
        }
        attack.join().unwrap()
    });
    before.come_back(pid, SPARE, PEAK);
    push::whole(&registry.http2(), "flood", "t").unwrap();
    outcome
}

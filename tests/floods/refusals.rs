//! More requests than are served at once, and not one too many afterwards.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use skerry_tests::{Options, Registry, push, vitals::Vitals};

use crate::{PEAK, SPARE};

const CLIENTS: usize = 48;
const ROUNDS: usize = 50;

/// Whoever is not served is told so at once, in the specification's form and
/// when to come again; whoever is served gets what he asked for; and when it is
/// over, it is as if nothing had been.
#[test]
fn a_flood_of_503_ends_in_full_recovery() {
    let limits = "sandbox:\n  instances: 1\n  queue: 2\nremember:\n  enabled: false\n";
    let mut registry = Registry::start(Options { more: limits.to_owned(), ..Options::default() });
    let client = registry.client();
    let image = push::image(&client, "flood", Some("t"), 1);
    let pid = registry.service().pid();
    // A flood of its own first, as memory is held in reserve from then on.
    for measured in [false, true] {
        let before = Vitals::of(pid);
        let (served, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for n in 0..CLIENTS {
                let (registry, image, served, refused) = (&registry, &image, &served, &refused);
                scope.spawn(move || {
                    let client = if n % 2 == 0 { registry.client() } else { registry.http2() };
                    for _ in 0..ROUNDS {
                        let answer = client.get("/v2/flood/manifests/t");
                        if answer.status == 200 {
                            assert_eq!(&answer.body, image);
                            served.fetch_add(1, Ordering::Relaxed);
                            continue;
                        }
                        let answer = answer.expect(503);
                        assert_eq!((answer.code(), answer.header("retry-after")), ("UNAVAILABLE".to_owned(), "5"));
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        let (served, refused) = (served.into_inner(), refused.into_inner());
        assert!(served > 0 && refused > 0, "{served} were served and {refused} refused");
        for _ in 0..20 {
            push::whole(&registry.client(), "flood", "t").unwrap();
            push::image(&registry.http2(), "flood", Some("u"), 2);
        }
        if measured {
            before.come_back(pid, SPARE, PEAK);
        }
    }
    registry.stop();
}

//! Nobody notices.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use rustix::process::Signal;
use skerry_tests::push;

use super::host::{Host, policies, registries};

/// Swaps in all.
const SWAPS: usize = 50;

/// Pulls, denials and pushes that go on until it ends: each as it should be,
/// whichever modules are in force.
pub struct Load {
    over: Arc<AtomicBool>,
    pushed: Arc<AtomicU64>,
    readers: Vec<JoinHandle<BTreeSet<String>>>,
    pushers: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn begin(host: &Host, image: &[u8]) -> Self {
        let (over, pushed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let readers = (0..3).map(|_| {
            let (client, over, image) = (host.user("ann"), Arc::clone(&over), image.to_vec());
            thread::spawn(move || {
                let mut seen = BTreeSet::new();
                while !over.load(Ordering::Relaxed) {
                    let answer = client.get("/v2/ann/app/manifests/v1").expect(200);
                    assert_eq!(answer.body, image);
                    seen.insert(answer.header("docker-distribution-api-version").to_owned());
                    let denied = client.get("/v2/bob/app/manifests/v1").expect(403);
                    seen.insert(denied.json()["errors"][0]["message"].as_str().unwrap().to_owned());
                }
                seen
            })
        });
        let pushers = (0..2_u64).map(|n| {
            let (client, over, pushed) = (host.user("ann"), Arc::clone(&over), Arc::clone(&pushed));
            thread::spawn(move || {
                let name = format!("ann/pushed-{n}");
                for seed in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    push::image(&client, &name, Some("v1"), n * 1_000_000 + seed);
                    push::whole(&client, &name, "v1").unwrap();
                    pushed.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let (readers, pushers) = (readers.collect(), pushers.collect());
        Self { over, pushed, readers, pushers }
    }

    /// Who answered, and in which words the policies denied, in order.
    pub fn end(self) -> Vec<String> {
        self.over.store(true, Ordering::Relaxed);
        self.pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        let seen = self.readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect::<BTreeSet<_>>();
        assert!(self.pushed.load(Ordering::Relaxed) > 2);
        seen.into_iter().collect()
    }
}

#[test]
fn fifty_swaps_under_load_fail_no_request() {
    let mut host = Host::start();
    let load = Load::begin(&host, &host.image());
    swaps(&mut host);
    assert_eq!(load.end(), ["ann is not bob", "ann not is bob", "registry/2.0", "registry/2.1"]);
    assert_eq!(host.lines("\"level\":\"error\""), 0);
}

/// By each of the three ways; what was asked for counts when it is said to be
/// in force.
fn swaps(host: &mut Host) {
    const REGISTRY: &str = "another registry module is in force";
    const POLICIES: &str = "policies are loaded anew";
    let (mut registry_swaps, mut policy_swaps) = (0, 0);
    for n in 0..SWAPS {
        let newer = n % 4 < 2;
        let of_registry = n % 2 == 0;
        let pair = if of_registry { registries() } else { policies() };
        let (module, file) =
            (if newer { &pair.new } else { &pair.old }, if of_registry { "registry.wasm" } else { "rules.wasm" });
        match n {
            // A file that changes, and nobody who says so.
            4 | 5 | 26 | 27 => host.replace(file, module),
            10 | 11 | 32 | 33 => {
                host.replace(file, module);
                host.registry.signal(Signal::HUP);
            }
            _ if of_registry => host.swap("/v1/registry", module),
            _ => host.swap("/v1/policies/mine", module),
        }
        let (line, times) = if of_registry {
            registry_swaps += 1;
            (REGISTRY, registry_swaps)
        } else {
            policy_swaps += 1;
            (POLICIES, policy_swaps)
        };
        host.logged(line, times);
    }
}

/// A swap counts at once, for what was remembered as well.
#[test]
fn no_answer_of_the_old_one_is_given_for_the_new_one() {
    let host = Host::start();
    host.image();
    let old = ("registry/2.0".to_owned(), "ann is not bob".to_owned());
    assert_eq!(host.now(), old);
    for _ in 0..3 {
        host.swap("/v1/registry", &registries().new);
        assert_eq!(host.now().0, "registry/2.1");
        host.swap("/v1/policies/mine", &policies().new);
        assert_eq!(host.now().1, "ann not is bob");
        host.swap("/v1/policies/mine", &policies().old);
        host.swap("/v1/registry", &registries().old);
        assert_eq!(host.now(), old);
    }
}

/// A body of which half has come when the module is replaced.
#[test]
fn what_has_begun_ends_on_the_old_one() {
    let host = Host::start();
    let client = host.user("ann");
    let begun = client.request("POST", "/v2/ann/app/blobs/uploads/").send().expect(202).location();
    let mut raw = host.registry.raw();
    // ann:correct
    let head = format!(
        "PATCH {begun} HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic YW5uOmNvcnJlY3Q=\r\n\
         content-length: 8\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n"
    );
    raw.send(head).unwrap();
    assert!(raw.head().starts_with("HTTP/1.1 100"));
    raw.send("half").unwrap();
    host.swap("/v1/registry", &registries().new);
    host.swap("/v1/policies/mine", &policies().new);
    assert_eq!(host.now(), ("registry/2.1".to_owned(), "ann not is bob".to_owned()));
    raw.send("half").unwrap();
    let answer = raw.rest();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert!(answer.to_lowercase().contains("docker-distribution-api-version: registry/2.0"), "{answer}");
}

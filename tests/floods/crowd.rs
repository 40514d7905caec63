//! Thousands of clients that hardly do anything, beside a few that work.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::pki_types::ServerName;
use skerry_tests::{Options, Registry, client::runtime, content::Noise, push, vitals::Vitals};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// What an idle connection may cost, in bytes.
const IDLE: u64 = 64 << 10;
/// What a body under way may cost, with the instance that waits for it.
const UPLOAD: u64 = 384 << 10;
/// Handshakes that this side makes at once.
const AT_ONCE: usize = 32;
/// How much longer work may take beside a crowd, on a machine that both share.
const SLOWER: u32 = 3;

fn started(more: &str) -> Registry {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let limits = "limits:\n  connections: 12000\n  connections_per_address: 12000\n  keep_alive: 10m\n  head_time: 10m\n  handshake_time: 2m\n";
    Registry::start(Options { more: format!("{limits}{more}"), ..Options::default() })
}

/// As many connections, each of which has sent something.
fn crowd(registry: &Registry, sends: &[String]) -> Vec<TlsStream<TcpStream>> {
    let connector = TlsConnector::from(Arc::clone(&registry.trust().client(&["http/1.1"])));
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let opening: Vec<_> = sends
        .iter()
        .cloned()
        .map(|bytes| {
            let (connector, turns, address) = (connector.clone(), Arc::clone(&turns), registry.address().to_owned());
            runtime().spawn(async move {
                let _turn = turns.acquire().await.unwrap();
                let socket = TcpStream::connect(address).await.unwrap();
                let name = ServerName::try_from("localhost").unwrap();
                let mut stream = connector.connect(name, socket).await.unwrap();
                stream.write_all(bytes.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                stream
            })
        })
        .collect();
    runtime().block_on(async {
        let mut open = Vec::new();
        for one in opening {
            open.push(one.await.unwrap());
        }
        open
    })
}

/// The median of some runs.
fn time(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..9)
        .map(|_| {
            let begun = Instant::now();
            run();
            begun.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

#[test]
#[ignore = "ten thousand connections: run by .ci/run"]
fn ten_thousand_idle_connections() {
    let mut registry = started("");
    let client = registry.client();
    let digest = push::blob(&client, "crowd", &Noise::new(5).bytes(32 << 20));
    let pull = || push::whole_blob(&client, "crowd", &digest).unwrap();
    let alone = time(pull);
    let pid = registry.service().pid();
    let before = Vitals::of(pid);
    let idle = crowd(&registry, &vec![String::new(); 10_000]);
    let beside = time(pull);
    let during = Vitals::of(pid);
    let each = during.resident.saturating_sub(before.resident) / 10_000;
    eprintln!("a pull took {alone:?} alone and {beside:?} beside 10,000 connections of {each} bytes each");
    assert!(during.files >= before.files + 10_000, "{during:?}");
    assert!(each <= IDLE && beside <= alone * SLOWER);
    drop(idle);
    before.come_back(pid, 10_000 * IDLE, 20_000 * IDLE);
    pull();
}

#[test]
#[ignore = "two thousand uploads: run by .ci/run"]
fn two_thousand_slow_uploads() {
    const SECONDS: usize = 10;
    let mut registry = started("sandbox:\n  parked: 2100\n  parked_per_address: 2100\n");
    let client = registry.client();
    let digest = push::blob(&client, "crowd", &Noise::new(6).bytes(16 << 20));
    let pull = || push::whole_blob(&client, "crowd", &digest).unwrap();
    let mut seed = 0;
    let mut push_one = || {
        seed += 1;
        push::image(&client, "crowd", Some("t"), seed);
    };
    let alone = (time(pull), time(&mut push_one));
    let heads: Vec<_> = (0..2000)
        .map(|_| {
            let begun = client.request("POST", "/v2/slow/blobs/uploads/").send().expect(202).location();
            format!("PATCH {begun} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {SECONDS}\r\n\r\n")
        })
        .collect();
    let pid = registry.service().pid();
    let before = Vitals::of(pid);
    let uploads = crowd(&registry, &heads);
    let dripping: Vec<_> = uploads
        .into_iter()
        .map(|mut stream| {
            runtime().spawn(async move {
                for _ in 0..SECONDS {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    stream.write_all(b"x").await.unwrap();
                    stream.flush().await.unwrap();
                }
                let mut answer = [0; 13];
                stream.read_exact(&mut answer).await.unwrap();
                assert_eq!(&answer, b"HTTP/1.1 202 ");
            })
        })
        .collect();
    let beside = (time(pull), time(&mut push_one));
    let each = Vitals::of(pid).resident.saturating_sub(before.resident) / 2000;
    let open = dripping.iter().filter(|one| !one.is_finished()).count();
    eprintln!("a pull and a push took {alone:?} alone and {beside:?} beside {open} uploads of {each} bytes each");
    assert!(open > 1000, "{open} uploads were still under way");
    assert!(each <= UPLOAD && beside.0 <= alone.0 * SLOWER && beside.1 <= alone.1 * SLOWER);
    runtime().block_on(async {
        for one in dripping {
            one.await.unwrap();
        }
    });
    // What is kept open between two requests is bounded apart.
    let before = Vitals { files: before.files + 300, ..before };
    before.come_back(pid, 2000 * UPLOAD, 4000 * UPLOAD);
    pull();
}

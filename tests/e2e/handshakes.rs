//! Clients that begin handshakes and do not go on with them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use rustls::{ClientConnection, pki_types::ServerName};
use skerry_tests::{Client, Registry, client::runtime, content::Noise, push};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
};

use crate::admin::started;

/// The value of one of the admin listener's numbers.
fn number(admin: &Client, name: &str) -> u64 {
    let text = admin.get("/metrics").expect(200).text();
    let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    line.unwrap_or_else(|| panic!("{name} in {text}")).rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[track_caller]
fn becomes(admin: &Client, name: &str, value: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let now = number(admin, name);
        if now == value {
            return;
        }
        assert!(Instant::now() < deadline, "{name} is {now}, and not {value}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a client says first.
fn hello(registry: &Registry) -> Vec<u8> {
    let config = registry.trust().client(&["http/1.1"]);
    let mut session = ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
    let mut bytes = Vec::new();
    session.write_tls(&mut bytes).unwrap();
    bytes
}

/// A connection from an address of this machine that is not the others'.
async fn from(source: &str, to: SocketAddr, says: &[u8]) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(format!("{source}:0").parse().unwrap())?;
    let mut stream = socket.connect(to).await?;
    stream.write_all(says).await?;
    Ok(stream)
}

/// A silent one, one of a byte, one of half a hello, and one that says it all
/// and does not listen to the answer.
fn stalled(registry: &Registry, source: &str, count: usize) -> Vec<TcpStream> {
    let hello = hello(registry);
    let to = registry.address().parse().unwrap();
    let lengths = [0, 1, hello.len() / 2, hello.len()];
    let open = async {
        let mut open = Vec::new();
        for length in lengths.into_iter().cycle().take(count) {
            // Beyond the limit it may be closed while this is written.
            open.extend(from(source, to, &hello[..length]).await);
        }
        open
    };
    runtime().block_on(open)
}

const TIMED_OUT: &str = "skerry_tls_handshakes_total{result=\"timed_out\"}";

#[test]
fn those_that_stall_are_in_nobodys_way() {
    // Longer than the test: whoever waits for them fails it.
    let (registry, admin) = started("limits:\n  handshakes: 1\n  handshake_time: 5m\n  connections_per_address: 60\n");
    let client = registry.client();
    let digest = push::blob(&client, "a", &Noise::new(1).bytes(3 << 20));
    becomes(&admin, "skerry_connections", 0);
    let held = stalled(&registry, "127.0.0.2", 100);
    becomes(&admin, "skerry_connections_refused_total", 40);
    assert_eq!(number(&admin, "skerry_connections"), 60);
    let start = Instant::now();
    for _ in 0..10 {
        push::whole_blob(&client, "a", &digest).unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    // And that address is let in again when they have gone.
    drop(held);
    becomes(&admin, "skerry_connections", 0);
    let again = stalled(&registry, "127.0.0.2", 4);
    becomes(&admin, "skerry_connections", 4);
    assert_eq!(number(&admin, "skerry_connections_refused_total"), 40);
    drop(again);
}

#[test]
fn those_that_stall_are_ended() {
    let (registry, admin) = started("limits:\n  handshake_time: 1s\n");
    let held = stalled(&registry, "127.0.0.2", 40);
    assert_eq!(held.len(), 40);
    becomes(&admin, TIMED_OUT, 40);
    becomes(&admin, "skerry_connections", 0);
    registry.client().get("/v2/").expect(200);
    drop(held);
}

#[test]
fn a_flood_leaves_room_for_pulls() {
    let (registry, admin) = started("limits:\n  connections_per_address: 200\n");
    let client = registry.client();
    let digest = push::blob(&client, "a", &Noise::new(2).bytes(1 << 20));
    let (hello, to) = (hello(&registry), registry.address().parse::<SocketAddr>().unwrap());
    let (over, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let flood: Vec<_> = (0..50)
        .map(|_| {
            let (hello, over, made) = (hello.clone(), Arc::clone(&over), Arc::clone(&made));
            runtime().spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    if let Ok(stream) = from("127.0.0.3", to, &hello).await {
                        // The answer to its hello is computed.
                        let _ = stream.readable().await;
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    let start = Instant::now();
    let mut pulls = 0;
    while made.load(Ordering::Relaxed) < 500 || pulls < 10 {
        push::whole_blob(&client, "a", &digest).unwrap();
        pulls += 1;
        assert!(start.elapsed() < Duration::from_secs(60), "{pulls} pulls, {made:?} handshakes");
    }
    over.store(true, Ordering::Relaxed);
    for one in flood {
        runtime().block_on(one).unwrap();
    }
    eprintln!("{pulls} pulls beside {made:?} handshakes in {:?}", start.elapsed());
    becomes(&admin, "skerry_connections", 0);
}

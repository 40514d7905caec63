//! `health`.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use skerry_tests::{client::runtime, ports::Port};
use tempfile::TempDir;
use tokio::net::TcpSocket;

use super::{Row, Table, Told};

pub const ROWS: &[Row] = &[
    (&["health.file.0.file", "health.file.0.interval", "health.file.0.threshold"], files),
    (&["health.tcp.0.addr", "health.tcp.0.interval", "health.tcp.0.threshold"], connections),
    (&["health.tcp.0.timeout"], patience),
    (&["health.storagedriver.enabled", "health.storagedriver.interval", "health.storagedriver.threshold"], storage),
];

/// Four failures in a row, a fifth of a second apart: not before the fourth,
/// and long before the fourth at the usual interval of ten seconds.
const INTERVAL: &str = "200ms";
const THRESHOLD: &str = "4";
const FOURTH: Duration = Duration::from_millis(600);
const LATE: Duration = Duration::from_secs(15);

/// Waits until it is out of service; how long that took from a beginning.
fn fails(told: &Told, check: &str, since: Instant) -> Duration {
    let line = told.says("health check fails");
    let took = since.elapsed();
    assert!(line.contains(check), "{line}");
    told.client().get("/v2/").expect(503);
    took
}

fn files(table: &Table) {
    let directory = TempDir::with_prefix("skerry-told-").unwrap();
    let file = directory.path().join("down");
    fs::write(&file, "").unwrap();
    let file = file.display().to_string();
    let start = Instant::now();
    let told = Told::start_in(
        table,
        directory,
        &[("health.file.0.file", &file), ("health.file.0.interval", INTERVAL), ("health.file.0.threshold", THRESHOLD)],
    );
    let took = fails(&told, &file, start);
    assert!((FOURTH..LATE).contains(&took), "{took:?}");
}

fn connections(table: &Table) {
    let nobody = Port::free();
    let address = format!("127.0.0.1:{}", nobody.number());
    let start = Instant::now();
    let told = Told::start(
        table,
        &[("health.tcp.0.addr", &address), ("health.tcp.0.interval", INTERVAL), ("health.tcp.0.threshold", THRESHOLD)],
    );
    let took = fails(&told, &address, start);
    assert!((FOURTH..LATE).contains(&took), "{took:?}");
}

/// Somebody whose backlog is full does not answer at all.
fn patience(table: &Table) {
    let _runtime = runtime().enter();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(one) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        held.push(one);
    }
    let address = address.to_string();
    let start = Instant::now();
    let told = Told::start(table, &[("health.tcp.0.addr", &address), ("health.tcp.0.timeout", "100ms")]);
    let took = fails(&told, &address, start);
    // Five seconds where nothing is said.
    assert!(took < Duration::from_secs(4), "{took:?}");
}

fn storage(table: &Table) {
    let told = Told::start(
        table,
        &[
            ("health.storagedriver.enabled", "true"),
            ("health.storagedriver.interval", INTERVAL),
            ("health.storagedriver.threshold", THRESHOLD),
        ],
    );
    told.client().get("/v2/").expect(200);
    let start = Instant::now();
    fs::remove_dir_all(told.directory.path().join("volume")).unwrap();
    let took = fails(&told, "storagedriver_filesystem", start);
    assert!((FOURTH..LATE).contains(&took), "{took:?}");
}

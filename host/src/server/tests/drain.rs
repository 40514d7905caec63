//! The end of a server.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::support::{soon, start};
use crate::server::Phase;

#[tokio::test]
async fn lets_a_slow_download_finish() {
    let server = start(|_| {}).await;
    let mut idle = server.tls("http/1.1").await;
    idle.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    idle.answer("hello").await;
    let mut fresh = server.plain().await;
    let mut client = server.tls("http/1.1").await;
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.until("\r\n\r\n").await;
    server.drain();
    assert_eq!(idle.rest().await, "");
    assert_eq!(fresh.rest().await, "");
    soon(async { while tokio::net::TcpStream::connect(server.plain).await.is_ok() {} }).await;
    for _ in 0..5 {
        server.handler.gate.add_permits(1);
        client.until(&"s".repeat(1000)).await;
    }
    assert_eq!(client.rest().await, "");
    server.stopped().await;
}

/// Those that were connected and not accepted: a proxy that sent them a push
/// would not send it to another server.
#[tokio::test]
async fn answers_the_backlog() {
    let server = start(|_| {}).await;
    let mut waiting: Vec<_> = (0..50)
        .map(|_| {
            // Blocks this one thread, on which nobody accepts meanwhile.
            let mut tcp = std::net::TcpStream::connect(server.plain).unwrap();
            std::io::Write::write_all(&mut tcp, b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            tcp.set_nonblocking(true).unwrap();
            tokio::net::TcpStream::from_std(tcp).unwrap()
        })
        .collect();
    server.drain();
    for tcp in &mut waiting {
        let mut answer = String::new();
        soon(tcp.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.contains("connection: close\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
    }
    server.stopped().await;
}

/// The same for a request that is on its way on a connection that is kept or new.
#[tokio::test]
async fn answers_what_is_on_its_way() {
    let server = start(|_| {}).await;
    let hello = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    let (mut plain, mut tls) = (server.plain().await, server.tls("http/1.1").await);
    plain.send(hello).await;
    plain.answer("hello").await;
    tls.send(hello).await;
    tls.answer("hello").await;
    let mut begun = server.plain().await;
    server.until("skerry_connections", 3).await;
    server.drain();
    // The listener is closed: the drain is seen.
    soon(async { while tokio::net::TcpStream::connect(server.plain).await.is_ok() {} }).await;
    plain.send(hello).await;
    tls.send(hello).await;
    begun.send(hello).await;
    for answer in [plain.rest().await, tls.rest().await, begun.rest().await] {
        assert!(answer.contains("connection: close\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
    }
    server.stopped().await;
}

#[tokio::test]
async fn within_its_time() {
    let server = start(|options| options.drain = Duration::from_millis(50)).await;
    let mut client = server.plain().await;
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.until("\r\n\r\n").await;
    server.drain();
    assert_eq!(client.rest().await, "");
    server.stopped().await;
}

#[tokio::test]
async fn second_signal() {
    let mut server = start(|options| options.drain = Duration::from_secs(600)).await;
    server.trigger.on_signals().unwrap();
    let mut client = server.plain().await;
    client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(server.event().await, "begun");
    let terminate = || {
        let pid = rustix::process::getpid();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    };
    let mut fresh = server.plain().await;
    fresh.send("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    fresh.answer("").await;
    terminate();
    assert_eq!(fresh.rest().await, "");
    assert!(!server.task.is_finished());
    terminate();
    assert_eq!(server.event().await, "dropped");
    assert_eq!(client.rest().await, "");
    server.stopped().await;
}

#[tokio::test]
async fn never_back() {
    let server = start(|_| {}).await;
    server.trigger.advance(Phase::Stopping);
    server.trigger.advance(Phase::Draining);
    server.stopped().await;
}

//! Connections that are silent, greedy, or not what they should be.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::support::{soon, start};

const SHORT: Duration = Duration::from_millis(60);

#[tokio::test]
async fn plain_on_tls() {
    let server = start(|_| {}).await;
    let mut tcp = TcpStream::connect(server.address).await.unwrap();
    tcp.write_all(b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    soon(tcp.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("\r\n\r\nClient sent an HTTP request to an HTTPS server.\nUse https://"), "{answer}");
    assert_eq!(server.count("skerry_tls_handshakes_total{result=\"plain_http\"}"), 1);
    // Neither HTTP nor TLS.
    let mut tcp = TcpStream::connect(server.address).await.unwrap();
    tcp.write_all(b"\0\0\0\0\0\0\0").await.unwrap();
    server.until("skerry_tls_handshakes_total{result=\"failed\"}", 1).await;
}

#[tokio::test]
async fn handshakes() {
    let stalled = async |address| {
        let silent = TcpStream::connect(address).await.unwrap();
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
        (silent, half)
    };
    let server = start(|options| options.limits.handshakes = 1).await;
    let held = stalled(server.address).await;
    server.until("skerry_connections", 2).await;
    // Those that wait for their clients are in nobody's way.
    let mut client = server.tls("http/1.1").await;
    client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.answer("hello").await;
    assert_eq!(server.count("skerry_tls_handshakes_total{result=\"tls1.3\"}"), 1);
    assert_eq!(server.count("skerry_tls_handshakes_total{result=\"timed_out\"}"), 0);
    drop(held);

    let server = start(|options| options.limits.handshake_time = SHORT).await;
    let held = stalled(server.address).await;
    server.until("skerry_tls_handshakes_total{result=\"timed_out\"}", 2).await;
    server.until("skerry_connections", 0).await;
    drop(held);
}

#[tokio::test]
async fn slow_head() {
    let server = start(|options| options.limits.head_time = SHORT).await;
    let mut never = server.plain().await;
    assert_eq!(never.rest().await, "");
    let mut half = server.plain().await;
    half.send("GET /hello HTTP/1.1\r\nHo").await;
    let answer = half.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.ends_with("{\"TimedOut\":1}"), "{answer}");
    // A drop now and then does not help, nor does a request before.
    let mut drops = server.tls("http/1.1").await;
    drops.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    drops.answer("hello").await;
    let answer = soon(async {
        loop {
            tokio::select! {
                answer = drops.until("1}") => break answer,
                () = tokio::time::sleep(SHORT / 4) => {}
            }
            if drops.io.write_all(b"G").await.is_err() {
                break drops.rest().await;
            }
            let _ = drops.io.flush().await;
        }
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    server.until("skerry_connections_silent_total", 3).await;
}

#[tokio::test]
async fn idle() {
    let server = start(|options| options.limits.keep_alive = SHORT).await;
    let mut client = server.tls("http/1.1").await;
    client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.answer("hello").await;
    assert_eq!(client.rest().await, "");
    assert_eq!(server.count("skerry_connections_silent_total"), 0);
}

#[tokio::test]
async fn silent_body() {
    let mut server = start(|options| {
        options.limits.read_idle = SHORT;
        options.limits.keep_alive = SHORT;
    })
    .await;
    for body in ["Content-Length: 9\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
        let mut client = server.plain().await;
        client.send(&format!("PUT /read HTTP/1.1\r\nHost: a\r\n{body}")).await;
        assert_eq!(server.event().await, "broke off");
        assert!(client.rest().await.starts_with("HTTP/1.1 400 "));
    }
    // A handler may take longer than that.
    let mut client = server.plain().await;
    client.send("PUT /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(server.event().await, "begun");
    tokio::time::sleep(SHORT * 3).await;
    server.handler.gate.add_permits(1);
    assert!(client.rest().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn client_that_takes_nothing() {
    let server = start(|options| options.limits.write_idle = SHORT).await;
    let mut client = server.plain().await;
    client.send("GET /big?1000000000000 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.until("skerry_connections_silent_total", 1).await;
    server.until("skerry_connections", 0).await;
    // One that takes a little each time may go on for ever: only its silence
    // is bounded. Here for longer than the bound.
    let server = start(|options| options.limits.write_idle = SHORT * 10).await;
    let mut client = server.tls("http/1.1").await;
    client.send("GET /big?1000000000000 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let begun = std::time::Instant::now();
    let mut space = vec![0; 1 << 20];
    while begun.elapsed() < SHORT * 30 {
        tokio::time::sleep(SHORT / 20).await;
        assert!(soon(client.io.read(&mut space)).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn early_answer_to_a_big_put() {
    let server = start(|options| options.limits.linger = Duration::from_secs(5)).await;
    for length in ["Content-Length: 30000000", "Transfer-Encoding: chunked"] {
        let mut client = server.tls("http/1.1").await;
        client.send(&format!("PUT /early HTTP/1.1\r\nHost: a\r\n{length}\r\n\r\n")).await;
        let part = if length.contains("chunked") {
            format!("f4240\r\n{}\r\n", "x".repeat(1_000_000))
        } else {
            "x".repeat(1_000_000)
        };
        // The whole of it first, as a simple client does, then the answer.
        for _ in 0..30 {
            client.send(&part).await;
        }
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert!(answer.contains("connection: close\r\n") && answer.ends_with("who are you?"), "{answer}");
    }
}

#[tokio::test]
async fn per_address() {
    let server = start(|options| options.limits.connections_per_address = 2).await;
    let mut first = server.plain().await;
    let mut second = server.plain().await;
    for client in [&mut first, &mut second] {
        client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.answer("hello").await;
    }
    assert_eq!(server.plain().await.rest().await, "");
    assert_eq!(server.count("skerry_connections_refused_total"), 1);
    drop(first);
    server.until("skerry_connections", 1).await;
    assert!(server.ask("GET /hello HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn in_all() {
    let server = start(|options| options.limits.connections = 1).await;
    let mut first = server.plain().await;
    first.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    first.answer("hello").await;
    let mut second = server.plain().await;
    second.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(server.count("skerry_connections_total"), 1);
    drop(first);
    second.answer("hello").await;
}

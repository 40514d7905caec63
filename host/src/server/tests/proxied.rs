//! Behind a proxy that passes bytes on.

use std::{net::IpAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::support::{Running, soon, start};
use crate::server::Options;

const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
const LINE: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";
const TAKEN: &str = "skerry_proxy_headers_total{result=\"taken\"}";
const REFUSED: &str = "skerry_proxy_headers_total{result=\"refused\"}";

async fn behind(change: impl FnOnce(&mut Options)) -> Running {
    start(|options| {
        options.proxy_protocol = vec!["127.0.0.0/8".parse().unwrap()];
        change(options);
    })
    .await
}

/// Who the handler took the last request's client for.
fn client(server: &Running) -> IpAddr {
    server.handler.seen.lock().unwrap().as_ref().unwrap().1.client
}

#[tokio::test]
async fn names_the_client() {
    let server = behind(|_| {}).await;
    let block = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0e\xc0\0\x02\x08\xc6\x33\x64\x01\xdc\x04\x01\xbb\x04\0";
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    let cases: [(&[u8], &str); 4] = [
        (LINE.as_bytes(), "192.0.2.7"),
        (block, "192.0.2.8"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (local, "127.0.0.1"),
    ];
    for (header, address) in cases {
        // In one piece with the request, and byte for byte.
        let mut plain = server.plain().await;
        plain.io.write_all(&[header, HELLO.as_bytes()].concat()).await.unwrap();
        plain.answer("hello").await;
        assert_eq!(client(&server).to_string(), address);
        let mut plain = server.plain().await;
        plain.io.set_nodelay(true).unwrap();
        for byte in header {
            plain.io.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        plain.send(HELLO).await;
        plain.answer("hello").await;
        assert_eq!(client(&server).to_string(), address);
        let mut tls = server.tls_behind(header, "http/1.1").await;
        tls.send(HELLO).await;
        tls.answer("hello").await;
        assert_eq!(client(&server).to_string(), address);
    }
    assert_eq!((server.count(TAKEN), server.count(REFUSED)), (12, 0));
}

#[tokio::test]
async fn is_demanded() {
    let server = behind(|options| options.limits.handshake_time = Duration::from_millis(60)).await;
    let wrong = ["GET /hello HTTP/1.1\r\n", "PROXY TCP4 192.0.2.7\r\n      ", "PROXY UNK"];
    for (n, bytes) in wrong.into_iter().enumerate() {
        let mut plain = server.plain().await;
        plain.send(bytes).await;
        assert_eq!(plain.rest().await, "", "{bytes:?}");
        server.until(REFUSED, n as u64 + 1).await;
    }
    // With TLS at once, and with nothing.
    let mut hello = TcpStream::connect(server.address).await.unwrap();
    hello.write_all(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 and so on").await.unwrap();
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    for socket in [&mut hello, &mut silent] {
        assert!(matches!(soon(socket.read(&mut [0; 9])).await, Ok(0) | Err(_)));
    }
    server.until(REFUSED, 5).await;
    // A look whether somebody listens is no mistake.
    drop(TcpStream::connect(server.address).await.unwrap());
    server.until("skerry_connections", 0).await;
    assert_eq!((server.count(TAKEN), server.count(REFUSED)), (0, 5));
}

#[tokio::test]
async fn is_nothing_from_others() {
    let server = start(|options| options.proxy_protocol = vec!["192.0.2.0/24".parse().unwrap()]).await;
    let mut plain = server.plain().await;
    plain.send(&format!("{LINE}{HELLO}")).await;
    assert!(plain.rest().await.starts_with("HTTP/1.1 400 "));
    let mut tls = TcpStream::connect(server.address).await.unwrap();
    tls.write_all(LINE.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(tls.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(server.handler.seen.lock().unwrap().is_none());
    assert_eq!(server.count(TAKEN), 0);
}

/// The header decides whose `X-Forwarded-For` counts, and what is counted.
#[tokio::test]
async fn stands_for_the_peer() {
    let server = behind(|options| {
        options.trusted_proxies = vec!["192.0.2.9".parse::<IpAddr>().unwrap().into()];
        options.limits.connections_per_address = 1;
    })
    .await;
    let forwarded = HELLO.replace("Host: a", "Host: a\r\nX-Forwarded-For: 203.0.113.5");
    let mut held = Vec::new();
    for (last, address) in [("7", "192.0.2.7"), ("8", "192.0.2.8"), ("9", "203.0.113.5"), ("9", "203.0.113.5")] {
        let mut plain = server.plain().await;
        plain.send(&format!("PROXY TCP4 192.0.2.{last} 1.1.1.1 1 1\r\n{forwarded}")).await;
        plain.answer("hello").await;
        assert_eq!(client(&server).to_string(), address);
        held.push(plain);
    }
    let mut second = server.plain().await;
    second.send(LINE).await;
    assert_eq!(second.rest().await, "");
    assert_eq!(server.count("skerry_connections_refused_total"), 1);
    drop(held);
    server.until("skerry_connections", 0).await;
    let mut third = server.plain().await;
    third.send(&format!("{LINE}{HELLO}")).await;
    third.answer("hello").await;
}

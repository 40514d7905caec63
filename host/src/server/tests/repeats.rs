//! Heads that are the same, byte by byte.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};

use super::support::{Client, Running, soon, start};

const REPEATS: &str = "skerry_http_repeats_total";
const SAME: &str = "GET /same HTTP/1.1\r\nHost: a\r\nUser-Agent: b\r\n\r\n";

/// The body of the next answer, which has its length.
async fn body<T: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<T>) -> String {
    let head = client.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.") && head.contains(" 200 OK\r\n"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    client.bytes(length).await
}

async fn ask<T: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<T>, request: &str) -> String {
    client.send(request).await;
    body(client).await
}

/// A server that knows the answer to [`SAME`] without TLS: the second one.
async fn knows() -> Running {
    let server = start(|_| {}).await;
    let mut client = server.plain().await;
    for expected in ["answer 1", "answer 2", "answer 2"] {
        assert_eq!(ask(&mut client, SAME).await, expected);
    }
    assert_eq!(server.count(REPEATS), 1);
    server
}

#[tokio::test]
async fn are_answered_the_same() {
    let server = start(|options| {
        options.headers.insert("x-own", "c".parse().unwrap());
        options.relative_urls = Some(false);
    })
    .await;
    let fields = |head: &str| {
        let mut lines: Vec<_> = head.lines().filter(|line| !line.starts_with("date: ")).map(str::to_owned).collect();
        assert_eq!(lines.len() + 1, head.lines().count(), "{head}");
        lines.sort();
        lines
    };
    for (method, more, ends) in
        [("GET", "", "answer 2"), ("HEAD", "", ""), ("GET", "Connection: Keep-Alive\r\n", "answer 2")]
    {
        let mut client = server.tls("http/1.1").await;
        let request = format!("{method} /same HTTP/1.1\r\nHost: a\r\n{more}\r\n");
        let requests = format!("skerry_http_requests_total{{method=\"{method}\",status=\"2xx\"}}");
        let all = server.count(&requests);
        let mut heads = Vec::new();
        server.handler.answered.store(0, SeqCst);
        let before = server.count(REPEATS);
        for n in 0..5 {
            client.send(&request).await;
            let head = client.until("\r\n\r\n").await;
            if !ends.is_empty() {
                client.until(if n == 0 { "answer 1" } else { ends }).await;
            }
            heads.push(fields(&head));
        }
        assert!(heads.iter().all(|head| *head == heads[0]), "{heads:?}");
        assert!(heads[0].contains(&"x-own: c".to_owned()) && heads[0].contains(&"content-length: 8".to_owned()));
        assert_eq!((server.count(REPEATS) - before, server.handler.answered.load(SeqCst)), (3, 2), "{method}");
        // They count as any other.
        server.until("skerry_http_requests_in_flight", 0).await;
        assert_eq!(server.count(&requests), all + 5);
    }
    // What a handler answers may depend on whether there is TLS.
    assert_eq!(ask(&mut server.plain().await, "GET /same HTTP/1.1\r\nHost: a\r\n\r\n").await, "answer 3");
}

#[tokio::test]
async fn from_another_connection() {
    let server = knows().await;
    assert_eq!(ask(&mut server.plain().await, SAME).await, "answer 2");
    assert_eq!(server.count(REPEATS), 2);
}

#[tokio::test]
async fn are_no_others() {
    let server = knows().await;
    let mut client = server.plain().await;
    for field in [
        "Authorization: Basic YTpi",
        "Cookie: a=b",
        "Proxy-Authorization: Basic YTpi",
        "Content-Length: 0",
        "X-Forwarded-For: 192.0.2.1",
        "Forwarded: for=192.0.2.1",
        "Upgrade: h2c",
        "Connection: keep-alive, x",
    ] {
        let request = SAME.replacen("\r\n", &format!("\r\n{field}\r\n"), 1);
        let answered = server.handler.answered.load(SeqCst);
        for n in 1..=4 {
            assert_eq!(ask(&mut client, &request).await, format!("answer {}", answered + n), "{field}");
        }
    }
    for request in [
        SAME.replace("/same", "/same?a"),
        SAME.replace("Host: a", "Host: b"),
        SAME.replace("1.1", "1.0").replace("\r\n\r\n", "\r\nConnection: keep-alive\r\n\r\n"),
        format!("\r\n{SAME}"),
        SAME.replace("GET", "PUT"),
    ] {
        let answered = server.handler.answered.load(SeqCst);
        assert_eq!(ask(&mut server.plain().await, &request).await, format!("answer {}", answered + 1), "{request}");
    }
    assert_eq!(server.count(REPEATS), 1);
}

/// Bytes that come in parts, and several requests at once.
#[tokio::test]
async fn in_pieces_and_behind_others() {
    let server = knows().await;
    let mut client = server.tls("http/1.1").await;
    let mut same = String::new();
    for _ in 0..3 {
        same = ask(&mut client, SAME).await;
    }
    let (known, answered) = (server.count(REPEATS), server.handler.answered.load(SeqCst));
    for part in SAME.as_bytes().chunks(9) {
        client.send(std::str::from_utf8(part).unwrap()).await;
    }
    assert_eq!(body(&mut client).await, format!("answer {}", answered + 1));
    client.send(&SAME.repeat(3)).await;
    for n in 2..=4 {
        assert_eq!(body(&mut client).await, format!("answer {}", answered + n));
    }
    client.send("PUT /read HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n").await;
    client.send("ab").await;
    assert_eq!(body(&mut client).await, "2");
    assert_eq!(server.count(REPEATS), known);
    // After all of that it is as before.
    assert_eq!(ask(&mut client, SAME).await, same);
    assert_eq!(server.count(REPEATS), known + 1);
}

/// The answer before it is not sent yet: the client does not take it.
#[tokio::test]
async fn wait_for_the_answer_before() {
    let server = knows().await;
    let mut client = server.plain().await;
    client.send("GET /big?6000000 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.until("\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.send(SAME).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let big = client.bytes(6_000_000).await;
    assert!(big.bytes().all(|byte| byte == b'b'));
    assert!(body(&mut client).await.starts_with("answer "));
}

#[tokio::test]
async fn are_answered_anew_if_that_is_wrong() {
    let server = knows().await;
    let mut client = server.plain().await;
    server.handler.same.wrong.store(true, SeqCst);
    for expected in ["answer 3", "answer 4", "answer 5"] {
        assert_eq!(ask(&mut client, SAME).await, expected);
    }
    server.handler.same.wrong.store(false, SeqCst);
    assert!(server.count(REPEATS) == 1 && server.count("skerry_http_requests_in_flight") <= 1);
    for _ in 0..3 {
        ask(&mut client, SAME).await;
    }
    assert!(server.count(REPEATS) > 1);
}

#[tokio::test]
async fn of_a_host_that_is_not_well() {
    let server = knows().await;
    server.health.set("disk", Some("gone".into()));
    let mut client = server.plain().await;
    client.send(SAME).await;
    assert!(client.answer("{\"Unavailable\":1}").await.starts_with("HTTP/1.1 503 "));
    server.health.set("disk", None);
    assert_eq!(ask(&mut client, SAME).await, "answer 2");
}

#[tokio::test]
async fn at_the_end() {
    for (wrong, status, expected) in [(false, 200, "answer 2"), (true, 503, "{\"Unavailable\":1}")] {
        let mut server = knows().await;
        let mut client = server.plain().await;
        server.handler.same.waits.store(true, SeqCst);
        client.send(SAME).await;
        assert_eq!(server.event().await, "asked");
        let pending = async |times| {
            soon(async {
                while server.handler.same.pending.load(SeqCst) < times {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
            .await;
        };
        pending(1).await;
        server.drain();
        // What looks at it once more is the connection, which is told to end.
        pending(2).await;
        server.handler.same.wrong.store(wrong, SeqCst);
        server.handler.gate.add_permits(1);
        let answer = client.rest().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.ends_with(expected), "{answer}");
        server.stopped().await;
    }
}

/// One that goes away meanwhile leaves nothing behind.
#[tokio::test]
async fn of_a_client_that_goes() {
    let mut server = knows().await;
    let mut client = server.plain().await;
    server.handler.same.waits.store(true, SeqCst);
    client.send(SAME).await;
    assert_eq!(server.event().await, "asked");
    drop(client);
    server.handler.gate.add_permits(1);
    server.until("skerry_connections", 0).await;
    server.until("skerry_http_requests_in_flight", 0).await;
}

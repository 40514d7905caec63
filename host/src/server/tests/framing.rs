//! What is not a request, or more than one.

use super::support::start;

#[tokio::test]
async fn ambiguous() {
    let server = start(|_| {}).await;
    let smuggled = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9000));
    let wide = format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "a".repeat(40_000));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(120));
    for (request, status, body) in [
        (
            "PUT /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "BadRequest",
        ),
        (
            "PUT /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            400,
            "BadRequest",
        ),
        ("PUT /read HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 400, "BadRequest"),
        ("PUT /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, "BadRequest"),
        ("GET /hello HTTP/1.1\nHost: a\n\n", 400, "BadRequest"),
        ("GET /hello HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", 400, "BadRequest"),
        ("GET http://a/hello HTTP/1.1\r\nHost: a\r\n\r\n", 400, "BadRequest"),
        ("GET /hello HTTP/1.1\r\n\r\n", 400, "BadRequest"),
        ("GET /hello HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "BadRequest"),
        ("GET /hello HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "BadRequest"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "BadRequest"),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "BadRequest"),
        ("nonsense\r\n\r\n", 400, "BadRequest"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "BadRequest"),
        (&long, 431, "HeadTooLarge"),
        (&wide, 431, "HeadTooLarge"),
        (&many, 431, "HeadTooLarge"),
    ] {
        let mut client = server.plain().await;
        client.send(&format!("{request}{}", if status == 431 { "" } else { smuggled })).await;
        // Those that are requests in form leave the connection open.
        let answer = client.answer(&format!("{{\"{body}\":1}}")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:.60}: {answer}");
        if answer.contains("connection: close") {
            assert_eq!(client.rest().await, "", "{request:.60}");
        }
    }
}

#[tokio::test]
async fn in_pieces_and_behind_others() {
    let server = start(|_| {}).await;
    let mut client = server.tls("http/1.1").await;
    let bad = "PUT /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.answer("hello").await;
    for part in bad.as_bytes().chunks(7) {
        client.send(std::str::from_utf8(part).unwrap()).await;
    }
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("{\"BadRequest\":1}"), "{answer}");

    // Behind a good one, in the same bytes or while it is answered: first
    // things first.
    for path in ["/hello", "/slow"] {
        let mut client = server.plain().await;
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        if path == "/slow" {
            client.until("\r\n\r\n").await;
        }
        client.send(bad).await;
        server.handler.gate.add_permits(5);
        let answer = client.rest().await;
        assert!(answer.contains(if path == "/slow" { "sssss" } else { "hello" }), "{answer}");
        assert!(answer.contains("HTTP/1.1 400 ") && answer.ends_with("{\"BadRequest\":1}"), "{answer}");
    }
}

#[tokio::test]
async fn broken_chunks() {
    let mut server = start(|_| {}).await;
    let mut client = server.plain().await;
    client.send("PUT /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    // The head is on its way to the handler before the next bytes.
    server.until("skerry_http_requests_in_flight", 1).await;
    client.send("3\nabc\n").await;
    assert_eq!(server.event().await, "broke off");
    assert!(client.rest().await.starts_with("HTTP/1.1 400 "));
}

//! HTTP/2.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::support::{Running, soon, start};

async fn connect(server: &Running) -> http2::SendRequest<Full<Bytes>> {
    let client = server.tls("h2").await;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(client.io)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request(method: &str, path: &str, body: &'static [u8]) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(format!("https://r.example:5000{path}"))
        .body(Full::new(Bytes::from_static(body)))
        .unwrap()
}

#[tokio::test]
async fn requests() {
    let server = start(|options| options.relative_urls = Some(false)).await;
    let mut client = connect(&server).await;
    for (method, path, status, length, body) in [
        ("GET", "/hello", 200, Some("5"), "hello"),
        ("HEAD", "/hello", 200, Some("5"), ""),
        ("HEAD", "/big?1000000000000", 200, Some("1000000000000"), ""),
        ("GET", "/nothing", 404, Some("0"), ""),
        ("GET", "/204", 204, None, ""),
        ("PUT", "/read", 200, Some("3"), "100"),
        ("GET", "/framing", 200, Some("5"), "12345"),
        ("GET", "/panic", 500, Some("14"), "{\"Internal\":1}"),
    ] {
        let sent = if method == "PUT" { &[b'x'; 100] as &[u8] } else { b"" };
        let answer = soon(client.send_request(request(method, path, sent))).await.unwrap();
        let got = answer.headers().get("content-length").map(|length| length.to_str().unwrap());
        assert_eq!((answer.status().as_u16(), got), (status, length), "{method} {path}");
        assert_eq!(soon(answer.into_body().collect()).await.unwrap().to_bytes(), body);
    }
    let answer = client.send_request(request("GET", "/location", b"")).await.unwrap();
    assert_eq!(answer.headers()["location"], "https://r.example:5000/v2/x?a=b");
    let (head, _) = server.handler.seen.lock().unwrap().take().unwrap();
    assert_eq!(
        (head.uri.to_string().as_str(), &head.headers["host"]),
        ("/location", &"r.example:5000".parse().unwrap())
    );

    let mut other = request("GET", "/hello", b"");
    other.headers_mut().insert("host", "evil".parse().unwrap());
    assert_eq!(client.send_request(other).await.unwrap().status(), StatusCode::BAD_REQUEST);
    let mut wide = request("GET", "/hello", b"");
    wide.headers_mut().insert("a", "a".repeat(40_000).parse().unwrap());
    assert!(
        client
            .send_request(wide)
            .await
            .is_ok_and(|answer| answer.status() == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    );
    let mut many = request("GET", "/hello", b"");
    for n in 0..120 {
        many.headers_mut().append("a", n.to_string().parse().unwrap());
    }
    assert_eq!(client.send_request(many).await.unwrap().status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(server.count("skerry_connections_total"), 1);
}

#[tokio::test]
async fn big_bodies() {
    let server = start(|_| {}).await;
    let mut client = connect(&server).await;
    let body: &'static [u8] = vec![b'x'; 20 << 20].leak();
    let answer = soon(client.send_request(request("PUT", "/read", body))).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), (20 << 20).to_string());
    let answer = soon(client.send_request(request("GET", "/big?20000000", b""))).await.unwrap();
    assert_eq!(soon(answer.into_body().collect()).await.unwrap().to_bytes().len(), 20_000_000);
    // An early answer does not end the connection.
    let answer = soon(client.send_request(request("PUT", "/early", body))).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(soon(client.send_request(request("GET", "/hello", b""))).await.unwrap().status(), StatusCode::OK);
    assert_eq!(server.count("skerry_connections_total"), 1);
}

#[tokio::test]
async fn drain() {
    let server = start(|_| {}).await;
    let mut client = connect(&server).await;
    let answer = client.send_request(request("GET", "/slow", b"")).await.unwrap();
    server.drain();
    // GOAWAY: nothing new, and what was begun is finished.
    soon(async {
        while client.ready().await.is_ok() && client.send_request(request("GET", "/hello", b"")).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    server.handler.gate.add_permits(5);
    assert_eq!(soon(answer.into_body().collect()).await.unwrap().to_bytes().len(), 5000);
    server.stopped().await;
}

#[tokio::test]
async fn idle_and_stalled() {
    let server = start(|options| {
        options.limits.keep_alive = std::time::Duration::from_millis(50);
        options.limits.write_idle = std::time::Duration::from_millis(200);
    })
    .await;
    let mut client = connect(&server).await;
    client.send_request(request("GET", "/hello", b"")).await.unwrap();
    server.until("skerry_connections", 0).await;
    // The client takes nothing: its window is full.
    let mut client = connect(&server).await;
    let answer = client.send_request(request("GET", "/big?1000000000", b"")).await.unwrap();
    server.until("skerry_connections", 0).await;
    drop(answer);
}

#[tokio::test]
async fn prior_knowledge() {
    for h2c in [true, false] {
        let server = start(|options| options.h2c = h2c).await;
        let io = server.plain().await.io;
        let (mut client, connection) =
            http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
        tokio::spawn(connection);
        let answer = client.send_request(request("GET", "/hello", b"")).await;
        assert_eq!(answer.is_ok_and(|answer| answer.status() == StatusCode::OK), h2c);
        assert!(server.ask("PUT /read HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
        if !h2c {
            let answer =
                server.ask("GET /hello HTTP/1.1\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n").await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    }
}

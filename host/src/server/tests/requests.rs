//! One request at a time.

use ipnet::IpNet;

use super::support::{soon, start, start_on};

#[tokio::test]
async fn answers() {
    let server = start(|options| {
        options.headers.insert("access-control-allow-origin", "*".parse().unwrap());
        options.headers.append("x-two", "1".parse().unwrap());
        options.headers.append("x-two", "2".parse().unwrap());
        options.headers.insert("content-length", "7".parse().unwrap());
    })
    .await;
    for (request, has, has_not) in [
        ("GET /hello", vec!["200 OK", "content-length: 5\r\n", "date: ", "\r\n\r\nhello"], vec!["transfer-encoding"]),
        ("HEAD /hello", vec!["200 OK", "content-length: 5\r\n"], vec!["hello"]),
        ("HEAD /big?1000000000000", vec!["content-length: 1000000000000\r\n"], vec!["bb"]),
        ("GET /nothing", vec!["404 Not Found", "content-length: 0\r\n"], vec![]),
        ("OPTIONS /nothing", vec!["404 Not Found", "x-two: 1\r\n", "x-two: 2\r\n"], vec![]),
        ("GET /framing", vec!["200 OK", "content-length: 5\r\n", "\r\n\r\n12345"], vec!["99", "chunked", "upgrade"]),
        ("GET /204", vec!["204 No Content"], vec!["content-length", "12345"]),
        ("GET /304", vec!["304 Not Modified"], vec!["content-length"]),
        ("GET /101", vec!["500 Internal", "{\"Internal\":1}", "x-request-id: "], vec![]),
        ("GET /panic", vec!["500 Internal", "{\"Internal\":1}", "x-request-id: ", "application/json"], vec![]),
        ("HEAD /panic", vec!["500 Internal", "content-length: 14\r\n"], vec!["{\"Internal\":1}"]),
        ("PUT /read HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc ", vec!["200 OK", "\r\n\r\n3"], vec![]),
    ] {
        let request = if request.contains("HTTP/1.1") {
            request.trim().to_owned()
        } else {
            format!("{request} HTTP/1.1\r\n\r\n")
        };
        let answer = server.ask(&request).await;
        for part in has.iter().chain(&["access-control-allow-origin: *\r\n"]) {
            assert!(answer.contains(part), "{request}: no {part:?} in {answer}");
        }
        for part in has_not {
            assert!(!answer.contains(part), "{request}: {part:?} in {answer}");
        }
    }
    assert_eq!(server.count("skerry_panics_total"), 2);
}

#[tokio::test]
async fn keep_alive() {
    let server = start(|_| {}).await;
    let mut client = server.tls("http/1.1").await;
    for _ in 0..3 {
        client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\nHEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.answer("hello").await;
        client.answer("").await;
        client.send("PUT /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").await;
        let answer = client.answer("3").await;
        assert!(!answer.contains("connection: close"), "{answer}");
    }
    assert_eq!(server.count("skerry_connections_total"), 1);
    assert_eq!(server.count("skerry_http_requests_total{method=\"GET\",status=\"2xx\"}"), 3);
    let (_, facts) = server.handler.seen.lock().unwrap().take().unwrap();
    let tls = facts.tls.as_ref().unwrap();
    assert_eq!((tls.version, tls.server_name.as_deref()), ("1.3", Some("localhost")));
    assert!(facts.client.is_loopback() && facts.request_id.to_string().len() == 16);
}

#[tokio::test]
async fn expect_continue() {
    let server = start(|_| {}).await;
    let mut client = server.plain().await;
    client.send("PUT /read HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n").await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 100 "));
    client.send("abc").await;
    client.answer("3").await;
    // Who does not want the body does not ask for it, and cannot go on.
    client.send("PUT /early HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn prefix_and_location() {
    for (prefix, host, relative, location) in [
        ("", None, None, "/v2/x?a=b"),
        ("/p/", None, None, "/p/v2/x?a=b"),
        ("", Some("https://r.example:5000/"), Some(true), "https://r.example:5000/v2/x?a=b"),
        ("p", Some("https://r.example"), None, "https://r.example/p/v2/x?a=b"),
        ("", None, Some(true), "/v2/x?a=b"),
        ("/p", None, Some(false), "http://h:5000/p/v2/x?a=b"),
    ] {
        let server = start(|options| {
            options.prefix = prefix.into();
            options.host = host.map(str::to_owned);
            options.relative_urls = relative;
        })
        .await;
        let path = format!("{}/location", if prefix.is_empty() { "" } else { "/p" });
        let answer = server.ask(&format!("GET {path} HTTP/1.1\r\n\r\n")).await;
        assert!(answer.contains(&format!("location: {location}\r\n")), "{answer}");
        assert!(answer.contains(&format!("link: <{}>; rel=\"next\"", location.replace("/x?a=b", "/y"))), "{answer}");
        assert_eq!(server.handler.seen.lock().unwrap().take().unwrap().0.uri, "/location");
        if !prefix.is_empty() {
            assert!(server.ask("GET /location HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 404 "));
            assert!(server.handler.seen.lock().unwrap().is_none());
        }
    }
}

#[tokio::test]
async fn forwarded() {
    let request = "GET /location HTTP/1.1\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: r.example\r\n\r\n";
    for (trusted, client, location) in
        [(true, "192.0.2.7", "https://r.example/v2/x?a=b"), (false, "127.0.0.1", "http://h:5000/v2/x?a=b")]
    {
        let server = start(|options| {
            options.relative_urls = Some(false);
            if trusted {
                options.trusted_proxies = vec!["127.0.0.0/8".parse::<IpNet>().unwrap()];
            }
        })
        .await;
        let answer = server.ask(request).await;
        assert!(answer.contains(&format!("location: {location}\r\n")), "{answer}");
        let (head, facts) = server.handler.seen.lock().unwrap().take().unwrap();
        assert_eq!(facts.client.to_string(), client);
        assert!(!head.headers.contains_key("x-forwarded-for"));
    }
}

#[tokio::test]
async fn health() {
    let server = start(|_| {}).await;
    server.health.set("disk", Some("gone".into()));
    let answer = server.ask("GET /hello HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 5\r\n"), "{answer}");
    assert!(answer.ends_with("{\"Unavailable\":1}"));
    server.health.set("disk", None);
    assert!(server.ask("GET /hello HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn client_that_goes_away() {
    let mut server = start(|_| {}).await;
    let mut client = server.plain().await;
    client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(server.event().await, "begun");
    drop(client);
    assert_eq!(server.event().await, "dropped");
    server.until("skerry_http_requests_total{method=\"GET\",status=\"aborted\"}", 1).await;
    server.until("skerry_http_requests_in_flight", 0).await;
    server.until("skerry_connections", 0).await;
}

#[tokio::test]
async fn access_log() {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // On this thread, whose log it is.
    let server = start_on(0, |_| {}).await;
    server.ask("PUT /read?a=b HTTP/1.1\r\nUser-Agent: x\ty\u{e9}\r\nContent-Length: 3\r\n\r\nabc").await;
    server.until("skerry_http_requests_in_flight", 0).await;
    soon(async {
        while log.0.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let line: serde_json::Value = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .find(|line| line["target"] == "access")
        .unwrap();
    let fields = &line["fields"];
    for (name, value) in [
        ("client", "127.0.0.1"),
        ("method", "PUT"),
        ("path", "/read"),
        ("query", "a=b"),
        ("protocol", "HTTP/1.1"),
        ("user_agent", r"x\x09y\xc3\xa9"),
        ("user", r"a\x22b"),
        ("notes", r"note=a\x0ab"),
    ] {
        assert_eq!(fields[name], value, "{line}");
    }
    for (name, value) in [("status", 200), ("received", 3), ("sent", 1), ("guest_us", 7)] {
        assert_eq!(fields[name], value, "{line}");
    }
    assert_eq!(fields["aborted"], false);
}

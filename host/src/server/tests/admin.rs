//! The operator's listener.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::support::soon;
use crate::{
    metrics::Metrics,
    server::{Admin, Health, Phase, Trigger, listen},
};

#[tokio::test]
async fn shows() {
    let (health, metrics) = (Health::new(), Arc::new(Metrics::new()));
    metrics.counter("x_total", "X.", &[]).inc();
    let listener = listen("127.0.0.1:0".parse().unwrap(), 8).unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, shutdown) = Trigger::new();
    let admin = Admin { health: health.clone(), metrics, metrics_path: Some("/metrics".into()) };
    let task = tokio::spawn(admin.run(listener, shutdown));
    let ask = async |request: &str| {
        let mut tcp = TcpStream::connect(address).await.unwrap();
        tcp.write_all(format!("{request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon(tcp.read_to_string(&mut answer)).await.unwrap();
        answer.strip_prefix("HTTP/1.1 ").unwrap().to_owned()
    };
    for (request, status, body) in [
        ("GET /livez", "200", "ok\n"),
        ("GET /readyz", "200", "ok\n"),
        ("GET /debug/health", "200", "{}"),
        ("GET /metrics", "200", "# HELP x_total X.\n# TYPE x_total counter\nx_total 1\n"),
        ("POST /metrics", "405", ""),
        ("HEAD /livez", "200", ""),
        ("GET /v2/", "404", "not found\n"),
    ] {
        let answer = ask(request).await;
        assert!(answer.starts_with(status) && answer.ends_with(&format!("\r\n\r\n{body}")), "{request}: {answer}");
    }
    health.set("disk", Some("it is \"gone\"".into()));
    assert!(ask("GET /readyz").await.starts_with("503"));
    let answer = ask("GET /debug/health").await;
    assert!(answer.starts_with("503") && answer.ends_with(r#"{"disk":"it is \"gone\""}"#), "{answer}");
    health.set("disk", None);
    trigger.advance(Phase::Draining);
    assert!(ask("GET /readyz").await.starts_with("503"));
    assert!(ask("GET /livez").await.starts_with("200"));
    trigger.advance(Phase::Stopping);
    soon(task).await.unwrap();
}

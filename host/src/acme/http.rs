//! The listener for HTTP-01, at port 80: it answers what an authority asks
//! there, and sends everybody else to https.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_TYPE, HOST, LOCATION},
};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::challenge::Proofs;

/// Connections at once.
const CONNECTIONS: usize = 256;
/// For a request's head.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// For a connection as a whole: its answers are small.
const CONNECTION_TIME: Duration = Duration::from_secs(30);
/// Where authorities look (RFC 8555, 8.3).
const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// Answers for as long as it is polled.
pub async fn answer(listener: TcpListener, proofs: Arc<Proofs>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let tcp = match listener.accept().await {
            Ok((tcp, _)) => tcp,
            Err(error) => {
                tracing::warn!(%error, "listener for HTTP-01");
                sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let proofs = Arc::clone(&proofs);
        let service = service_fn(move |request: Request<Incoming>| {
            let proofs = Arc::clone(&proofs);
            async move { Ok::<_, Infallible>(respond(&request, &proofs).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .keep_alive(false)
            .max_buf_size(16 << 10)
            .serve_connection(TokioIo::new(tcp), service);
        tokio::spawn(async move {
            let _ = timeout(CONNECTION_TIME, connection).await;
            drop(permit);
        });
    }
}

async fn respond<B>(request: &Request<B>, proofs: &Proofs) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return plain(StatusCode::BAD_REQUEST, "Use https.\n");
    }
    if let Some(token) = path.strip_prefix(CHALLENGES) {
        return match proofs.by_token(token).await {
            Some(proof) => plain(StatusCode::OK, proof),
            None => plain(StatusCode::NOT_FOUND, "No such challenge.\n"),
        };
    }
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host).to_ascii_lowercase();
    // To names of ours alone: it sends nobody where somebody else wants.
    if !proofs.knows(&host) {
        return plain(StatusCode::NOT_FOUND, "Not here.\n");
    }
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    match HeaderValue::from_str(&format!("https://{host}{target}")) {
        Ok(location) => {
            let mut response = plain(StatusCode::FOUND, "Use https.\n");
            response.headers_mut().insert(LOCATION, location);
            response
        }
        Err(_) => plain(StatusCode::BAD_REQUEST, "Use https.\n"),
    }
}

fn plain(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

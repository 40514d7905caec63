//! The operator's own listener: it shows, and changes nothing.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{
    health::Health,
    shutdown::{Phase, Shutdown},
};
use crate::metrics::{self, Metrics};

/// `http.debug.addr`: `/livez`, `/readyz`, `/debug/health`, and the metrics.
pub struct Admin {
    /// What is shown there.
    pub health: Arc<Health>,
    /// What is shown there.
    pub metrics: Arc<Metrics>,
    /// `http.debug.prometheus`: where the metrics are, if they are shown.
    pub metrics_path: Option<String>,
}

/// Connections at once.
const CONNECTIONS: usize = 64;
/// For a request's head, and between requests.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// For a connection as a whole: its answers are small.
const CONNECTION_TIME: Duration = Duration::from_secs(600);

impl Admin {
    /// Answers until `shutdown` stops; while it drains, `/readyz` is 503.
    pub async fn run(self, listener: TcpListener, shutdown: Shutdown) {
        let admin = Arc::new(self);
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let stopping = shutdown.clone();
        let accept = async {
            loop {
                let Ok(permit) = room.clone().acquire_owned().await else { return };
                let tcp = match listener.accept().await {
                    Ok((tcp, _)) => tcp,
                    Err(error) => {
                        tracing::warn!(%error, "debug listener");
                        sleep(Duration::from_millis(200)).await;
                        continue;
                    }
                };
                let (admin, shutdown) = (admin.clone(), shutdown.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let response = admin.answer(request.method(), request.uri().path(), shutdown.phase());
                    async move { Ok::<_, Infallible>(response) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIME)
                    .max_buf_size(16 << 10)
                    .serve_connection(TokioIo::new(tcp), service);
                tokio::spawn(async move {
                    let _ = timeout(CONNECTION_TIME, connection).await;
                    drop(permit);
                });
            }
        };
        tokio::select! {
            () = accept => {}
            () = stopping.reached(Phase::Stopping) => {}
        }
    }

    fn answer(&self, method: &Method, path: &str, phase: Phase) -> Response<Full<Bytes>> {
        let (status, media_type, body) = match path {
            _ if !matches!(*method, Method::GET | Method::HEAD) => {
                (StatusCode::METHOD_NOT_ALLOWED, TEXT, String::new())
            }
            "/livez" => (StatusCode::OK, TEXT, "ok\n".into()),
            "/readyz" if phase >= Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, TEXT, "stopping\n".into()),
            "/readyz" if self.health.is_ok() => (StatusCode::OK, TEXT, "ok\n".into()),
            "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, TEXT, "a health check fails\n".into()),
            "/debug/health" => {
                let failing = self.health.failing();
                let status = if failing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                (status, JSON, serde_json::to_string(&failing).unwrap_or_default())
            }
            path if self.metrics_path.as_deref() == Some(path) => {
                (StatusCode::OK, metrics::CONTENT_TYPE, self.metrics.render())
            }
            _ => (StatusCode::NOT_FOUND, TEXT, "not found\n".into()),
        };
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";

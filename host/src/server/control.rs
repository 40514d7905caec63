//! The operator's own door: a Unix socket, or TLS with certificates of both
//! sides. What is done behind it is for [`Commands`] to know.
//!
//! There is no third way in: every user of a machine can connect to its
//! loopback addresses, and so can every page that a browser there shows.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ORIGIN},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::geteuid;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener, UnixStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    escape::escaped,
    listen::TlsSource,
    shutdown::{Phase, Shutdown},
};

/// Carries commands out.
#[async_trait]
pub trait Commands: Send + Sync + 'static {
    /// One command; the answer is a status and a document.
    async fn run(&self, command: Command) -> (StatusCode, Value);
}

/// A request of somebody who may give commands.
pub struct Command {
    /// What to do.
    pub method: Method,
    /// To what; as it was sent.
    pub path: String,
    /// The media type of the body.
    pub media_type: String,
    /// At most [`LARGEST_COMMAND`] bytes.
    pub body: Bytes,
}

/// The largest body that is read: a module.
pub const LARGEST_COMMAND: usize = 64 << 20;

/// Where commands come in.
pub enum Door {
    /// For this user and root. The file is open to nobody else; this is looked
    /// at once more for each connection.
    Unix(UnixListener),
    /// For who has a certificate that the source's own authorities vouch for:
    /// it is to refuse all others.
    Tls(TcpListener, TlsSource),
}

/// Connections at once.
const CONNECTIONS: usize = 16;
/// For a handshake, a request's head, and between requests.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// For a request's body.
const BODY_TIME: Duration = Duration::from_secs(120);
/// For a connection as a whole.
const CONNECTION_TIME: Duration = Duration::from_secs(600);

/// Answers until `shutdown` stops.
pub async fn control(door: Door, commands: Arc<dyn Commands>, shutdown: Shutdown) {
    let desk = Desk { commands, bodies: Arc::new(Semaphore::new(1)) };
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let accept = async {
        while let Ok(permit) = room.clone().acquire_owned().await {
            let desk = desk.clone();
            let accepted = match &door {
                Door::Unix(listener) => listener.accept().await.map(|(stream, _)| {
                    tokio::spawn(async move {
                        desk.serve_own(stream).await;
                        drop(permit);
                    });
                }),
                Door::Tls(listener, tls) => listener.accept().await.map(|(stream, _)| {
                    let config = tls().config;
                    tokio::spawn(async move {
                        let handshake = timeout(HEAD_TIME, TlsAcceptor::from(config).accept(stream));
                        if let Ok(Ok(stream)) = handshake.await {
                            desk.serve(stream).await;
                        }
                        drop(permit);
                    });
                }),
            };
            if let Err(error) = accepted {
                tracing::warn!(%error, "admin endpoint");
                sleep(Duration::from_millis(200)).await;
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = shutdown.reached(Phase::Stopping) => {}
    }
}

#[derive(Clone)]
struct Desk {
    commands: Arc<dyn Commands>,
    /// One body is read at a time: they are large.
    bodies: Arc<Semaphore>,
}

impl Desk {
    async fn serve_own(self, stream: UnixStream) {
        match own(&stream) {
            Ok(true) => self.serve(stream).await,
            Ok(false) => tracing::warn!("admin endpoint: another user connects, and is not heard"),
            Err(error) => tracing::warn!(%error, "admin endpoint: who connects is not known, and is not heard"),
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(move |request: Request<Incoming>| {
            let desk = self.clone();
            async move { Ok::<_, Infallible>(desk.answer(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(64 << 10)
            .serve_connection(TokioIo::new(stream), service);
        let _ = timeout(CONNECTION_TIME, connection).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let (status, document) = self.hear(request).await;
        if method != Method::GET {
            tracing::info!(%method, path = %escaped(path.as_bytes()), status = status.as_u16(), "admin endpoint");
        }
        let mut response = Response::new(Full::from(format!("{document:#}\n")));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    async fn hear(&self, request: Request<Incoming>) -> (StatusCode, Value) {
        let (head, body) = request.into_parts();
        if from_a_page(&head.headers) {
            return (StatusCode::FORBIDDEN, json!({"error": "a page of a browser gives no commands here"}));
        }
        let (_turn, body) = match head.method {
            Method::GET => (None, Bytes::new()),
            _ => {
                let turn = self.bodies.acquire().await.ok();
                match timeout(BODY_TIME, Limited::new(body, LARGEST_COMMAND).collect()).await {
                    Ok(Ok(body)) => (turn, body.to_bytes()),
                    Ok(Err(_)) | Err(_) => {
                        let error = format!("a body of at most {LARGEST_COMMAND} bytes is taken, within {BODY_TIME:?}");
                        return (StatusCode::PAYLOAD_TOO_LARGE, json!({"error": error}));
                    }
                }
            }
        };
        let media_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        self.commands.run(Command { method: head.method, path: head.uri.path().to_owned(), media_type, body }).await
    }
}

/// Browsers say so, and nobody else does.
fn from_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site")
}

/// Whether this user or root is at the other end.
fn own(stream: &UnixStream) -> io::Result<bool> {
    let user = stream.peer_cred()?.uid();
    Ok(user == 0 || user == geteuid().as_raw())
}

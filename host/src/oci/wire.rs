//! HTTP to a registry: one request on one connection, with a bound on
//! everything.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header, uri::Authority};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, crypto::ring, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::AbortHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// To a connection with TLS.
const CONNECT: Duration = Duration::from_secs(20);
/// Between the last byte of a request and the head of the answer, and between
/// two pieces of its body.
const SILENCE: Duration = Duration::from_secs(60);
/// Bytes a second that a request's body moves at least.
const SLOWEST: u64 = 16 << 10;
/// Bytes of an answer's head.
const HEAD: usize = 64 << 10;

/// The way to registries.
pub(super) struct Wire {
    /// Without, plain HTTP.
    tls: Option<TlsConnector>,
}

/// An answer.
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Wire {
    /// With TLS, trusting the authorities of a PEM file or the system's.
    pub(super) fn secure(trusted: Option<&Path>) -> Result<Self, String> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|cause| cause.to_string())?
            .with_root_certificates(crate::tls::authorities(trusted)?)
            .with_no_client_auth();
        Ok(Self { tls: Some(TlsConnector::from(Arc::new(config))) })
    }

    /// Without TLS.
    pub(super) const fn plain() -> Self {
        Self { tls: None }
    }

    /// The scheme of its URLs.
    pub(super) const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Sends a request to the URL that it names; of the answer's body at most
    /// so many bytes are taken, and more are an error.
    pub(super) async fn exchange(&self, request: Request<Full<Bytes>>, most: u64) -> Result<Answer, String> {
        let (mut parts, body) = request.into_parts();
        if parts.uri.scheme_str() != Some(self.scheme()) {
            return Err(format!("{} is no URL with {}", shown(&parts.uri), self.scheme()));
        }
        let Some(authority) = parts.uri.authority().cloned() else { return Err("a URL has no host".to_owned()) };
        let at = |what: String| format!("{authority}: {what}");
        let host = HeaderValue::from_str(authority.as_str()).map_err(|cause| at(cause.to_string()))?;
        parts.headers.insert(header::HOST, host);
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        parts.uri = target.parse().map_err(|cause: http::uri::InvalidUri| at(cause.to_string()))?;
        let request = Request::from_parts(parts, body);
        let connect = timeout(CONNECT, self.connect(&authority)).await;
        let stream =
            connect.unwrap_or_else(|_| Err(format!("no connection within {} s", CONNECT.as_secs()))).map_err(at)?;
        match stream {
            Stream::Secure(stream) => speak(stream, request, most).await,
            Stream::Plain(stream) => speak(stream, request, most).await,
        }
        .map_err(at)
    }

    async fn connect(&self, authority: &Authority) -> Result<Stream, String> {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let tcp = TcpStream::connect((host.as_str(), port)).await.map_err(|cause| format!("no connection: {cause}"))?;
        let _ = tcp.set_nodelay(true);
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(tcp)) };
        let name = ServerName::try_from(host).map_err(|cause| cause.to_string())?;
        let stream = tls.connect(name, tcp).await.map_err(|cause| format!("no TLS: {cause}"))?;
        Ok(Stream::Secure(Box::new(stream)))
    }
}

enum Stream {
    Secure(Box<tokio_rustls::client::TlsStream<TcpStream>>),
    Plain(TcpStream),
}

/// Ends a connection when its exchange ends, however it does.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn speak<S>(stream: S, request: Request<Full<Bytes>>, most: u64) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD)
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(|cause| cause.to_string())?;
    let _driver = Driver(tokio::spawn(connection).abort_handle());
    let length = http_body::Body::size_hint(request.body()).lower();
    let patience = SILENCE + Duration::from_secs(length / SLOWEST);
    let head = timeout(patience, sender.send_request(request)).await;
    let (parts, body) = head
        .map_err(|_| format!("no answer within {} s", patience.as_secs()))?
        .map_err(|cause| format!("no answer: {cause}"))?
        .into_parts();
    Ok(Answer { status: parts.status, headers: parts.headers, body: take(body, most).await? })
}

async fn take(mut body: Incoming, most: u64) -> Result<Bytes, String> {
    let too_large = || format!("the answer has more than {most} bytes");
    let announced = http_body::Body::size_hint(&body);
    if announced.lower() > most {
        return Err(too_large());
    }
    let mut taken = BytesMut::new();
    loop {
        let frame = match timeout(SILENCE, body.frame()).await {
            Ok(Some(frame)) => frame.map_err(|cause| format!("the answer breaks off: {cause}"))?,
            Ok(None) => return Ok(taken.freeze()),
            Err(_) => return Err(format!("the answer stops for more than {} s", SILENCE.as_secs())),
        };
        let Ok(bytes) = frame.into_data() else { continue };
        if u64::try_from(taken.len().saturating_add(bytes.len())).unwrap_or(u64::MAX) > most {
            return Err(too_large());
        }
        taken.extend_from_slice(&bytes);
    }
}

/// A URL without what may be secret in it.
pub(super) fn shown(uri: &Uri) -> String {
    let authority = uri.authority().map(|authority| authority.host()).unwrap_or_default();
    format!("{}://{authority}{}", uri.scheme_str().unwrap_or_default(), uri.path()).escape_debug().to_string()
}

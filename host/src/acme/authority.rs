//! The authority's own server: HTTPS to it, with a bound on everything.

use std::{
    fmt::Display,
    future::Future,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::{ClientConfig, crypto::ring, pki_types::ServerName};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use tokio::{
    net::TcpStream,
    task::{AbortHandle, spawn_blocking},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::tls::authorities;

/// For one request, from its name's resolution to the last byte of the answer.
const REQUEST: Duration = Duration::from_secs(30);
/// Of an answer: the longest chains have some 10 KiB.
const ANSWER: usize = 256 << 10;
/// Fields of an answer's head, and bytes.
const HEAD: usize = 32 << 10;

/// The way to the authority.
#[derive(Clone)]
pub(super) struct Wire {
    tls: TlsConnector,
    after: Arc<Mutex<Option<Duration>>>,
}

impl Wire {
    /// Trusts the authorities in a PEM file or, without one, the system's.
    pub(super) async fn new(trusted: Option<&Path>) -> Result<Self, String> {
        let trusted = trusted.map(Path::to_owned);
        let roots = spawn_blocking(move || authorities(trusted.as_deref())).await.map_err(|error| error.to_string())?;
        let roots = roots.map_err(|wrong| format!("{wrong} (`http.tls.letsencrypt.ca`)"))?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), after: Arc::default() })
    }

    /// How long the last refusal told us to wait (`Retry-After`).
    pub(super) fn after(&self) -> Option<Duration> {
        self.after.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn exchange(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (host, port, request) = prepared(request)?;
        let name = ServerName::try_from(host.clone()).map_err(failed)?;
        let tcp = TcpStream::connect((host.as_str(), port))
            .await
            .map_err(|error| failed(format!("no connection to {host}, port {port}: {error}")))?;
        let tls = self
            .tls
            .connect(name, tcp)
            .await
            .map_err(|error| failed(format!("no TLS with {host}, port {port}: {error}")))?;
        let (mut sender, connection) =
            http1::Builder::new().max_buf_size(HEAD).handshake(TokioIo::new(tls)).await.map_err(failed)?;
        let _driver = Driver(tokio::spawn(connection).abort_handle());
        let (parts, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
        let body = Limited::new(body, ANSWER).collect().await.map_err(Error::Other)?.to_bytes();
        if !parts.status.is_success() {
            let after = parts.headers.get(header::RETRY_AFTER).and_then(retry_after);
            *self.after.lock().unwrap_or_else(PoisonError::into_inner) = after;
            if !is_json(parts.headers.get(header::CONTENT_TYPE)) {
                return Err(failed(format!("{host} answered {} and no reason", parts.status)));
            }
        }
        Ok(BytesResponse { parts, body: Box::new(body) })
    }
}

impl HttpClient for Wire {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let wire = self.clone();
        Box::pin(async move {
            match timeout(REQUEST, wire.exchange(request)).await {
                Ok(done) => done,
                Err(_) => Err(failed(format!("no answer within {} s", REQUEST.as_secs()))),
            }
        })
    }
}

/// Ends a connection when its exchange ends, however it does.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn failed(error: impl Display) -> Error {
    Error::Other(error.to_string().into())
}

/// Whom to connect to, and the request as HTTP/1.1 has it.
fn prepared(request: Request<BodyWrapper<Bytes>>) -> Result<(String, u16, Request<BodyWrapper<Bytes>>), Error> {
    let (mut parts, body) = request.into_parts();
    // Its other URLs are the authority's own word.
    if parts.uri.scheme_str() != Some("https") {
        return Err(failed("the authority names a URL without https"));
    }
    let authority = parts.uri.authority().ok_or_else(|| failed("the authority names a URL with no host"))?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = authority.port_u16().unwrap_or(443);
    let field = HeaderValue::from_str(authority.as_str()).map_err(failed)?;
    parts.headers.insert(header::HOST, field);
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    parts.uri = target.parse::<Uri>()?;
    Ok((host, port, Request::from_parts(parts, body)))
}

fn is_json(kind: Option<&HeaderValue>) -> bool {
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}

/// Seconds, or a date.
fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = SystemTime::from(OffsetDateTime::parse(text, &Rfc2822).ok()?);
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn when_to_come_back() {
        let read = |text: &str| retry_after(&HeaderValue::from_str(text).unwrap());
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO));
        assert!(read("Thu, 31 Dec 2099 23:59:59 GMT").unwrap() > Duration::from_secs(86400 * 365));
        for text in ["", "-1", "soon", "1.5", "99999999999999999999"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn only_https() {
        let to = |uri: &str| {
            let request = Request::builder().uri(uri).body(BodyWrapper::default()).unwrap();
            prepared(request).map(|(host, port, request)| (host, port, request.uri().to_string()))
        };
        assert_eq!(to("https://a.example/dir?x=1").unwrap(), ("a.example".to_owned(), 443, "/dir?x=1".to_owned()));
        assert_eq!(to("https://[::1]:14000/dir").unwrap(), ("::1".to_owned(), 14000, "/dir".to_owned()));
        assert!(to("http://a.example/dir").is_err() && to("/dir").is_err());
    }
}

//! A client that sends exactly what it is told to, over verified TLS.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request as Head, Response, Version, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::Runtime,
};

use crate::authority::Authority;

type Body = BoxBody<Bytes, std::io::Error>;

/// Longer than anything that a test waits for.
const PATIENCE: Duration = Duration::from_secs(300);

/// The runtime of all clients of this process.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
}

/// Why there is no answer.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A client of one server. Each request has a connection of its own.
#[derive(Clone)]
pub struct Client {
    authority: String,
    tls: Option<Arc<ClientConfig>>,
    version: Version,
    accept: bool,
    authorization: Option<String>,
}

/// What clients say that they accept.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, */*";

impl Client {
    /// HTTP/1.1 over TLS to `authority` (`host:port`), trusting `trust` alone.
    pub fn new(authority: &str, trust: &Authority) -> Self {
        Self {
            authority: authority.to_owned(),
            tls: Some(trust.client(&["http/1.1"])),
            version: Version::HTTP_11,
            accept: false,
            authorization: None,
        }
    }

    /// HTTP/2 over TLS.
    pub fn http2(authority: &str, trust: &Authority) -> Self {
        Self {
            authority: authority.to_owned(),
            tls: Some(trust.client(&["h2"])),
            version: Version::HTTP_2,
            accept: false,
            authorization: None,
        }
    }

    /// HTTP/1.1 over TLS as it is configured.
    pub fn with(authority: &str, tls: Arc<ClientConfig>) -> Self {
        Self {
            authority: authority.to_owned(),
            tls: Some(tls),
            version: Version::HTTP_11,
            accept: false,
            authorization: None,
        }
    }

    /// HTTP/1.1 with no TLS.
    pub fn plain(authority: &str) -> Self {
        Self {
            authority: authority.to_owned(),
            tls: None,
            version: Version::HTTP_11,
            accept: false,
            authorization: None,
        }
    }

    /// The same client, one that says that it accepts every kind of manifest:
    /// distribution wants to hear it.
    pub fn accepting(mut self) -> Self {
        self.accept = true;
        self
    }

    /// The same client, one that shows a user and a password.
    pub fn user(&self, user: &str, password: &str) -> Self {
        let shown = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        Self { authorization: Some(shown), ..self.clone() }
    }

    /// The same client, one that shows a token.
    pub fn bearer(&self, token: &str) -> Self {
        Self { authorization: Some(format!("Bearer {token}")), ..self.clone() }
    }

    /// `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// A request, to be completed and sent.
    pub fn request(&self, method: &str, target: &str) -> Request<'_> {
        Request {
            client: self,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: HeaderMap::new(),
            body: Source::Empty,
        }
    }

    /// A GET, sent.
    pub fn get(&self, target: &str) -> Answer {
        self.request("GET", target).send()
    }

    /// A HEAD, sent.
    pub fn head(&self, target: &str) -> Answer {
        self.request("HEAD", target).send()
    }

    /// A DELETE, sent.
    pub fn delete(&self, target: &str) -> Answer {
        self.request("DELETE", target).send()
    }

    async fn exchange(&self, head: Head<Body>) -> Result<Response<Incoming>, Failure> {
        let socket = TcpStream::connect(&self.authority).await?;
        socket.set_nodelay(true)?;
        match &self.tls {
            None => self.converse(socket, head).await,
            Some(config) => {
                let (host, _) = self.authority.rsplit_once(':').ok_or("an authority has a port")?;
                let name = ServerName::try_from(host.to_owned())?;
                let socket = tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(name, socket).await?;
                self.converse(socket, head).await
            }
        }
    }

    async fn converse<S>(&self, socket: S, head: Head<Body>) -> Result<Response<Incoming>, Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let io = TokioIo::new(socket);
        if self.version == Version::HTTP_2 {
            let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            Ok(sender.send_request(head).await?)
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
            tokio::spawn(connection);
            Ok(sender.send_request(head).await?)
        }
    }
}

enum Source {
    Empty,
    Whole(Bytes),
    /// With no declared length.
    Stream(Vec<Bytes>),
}

/// A request that is being made.
pub struct Request<'a> {
    client: &'a Client,
    method: String,
    target: String,
    headers: HeaderMap,
    body: Source,
}

impl Request<'_> {
    /// One more header field.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
        self
    }

    /// A body of known length.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Source::Whole(body.into());
        self
    }

    /// A body whose length is not declared, in these pieces.
    pub fn stream(mut self, pieces: impl IntoIterator<Item = impl Into<Bytes>>) -> Self {
        self.body = Source::Stream(pieces.into_iter().map(Into::into).collect());
        self
    }

    /// Sends it; a failure to get an answer fails the test.
    pub fn send(self) -> Answer {
        let what = format!("{} {}", self.method, self.target);
        self.try_send().unwrap_or_else(|error| panic!("{what}: no answer: {error}"))
    }

    /// Sends it and reads the whole answer.
    pub fn try_send(self) -> Result<Answer, Failure> {
        runtime().block_on(async {
            let exchange = async {
                let what = format!("{} {}", self.method, self.target);
                let client = self.client;
                let response = client.exchange(self.head()?).await?;
                let (head, body) = response.into_parts();
                let body = body.collect().await?.to_bytes();
                Ok(Answer { what, status: head.status.as_u16(), version: head.version, headers: head.headers, body })
            };
            tokio::time::timeout(PATIENCE, exchange).await?
        })
    }

    fn head(self) -> Result<Head<Body>, Failure> {
        let http2 = self.client.version == Version::HTTP_2;
        let scheme = if self.client.tls.is_some() { "https" } else { "http" };
        let target =
            if http2 { format!("{scheme}://{}{}", self.client.authority, self.target) } else { self.target.clone() };
        let body = match self.body {
            Source::Empty => Full::new(Bytes::new()).map_err(|never| match never {}).boxed(),
            Source::Whole(bytes) => Full::new(bytes).map_err(|never| match never {}).boxed(),
            Source::Stream(pieces) => StreamBody::new(Pieces(pieces.into_iter())).boxed(),
        };
        let mut head =
            Head::builder().method(self.method.as_str()).uri(target).version(self.client.version).body(body)?;
        *head.headers_mut() = self.headers;
        if let Some(shown) = &self.client.authorization {
            head.headers_mut().insert(header::AUTHORIZATION, HeaderValue::try_from(shown)?);
        }
        if self.client.accept && !head.headers().contains_key(header::ACCEPT) {
            head.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(ACCEPT));
        }
        if !http2 && !head.headers().contains_key(header::HOST) {
            head.headers_mut().insert(header::HOST, HeaderValue::try_from(self.client.authority.as_str())?);
        }
        Ok(head)
    }
}

/// The pieces of a body as the stream that `StreamBody` wants.
struct Pieces(std::vec::IntoIter<Bytes>);

impl futures_core::Stream for Pieces {
    type Item = Result<Frame<Bytes>, std::io::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.next().map(|piece| Ok(Frame::data(piece))))
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    what: String,
    /// Status code.
    pub status: u16,
    /// The protocol that it came by.
    pub version: Version,
    /// Header fields.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The one value of a header field; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What was asked: method and target.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{}: no JSON: {error}: {}", self.what, self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of the first error in the body; empty if there is none.
    pub fn code(&self) -> String {
        let json = serde_json::from_slice::<serde_json::Value>(&self.body).unwrap_or_default();
        json["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Fails the test unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {:?} {}", self.what, self.headers, self.text());
        self
    }

    /// `Location` as a target for the next request: path and query.
    #[track_caller]
    pub fn location(&self) -> String {
        let location = self.header("location");
        assert!(!location.is_empty(), "{}: {} has no Location: {}", self.what, self.status, self.text());
        target(location).to_owned()
    }

    /// Where a list goes on, as a target; nothing where this is its end.
    #[track_caller]
    pub fn next(&self) -> Option<String> {
        let link = Some(self.header("link")).filter(|link| !link.is_empty())?;
        let url = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
        Some(target(url.unwrap_or_else(|| panic!("{}: Link: {link}", self.what))).to_owned())
    }
}

/// Path and query of a URL that may be absolute.
pub fn target(url: &str) -> &str {
    match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => url,
    }
}

/// One more parameter of a target.
pub fn with(target: &str, query: &str) -> String {
    let joint = if target.contains('?') { '&' } else { '?' };
    format!("{target}{joint}{query}")
}

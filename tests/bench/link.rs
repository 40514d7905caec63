//! Connections to a server, over verified TLS.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Request, Version,
    body::{Body, Frame, SizeHint},
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, HandshakeKind, client::Resumption, pki_types::ServerName};
use skerry_tests::{authority::Authority, client::Failure};
use tokio::{io::BufReader, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    ask::{Ask, Checker, Pieces, Reply, Sent},
    h1::H1,
};

/// Bytes that are taken from a socket at a time: rustls alone takes few.
const READ: usize = 256 << 10;
/// HTTP/2: what a server may send ahead, so that it never waits for us.
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Which protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    One,
    Two,
}

impl Protocol {
    /// In the names of workloads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::One => "h1",
            Self::Two => "h2",
        }
    }

    /// In their titles.
    pub const fn title(self) -> &'static str {
        match self {
            Self::One => "HTTP/1.1",
            Self::Two => "HTTP/2",
        }
    }
}

/// Where a server is, and how it is spoken to.
#[derive(Clone)]
pub struct Place {
    pub address: SocketAddr,
    one: Arc<ClientConfig>,
    two: Arc<ClientConfig>,
}

impl Place {
    pub fn new(address: SocketAddr, trust: &Authority) -> Self {
        let config = |alpn: &str, resumed: bool| {
            let mut config = (*trust.client(&[alpn])).clone();
            if !resumed {
                config.resumption = Resumption::disabled();
            }
            Arc::new(config)
        };
        Self { address, one: config("http/1.1", false), two: config("h2", false) }
    }

    /// The same place for a client that keeps tickets.
    pub fn resuming(&self) -> Self {
        let mut one = (*self.one).clone();
        one.resumption = Resumption::in_memory_sessions(256);
        Self { one: Arc::new(one), ..self.clone() }
    }

    /// What a request says in `Host`.
    pub fn authority(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// Connects.
    pub async fn link(&self, protocol: Protocol) -> Result<Link, Failure> {
        match protocol {
            Protocol::One => Ok(Link::One(Box::new(self.one().await?.0))),
            Protocol::Two => Ok(Link::Two(self.two().await?)),
        }
    }

    /// Connects by HTTP/1.1; whether the session was resumed.
    pub async fn one(&self) -> Result<(H1, bool), Failure> {
        let stream = self.connect(&self.one).await?;
        let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        Ok((H1::new(stream, self.authority()), resumed))
    }

    async fn two(&self) -> Result<H2, Failure> {
        let stream = self.connect(&self.two).await?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err("the server does not speak HTTP/2".into());
        }
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(1 << 20)
            .handshake(TokioIo::new(stream))
            .await?;
        tokio::spawn(connection);
        Ok(H2 { sender, authority: self.authority() })
    }

    async fn connect(&self, config: &Arc<ClientConfig>) -> Result<TlsStream<BufReader<TcpStream>>, Failure> {
        let socket = TcpStream::connect(self.address).await?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        Ok(TlsConnector::from(Arc::clone(config)).connect(name, BufReader::with_capacity(READ, socket)).await?)
    }
}

/// A connection by either.
pub enum Link {
    One(Box<H1>),
    Two(H2),
}

impl Link {
    /// Sends a request and checks its answer.
    pub async fn exchange(&mut self, ask: &Ask<'_>, check: &mut Checker<'_>) -> Result<Reply, Failure> {
        match self {
            Self::One(link) => link.exchange(ask, check).await,
            Self::Two(link) => link.exchange(ask, check).await,
        }
    }
}

/// A connection by HTTP/2.
pub struct H2 {
    sender: SendRequest<Outgoing>,
    authority: String,
}

impl H2 {
    async fn exchange(&mut self, ask: &Ask<'_>, check: &mut Checker<'_>) -> Result<Reply, Failure> {
        let uri = format!("https://{}{}", self.authority, ask.target);
        let mut request = Request::builder().method(ask.method).uri(uri).version(Version::HTTP_2);
        for (name, value) in ask.headers {
            request = request.header(*name, value);
        }
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Outgoing::of(&ask.body))?).await?;
        let (head, mut body) = answer.into_parts();
        let field = |name: &str| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
        let reply =
            Reply { status: head.status.as_u16(), digest: field("docker-content-digest"), location: field("location") };
        while let Some(frame) = body.frame().await {
            if let Some(bytes) = frame?.data_ref() {
                check.take(bytes)?;
            }
        }
        if ask.method != "HEAD" {
            check.end()?;
        }
        Ok(reply)
    }
}

/// The body of a request by HTTP/2.
pub struct Outgoing {
    pieces: Pieces,
    left: Option<u64>,
    next: Option<Bytes>,
}

impl Outgoing {
    fn of(body: &Sent) -> Self {
        let mut pieces = body.pieces();
        let next = pieces.next();
        Self { pieces, left: body.length(), next }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(bytes) = self.next.take() else { return Poll::Ready(None) };
        self.next = self.pieces.next();
        self.left = self.left.map(|left| left - bytes.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

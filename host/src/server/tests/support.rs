//! A handler, a server in front of it, and a client that says what it is told.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts};
use http_body_util::BodyExt as _;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{
    metrics::Metrics,
    plane::Body,
    server::{
        Answer, Endpoint, EventLoops, Facts, Fault, Handler, Health, HostFailure, Options, Phase, Repeat, Server,
        TlsSetup, Trigger, listen,
    },
    storage::{Failure, Object},
};

/// Answers by path; see [`Handler::handle`] below.
pub(super) struct Test {
    /// Each chunk of `/slow` takes a permit.
    pub(super) gate: Arc<Semaphore>,
    /// What the last request was.
    pub(super) seen: Mutex<Option<(Parts, Arc<Facts>)>>,
    /// `/wait` says here that it was begun, and that it was dropped.
    pub(super) events: mpsc::UnboundedSender<&'static str>,
    /// How often `/same` was answered here, which its answers say.
    pub(super) answered: AtomicUsize,
    pub(super) same: Arc<Same>,
}

/// Whether answers of `/same` may be given again.
#[derive(Default)]
pub(super) struct Same {
    pub(super) wrong: AtomicBool,
    /// It says that it was asked, and tells only with a permit.
    pub(super) waits: AtomicBool,
    /// How often it could not tell yet.
    pub(super) pending: AtomicUsize,
    gate: Option<(Arc<Semaphore>, mpsc::UnboundedSender<&'static str>)>,
}

impl Repeat for Same {
    fn again(self: Arc<Self>) -> Pin<Box<dyn Future<Output = bool> + Send>> {
        Box::pin(async move {
            if let Some((gate, events)) = self.gate.as_ref().filter(|_| self.waits.load(SeqCst)) {
                let _ = events.send("asked");
                let mut acquiring = pin!(gate.acquire());
                let acquired = poll_fn(|cx| {
                    let polled = acquiring.as_mut().poll(cx);
                    self.pending.fetch_add(usize::from(polled.is_pending()), SeqCst);
                    polled
                });
                acquired.await.unwrap().forget();
            }
            !self.wrong.load(SeqCst)
        })
    }
}

/// Bytes that come when the gate lets them.
struct Gated(Arc<Semaphore>, u64);

#[async_trait]
impl Object for Gated {
    fn size(&self) -> u64 {
        self.1
    }

    fn try_chunk(&self, _: u64, _: usize) -> Option<Result<Bytes, Failure>> {
        None
    }

    async fn chunk(&self, _: u64, max: usize) -> Result<Bytes, Failure> {
        self.0.acquire().await.unwrap().forget();
        Ok(Bytes::from(vec![b's'; max.min(1000)]))
    }
}

/// As many bytes as are wanted, at once.
struct Endless(Bytes);

#[async_trait]
impl Object for Endless {
    fn size(&self) -> u64 {
        1 << 40
    }

    fn try_chunk(&self, _: u64, max: usize) -> Option<Result<Bytes, Failure>> {
        Some(Ok(Bytes::copy_from_slice(&self.0[..max.min(self.0.len())])))
    }

    async fn chunk(&self, offset: u64, max: usize) -> Result<Bytes, Failure> {
        self.try_chunk(offset, max).unwrap()
    }
}

struct OnDrop(mpsc::UnboundedSender<&'static str>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

#[async_trait]
impl Handler for Test {
    async fn handle(&self, head: Parts, body: hyper::body::Incoming, facts: Arc<Facts>) -> Result<Answer, Fault> {
        *self.seen.lock().unwrap() = Some((head.clone(), facts.clone()));
        let mut repeat = None;
        let mut response = Response::new(Body::empty());
        match head.uri.path() {
            "/hello" => *response.body_mut() = Body::full(Bytes::from_static(b"hello")),
            "/same" => {
                let count = self.answered.fetch_add(1, SeqCst) + 1;
                *response.body_mut() = Body::full(Bytes::from(format!("answer {count}")));
                response.headers_mut().insert(header::ETAG, HeaderValue::from_static("\"same\""));
                repeat = facts.repeats.then(|| self.same.clone() as Arc<dyn Repeat>);
            }
            "/early" => {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
                *response.body_mut() = Body::full(Bytes::from_static(b"who are you?"));
            }
            "/read" => {
                let mut body = body;
                let mut size = 0;
                loop {
                    match body.frame().await {
                        Some(Ok(frame)) => size += frame.data_ref().map_or(0, Bytes::len),
                        Some(Err(_)) => {
                            let _ = self.events.send("broke off");
                            *response.status_mut() = StatusCode::BAD_REQUEST;
                            break;
                        }
                        None => break,
                    }
                }
                *response.body_mut() = Body::full(Bytes::from(size.to_string()));
            }
            "/big" => {
                let size = head.uri.query().unwrap().parse().unwrap();
                let object = Endless(Bytes::from(vec![b'b'; 64 << 10]));
                *response.body_mut() = Body::slice(Box::new(object), 0, size);
            }
            "/slow" => *response.body_mut() = Body::slice(Box::new(Gated(self.gate.clone(), 5000)), 0, 5000),
            "/wait" => {
                let _ = self.events.send("begun");
                let _dropped = OnDrop(self.events.clone());
                self.gate.acquire().await.unwrap().forget();
            }
            "/location" => {
                *response.status_mut() = StatusCode::CREATED;
                response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/v2/x?a=b"));
                response.headers_mut().insert(header::LINK, HeaderValue::from_static("</v2/y>; rel=\"next\""));
            }
            "/framing" => {
                *response.body_mut() = Body::full(Bytes::from_static(b"12345"));
                for (name, value) in [
                    ("content-length", "99"),
                    ("transfer-encoding", "chunked"),
                    ("connection", "close"),
                    ("upgrade", "x"),
                ] {
                    response.headers_mut().append(name, HeaderValue::from_static(value));
                }
            }
            "/204" => {
                *response.status_mut() = StatusCode::NO_CONTENT;
                *response.body_mut() = Body::full(Bytes::from_static(b"12345"));
            }
            "/304" => *response.status_mut() = StatusCode::NOT_MODIFIED,
            "/101" => *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS,
            "/panic" => panic!("on purpose"),
            _ => *response.status_mut() = StatusCode::NOT_FOUND,
        }
        Ok(Answer {
            response,
            notes: [("note".into(), "a\nb".into())].into(),
            user: Some("a\"b".into()),
            guest_time: Duration::from_micros(7),
            repeat,
        })
    }

    fn failure_answer(&self, kind: HostFailure) -> (HeaderMap, Bytes) {
        let media_type = HeaderValue::from_static("application/json");
        let headers = [(header::CONTENT_TYPE, media_type)].into_iter().collect();
        (headers, Bytes::from(format!("{{\"{kind:?}\":1}}")))
    }
}

/// A running server.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) plain: SocketAddr,
    pub(super) trigger: Trigger,
    pub(super) handler: Arc<Test>,
    pub(super) health: Arc<Health>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) events: mpsc::UnboundedReceiver<&'static str>,
    pub(super) task: JoinHandle<()>,
    roots: RootCertStore,
    _loops: EventLoops,
}

/// One with TLS and one without, in front of the same handler.
pub(super) async fn start(change: impl FnOnce(&mut Options)) -> Running {
    start_on(2, change).await
}

/// The same on so many event loops.
pub(super) async fn start_on(loops: usize, change: impl FnOnce(&mut Options)) -> Running {
    let mut options = Options::default();
    options.limits.linger = Duration::from_millis(300);
    change(&mut options);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let (events_to, events) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let same = Arc::new(Same { gate: Some((gate.clone(), events_to.clone())), ..Same::default() });
    let seen = Mutex::default();
    let handler = Arc::new(Test { gate, seen, events: events_to, answered: AtomicUsize::new(0), same });
    let (health, metrics) = (Health::new(), Arc::new(Metrics::new()));
    let (trigger, shutdown) = Trigger::new();
    let tls = listen("127.0.0.1:0".parse().unwrap(), 128).unwrap();
    let plain = listen("127.0.0.1:0".parse().unwrap(), 128).unwrap();
    let (address, plain_address) = (tls.local_addr().unwrap(), plain.local_addr().unwrap());
    let setup = |config: &Arc<ServerConfig>| TlsSetup {
        config: config.clone(),
        names: Arc::default(),
        verifies_clients: false,
        challenges: None,
    };
    let endpoints = vec![
        Endpoint { listener: tls, tls: Some(Arc::new(move || setup(&config))), kept: false },
        Endpoint { listener: plain, tls: None, kept: false },
    ];
    let loops = EventLoops::start(loops, || ()).unwrap();
    let server = Server::new(options, handler.clone(), health.clone(), &metrics, &loops);
    let task = tokio::spawn(server.run(endpoints, shutdown));
    Running { address, plain: plain_address, trigger, handler, health, metrics, events, task, roots, _loops: loops }
}

impl Running {
    /// Without TLS.
    pub(super) async fn plain(&self) -> Client<TcpStream> {
        Client { io: TcpStream::connect(self.plain).await.unwrap(), got: Vec::new() }
    }

    /// With TLS and this protocol.
    pub(super) async fn tls(&self, alpn: &str) -> Client<tokio_rustls::client::TlsStream<TcpStream>> {
        self.tls_behind(b"", alpn).await
    }

    /// The same, after these bytes.
    pub(super) async fn tls_behind(
        &self,
        first: &[u8],
        alpn: &str,
    ) -> Client<tokio_rustls::client::TlsStream<TcpStream>> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let mut tcp = TcpStream::connect(self.address).await.unwrap();
        tcp.write_all(first).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let io = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
        Client { io, got: Vec::new() }
    }

    /// Sends one request with `Connection: close` and returns all that comes.
    pub(super) async fn ask(&self, head: &str) -> String {
        let mut client = self.plain().await;
        client.send(&head.replacen("\r\n", "\r\nHost: h:5000\r\nConnection: close\r\n", 1)).await;
        client.rest().await
    }

    /// The value of a series.
    pub(super) fn count(&self, series: &str) -> u64 {
        let text = self.metrics.render();
        let line = text.lines().find(|line| line.rsplit_once(' ').is_some_and(|(name, _)| name == series));
        line.unwrap_or_else(|| panic!("no {series}")).rsplit_once(' ').unwrap().1.parse().unwrap()
    }

    /// Waits until a series has a value.
    pub(super) async fn until(&self, series: &str, value: u64) {
        soon(async {
            while self.count(series) != value {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    pub(super) async fn event(&mut self) -> &'static str {
        soon(self.events.recv()).await.unwrap()
    }

    pub(super) async fn stopped(self) {
        soon(self.task).await.unwrap();
    }

    pub(super) fn drain(&self) {
        self.trigger.advance(Phase::Draining);
    }
}

/// Nothing in these tests takes longer, and none waits this long.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("it should not take this long")
}

/// Sends text and looks at what comes.
pub(super) struct Client<T> {
    pub(super) io: T,
    got: Vec<u8>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    pub(super) async fn send(&mut self, text: &str) {
        self.io.write_all(text.as_bytes()).await.unwrap();
        self.io.flush().await.unwrap();
    }

    /// More bytes; false at the end.
    async fn more(&mut self) -> io::Result<bool> {
        let mut space = vec![0; 64 << 10];
        let n = soon(self.io.read(&mut space)).await?;
        self.got.extend_from_slice(&space[..n]);
        Ok(n > 0)
    }

    /// All up to and with this text.
    pub(super) async fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.got.windows(text.len()).position(|part| part == text.as_bytes()) {
                let rest = self.got.split_off(at + text.len());
                return String::from_utf8(std::mem::replace(&mut self.got, rest)).unwrap();
            }
            assert!(
                self.more().await.unwrap(),
                "{text:?} does not come after {:?}",
                String::from_utf8_lossy(&self.got)
            );
        }
    }

    /// So many bytes.
    pub(super) async fn bytes(&mut self, count: usize) -> String {
        while self.got.len() < count {
            assert!(self.more().await.unwrap(), "only {} bytes of {count} came", self.got.len());
        }
        let rest = self.got.split_off(count);
        String::from_utf8(std::mem::replace(&mut self.got, rest)).unwrap()
    }

    /// All up to the end of the connection, which may be rude.
    pub(super) async fn rest(&mut self) -> String {
        while let Ok(true) = self.more().await {}
        String::from_utf8(std::mem::take(&mut self.got)).unwrap()
    }

    /// One answer whose body is this.
    pub(super) async fn answer(&mut self, body: &str) -> String {
        let head = self.until("\r\n\r\n").await;
        head + &if body.is_empty() { String::new() } else { self.until(body).await }
    }
}

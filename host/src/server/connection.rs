//! One connection, from its first byte to its last.

use std::{
    convert::Infallible,
    io,
    net::IpAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{HeaderValue, header::CONNECTION};
use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::{ServerConfig, server::Acceptor};
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    runtime::Handle,
    time::{Instant, sleep, timeout_at},
};
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor, server::TlsStream};

use super::{
    event_loops::Spread,
    framing::Framing,
    handler::TlsFacts,
    listen::{ACME_TLS, Challenges, TlsSetup, TlsSource},
    options::Limits,
    output::{Output, Stream},
    pipeline::Pipeline,
    proxied::Proxies,
    pulse::{Pulse, Silence},
    repeats::{Repeater, Wanted},
    shutdown::{Phase, Shutdown},
    slots::{Share, Slot, Slots},
    socket::Socket,
    streams::{Apart, Multiplexed, Streams},
    turns::Turns,
    wire::{Requests, Wire},
};
use crate::{metrics::Held, tls::ClientCertificate};

/// Who is at the other end.
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// That address, as logs show it.
    pub(super) shown: String,
    pub(super) tls: Option<Arc<TlsFacts>>,
    pub(super) pulse: Arc<Pulse>,
    // A request counts its connection, which is on one thread, and not what
    // all connections share: that would go from core to core for each.
    pub(super) shared: Arc<Shared>,
    shutdown: Shutdown,
    /// The bytes of the next request's head.
    wanted: Mutex<Option<Wanted>>,
}

impl Peer {
    /// Whether the server ends, and with it the connection.
    pub(super) fn ends(&self) -> bool {
        self.shutdown.phase() >= Phase::Draining
    }

    /// The next request's answer is to be kept.
    pub(super) fn want(&self, head: Wanted) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
    }

    /// This is the next request: whether its answer is to be kept.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) pipeline: Pipeline,
    pub(super) handshakes: Turns,
    pub(super) proxies: Proxies,
    pub(super) slots: Slots,
    pub(super) spread: Spread,
}

/// What a connection has for as long as it is open.
pub(super) struct Kept {
    pub(super) _slot: Slot,
    pub(super) _open: Held,
}

impl Shared {
    /// Whether connections from there are counted: a proxy speaks for many.
    pub(super) fn counts(&self, address: IpAddr) -> bool {
        !self.pipeline.trust.trusts(address) && !self.proxies.include(address)
    }
}

/// What is sent to who speaks HTTP where HTTPS is spoken. The first line is
/// what Go's servers say, for which some clients look.
const PLAIN_ON_TLS: &str = "Client sent an HTTP request to an HTTPS server.\n\
    Use https:// here. A Docker or Podman client must not list this registry as insecure;\n\
    let it trust the registry's certificate authority instead.\n";

/// Serves a connection until its end.
pub(super) async fn serve(
    shared: Arc<Shared>,
    tcp: TcpStream,
    address: IpAddr,
    tls: Option<TlsSource>,
    shutdown: Shutdown,
    kept: Kept,
) {
    let pulse = Arc::new(Pulse::new());
    let limits = &shared.pipeline.options.limits;
    let socket = Socket::new(tcp, pulse.clone(), shared.pipeline.meters.clone(), limits.linger);
    // Boxed, so that idle connections do not carry the space of a handshake.
    let opened = Box::pin(async {
        tokio::select! {
            opened = open(&shared, socket, address, tls) => opened,
            () = parted(&shutdown) => None,
        }
    })
    .await;
    let Some(Opened { mut stream, address, share, facts, multiplexed }) = opened else { return };
    pulse.begin(multiplexed);
    let peer = Arc::new(Peer {
        address,
        shown: address.to_string(),
        tls: facts.map(Arc::new),
        pulse,
        shared: shared.clone(),
        shutdown,
        wanted: Mutex::default(),
    });
    let runtime = Handle::current();
    shared.spread.spawn(async move {
        if peer.shared.spread.moves() {
            stream.socket().settle();
        }
        match multiplexed {
            true => Box::pin(http2(stream, peer, runtime)).await,
            false => http1(stream, peer).await,
        }
        drop((share, kept));
    });
}

/// How long a connection with nothing under way is kept when the server ends.
///
/// Whoever is at its other end may have sent a request that has not come: it
/// would be lost, and a proxy does not send a push twice. What comes in this
/// time is answered, and told that it was the last.
const PARTING: Duration = Duration::from_millis(500);

/// Waits until a server that ends has waited long enough.
async fn parted(shutdown: &Shutdown) {
    shutdown.reached(Phase::Draining).await;
    sleep(PARTING).await;
}

/// Ready for HTTP.
struct Opened {
    stream: Stream,
    /// The client's, where a proxy named it.
    address: IpAddr,
    /// Of what that client may have.
    share: Option<Share>,
    facts: Option<TlsFacts>,
    multiplexed: bool,
}

/// Finds out who speaks and what, and makes the TLS connection.
async fn open(shared: &Shared, mut socket: Socket, peer: IpAddr, tls: Option<TlsSource>) -> Option<Opened> {
    let (meters, options) = (&shared.pipeline.meters, &shared.pipeline.options);
    let deadline = Instant::now() + options.limits.handshake_time;
    let (address, share) = match shared.proxies.include(peer) {
        true => behind(shared, &mut socket, peer, deadline).await?,
        false => (peer, None),
    };
    let Some(tls) = tls else {
        let multiplexed =
            options.h2c && timeout_at(Instant::now() + options.limits.head_time, preface(&socket)).await.ok()?;
        return Some(Opened { stream: Stream::Plain(socket), address, share, facts: None, multiplexed });
    };
    let done = timeout_at(deadline, async {
        let mut first = [0; 1];
        if socket.tcp().peek(&mut first).await.ok()? == 0 {
            return None;
        }
        if first.first().is_some_and(u8::is_ascii_uppercase) {
            meters.tls_plain.inc();
            plain_on_tls(&mut socket).await.ok();
            return None;
        }
        let TlsSetup { config, names, verifies_clients, challenges } = tls();
        let accepting = async {
            let Some(challenges) = challenges else { return Ok(Some(TlsAcceptor::from(config).accept(socket).await?)) };
            Ok(match introduced(socket, config, &*challenges).await? {
                Introduced::Client(stream) => Some(*stream),
                Introduced::Authority => None,
            })
        };
        let accepted: io::Result<_> = shared.handshakes.drive(accepting).await;
        match accepted {
            Ok(Some(stream)) => Some((stream, names, verifies_clients)),
            Ok(None) => {
                meters.tls_challenges.inc();
                None
            }
            Err(error) => {
                tracing::debug!(%error, "TLS handshake failed");
                meters.tls_failed.inc();
                None
            }
        }
    })
    .await;
    let Ok(done) = done else {
        meters.tls_timed_out.inc();
        return None;
    };
    let (stream, names, verifies_clients) = done?;
    let (_, session) = stream.get_ref();
    let version = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => {
            meters.tls12.inc();
            "1.2"
        }
        _ => {
            meters.tls13.inc();
            "1.3"
        }
    };
    let client = session.peer_certificates().and_then(<[_]>::first);
    let facts = TlsFacts {
        version,
        server_name: session.server_name().map(str::to_owned),
        client: client.map(|leaf| Arc::new(ClientCertificate::of(leaf, verifies_clients))),
        names,
    };
    let multiplexed = session.alpn_protocol() == Some(b"h2");
    Some(Opened { stream: Stream::Tls(Box::new(stream)), address, share, facts: Some(facts), multiplexed })
}

/// The client behind a proxy, and its share of what one address may have.
async fn behind(
    shared: &Shared,
    socket: &mut Socket,
    proxy: IpAddr,
    deadline: Instant,
) -> Option<(IpAddr, Option<Share>)> {
    let meters = &shared.pipeline.meters;
    let address = shared.proxies.client(socket, proxy, deadline, meters).await?;
    if !shared.counts(address) {
        return Some((address, None));
    }
    let share = shared.slots.share(address);
    if share.is_none() {
        meters.refused.inc();
    }
    Some((address, Some(share?)))
}

/// Who it was that made a handshake.
enum Introduced {
    Client(Box<TlsStream<Socket>>),
    /// It has what it wanted.
    Authority,
}

/// A handshake where authorities come to look for a proof.
async fn introduced(socket: Socket, config: Arc<ServerConfig>, challenges: &dyn Challenges) -> io::Result<Introduced> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
    let hello = start.client_hello();
    // That alone: who offers another protocol as well is a client.
    let asked = hello.alpn().is_some_and(|mut offered| offered.next() == Some(ACME_TLS) && offered.next().is_none());
    if !asked {
        return Ok(Introduced::Client(Box::new(start.into_stream(config).await?)));
    }
    let name = hello.server_name().unwrap_or_default().to_ascii_lowercase();
    match challenges.proof(&name).await {
        Some(proof) => {
            let mut stream = start.into_stream(proof).await?;
            stream.shutdown().await?;
            tracing::info!(name, "an authority has seen the proof for its challenge");
            Ok(Introduced::Authority)
        }
        // It fails, since nothing that is offered here is spoken there.
        None => Ok(Introduced::Client(Box::new(start.into_stream(config).await?))),
    }
}

/// Whether HTTP/2 begins here: no method of HTTP/1.1 begins with `PR` but
/// WebDAV's, which nobody sends to a registry.
async fn preface(socket: &Socket) -> bool {
    let mut bytes = [0; 2];
    loop {
        match socket.tcp().peek(&mut bytes).await {
            Ok(1) if bytes.starts_with(b"P") => sleep(Duration::from_millis(5)).await,
            Ok(2..) => return &bytes == b"PR",
            _ => return false,
        }
    }
}

async fn plain_on_tls(socket: &mut Socket) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        PLAIN_ON_TLS.len()
    );
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(PLAIN_ON_TLS.as_bytes()).await?;
    socket.shutdown().await
}

async fn http1(stream: Stream, peer: Arc<Peer>) {
    let limits = &peer.shared.pipeline.options.limits;
    let for_farewell = peer.clone();
    let wire = Wire::new(
        Output::new(stream, false),
        Some(Requests {
            framing: Framing::new(limits.head_bytes, limits.head_fields),
            repeater: Repeater::new(peer.clone()),
        }),
        peer.pulse.clone(),
        Arc::new(move |failure| for_farewell.shared.pipeline.farewell(failure)),
    );
    let for_requests = peer.clone();
    let service = service_fn(move |request| {
        // Before the first poll: from here on it is under way.
        let active = for_requests.pulse.request();
        let peer = for_requests.clone();
        async move {
            let mut response = peer.shared.pipeline.serve(&peer, active, request).await;
            if peer.ends() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    if limits.head_fields > 100 {
        // Beyond hyper's own bound, which costs nothing.
        builder.max_headers(limits.head_fields);
    }
    let mut connection = builder
        // The pulse has the time of heads and of idleness apart.
        .header_read_timeout(None)
        .timer(TokioTimer::new())
        .max_header_size(limits.head_bytes)
        .max_buf_size(limits.h1_buffer.max(8 << 10))
        .writev(true)
        .serve_connection(TokioIo::new(wire), service);
    let ended = drive(Pin::new(&mut connection), http1::Connection::graceful_shutdown, |_| (), &peer).await;
    if let Some(Err(error)) = ended {
        tracing::debug!(%error, "connection ended");
        let mut wire = connection.into_parts().io.into_inner();
        if wire.has_last_word() {
            // Bounded by the time for lingering, which begins with it.
            let patience = Instant::now() + limits.linger + limits.linger;
            let _ = timeout_at(patience, wire.shutdown()).await;
        }
    }
}

/// The requests are worked on by the threads of `runtime`, side by side.
async fn http2(stream: Stream, peer: Arc<Peer>, runtime: Handle) {
    let limits = &peer.shared.pipeline.options.limits;
    // HTTP/2 says what it has to say itself.
    let output = Output::new(stream, true);
    let wire = Wire::new(output.clone(), None, peer.pulse.clone(), Arc::new(|_| bytes::Bytes::new()));
    let for_requests = peer.clone();
    let service = service_fn(move |request| {
        // Before the first poll: from here on it is under way.
        let active = for_requests.pulse.request();
        let peer = for_requests.clone();
        Apart::new(&runtime, async move { peer.shared.pipeline.serve(&peer, active, request).await })
    });
    let streams = Streams::default();
    let connection = http2::Builder::new(streams.clone())
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_streams)
        .initial_stream_window_size(limits.h2_stream_window)
        .initial_connection_window_size(limits.h2_connection_window)
        .max_send_buf_size(limits.h2_send_buffer.clamp(16 << 10, 16 << 20))
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(limits.h2_pending_resets)
        .max_local_error_reset_streams(limits.h2_local_resets)
        .keep_alive_interval(limits.h2_ping)
        .serve_connection(TokioIo::new(wire), service);
    let multiplexed = pin!(Multiplexed::new(connection, streams));
    let finish = |multiplexed: Pin<&mut Multiplexed<_>>| http2::Connection::graceful_shutdown(multiplexed.connection());
    let flush = |cx: &mut Context<'_>| output.flush(cx);
    let ended = drive(multiplexed, finish, flush, &peer).await;
    if let Some(Err(error)) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// Polls a connection to its end, which comes by itself, by silence
/// ([`Pulse::due`]) or by a shutdown, and flushes what it wrote each time.
/// `None` if it was cut off.
async fn drive<C>(
    mut connection: Pin<&mut C>,
    finish: impl Fn(Pin<&mut C>),
    flush: impl Fn(&mut Context<'_>),
    peer: &Peer,
) -> Option<hyper::Result<()>>
where
    C: Future<Output = hyper::Result<()>>,
{
    let Peer { pulse, shared, shutdown, .. } = peer;
    let limits: &Limits = &shared.pipeline.options.limits;
    let mut draining = Some(Box::pin(shutdown.reached(Phase::Draining)));
    // Whom that calls. To ask it each time would take a lock of all connections.
    let mut called: Option<Waker> = None;
    let mut stopping = None;
    let mut timer = pin!(sleep(limits.keep_alive));
    let mut armed: Option<Instant> = None;
    // When one that stands idle while the server ends is told to end.
    let mut parting: Option<Instant> = None;
    // When a connection that was told to end is cut off.
    let mut cut: Option<Instant> = None;
    std::future::poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(Some(ended));
            }
            flush(cx);
            let asks = shutdown.phase() >= Phase::Draining
                || !called.as_ref().is_some_and(|called| called.will_wake(cx.waker()));
            if asks {
                called = Some(cx.waker().clone());
            }
            if asks && draining.as_mut().is_some_and(|draining| draining.as_mut().poll(cx).is_ready()) {
                draining = None;
                stopping = Some(Box::pin(shutdown.reached(Phase::Stopping)));
                // HTTP/2 has words for it.
                if pulse.is_multiplexed() || !pulse.is_idle() {
                    finish(connection.as_mut());
                } else {
                    parting = Some(Instant::now() + PARTING);
                }
                continue;
            }
            if stopping.as_mut().is_some_and(|stopping| stopping.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(None);
            }
            if cut.is_none() && pulse.is_over() {
                finish(connection.as_mut());
                cut = Some(Instant::now() + limits.linger);
                continue;
            }
            let due = match cut {
                Some(at) => Some((at, Silence::Stalled)),
                None => {
                    let parting = parting.filter(|_| pulse.is_idle()).map(|at| (at, Silence::Idle));
                    pulse.due(limits).into_iter().chain(parting).min_by_key(|(at, _)| *at)
                }
            };
            let Some((at, silence)) = due else { return Poll::Pending };
            let now = Instant::now();
            if at <= now {
                pulse.expire(silence);
                match silence {
                    Silence::Idle => finish(connection.as_mut()),
                    // The handler sees that the body broke off, and answers.
                    Silence::Read => {
                        shared.pipeline.meters.silent.inc();
                        continue;
                    }
                    Silence::Stalled => return Poll::Ready(None),
                    Silence::Head | Silence::Write => shared.pipeline.meters.silent.inc(),
                }
                cut = Some(now + limits.linger);
                continue;
            }
            // It is armed for the earliest time that was ever due: what moved
            // on since is found out when it fires, and costs nothing before.
            if armed.is_none_or(|armed| at < armed) {
                timer.as_mut().reset(at);
                armed = Some(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            armed = None;
        }
    })
    .await
}

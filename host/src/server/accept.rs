//! The server: it accepts connections until it is told to stop.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustix::{io::Errno, net::sockopt};
use tokio::{
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{
    connection::{self, Kept, Shared},
    event_loops::EventLoops,
    handler::Handler,
    health::Health,
    listen::{Endpoint, TlsSource},
    meters::Meters,
    options::Options,
    pipeline::Pipeline,
    proxied::Proxies,
    shutdown::{Phase, Shutdown},
    slots::Slots,
    turns::Turns,
};
use crate::metrics::Metrics;

/// An HTTP server in front of a [`Handler`].
pub struct Server {
    shared: Arc<Shared>,
}

impl Server {
    /// A server, whose connections are spread over `loops`. While `health` has
    /// a failing check, every request is 503.
    #[must_use]
    pub fn new(
        options: Options,
        handler: Arc<dyn Handler>,
        health: Arc<Health>,
        metrics: &Metrics,
        loops: &EventLoops,
    ) -> Self {
        let meters = Arc::new(Meters::new(metrics));
        let limits = &options.limits;
        let slots = Slots::new(limits.connections, limits.connections_per_address);
        let handshakes = Turns::new(limits.handshakes);
        let proxies = Proxies::new(options.proxy_protocol.clone());
        let pipeline = Pipeline::new(options, handler, health, meters);
        Self { shared: Arc::new(Shared { pipeline, handshakes, proxies, slots, spread: loops.spread() }) }
    }

    /// Accepts connections until `shutdown` drains. Then listeners close, idle
    /// connections end (those of HTTP/1.1 after a moment), requests go on within [`Options::drain`] or until
    /// `shutdown` stops, and whatever is left is cut off. It returns when no
    /// connection is left.
    pub async fn run(self, endpoints: Vec<Endpoint>, shutdown: Shutdown) {
        // Connections have a phase of their own, which also ends by time.
        let (trigger, phases) = super::shutdown::Trigger::new();
        let mut accepting = JoinSet::new();
        for endpoint in endpoints {
            accepting.spawn(accept(self.shared.clone(), endpoint, shutdown.clone(), phases.clone()));
        }
        shutdown.reached(Phase::Draining).await;
        trigger.advance(Phase::Draining);
        while accepting.join_next().await.is_some() {}
        tokio::select! {
            () = self.shared.slots.empty() => return,
            () = shutdown.reached(Phase::Stopping) => {}
            () = sleep(self.shared.pipeline.options.drain) => {
                tracing::warn!("requests were not done within the drain time");
            }
        }
        trigger.advance(Phase::Stopping);
        let _ = timeout(Duration::from_secs(1), self.shared.slots.empty()).await;
    }
}

/// How long accepting pauses when descriptors are used up.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often that is said.
const REPEAT: Duration = Duration::from_secs(10);
/// Connections that may wait to be accepted when a server ends.
const BACKLOG: usize = 4096;

async fn accept(shared: Arc<Shared>, Endpoint { listener, tls, kept }: Endpoint, shutdown: Shutdown, phases: Shutdown) {
    let meters = &shared.pipeline.meters;
    let mut pause = PAUSE;
    let mut said: Option<Instant> = None;
    loop {
        // Without room, one connection waits here and the others in the
        // backlog.
        let accepted = async {
            match listener.accept().await {
                Ok(connection) => Some(Ok((shared.slots.room().await?, connection))),
                Err(error) => Some(Err(error)),
            }
        };
        let accepted = tokio::select! {
            accepted = accepted => accepted,
            () = shutdown.reached(Phase::Draining) => break,
        };
        let (permit, (tcp, peer)) = match accepted {
            Some(Ok(connection)) => connection,
            Some(Err(error)) => {
                meters.accept_failed.inc();
                if said.is_none_or(|said| said.elapsed() > REPEAT) {
                    tracing::error!(%error, "a connection could not be accepted");
                    said = Some(Instant::now());
                }
                if is_used_up(&error) {
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                continue;
            }
            None => return,
        };
        pause = PAUSE;
        begin(&shared, permit, tcp, peer, &tls, &phases);
    }
    if kept {
        // Whoever holds it gives it to the next process, backlog and all.
        return;
    }
    // To their clients, those in the backlog are connected, and have perhaps
    // sent requests: to close the listener would reset them.
    let Ok(listener) = listener.into_std() else { return };
    for _ in 0..BACKLOG {
        let Some(permit) = shared.slots.room_now() else { return };
        let Ok((tcp, peer)) = listener.accept() else { return };
        if let Ok(tcp) = tcp.set_nonblocking(true).and_then(|()| TcpStream::from_std(tcp)) {
            begin(&shared, permit, tcp, peer, &tls, &phases);
        }
    }
}

/// Serves a connection, unless there are too many.
fn begin(
    shared: &Arc<Shared>,
    permit: OwnedSemaphorePermit,
    tcp: TcpStream,
    peer: SocketAddr,
    tls: &Option<TlsSource>,
    phases: &Shutdown,
) {
    let meters = &shared.pipeline.meters;
    meters.accepted.inc();
    let address = peer.ip().to_canonical();
    let counted = shared.counts(address).then_some(address);
    let Some(slot) = shared.slots.take(permit, counted) else {
        meters.refused.inc();
        return;
    };
    if let Err(error) = set_options(&tcp) {
        // The client is gone already.
        tracing::debug!(%error, "socket options");
        return;
    }
    let kept = Kept { _slot: slot, _open: meters.connections.hold() };
    tokio::spawn(connection::serve(shared.clone(), tcp, address, tls.clone(), phases.clone(), kept));
}

/// No Nagle; and a peer that vanished without a word is found, whatever else
/// is waited for.
fn set_options(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    sockopt::set_socket_keepalive(tcp, true)?;
    sockopt::set_tcp_keepidle(tcp, Duration::from_secs(60))?;
    sockopt::set_tcp_keepintvl(tcp, Duration::from_secs(15))?;
    sockopt::set_tcp_keepcnt(tcp, 4)?;
    Ok(())
}

/// Descriptors or memory: to try again at once would only burn the processor.
fn is_used_up(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

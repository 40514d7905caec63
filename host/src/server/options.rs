//! What an operator can set, and the named limits.

use std::time::Duration;

use http::HeaderMap;
use ipnet::IpNet;

/// How requests are seen and answered.
#[derive(Debug, Clone)]
pub struct Options {
    /// `http.prefix`: where the guest's `/` is, such as `/registry`; empty for
    /// the root. A request outside of it is 404.
    pub prefix: String,
    /// `http.host`: the origin in absolute `Location` and `Link` fields, such
    /// as `https://registry.example:5000`.
    pub host: Option<String>,
    /// `http.relativeurls`. Without `host`, an explicit `false` makes them
    /// absolute with the scheme and host that the client used.
    pub relative_urls: Option<bool>,
    /// `http.headers`: on every answer, in place of what it had.
    pub headers: HeaderMap,
    /// `http.trustedproxies`: whose `Forwarded` and `X-Forwarded-*` count.
    pub trusted_proxies: Vec<IpNet>,
    /// `http.proxyprotocol`: whose connections begin with a PROXY header.
    pub proxy_protocol: Vec<IpNet>,
    /// HTTP/2 with prior knowledge on listeners without TLS.
    pub h2c: bool,
    /// `http.draintimeout`: how long requests may go on after a stop signal.
    pub drain: Duration,
    /// What bounds connections and requests.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            host: None,
            relative_urls: None,
            headers: HeaderMap::new(),
            trusted_proxies: Vec::new(),
            proxy_protocol: Vec::new(),
            h2c: false,
            // Inside `docker stop`'s ten seconds.
            drain: Duration::from_secs(8),
            limits: Limits::default(),
        }
    }
}

/// What bounds connections and requests.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once; more wait in the listener's backlog. 8,192.
    pub connections: usize,
    /// Connections at once from one address (of IPv6, from one /64 network);
    /// more are closed. Trusted proxies are not counted, and behind those that
    /// send a PROXY header their clients are. 1,024.
    pub connections_per_address: usize,
    /// TLS handshakes that compute at once; more wait for their turn, within
    /// their time. One that waits for its client has none. 16.
    pub handshakes: usize,
    /// From the connection to the end of the TLS handshake. 10 s.
    pub handshake_time: Duration,
    /// From the first byte of a request's head to its last, and from a new
    /// connection to the end of its first head. 30 s.
    pub head_time: Duration,
    /// How long a connection may be open with no request. 120 s: longer than
    /// clients keep theirs, so that they are the ones who close.
    pub keep_alive: Duration,
    /// How long a request's body may stand still while it is waited for. 120 s.
    ///
    /// Enforced for HTTP/1.1 here; on HTTP/2, where streams share a
    /// connection, by who reads the body.
    pub read_idle: Duration,
    /// How long an answer may stand still while the client does not take it.
    /// 120 s.
    pub write_idle: Duration,
    /// How long an ended connection is still listened to, so that a client
    /// that is sending sees the answer and not a reset. 5 s.
    pub linger: Duration,
    /// Bytes of a request's head. 32 KiB.
    pub head_bytes: usize,
    /// Header fields of a request. 100.
    pub head_fields: usize,
    /// Bytes of a request's path and query together. 8 KiB.
    pub target_bytes: usize,
    /// HTTP/1.1: bytes of an answer that are taken before they are sent.
    /// 64 KiB: bigger is slower (caches) and costs memory on slow connections.
    pub h1_buffer: usize,
    /// HTTP/2: requests at once on one connection. 100.
    pub h2_streams: u32,
    /// HTTP/2: bytes that a client may send ahead on one stream. 1 MiB.
    pub h2_stream_window: u32,
    /// HTTP/2: bytes that a client may send ahead on one connection. 2 MiB.
    pub h2_connection_window: u32,
    /// HTTP/2: bytes of an answer that are taken before they are sent. 128 KiB.
    pub h2_send_buffer: usize,
    /// HTTP/2: streams reset by the client before they were looked at, and
    /// streams reset by us for the client's mistakes, that end a connection.
    /// 20 and 128.
    pub h2_pending_resets: usize,
    /// See [`Limits::h2_pending_resets`].
    pub h2_local_resets: usize,
    /// HTTP/2: how often a connection is asked whether it still lives. 30 s,
    /// and 20 s for the answer.
    pub h2_ping: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8192,
            connections_per_address: 1024,
            handshakes: 16,
            handshake_time: Duration::from_secs(10),
            head_time: Duration::from_secs(30),
            keep_alive: Duration::from_secs(120),
            read_idle: Duration::from_secs(120),
            write_idle: Duration::from_secs(120),
            linger: Duration::from_secs(5),
            head_bytes: 32 << 10,
            head_fields: 100,
            target_bytes: 8 << 10,
            h1_buffer: 64 << 10,
            h2_streams: 100,
            h2_stream_window: 1 << 20,
            h2_connection_window: 2 << 20,
            h2_send_buffer: 128 << 10,
            h2_pending_resets: 20,
            h2_local_resets: 128,
            h2_ping: Duration::from_secs(30),
        }
    }
}

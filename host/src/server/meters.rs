//! What the server counts.

use std::{array, sync::Arc, time::Duration};

use http::{Method, StatusCode};

use crate::metrics::{Counter, Gauge, Histogram, Metrics};

/// Methods that are told apart; a client can send any other.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];
/// Classes of answers; `aborted` got none.
const STATUSES: [&str; 6] = ["aborted", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The server's counters.
pub(super) struct Meters {
    requests: [[Arc<Counter>; STATUSES.len()]; METHODS.len()],
    durations: [Arc<Histogram>; METHODS.len()],
    /// Requests that were answered as an earlier one of the same bytes was.
    pub(super) repeats: Arc<Counter>,
    /// Requests whose answers are not done.
    pub(super) in_flight: Arc<Gauge>,
    /// Bytes on the wire, TLS included.
    pub(super) received: Arc<Counter>,
    /// See `received`.
    pub(super) sent: Arc<Counter>,
    /// Open connections.
    pub(super) connections: Arc<Gauge>,
    /// Connections ever.
    pub(super) accepted: Arc<Counter>,
    /// Connections closed since there were too many from their address.
    pub(super) refused: Arc<Counter>,
    /// Connections that could not be accepted, for want of descriptors.
    pub(super) accept_failed: Arc<Counter>,
    /// Handshakes that came to their end, by version.
    pub(super) tls12: Arc<Counter>,
    /// See `tls12`.
    pub(super) tls13: Arc<Counter>,
    /// Handshakes that failed, took too long, and were none but plain HTTP.
    pub(super) tls_failed: Arc<Counter>,
    /// See `tls_failed`.
    pub(super) tls_timed_out: Arc<Counter>,
    /// See `tls_failed`.
    pub(super) tls_plain: Arc<Counter>,
    /// PROXY headers that were read, and connections closed for want of one.
    pub(super) proxied: Arc<Counter>,
    /// See `proxied`.
    pub(super) proxied_wrong: Arc<Counter>,
    /// Handshakes of authorities that look for a proof.
    pub(super) tls_challenges: Arc<Counter>,
    /// Connections ended for being silent.
    pub(super) silent: Arc<Counter>,
    /// Handlers that panicked.
    pub(super) panics: Arc<Counter>,
}

impl Meters {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let request = |method: usize, status: usize| {
            let (method, status) = (METHODS.get(method), STATUSES.get(status));
            let labels = [("method", *method.unwrap_or(&"other")), ("status", *status.unwrap_or(&"aborted"))];
            metrics.counter("skerry_http_requests_total", "Requests, by method and class of status.", &labels)
        };
        let duration = |method: usize| {
            let labels = [("method", *METHODS.get(method).unwrap_or(&"other"))];
            metrics.histogram("skerry_http_request_duration_seconds", "From head to the end of the answer.", &labels)
        };
        let counter = |name, help| metrics.counter(name, help, &[]);
        let handshake = |result| {
            metrics.counter("skerry_tls_handshakes_total", "TLS handshakes, by how they ended.", &[("result", result)])
        };
        let proxied = |result| {
            let help = "Connections from http.proxyprotocol, by whether their PROXY header was taken.";
            metrics.counter("skerry_proxy_headers_total", help, &[("result", result)])
        };
        Self {
            requests: array::from_fn(|method| array::from_fn(|status| request(method, status))),
            durations: array::from_fn(duration),
            repeats: counter(
                "skerry_http_repeats_total",
                "Requests of HTTP/1.1 answered as an earlier one of the same bytes was, which was right still.",
            ),
            in_flight: metrics.gauge("skerry_http_requests_in_flight", "Requests whose answers are not done.", &[]),
            received: counter("skerry_network_received_bytes_total", "Bytes read from clients, TLS included."),
            sent: counter("skerry_network_sent_bytes_total", "Bytes written to clients, TLS included."),
            connections: metrics.gauge("skerry_connections", "Open connections.", &[]),
            accepted: counter("skerry_connections_total", "Connections that were accepted."),
            refused: counter("skerry_connections_refused_total", "Connections closed: too many from one address."),
            accept_failed: counter("skerry_accept_failures_total", "Times that no connection could be accepted."),
            tls12: handshake("tls1.2"),
            tls13: handshake("tls1.3"),
            tls_failed: handshake("failed"),
            tls_timed_out: handshake("timed_out"),
            tls_plain: handshake("plain_http"),
            proxied: proxied("taken"),
            proxied_wrong: proxied("refused"),
            tls_challenges: handshake("challenge"),
            silent: counter("skerry_connections_silent_total", "Connections ended for standing still."),
            panics: counter("skerry_panics_total", "Requests that ended in a panic of the host."),
        }
    }

    /// A request is over.
    pub(super) fn request(&self, method: &Method, status: Option<StatusCode>, took: Duration) {
        let method = METHODS.iter().position(|known| method.as_str() == *known).unwrap_or(METHODS.len() - 1);
        let status = status.map_or(0, |status| usize::from(status.as_u16() / 100));
        if let Some(counter) = self.requests.get(method).and_then(|row| row.get(status)) {
            counter.inc();
        }
        if let Some(histogram) = self.durations.get(method) {
            histogram.observe(took);
        }
    }
}

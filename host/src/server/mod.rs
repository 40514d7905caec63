//! HTTP and TLS: from a listening socket to a [`Handler`] and back.
//!
//! The server frames, bounds and records; what a request means is for the
//! handler to know. A request passes these rooms:
//!
//! ```text
//! accept → connection ─ socket (stalls, lingering) ─ proxied ─ TLS ─ wire (HTTP/1.1 framing, repeats) ─ hyper
//!                                                              │
//!   pipeline: check → forwarded → prefix → Handler → answer (framing, rewriting, headers) → record
//! ```
//!
//! A connection stays on one thread from then on ([`EventLoops`]).
//!
//! Nothing here has a total time: a body may take as long as its bytes keep
//! moving. What may not happen is silence ([`Limits`]).

mod accept;
mod admin;
mod answer;
mod check;
mod connection;
mod control;
mod date;
mod escape;
mod event_loops;
mod forwarded;
mod framing;
mod handler;
mod health;
mod listen;
mod meters;
mod options;
mod output;
mod pipeline;
mod proxied;
mod pulse;
mod record;
mod repeats;
mod request_id;
mod rewrite;
mod shutdown;
mod slots;
mod socket;
mod streams;
#[cfg(test)]
mod tests;
mod tls_records;
mod turns;
mod wire;

pub use self::{
    accept::Server,
    admin::Admin,
    control::{Command, Commands, Door, LARGEST_COMMAND, control},
    escape::{Escaped, escaped},
    event_loops::EventLoops,
    handler::{Answer, Facts, Fault, Handler, HostFailure, Notes, Repeat, TlsFacts, USED},
    health::Health,
    listen::{ACME_TLS, Challenges, Endpoint, TlsSetup, TlsSource, listen},
    options::{Limits, Options},
    request_id::RequestId,
    shutdown::{Phase, Shutdown, Trigger},
    slots::network,
};

//! What stands behind the server: something that answers requests.

use std::{net::IpAddr, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Response, StatusCode, request::Parts};

use super::request_id::RequestId;
use crate::{
    plane::Body,
    tls::{ClientCertificate, Names},
};

/// Answers requests. The server does the rest: framing, limits, logs, the
/// rewriting of `Location` and `Link`, the operator's own header fields.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Dropping the future (the client went away) ends
    /// the work at its next step. `head.uri` has no prefix any more.
    async fn handle(&self, head: Parts, body: hyper::body::Incoming, facts: Arc<Facts>) -> Result<Answer, Fault>;

    /// Header fields and body of an answer that the host gives itself.
    fn failure_answer(&self, kind: HostFailure) -> (http::HeaderMap, Bytes);
}

/// What the server knows of a request beyond its head.
#[derive(Debug, Clone)]
pub struct Facts {
    /// For logs and for answers to failures; made by the server.
    pub request_id: RequestId,
    /// The client, as the connection or a trusted proxy names it.
    pub client: IpAddr,
    /// The TLS connection that ends here, if one does.
    pub tls: Option<Arc<TlsFacts>>,
    /// Whether an [`Answer::repeat`] would be of use.
    pub repeats: bool,
}

/// What is known of a TLS connection.
#[derive(Debug, Clone)]
pub struct TlsFacts {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The name that the client asked for.
    pub server_name: Option<String>,
    /// The certificate that the client showed, if it showed one.
    pub client: Option<Arc<ClientCertificate>>,
    /// What the certificates were for when the connection was made.
    pub names: Arc<Names>,
}

impl TlsFacts {
    /// Whether the certificate that the client was shown is for this host.
    #[must_use]
    pub fn vouches_for(&self, host: &str) -> bool {
        self.names.vouch(self.server_name.as_deref(), host)
    }
}

/// Names and values that a module gave; given again with each answer that is
/// remembered.
pub type Notes = Arc<[(String, String)]>;

/// Notes of this name are kept by the handler, and not shown in the access log.
pub const USED: &str = "used";

/// A response, and what is to be recorded beside it.
pub struct Answer {
    /// Head and body. `Content-Length` is the server's to set, from the body's
    /// exact size; for `HEAD` too, where it then sends no body.
    pub response: Response<Body>,
    /// For the access log.
    pub notes: Notes,
    /// Who made the request, as far as a policy knows; for the access log.
    pub user: Option<Arc<str>>,
    /// Time spent in the guest itself.
    pub guest_time: Duration,
    /// Where it is also the answer to the next request of the same bytes, from
    /// whomever and over whichever connection, for as long as this says so.
    pub repeat: Option<Arc<dyn Repeat>>,
}

/// Knows whether an answer is right still.
pub trait Repeat: Send + Sync {
    /// Whether it may be given once more; if so, it counts as given.
    fn again(self: Arc<Self>) -> Pin<Box<dyn Future<Output = bool> + Send>>;
}

/// Why a handler has no answer: the host gives one.
#[derive(Debug)]
pub struct Fault {
    /// What the client is told.
    pub failure: HostFailure,
    /// Why: for the log only.
    pub cause: String,
    /// Time spent in the guest itself.
    pub guest_time: Duration,
}

/// Why the host has to answer a request itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HostFailure {
    /// 400: not a request.
    BadRequest,
    /// 404: outside of the prefix that is served.
    NotFound,
    /// 408: the client was silent for too long.
    TimedOut,
    /// 413: beyond the host's limits.
    TooLarge,
    /// 431: the head is too large.
    HeadTooLarge,
    /// 500: the module failed.
    Internal,
    /// 503: too busy, or stopping.
    Unavailable,
    /// 507: the storage is full.
    NoSpace,
}

impl HostFailure {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::BadRequest,
        Self::NotFound,
        Self::TimedOut,
        Self::TooLarge,
        Self::HeadTooLarge,
        Self::Internal,
        Self::Unavailable,
        Self::NoSpace,
    ];

    /// The status that goes with it.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        }
    }
}

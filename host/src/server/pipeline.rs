//! What every request goes through.

use std::{
    any::Any,
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, Version,
    header::{CONNECTION, HOST},
};
use http_body::Body as _;
use hyper::body::Incoming;

use super::{
    answer, check,
    connection::Peer,
    escape::escaped,
    forwarded::{Origin, Trust},
    handler::{Answer, Facts, Fault, Handler, HostFailure, Notes},
    health::Health,
    meters::Meters,
    options::Options,
    pulse::Active,
    record::{About, Record, Sent},
    repeats::Repeats,
    request_id::RequestId,
    rewrite,
};

/// What all requests share.
pub(super) struct Pipeline {
    pub(super) options: Options,
    pub(super) trust: Trust,
    pub(super) meters: Arc<Meters>,
    pub(super) repeats: Repeats,
    handler: Arc<dyn Handler>,
    health: Arc<Health>,
}

impl Pipeline {
    pub(super) fn new(
        mut options: Options,
        handler: Arc<dyn Handler>,
        health: Arc<Health>,
        meters: Arc<Meters>,
    ) -> Self {
        options.headers = answer::without_framing(options.headers);
        options.prefix = match options.prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("/{prefix}"),
        };
        options.host = options.host.map(|host| host.trim_end_matches('/').to_owned());
        let trust = Trust::new(options.trusted_proxies.clone());
        Self { options, trust, meters, repeats: Repeats::new(), handler, health }
    }

    /// The bytes of an answer to what never became a request.
    pub(super) fn farewell(&self, failure: HostFailure) -> Bytes {
        answer::farewell(&*self.handler, &self.options.headers, failure)
    }

    /// Answers one request.
    pub(super) async fn serve(&self, peer: &Arc<Peer>, active: Active, request: Request<Incoming>) -> Response<Sent> {
        let (mut head, body) = request.into_parts();
        let id = RequestId::next();
        let mut record = Record::begin(About::of(&head), id, peer.clone(), active);
        let wanted = peer.wanted().filter(|wanted| wanted.is_of(&head));
        let has_body = !body.is_end_stream();
        let (version, method) = (head.version, head.method.clone());

        let origin = self.trust.origin(peer.address, &mut head.headers);
        record.client = origin.client;
        let admitted = self.admit(&mut head);
        let malformed = admitted == Err(HostFailure::BadRequest);
        let base = self.base(peer, &origin, &head.headers);
        let answer = match admitted {
            Err(failure) => Err(Fault { failure, cause: String::new(), guest_time: Duration::ZERO }),
            Ok(()) => {
                let facts =
                    Facts { request_id: id, client: origin.client, tls: peer.tls.clone(), repeats: wanted.is_some() };
                self.guarded(self.handler.handle(head, body, Arc::new(facts))).await
            }
        };

        let Answer { mut response, notes, user, guest_time, repeat } = answer.unwrap_or_else(|fault| {
            if !fault.cause.is_empty() {
                tracing::error!(request_id = %id, cause = %escaped(fault.cause.as_bytes()), "request failed");
            }
            let response = answer::failure(&*self.handler, fault.failure);
            Answer { response, notes: Notes::default(), user: None, guest_time: fault.guest_time, repeat: None }
        });
        if response.status().is_informational() {
            tracing::error!(request_id = %id, status = response.status().as_u16(), "an answer that is none");
            response = answer::failure(&*self.handler, HostFailure::Internal);
        }
        answer::frame(&mut response, &method);
        rewrite::rewrite(response.headers_mut(), &base);
        if response.status().is_server_error()
            && let Ok(id) = HeaderValue::try_from(id.to_string())
        {
            response.headers_mut().insert(answer::REQUEST_ID, id);
        }
        answer::set_headers(response.headers_mut(), &self.options.headers);
        // An answer that came before the end of the body ends the connection:
        // said here, since hyper finds out only later. So does one to what
        // another reader of the same bytes may have taken for something else.
        if version != Version::HTTP_2 && (malformed || (has_body && peer.pulse.in_body())) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        record.status = Some(response.status());
        (record.notes, record.user, record.guest) = (notes, user, guest_time);
        if let (Some(wanted), Some(repeat)) = (wanted, repeat) {
            self.repeats.keep(wanted, &response, &record, repeat);
        }
        response.map(|body| Sent::new(body, record))
    }

    /// Whether the handler gets to see it; if not, why.
    fn admit(&self, head: &mut http::request::Parts) -> Result<(), HostFailure> {
        check::check(head, &self.options.limits)?;
        if !self.is_well() {
            return Err(HostFailure::Unavailable);
        }
        if check::strip_prefix(head, &self.options.prefix) { Ok(()) } else { Err(HostFailure::NotFound) }
    }

    /// Whether requests are answered at all.
    pub(super) fn is_well(&self) -> bool {
        self.health.is_ok()
    }

    /// What goes before the paths in `Location` and `Link`.
    fn base(&self, peer: &Peer, origin: &Origin, headers: &HeaderMap) -> Cow<'_, str> {
        let prefix = &self.options.prefix;
        if let Some(host) = &self.options.host {
            return Cow::Owned(format!("{host}{prefix}"));
        }
        if self.options.relative_urls != Some(false) {
            return Cow::Borrowed(prefix);
        }
        let Some(host) = origin.host.as_deref().or_else(|| headers.get(HOST)?.to_str().ok()) else {
            return Cow::Borrowed(prefix);
        };
        let scheme = origin.scheme.unwrap_or(if peer.tls.is_some() { "https" } else { "http" });
        Cow::Owned(format!("{scheme}://{host}{prefix}"))
    }

    /// A panic in a handler is a 500 and a line in the log.
    async fn guarded(&self, handling: impl Future<Output = Result<Answer, Fault>>) -> Result<Answer, Fault> {
        let mut handling = pin!(handling);
        // After a panic it is not polled again, and only dropped.
        let caught = std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(answer)) => Poll::Ready(Ok(answer)),
            Err(panic) => Poll::Ready(Err(message(&*panic))),
        })
        .await;
        caught.unwrap_or_else(|message| {
            self.meters.panics.inc();
            let cause = format!("panic: {message}");
            Err(Fault { failure: HostFailure::Internal, cause, guest_time: Duration::ZERO })
        })
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("of no known kind").to_owned()
}

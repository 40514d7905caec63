//! What is written down of each request, at its very end.

use std::{
    io,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    HeaderValue, Method, StatusCode, Uri, Version,
    header::{CONTENT_LENGTH, USER_AGENT},
    request::Parts,
};
use http_body::{Body as _, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    connection::Peer,
    escape::escaped,
    handler::{Notes, USED},
    meters::Meters,
    pulse::Active,
    request_id::RequestId,
};
use crate::plane::Body;

/// One request. Dropping it writes it down: when the last byte of the answer
/// is handed on, or when there will be no more.
pub(super) struct Record {
    pulse: Active,
    peer: Arc<Peer>,
    pub(super) started: Instant,
    id: RequestId,
    pub(super) about: About,
    pub(super) client: IpAddr,
    pub(super) status: Option<StatusCode>,
    pub(super) notes: Notes,
    pub(super) user: Option<Arc<str>>,
    pub(super) guest: Duration,
    /// Bytes that the answer's body was to have.
    expected: Option<u64>,
    sent: u64,
    /// The end of the body was reached.
    complete: bool,
    sending: bool,
}

/// What a head says that is written down.
#[derive(Clone)]
pub(super) struct About {
    method: Method,
    uri: Uri,
    version: Version,
    agent: Option<HeaderValue>,
    declared: Option<u64>,
}

impl About {
    pub(super) fn of(head: &Parts) -> Self {
        Self {
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
            agent: head.headers.get(USER_AGENT).cloned(),
            declared: head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()),
        }
    }
}

impl Record {
    /// A request begins.
    pub(super) fn begin(about: About, id: RequestId, peer: Arc<Peer>, pulse: Active) -> Box<Self> {
        peer.shared.pipeline.meters.in_flight.add(1);
        Box::new(Self {
            client: peer.address,
            pulse,
            peer,
            started: Instant::now(),
            id,
            about,
            status: None,
            notes: Notes::default(),
            user: None,
            guest: Duration::ZERO,
            expected: None,
            sent: 0,
            complete: false,
            sending: false,
        })
    }

    /// Bytes of the request's body: on HTTP/1.1 as they came, on HTTP/2 as
    /// declared, which it enforces.
    fn received(&self) -> u64 {
        match self.about.version {
            Version::HTTP_2 => self.about.declared.unwrap_or(0),
            _ => self.pulse.body(),
        }
    }

    /// So many bytes of the body were handed on, of so many.
    pub(super) fn handed_on(&mut self, sent: usize, all: usize) {
        self.sent = sent as u64;
        self.complete = sent == all;
    }

    fn meters(&self) -> &Meters {
        &self.peer.shared.pipeline.meters
    }

    fn write(&self) {
        let took = self.started.elapsed();
        self.meters().request(&self.about.method, self.status, took);
        if !tracing::enabled!(target: "access", tracing::Level::INFO) {
            return;
        }
        let mut notes =
            String::with_capacity(self.notes.iter().map(|(name, value)| name.len() + value.len() + 2).sum());
        // What is kept elsewhere would be said twice.
        for (name, value) in self.notes.iter().filter(|(name, _)| name != USED) {
            notes.push_str(if notes.is_empty() { "" } else { " " });
            notes.push_str(&escaped(name.as_bytes()).text());
            notes.push('=');
            notes.push_str(&escaped(value.as_bytes()).text());
        }
        let behind = (self.client != self.peer.address).then(|| self.client.to_string());
        let client = behind.as_ref().unwrap_or(&self.peer.shown).as_str();
        tracing::info!(
            target: "access",
            request_id = %self.id,
            client,
            user = self.user.as_ref().map(|user| tracing::field::display(escaped(user.as_bytes()))),
            method = &*escaped(self.about.method.as_str().as_bytes()).text(),
            path = &*escaped(self.about.uri.path().as_bytes()).text(),
            query = &*escaped(self.about.uri.query().unwrap_or_default().as_bytes()).text(),
            protocol = ?self.about.version,
            status = self.status.map_or(0, |status| status.as_u16()),
            received = self.received(),
            sent = self.sent,
            aborted = !self.complete,
            duration_us = micros(took),
            guest_us = micros(self.guest),
            user_agent = &*escaped(self.about.agent.as_ref().map_or(b"", |agent| agent.as_bytes())).text(),
            notes = &*notes,
            "response completed"
        );
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Drop for Record {
    fn drop(&mut self) {
        self.write();
        if self.sending {
            self.pulse.sending(false);
        }
        self.meters().in_flight.add(-1);
    }
}

pin_project! {
    /// An answer's body, watched.
    pub(super) struct Sent {
        #[pin]
        body: Body,
        record: Option<Box<Record>>,
    }
}

impl Sent {
    pub(super) fn new(body: Body, mut record: Box<Record>) -> Self {
        if body.is_end_stream() {
            record.complete = true;
            return Self { body, record: Some(record) };
        }
        record.expected = body.size_hint().exact();
        record.sending = true;
        record.pulse.sending(true);
        Self { body, record: Some(record) }
    }
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.project();
        let polled = this.body.poll_frame(cx);
        if let Some(record) = this.record {
            match &polled {
                Poll::Pending => {}
                Poll::Ready(Some(Ok(frame))) => {
                    record.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                    record.complete = record.expected == Some(record.sent);
                    record.pulse.moved();
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::error!(request_id = %record.id, cause = %escaped(error.to_string().as_bytes()), "the answer broke off");
                }
                Poll::Ready(None) => record.complete = record.expected.is_none_or(|expected| expected == record.sent),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

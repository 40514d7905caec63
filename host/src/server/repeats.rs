//! Answers that are given again to heads that are the same, byte by byte.
//!
//! Of an answer out of memory, most of the cost is to read a head into fields,
//! to put the answer into others, and to write those. Clients of one kind that
//! want the same thing send the same bytes. Where the handler says how to tell
//! whether its answer is right still ([`Repeat`]), the bytes of both are kept
//! here, and hyper does not see such a head again. Limits, counters and the log
//! are as ever.
//!
//! hyper knows nothing of it, so it happens only where it cannot notice: it has
//! answered all that it was given, and has nothing left to send
//! ([`Repeater::flushed`]). A head that comes in parts, or with more behind it,
//! is hyper's; so is each one while the server ends, and one whose answer is
//! not right any more.

use std::{
    hash::{BuildHasher, RandomState},
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::{Buf, Bytes};
use http::{
    HeaderName, HeaderValue, Method, Response, StatusCode, Version,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, DATE, EXPECT, PROXY_AUTHORIZATION, TRANSFER_ENCODING,
        UPGRADE,
    },
    request::Parts,
};
use tokio::io::ReadBuf;

use super::{
    answer,
    connection::Peer,
    date::date,
    forwarded,
    framing::Framing,
    handler::{Notes, Repeat},
    output::Output,
    pulse::Active,
    record::{About, Record},
    request_id::RequestId,
};
use crate::plane::Body;

/// Answers that are kept at the most.
const PLACES: usize = 256;
/// Bytes of the longest head that is kept, and of the largest answer: what is
/// larger takes its time anyway.
const LONGEST: usize = 2 << 10;
const LARGEST: usize = 16 << 10;

/// What makes a request one of its own: it is framed in another way, says who
/// sends it, or is not to be kept in memory as it is.
const APART: [HeaderName; 7] =
    [AUTHORIZATION, CONTENT_LENGTH, COOKIE, EXPECT, PROXY_AUTHORIZATION, TRANSFER_ENCODING, UPGRADE];

/// A head, and the answer to it.
struct Pair {
    asked: Wanted,
    /// The head of the answer, up to the value of `Date`, which is its last field.
    head: Bytes,
    body: Bytes,
    about: About,
    status: StatusCode,
    notes: Notes,
    user: Option<Arc<str>>,
    repeat: Arc<dyn Repeat>,
}

/// What is behind the value of `Date`.
const END: &[u8] = b"\r\n\r\n";

/// A head whose answer would be kept.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    bytes: Bytes,
    /// What a handler answers may name the scheme.
    tls: bool,
}

impl Wanted {
    /// Whether these are the bytes of this head, and nothing else follows from
    /// them than from its fields.
    pub(super) fn is_of(&self, head: &Parts) -> bool {
        let line = format!("{} {} HTTP/1.1\r\n", head.method, head.uri);
        head.version == Version::HTTP_11
            && matches!(head.method, Method::GET | Method::HEAD)
            && self.bytes.starts_with(line.as_bytes())
            // Some clients say what HTTP/1.1 does without a word.
            && head.headers.get_all(CONNECTION).iter().all(|option| option.as_bytes().eq_ignore_ascii_case(b"keep-alive"))
            && !APART.iter().chain(&forwarded::FIELDS).any(|name| head.headers.contains_key(name))
    }
}

/// Pairs, each at the place that the hash of its head gives it.
pub(super) struct Repeats {
    hashing: RandomState,
    places: Box<[Mutex<Place>]>,
}

#[derive(Default)]
struct Place {
    pair: Option<Arc<Pair>>,
    /// The hash of the last other head that came: who comes again before any
    /// other takes the place. Heads that come once drive nobody out.
    last: u64,
}

/// What is known of a head.
enum Met {
    Known(Arc<Pair>),
    Again,
    New,
}

impl Repeats {
    pub(super) fn new() -> Self {
        Self { hashing: RandomState::new(), places: (0..PLACES).map(|_| Mutex::default()).collect() }
    }

    fn place(&self, bytes: &[u8]) -> (u64, Option<MutexGuard<'_, Place>>) {
        let hash = self.hashing.hash_one(bytes);
        let place = usize::try_from(hash % PLACES as u64).ok().and_then(|at| self.places.get(at));
        (hash, place.map(|place| place.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn meet(&self, bytes: &[u8], tls: bool) -> Met {
        let (hash, Some(mut place)) = self.place(bytes) else { return Met::New };
        if let Some(pair) = place.pair.as_ref().filter(|pair| pair.asked.tls == tls && pair.asked.bytes == bytes) {
            return Met::Known(Arc::clone(pair));
        }
        match std::mem::replace(&mut place.last, hash) == hash {
            true => Met::Again,
            false => Met::New,
        }
    }

    /// Keeps an answer, as it is sent.
    pub(super) fn keep(&self, asked: Wanted, response: &Response<Body>, record: &Record, repeat: Arc<dyn Repeat>) {
        let (Some(body), StatusCode::OK) = (response.body().whole(), response.status()) else { return };
        if response.headers().contains_key(CONNECTION) {
            return;
        }
        let mut fields = response.headers().clone();
        fields.remove(DATE);
        let mut head = answer::head(response.status(), &fields);
        head.extend_from_slice(b"date: ");
        if head.len() + body.len() > LARGEST {
            return;
        }
        let pair = Pair {
            head: head.freeze(),
            body,
            about: record.about.clone(),
            status: response.status(),
            notes: record.notes.clone(),
            user: record.user.clone(),
            repeat,
            asked,
        };
        if let (_, Some(mut place)) = self.place(&pair.asked.bytes) {
            place.pair = Some(Arc::new(pair));
        }
    }

    fn forget(&self, pair: &Arc<Pair>) {
        if let (_, Some(mut place)) = self.place(&pair.asked.bytes)
            && place.pair.as_ref().is_some_and(|there| Arc::ptr_eq(there, pair))
        {
            place.pair = None;
        }
    }
}

/// Answers heads of one connection ahead of hyper.
pub(super) struct Repeater {
    peer: Arc<Peer>,
    giving: Option<Giving>,
    /// hyper has something that it has not answered, or not sent.
    owes: bool,
    /// A head that is hyper's after all.
    back: Bytes,
}

/// An answer under way.
struct Giving {
    pair: Arc<Pair>,
    step: Step,
}

enum Step {
    /// Is it right still?
    Asking {
        again: Pin<Box<dyn Future<Output = bool> + Send>>,
        active: Active,
        began: Instant,
    },
    Sending {
        record: Box<Record>,
        date: HeaderValue,
        sent: usize,
    },
    Flushing,
}

impl Repeater {
    pub(super) fn new(peer: Arc<Peer>) -> Self {
        Self { peer, giving: None, owes: false, back: Bytes::new() }
    }

    /// These bytes came. Whether they are a head that is answered here; if not,
    /// they are hyper's.
    pub(super) fn begin(&mut self, bytes: &[u8]) -> bool {
        let is_free = !std::mem::replace(&mut self.owes, true);
        let known = if is_free { self.known(bytes) } else { None };
        let Some(pair) = known else { return false };
        self.owes = false;
        self.peer.pulse.received(false, false, 0);
        let active = self.peer.pulse.repeat();
        let again = Arc::clone(&pair.repeat).again();
        self.giving = Some(Giving { pair, step: Step::Asking { again, active, began: Instant::now() } });
        true
    }

    fn known(&self, bytes: &[u8]) -> Option<Arc<Pair>> {
        let reads = bytes.starts_with(b"GET ") || bytes.starts_with(b"HEAD ");
        if !reads || bytes.len() > LONGEST || !bytes.ends_with(END) || self.peer.ends() {
            return None;
        }
        let pipeline = &self.peer.shared.pipeline;
        let tls = self.peer.tls.is_some();
        match pipeline.repeats.meet(bytes, tls) {
            Met::Known(pair) => pipeline.is_well().then_some(pair),
            Met::Again => {
                let one = bytes.windows(END.len()).position(|end| end == END) == Some(bytes.len() - END.len());
                if one {
                    self.peer.want(Wanted { bytes: Bytes::copy_from_slice(bytes), tls });
                }
                None
            }
            Met::New => None,
        }
    }

    /// hyper has sent all that it had. If that answers all heads that it was
    /// given, the next one may be answered here.
    pub(super) fn flushed(&mut self, framing: &Framing) {
        let pulse = &self.peer.pulse;
        if self.owes && pulse.is_idle() && !framing.in_head() && !framing.in_body() && framing.heads() == pulse.begun()
        {
            self.owes = false;
        }
    }

    /// Goes on with what is under way, if anything is.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, output: &Output) -> Poll<io::Result<()>> {
        while let Some(Giving { pair, step }) = &mut self.giving {
            match step {
                Step::Asking { again, .. } => {
                    let holds = ready!(again.as_mut().poll(cx));
                    let asked = self.giving.take();
                    let Some(Giving { pair, step: Step::Asking { active, began, .. } }) = asked else { break };
                    if holds {
                        let record = self.record(&pair, active, began);
                        let step = Step::Sending { record, date: date(), sent: 0 };
                        self.giving = Some(Giving { pair, step });
                    } else {
                        self.peer.shared.pipeline.repeats.forget(&pair);
                        self.back = pair.asked.bytes.clone();
                    }
                }
                Step::Sending { record, date, sent } => {
                    let parts = [&*pair.head, date.as_bytes(), END, &*pair.body];
                    let all: usize = parts.iter().map(|part| part.len()).sum();
                    while *sent < all {
                        match ready!(output.poll_write(cx, &behind(parts, *sent)))? {
                            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                            n => *sent += n,
                        }
                        record.handed_on(sent.saturating_sub(all - pair.body.len()), pair.body.len());
                    }
                    *step = Step::Flushing;
                }
                Step::Flushing => {
                    ready!(output.poll_flush(cx))?;
                    self.giving = None;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn record(&self, pair: &Pair, active: Active, began: Instant) -> Box<Record> {
        self.peer.shared.pipeline.meters.repeats.inc();
        let mut record = Record::begin(pair.about.clone(), RequestId::next(), self.peer.clone(), active);
        record.started = began;
        record.status = Some(pair.status);
        (record.notes, record.user) = (pair.notes.clone(), pair.user.clone());
        record
    }

    /// Whether there is a head that is to be answered by someone else.
    pub(super) fn gives_back(&self) -> bool {
        self.back.has_remaining()
    }

    /// Gives that head to hyper.
    pub(super) fn give_back(&mut self, buf: &mut ReadBuf<'_>) {
        self.owes = true;
        let part = self.back.split_to(self.back.len().min(buf.remaining()));
        buf.put_slice(&part);
    }
}

/// The parts without so many bytes at the beginning.
fn behind<const N: usize>(parts: [&[u8]; N], mut sent: usize) -> [IoSlice<'_>; N] {
    parts.map(|part| {
        let skipped = sent.min(part.len());
        sent -= skipped;
        IoSlice::new(part.get(skipped..).unwrap_or_default())
    })
}

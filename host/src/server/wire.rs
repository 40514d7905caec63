//! The plain bytes of a connection, as hyper reads and writes them.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    framing::{Broken, Framing, Wrong},
    handler::HostFailure,
    output::Output,
    pulse::Pulse,
    repeats::Repeater,
};

/// Gives the bytes of the last answer on a connection.
pub(super) type Farewell = Arc<dyn Fn(HostFailure) -> Bytes + Send + Sync>;

/// What follows the requests of HTTP/1.1.
pub(super) struct Requests {
    pub(super) framing: Framing,
    pub(super) repeater: Repeater,
}

/// What hyper speaks through.
pub(super) struct Wire {
    output: Output,
    /// HTTP/1.1 only.
    requests: Option<Requests>,
    pulse: Arc<Pulse>,
    farewell: Farewell,
    /// What hyper never saw and must be answered, at the end of the
    /// connection, and the bytes of that answer.
    unanswered: Option<HostFailure>,
    last_word: Bytes,
    broken: Option<Place>,
}

/// Where a connection broke.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Head,
    Body,
}

impl Wire {
    pub(super) fn new(output: Output, requests: Option<Requests>, pulse: Arc<Pulse>, farewell: Farewell) -> Self {
        Self { output, requests, pulse, farewell, unanswered: None, last_word: Bytes::new(), broken: None }
    }

    /// Whether there is something left to say that hyper does not know of.
    pub(super) fn has_last_word(&self) -> bool {
        self.unanswered.is_some() || !self.last_word.is_empty()
    }

    /// Reads what hyper is to see.
    fn read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(Requests { repeater, .. }) = &mut self.requests else { return self.output.poll_read(cx, buf) };
        let before = buf.filled().len();
        loop {
            ready!(repeater.poll(cx, &self.output))?;
            if repeater.gives_back() {
                repeater.give_back(buf);
                return Poll::Ready(Ok(()));
            }
            ready!(self.output.poll_read(cx, buf))?;
            if !repeater.begin(buf.filled().get(before..).unwrap_or_default()) {
                return Poll::Ready(Ok(()));
            }
            buf.set_filled(before);
        }
    }

    /// Looks at what came.
    fn look(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let Some(Requests { framing, .. }) = &mut self.requests else { return };
        let new = buf.filled().get(before..).unwrap_or_default();
        let Err(Broken { good, wrong }) = framing.feed(new) else {
            return self.pulse.received(framing.in_head(), framing.in_body(), framing.body());
        };
        buf.set_filled(before + good);
        let failure = match wrong {
            Wrong::Malformed(what) => {
                tracing::debug!(what, "not a request");
                HostFailure::BadRequest
            }
            Wrong::TooLarge => HostFailure::HeadTooLarge,
        };
        let place = if framing.in_body() { Place::Body } else { Place::Head };
        // A broken body of a request that a handler has is the handler's to
        // answer. hyper may not have seen that request's head, though.
        if place == Place::Head || self.pulse.is_idle() {
            self.unanswered = Some(failure);
        }
        self.broken = Some(place);
        self.pulse.break_off();
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a request")
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match this.broken {
            None => {}
            // The requests before it are answered first; when they are, the
            // connection's task ends it.
            Some(Place::Head) if !this.pulse.is_idle() => return Poll::Pending,
            Some(_) => return Poll::Ready(Err(malformed())),
        }
        if this.pulse.read_expired() {
            if this.pulse.head_expired() && this.requests.as_ref().is_some_and(|requests| requests.framing.in_head()) {
                this.unanswered = Some(HostFailure::TimedOut);
            }
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client was silent for too long")));
        }
        let before = buf.filled().len();
        match this.read(cx, buf) {
            Poll::Ready(Ok(())) => {
                this.look(buf, before);
                // No bytes would mean the end.
                if this.broken.is_some() && buf.filled().len() == before {
                    return self.poll_read(cx, buf);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Pending => {
                if this.requests.is_some() {
                    this.pulse.waits();
                }
                Poll::Pending
            }
            failed => failed,
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.output.poll_write(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.output.poll_write(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.output.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.output.poll_flush(cx))?;
        if let Some(Requests { framing, repeater }) = &mut self.requests {
            repeater.flushed(framing);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // What was begun comes to its end.
        if let Some(Requests { repeater, .. }) = &mut this.requests {
            ready!(repeater.poll(cx, &this.output))?;
            if repeater.gives_back() {
                this.unanswered = Some(HostFailure::Unavailable);
            }
        }
        // Only when no request is under way: an answer in the middle of
        // another would be part of that.
        if let Some(failure) = this.unanswered.take()
            && this.pulse.is_idle()
        {
            this.last_word = (this.farewell)(failure);
        }
        while this.last_word.has_remaining() {
            match ready!(this.output.poll_write(cx, &[io::IoSlice::new(&this.last_word)]))? {
                0 => break,
                n => this.last_word.advance(n),
            }
        }
        this.output.poll_shutdown(cx)
    }
}

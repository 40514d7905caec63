//! What the bytes of a connection go through, with TLS or without; and how
//! those of HTTP/2 go out together.
//!
//! HTTP/2 flushes each frame, which are mostly of 16 KiB. Its answers go to TLS
//! when they fill a record, to the socket when there is much of them, and to
//! both when the connection has said all that it has to say for now
//! ([`Output::flush`]).

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::{
    socket::Socket,
    tls_records::{RECORD, Rest},
};

/// With as many bytes as this the socket is written to: as many as HTTP/1.1
/// gives it at once.
const MANY: usize = 64 << 10;

/// What TLS may hold: that, twice, and what records add to it.
const HELD: usize = 2 * MANY + RECORD;

/// With TLS or without: one type, so that hyper is compiled once for each
/// protocol.
pub(super) enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Stream {
    pub(super) fn socket(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => tls.get_mut().0,
        }
    }

    fn read(&mut self) -> Pin<&mut (dyn AsyncRead + Send + Unpin)> {
        match self {
            Self::Plain(socket) => Pin::new(socket),
            Self::Tls(tls) => Pin::new(&mut **tls),
        }
    }

    fn write(&mut self) -> Pin<&mut (dyn AsyncWrite + Send + Unpin)> {
        match self {
            Self::Plain(socket) => Pin::new(socket),
            Self::Tls(tls) => Pin::new(&mut **tls),
        }
    }
}

/// A stream that both hyper and the connection's own task have.
#[derive(Clone)]
pub(super) struct Output(Arc<Mutex<Inner>>);

struct Inner {
    stream: Stream,
    /// Whether what is written waits for more.
    gathers: bool,
    /// Bytes that wait for the socket.
    waiting: usize,
    /// Bytes that wait for others to be sent with.
    rest: Rest,
    /// What hyper was not there to be told.
    failed: Option<io::Error>,
}

impl Output {
    /// With `gathers`, what is written goes out when there is much of it, and
    /// by [`flush`](Self::flush).
    pub(super) fn new(mut stream: Stream, gathers: bool) -> Self {
        let gathers = match &mut stream {
            Stream::Plain(_) => false,
            Stream::Tls(tls) => {
                if gathers {
                    tls.get_mut().1.set_buffer_limit(Some(HELD));
                }
                gathers
            }
        };
        Self(Arc::new(Mutex::new(Inner { stream, gathers, waiting: 0, rest: Rest::default(), failed: None })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what waits. The connection is polled again where that fails, and
    /// is told so.
    pub(super) fn flush(&self, cx: &mut Context<'_>) {
        let mut inner = self.lock();
        if inner.gathers
            && let Poll::Ready(Err(error)) = inner.send_all(cx)
        {
            inner.failed = Some(error);
            cx.waker().wake_by_ref();
        }
    }

    pub(super) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        match inner.failed.take() {
            Some(error) => Poll::Ready(Err(error)),
            None => inner.stream.read().poll_read(cx, buf),
        }
    }

    pub(super) fn poll_write(&self, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut inner = self.lock();
        match inner.failed.take() {
            Some(error) => Poll::Ready(Err(error)),
            None if inner.gathers => inner.gather(cx, parts),
            None => inner.stream.write().poll_write_vectored(cx, parts),
        }
    }

    pub(super) fn is_write_vectored(&self) -> bool {
        match &self.lock().stream {
            Stream::Plain(socket) => socket.is_write_vectored(),
            Stream::Tls(tls) => tls.is_write_vectored(),
        }
    }

    /// What hyper asks for. Where bytes are gathered it has to wait for nothing.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        if inner.gathers { Poll::Ready(Ok(())) } else { inner.stream.write().poll_flush(cx) }
    }

    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        if inner.gathers {
            ready!(inner.send_all(cx))?;
        }
        // TLS sends what it has before its last word.
        inner.stream.write().poll_shutdown(cx)
    }
}

impl Inner {
    fn gather(&mut self, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.waiting >= MANY {
            ready!(self.send(cx))?;
        }
        let mut taken = self.take(parts)?;
        if taken == 0 && parts.iter().any(|part| !part.is_empty()) {
            // TLS itself had something to say, and has no room.
            ready!(self.send(cx))?;
            taken = self.take(parts)?;
        }
        if self.waiting >= MANY
            && let Poll::Ready(Err(error)) = self.send(cx)
        {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(taken))
    }

    fn take(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let Stream::Tls(tls) = &mut self.stream else { return Ok(0) };
        let mut writer = tls.get_mut().1.writer();
        let taken = self.rest.take(parts, MANY, |records| io::Write::write_vectored(&mut writer, records))?;
        self.waiting += taken;
        Ok(taken)
    }

    fn send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.stream.write().poll_flush(cx))?;
        self.waiting = 0;
        Poll::Ready(Ok(()))
    }

    /// Sends what fills no record too. While the socket takes nothing, that
    /// may still be filled.
    fn send_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.send(cx))?;
        while !self.rest.is_empty() {
            let Stream::Tls(tls) = &mut self.stream else { break };
            let mut writer = tls.get_mut().1.writer();
            self.rest.end(|left| io::Write::write(&mut writer, left))?;
            ready!(self.send(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

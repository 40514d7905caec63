//! A TCP connection that knows when it stands still, and how to part.

use std::{
    io,
    os::fd::AsFd as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::{meters::Meters, pulse::Pulse};

/// A TCP connection.
pub(super) struct Socket {
    tcp: TcpStream,
    pulse: Arc<Pulse>,
    meters: Arc<Meters>,
    linger: Duration,
    /// All is sent; until then the client is still listened to.
    parting: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(super) fn new(tcp: TcpStream, pulse: Arc<Pulse>, meters: Arc<Meters>, linger: Duration) -> Self {
        Self { tcp, pulse, meters, linger, parting: None }
    }

    /// The connection itself, to peek at.
    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Waits by the runtime that this is called on from now on. Where that is
    /// not possible it waits by the one of before, a thread further away.
    pub(super) fn settle(&mut self) {
        let again = || TcpStream::from_std(self.tcp.as_fd().try_clone_to_owned()?.into());
        match again() {
            Ok(tcp) => self.tcp = tcp,
            Err(error) => tracing::debug!(%error, "a connection stays where it was"),
        }
    }

    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Pending => self.pulse.wrote(true),
            Poll::Ready(Ok(n)) => {
                self.pulse.wrote(false);
                self.meters.sent.add(*n as u64);
            }
            Poll::Ready(Err(_)) => {}
        }
        result
    }
}

fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.tcp).poll_read(cx, buf);
        self.meters.received.add(buf.filled().len().saturating_sub(before) as u64);
        result
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.pulse.write_expired() {
            return Poll::Ready(Err(timed_out()));
        }
        let result = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.pulse.write_expired() {
            return Poll::Ready(Err(timed_out()));
        }
        let result = Pin::new(&mut self.tcp).poll_write_vectored(cx, parts);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    /// Says that nothing more will come, then reads and forgets what the
    /// client still sends. To close a socket with unread bytes resets it, and
    /// the client would lose the answer that explains why nobody reads them.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let parting = match &mut this.parting {
            Some(parting) => parting,
            None => {
                ready!(Pin::new(&mut this.tcp).poll_shutdown(cx))?;
                this.parting.insert(Box::pin(sleep(this.linger)))
            }
        };
        let mut space = [0; 16 << 10];
        loop {
            if parting.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buf = ReadBuf::new(&mut space);
            match Pin::new(&mut this.tcp).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

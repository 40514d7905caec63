//! What guests write to their standard output and error: lines for the log.

use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

/// Bytes that are kept for one request; the rest is counted and dropped.
const KEPT: usize = 8 << 10;

/// Lines that are logged for one request.
const LINES: usize = 64;

/// Keeps what a guest writes until its request is answered.
#[derive(Debug, Clone, Default)]
pub struct GuestOutput(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    dropped: u64,
}

impl GuestOutput {
    /// Logs what was written, if anything was.
    pub fn log(&self, request: impl fmt::Display) {
        self.log_as(None, &request, &|line| line.to_owned());
    }

    /// As [`log`](Self::log), for a policy by its name; `mask` takes out what
    /// nobody is to read.
    pub fn log_as(&self, policy: Option<&str>, request: &dyn fmt::Display, mask: &dyn Fn(&str) -> String) {
        let kept = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if kept.bytes.is_empty() && kept.dropped == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&kept.bytes);
        for line in text.lines().take(LINES) {
            // A guest's line may hold what a client sent: no control
            // character of it reaches a terminal.
            tracing::info!(target: "guest", policy, %request, "{}", mask(line).escape_debug());
        }
        let more = text.lines().count().saturating_sub(LINES);
        if kept.dropped > 0 || more > 0 {
            tracing::warn!(target: "guest", policy, %request, bytes = kept.dropped, lines = more, "the guest wrote more than is logged");
        }
    }

    /// The last line that was written, and is not logged yet.
    pub fn last_line(&self) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept.bytes);
        text.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned)
    }

    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT.saturating_sub(kept.bytes.len()).min(bytes.len());
        let (taken, rest) = bytes.split_at(room);
        kept.bytes.extend_from_slice(taken);
        kept.dropped = kept.dropped.saturating_add(u64::try_from(rest.len()).unwrap_or(u64::MAX));
    }
}

impl IsTerminal for GuestOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for GuestOutput {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.keep(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

//! A body on its way into an upload.
//!
//! While one batch is hashed and written, the next is gathered. No thread is
//! held while the client is waited for, and what a slow client sent is written
//! after a moment, so that memory is for bodies that move.

use std::{
    fmt::Display,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::Body;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::storage::{Failure, Upload};

/// A batch of this size is written as soon as the one before it is.
const BATCH: usize = 256 << 10;
/// No more is gathered while a batch is being written.
const MOST: usize = 1 << 20;
/// Frames of a batch: many tiny ones cost more than their bytes.
const FRAMES: usize = 512;
/// What is gathered is written when nothing came for so long.
const LINGER: Duration = Duration::from_millis(50);

/// Appends `body` to `upload`; returns how many bytes it had. `idle` bounds
/// the silence between two parts of it, not the whole.
///
/// # Errors
/// [`Failure::TooLarge`] for more than `limit` bytes: the upload is then as it
/// was. [`Failure::Interrupted`] if the body broke off: what arrived is kept.
/// Whatever the upload fails with.
pub async fn receive<B>(body: B, upload: &mut dyn Upload, limit: Option<u64>, idle: Duration) -> Result<u64, Failure>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: Display,
{
    let limit = limit.unwrap_or(u64::MAX);
    let declared = body.size_hint().lower();
    if declared > limit {
        return Err(Failure::TooLarge(declared));
    }
    let begin = upload.offset();
    let mut incoming = Incoming {
        body,
        batch: Vec::new(),
        size: 0,
        total: 0,
        end: None,
        heard: Instant::now(),
        idle,
        timer: Box::pin(sleep_until(Instant::now() + idle.min(LINGER))),
    };
    loop {
        incoming.fill(limit).await;
        if incoming.batch.is_empty() {
            break;
        }
        let batch = std::mem::take(&mut incoming.batch);
        incoming.size = 0;
        let writing = upload.write(batch);
        incoming.gather_while(writing, limit).await?;
    }
    match incoming.end {
        Some(End::TooLarge) => {
            upload.truncate(begin).await?;
            upload.pause().await?;
            Err(Failure::TooLarge(limit))
        }
        Some(End::Broken) => {
            upload.pause().await?;
            Err(Failure::Interrupted)
        }
        Some(End::Whole) | None => {
            upload.pause().await?;
            Ok(incoming.total)
        }
    }
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Broken,
    TooLarge,
}

/// A body, and what came of it and is not written yet.
struct Incoming<B> {
    body: B,
    batch: Vec<Bytes>,
    size: usize,
    total: u64,
    end: Option<End>,
    heard: Instant,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
}

impl<B> Incoming<B>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: Display,
{
    /// Gathers until there is a batch to write, or no more comes.
    async fn fill(&mut self, limit: u64) {
        poll_fn(|context| {
            self.poll_body(context, limit, BATCH);
            if self.end.is_some() || self.is_full(BATCH) {
                return Poll::Ready(());
            }
            self.poll_silence(context)
        })
        .await;
    }

    /// Gathers while a batch is being written.
    async fn gather_while(
        &mut self,
        mut writing: Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + '_>>,
        limit: u64,
    ) -> Result<(), Failure> {
        let result = poll_fn(|context| {
            let written = writing.as_mut().poll(context);
            if written.is_pending() {
                self.poll_body(context, limit, MOST);
            }
            written
        })
        .await;
        // It was the disk that was waited for, not the client.
        self.heard = Instant::now();
        result
    }

    fn is_full(&self, most: usize) -> bool {
        self.size >= most || self.batch.len() >= FRAMES
    }

    /// Takes what has come, up to `most` bytes.
    fn poll_body(&mut self, context: &mut Context<'_>, limit: u64, most: usize) {
        while self.end.is_none() && !self.is_full(most) {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else { return };
            self.heard = Instant::now();
            let data = match frame {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(error)) => {
                    tracing::debug!("a body broke off: {error}");
                    self.end = Some(End::Broken);
                    return;
                }
                None => {
                    self.end = Some(End::Whole);
                    return;
                }
            };
            self.total += data.len() as u64;
            if self.total > limit {
                // None of it stays, so what is gathered is not written.
                self.end = Some(End::TooLarge);
                self.batch.clear();
            } else if !data.is_empty() {
                self.size += data.len();
                self.batch.push(data);
            }
        }
    }

    /// Ready when the client was silent long enough to write what it sent, or
    /// to give it up.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let wait = if self.batch.is_empty() { self.idle } else { self.idle.min(LINGER) };
            let deadline = self.heard + wait;
            if Instant::now() >= deadline {
                if self.batch.is_empty() || wait == self.idle {
                    self.end = Some(End::Broken);
                }
                return Poll::Ready(());
            }
            // Set anew only when it fires, not for each frame.
            if self.timer.is_elapsed() || self.timer.deadline() > deadline {
                self.timer.as_mut().reset(deadline);
            }
            if self.timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

//! Where bytes move between a connection and the storage. It knows bodies,
//! objects and uploads, and nothing of guests.

mod collect;
mod receive;

#[cfg(test)]
mod tests;

pub use self::{collect::collect, receive::receive};

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::storage::{Failure, Object};

/// Bytes of an object that are read at a time: measured, more is slower.
const CHUNK: usize = 64 << 10;

/// The body of an answer.
#[derive(Debug, Default)]
pub struct Body(Content);

#[derive(Default)]
enum Content {
    #[default]
    Empty,
    Full(Bytes),
    Slice(Slice),
}

struct Slice {
    object: Arc<dyn Object>,
    offset: u64,
    left: u64,
    /// A read that waits for a disk.
    waiting: Option<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = Result<Bytes, Failure>> + Send>>;

impl Body {
    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// These bytes.
    #[must_use]
    pub fn full(bytes: Bytes) -> Self {
        Self(if bytes.is_empty() { Content::Empty } else { Content::Full(bytes) })
    }

    /// `length` bytes of `object` from `offset`, read as they are sent. An
    /// object that turns out to be shorter breaks the body off; nothing is
    /// ever sent in the place of bytes.
    #[must_use]
    pub fn slice(object: Box<dyn Object>, offset: u64, length: u64) -> Self {
        if length == 0 {
            return Self::empty();
        }
        Self(Content::Slice(Slice { object: object.into(), offset, left: length, waiting: None }))
    }

    /// All of its bytes, where they are in memory.
    #[must_use]
    pub fn whole(&self) -> Option<Bytes> {
        match &self.0 {
            Content::Empty => Some(Bytes::new()),
            Content::Full(bytes) => Some(bytes.clone()),
            Content::Slice(_) => None,
        }
    }

    fn left(&self) -> u64 {
        match &self.0 {
            Content::Empty => 0,
            Content::Full(bytes) => bytes.len() as u64,
            Content::Slice(slice) => slice.left,
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

impl Slice {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Failure>> {
        let max = usize::try_from(self.left).map_or(CHUNK, |left| left.min(CHUNK));
        if self.waiting.is_none() {
            // What is in the page cache is read here: no thread, no wake-up.
            if let Some(chunk) = self.object.try_chunk(self.offset, max) {
                return Poll::Ready(chunk);
            }
        }
        let (object, offset) = (&self.object, self.offset);
        let waiting = self.waiting.get_or_insert_with(|| {
            let object = object.clone();
            Box::pin(async move { object.chunk(offset, max).await })
        });
        let chunk = ready!(waiting.as_mut().poll(context));
        self.waiting = None;
        Poll::Ready(chunk)
    }

    fn advance(&mut self, chunk: Result<Bytes, Failure>) -> io::Result<Bytes> {
        let mut chunk = chunk.map_err(io::Error::other)?;
        if chunk.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // No object gives more than it is asked for; a body never does.
        chunk.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.offset += chunk.len() as u64;
        self.left -= chunk.len() as u64;
        Ok(chunk)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let result = match &mut self.0 {
            Content::Empty => return Poll::Ready(None),
            Content::Full(bytes) => Ok(std::mem::take(bytes)),
            Content::Slice(slice) => {
                let chunk = ready!(slice.poll(context));
                slice.advance(chunk)
            }
        };
        let more = matches!(&self.0, Content::Slice(slice) if slice.left > 0);
        if result.is_err() || !more {
            self.0 = Content::Empty;
        }
        Poll::Ready(Some(result.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Content::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Slice(slice) => write!(f, "Slice({} bytes at {})", slice.left, slice.offset),
        }
    }
}

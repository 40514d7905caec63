//! What is asked, and how an answer is checked.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use skerry_tests::client::Failure;

use crate::blob::{Blob, PIECE};

/// A request.
pub struct Ask<'a> {
    pub method: &'static str,
    pub target: &'a str,
    pub headers: &'a [(&'static str, String)],
    pub body: Sent,
}

impl<'a> Ask<'a> {
    /// One with no body and no header fields.
    pub fn new(method: &'static str, target: &'a str) -> Self {
        Self { method, target, headers: &[], body: Sent::Bytes(Bytes::new()) }
    }
}

/// The body of a request.
#[derive(Clone)]
pub enum Sent {
    Bytes(Bytes),
    /// A part of a blob; the offsets are multiples of [`PIECE`], or its end.
    Part {
        blob: Arc<Blob>,
        from: u64,
        to: u64,
        /// Whether its length is said in advance.
        declared: bool,
    },
}

impl Sent {
    /// What is declared.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::Part { from, to, declared, .. } => declared.then_some(to - from),
        }
    }

    /// Its bytes in order.
    pub fn pieces(&self) -> Pieces {
        Pieces { body: self.clone(), at: if let Self::Part { from, .. } = self { *from } else { 0 } }
    }
}

pub struct Pieces {
    body: Sent,
    at: u64,
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        match &mut self.body {
            Sent::Bytes(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
            Sent::Part { blob, to, .. } => {
                let at = self.at;
                self.at += PIECE;
                (at < *to).then(|| blob.piece(at, *to))
            }
        }
    }
}

/// The head of an answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub digest: Option<String>,
    pub location: Option<String>,
}

impl Reply {
    /// The status must be this one.
    pub fn demand(self, status: u16) -> Result<Self, Failure> {
        if self.status == status { Ok(self) } else { Err(format!("the status {}, not {status}", self.status).into()) }
    }
}

/// What the bytes of an answer must be.
pub enum Expect<'a> {
    Any,
    Bytes(&'a [u8]),
    Blob(&'a Blob),
    Keep(&'a mut Vec<u8>),
}

/// Checks an answer while it arrives.
pub struct Checker<'a> {
    expect: Expect<'a>,
    /// What `Docker-Content-Digest` must say.
    pub digest: Option<&'a str>,
    counter: Option<&'a AtomicU64>,
    got: u64,
}

impl<'a> Checker<'a> {
    pub fn new(expect: Expect<'a>) -> Self {
        Self { expect, digest: None, counter: None, got: 0 }
    }

    /// Bytes are counted here while they arrive.
    pub fn counted(mut self, counter: &'a AtomicU64) -> Self {
        self.counter = Some(counter);
        self
    }

    pub fn of(mut self, digest: Option<&'a str>) -> Self {
        self.digest = digest;
        self
    }

    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let offset = self.got;
        self.got += bytes.len() as u64;
        let good = match &mut self.expect {
            Expect::Any => true,
            Expect::Bytes(all) => all.get(offset as usize..self.got as usize) == Some(bytes),
            Expect::Blob(blob) => blob.holds(offset, bytes),
            Expect::Keep(kept) => {
                kept.extend_from_slice(bytes);
                true
            }
        };
        if !good {
            return Err(format!("wrong bytes after {offset}").into());
        }
        if let Some(counter) = self.counter {
            counter.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    fn whole(&self) -> Option<u64> {
        match &self.expect {
            Expect::Bytes(bytes) => Some(bytes.len() as u64),
            Expect::Blob(blob) => Some(blob.size),
            Expect::Any | Expect::Keep(_) => None,
        }
    }

    /// The answer is over: was that all?
    pub fn end(&self) -> Result<(), Failure> {
        self.declared(Some(self.got))
    }

    /// The length that an answer has, or to HEAD would have.
    pub fn declared(&self, length: Option<u64>) -> Result<(), Failure> {
        match self.whole() {
            Some(whole) if length != Some(whole) => Err(format!("{length:?} bytes and not {whole}").into()),
            _ => Ok(()),
        }
    }
}

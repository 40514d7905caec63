//! What a guest may ask of a request, and the record of what it was told.

use std::{
    hash::{BuildHasher, DefaultHasher, Hasher, RandomState},
    sync::Arc,
};

use http::HeaderName;

/// A question about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The method.
    Method,
    /// The path.
    Path,
    /// The values of a query parameter.
    Query(Arc<str>),
    /// The values of a header field.
    Header(HeaderName),
    /// The client's address.
    Peer,
    /// What is known of the TLS connection.
    Tls,
    /// The declared length of the body.
    Length,
    /// What policies say; the question to them, in bytes.
    Policies(Arc<[u8]>),
}

/// A request, to be asked.
pub trait Asked {
    /// Gives what a guest would be told, part by part. Different answers give
    /// different parts; what no guest is told (credentials) is not given.
    /// False where it cannot be told without asking policies anew.
    fn answer(&mut self, question: &Question, part: &mut dyn FnMut(&[u8])) -> bool;
}

/// Questions and answers so far, such that different ones are different bytes.
#[derive(Clone)]
pub struct Transcript {
    bytes: Vec<u8>,
    hasher: DefaultHasher,
    /// Nothing was asked but what the bytes of a request say.
    of_request: bool,
}

/// Before each part, and after the last.
const PART: u8 = 1;
const END: u8 = 0;

impl Transcript {
    pub fn new(hashing: &RandomState, epoch: u64) -> Self {
        let mut hasher = hashing.build_hasher();
        hasher.write_u64(epoch);
        Self { bytes: Vec::with_capacity(512), hasher, of_request: true }
    }

    /// Adds a question and its answer; false where that cannot be told.
    pub fn add(&mut self, question: &Question, asked: &mut impl Asked) -> bool {
        let from = self.bytes.len();
        let (tag, name): (u8, &[u8]) = match question {
            Question::Method => (1, b""),
            Question::Path => (2, b""),
            Question::Query(name) => (3, name.as_bytes()),
            Question::Header(name) => (4, name.as_str().as_bytes()),
            Question::Peer => (5, b""),
            Question::Tls => (6, b""),
            Question::Length => (7, b""),
            Question::Policies(asked) => (8, asked),
        };
        self.of_request &= !matches!(question, Question::Peer | Question::Tls | Question::Policies(_));
        self.bytes.push(tag);
        self.part(name);
        let told = asked.answer(question, &mut |part| self.part(part));
        self.bytes.push(END);
        self.hasher.write(self.bytes.get(from..).unwrap_or_default());
        told
    }

    fn part(&mut self, part: &[u8]) {
        self.bytes.push(PART);
        self.bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(part);
    }

    /// Where what comes next is found: a keyed hash, as clients choose the
    /// answers.
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// Whether the same bytes of a request, from whomever, are told the same.
    pub fn is_of_request(&self) -> bool {
        self.of_request
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

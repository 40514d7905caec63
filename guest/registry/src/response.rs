//! Answers.

use serde::Serialize;

/// An answer: head, and where the bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200 to 599.
    pub status: u16,
    /// Header fields; the host adds what frames the message.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Content,
    /// What happened, for the host to record each time it gives this answer.
    pub notes: Vec<(String, String)>,
}

/// Where the bytes of an answer are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nowhere.
    Empty,
    /// Here.
    Bytes(Vec<u8>),
    /// In the storage, whence the host sends them.
    Slice {
        /// The object.
        key: String,
        /// Its first byte that is sent.
        offset: u64,
        /// How many.
        length: u64,
    },
}

impl Response {
    /// An answer with no body.
    #[must_use]
    pub const fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Content::Empty, notes: Vec::new() }
    }

    /// An answer whose body is JSON.
    #[must_use]
    pub fn json<T: Serialize>(status: u16, media_type: &str, body: &T) -> Self {
        // Writing to memory does not fail, and no type here refuses.
        let bytes = serde_json::to_vec(body).unwrap_or_default();
        Self::new(status).header("Content-Type", media_type).bytes(bytes)
    }

    /// With a header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With the field by which clients know a registry, from errors too.
    #[must_use]
    pub fn of_registry(self) -> Self {
        self.header("Docker-Distribution-Api-Version", "registry/2.0")
    }

    /// With a note for the host's log.
    #[must_use]
    pub fn note(mut self, name: &str, value: impl Into<String>) -> Self {
        self.notes.push((name.to_owned(), value.into()));
        self
    }

    /// With these bytes as its body.
    #[must_use]
    pub fn bytes(mut self, bytes: Vec<u8>) -> Self {
        self.body = Content::Bytes(bytes);
        self
    }

    /// With a part of an object as its body.
    #[must_use]
    pub fn slice(mut self, key: String, offset: u64, length: u64) -> Self {
        self.body = if length == 0 { Content::Empty } else { Content::Slice { key, offset, length } };
        self
    }
}

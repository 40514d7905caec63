//! Why storage did not do what it was asked.

use super::Key;

/// The failures of storage and uploads; `types.failure` in the WIT.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing is there.
    #[error("not found")]
    NotFound,
    /// An expectation did not hold, or a key to be created is there.
    #[error("conflict at {0}")]
    Conflict(Key),
    /// Not a key.
    #[error("invalid key: {0}")]
    InvalidKey(String),
    /// Beyond a limit: the size where it is known, else the limit.
    #[error("too large: {0} bytes")]
    TooLarge(u64),
    /// Not the kind of thing that was asked for.
    #[error("neither a plain object nor a directory, or the one in place of the other")]
    WrongKind,
    /// In use, or too much is open.
    #[error("busy")]
    Busy,
    /// The upload is at this offset.
    #[error("the upload is at offset {0}")]
    WrongOffset(u64),
    /// The received bytes have another digest.
    #[error("digest mismatch")]
    DigestMismatch,
    /// The client went away or was silent for too long.
    #[error("the body broke off")]
    Interrupted,
    /// No room left.
    #[error("no space left")]
    NoSpace,
    /// In unfinished uploads, this holder has as many bytes as one may.
    #[error("too much is staged")]
    TooMuchStaged,
    /// Not writable.
    #[error("read-only")]
    ReadOnly,
    /// The request used up its share.
    #[error("the request used up its limits")]
    Exhausted,
    /// The storage failed: for the log.
    #[error("{0}")]
    Io(String),
    /// Anything else: for the log.
    #[error("{0}")]
    Other(String),
}

//! Errors, as the distribution-spec and distribution write them.
//!
//! An error has two messages: what the client reads, in the body, and the
//! cause, in a note that only the host's log shows.

use std::borrow::Cow;

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    host::{Denial, Failure},
    response::Response,
};

/// The codes of error bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// A blob that is not in the repository.
    BlobUnknown,
    /// An upload that cannot go on.
    BlobUploadInvalid,
    /// An upload that is not there.
    BlobUploadUnknown,
    /// Not allowed.
    Denied,
    /// A digest that is none, or is not that of the content.
    DigestInvalid,
    /// A manifest names what is not here.
    ManifestBlobUnknown,
    /// Not a manifest, or not one that may be stored.
    ManifestInvalid,
    /// A manifest that is not in the repository.
    ManifestUnknown,
    /// Not the name of a repository.
    NameInvalid,
    /// A repository that holds nothing.
    NameUnknown,
    /// A bad `n`.
    PaginationNumberInvalid,
    /// Not a range, or not one of this content.
    RangeInvalid,
    /// A length that is too large or contradicts another.
    SizeInvalid,
    /// Not a tag.
    TagInvalid,
    /// Too much is asked for.
    TooManyRequests,
    /// The client has to say who it is.
    Unauthorized,
    /// No such path, or not by this method, or not by this configuration.
    Unsupported,
    /// Too busy.
    Unavailable,
    /// The registry failed.
    Unknown,
}

impl Code {
    /// Its name in a body, its usual status and message.
    const fn parts(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::BlobUnknown => ("BLOB_UNKNOWN", 404, "blob unknown to registry"),
            Self::BlobUploadInvalid => ("BLOB_UPLOAD_INVALID", 400, "blob upload invalid"),
            Self::BlobUploadUnknown => ("BLOB_UPLOAD_UNKNOWN", 404, "blob upload unknown to registry"),
            Self::Denied => ("DENIED", 403, "requested access to the resource is denied"),
            Self::DigestInvalid => ("DIGEST_INVALID", 400, "provided digest did not match uploaded content"),
            Self::ManifestBlobUnknown => ("MANIFEST_BLOB_UNKNOWN", 400, "blob unknown to registry"),
            Self::ManifestInvalid => ("MANIFEST_INVALID", 400, "manifest invalid"),
            Self::ManifestUnknown => ("MANIFEST_UNKNOWN", 404, "manifest unknown"),
            Self::NameInvalid => ("NAME_INVALID", 400, "invalid repository name"),
            Self::NameUnknown => ("NAME_UNKNOWN", 404, "repository name not known to registry"),
            Self::PaginationNumberInvalid => ("PAGINATION_NUMBER_INVALID", 400, "invalid number of results requested"),
            Self::RangeInvalid => ("RANGE_INVALID", 416, "invalid content range"),
            Self::SizeInvalid => ("SIZE_INVALID", 400, "provided length did not match content length"),
            Self::TagInvalid => ("TAG_INVALID", 400, "invalid tag"),
            Self::TooManyRequests => ("TOOMANYREQUESTS", 429, "too many requests"),
            Self::Unauthorized => ("UNAUTHORIZED", 401, "authentication required"),
            Self::Unsupported => ("UNSUPPORTED", 405, "the operation is unsupported"),
            Self::Unavailable => ("UNAVAILABLE", 503, "service unavailable"),
            Self::Unknown => ("UNKNOWN", 500, "unknown error"),
        }
    }
}

/// The codes by which policies refuse, for the statuses that go with them.
const REFUSALS: [Code; 13] = [
    Code::BlobUnknown,
    Code::BlobUploadInvalid,
    Code::BlobUploadUnknown,
    Code::DigestInvalid,
    Code::ManifestBlobUnknown,
    Code::ManifestInvalid,
    Code::ManifestUnknown,
    Code::NameInvalid,
    Code::NameUnknown,
    Code::SizeInvalid,
    Code::TagInvalid,
    Code::Unsupported,
    Code::TooManyRequests,
];

/// One entry of an error body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Item {
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    detail: Detail,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Detail(Vec<(&'static str, String)>);

impl Serialize for Detail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    status: u16,
    items: Vec<Item>,
    headers: Vec<(String, String)>,
    cause: Option<String>,
}

/// What a detail shows of a text that a client sent.
const SHOWN: usize = 256;

impl Error {
    /// An error with the usual status and message of its code.
    #[must_use]
    pub fn new(code: Code) -> Self {
        let (code, status, message) = code.parts();
        let item = Item { code: code.into(), message: message.into(), detail: Detail::default() };
        Self { status, items: vec![item], headers: Vec::new(), cause: None }
    }

    /// Whether the same request may do later.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        self.status >= 500
    }

    /// With another status.
    #[must_use]
    pub const fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// With another message, for the last entry.
    #[must_use]
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        if let Some(item) = self.items.last_mut() {
            item.message = message.into();
        }
        self
    }

    /// With a detail, for the last entry.
    #[must_use]
    pub fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Some(item) = self.items.last_mut() {
            let value: String = value.into();
            let value = if value.len() > SHOWN { value.chars().take(SHOWN).collect() } else { value };
            item.detail.0.push((name, value));
        }
        self
    }

    /// With the entries of another; the status stays.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.items.extend(other.items);
        self
    }

    /// With a header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With what happened, for the log.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            errors: Vec<Item>,
        }
        let mut response = Response::json(self.status, "application/json", &Body { errors: self.items });
        response.headers.extend(self.headers);
        match self.cause {
            Some(cause) => response.note("cause", cause.chars().take(512).collect::<String>()),
            None => response,
        }
    }
}

impl From<Denial> for Error {
    /// What a storage policy says, in the form of an error. Its code need be
    /// none of ours. A status that is none of a refusal is not taken, nor is
    /// 401, for which a challenge would be needed.
    fn from(denial: Denial) -> Self {
        let Denial { code, status, message } = denial;
        let usual = REFUSALS.iter().map(|code| code.parts()).find(|(name, ..)| *name == code);
        let (_, usual, text) = usual.unwrap_or(Code::Denied.parts());
        let named =
            (1..=64).contains(&code.len()) && code.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
        let mut error = Self::new(Code::Denied)
            .status(if matches!(status, 400 | 402..=499) { status } else { usual })
            .message(if message.is_empty() { text.into() } else { Cow::Owned(message) });
        if named && let Some(item) = error.items.last_mut() {
            item.code = code.into();
        }
        error
    }
}

impl From<Failure> for Error {
    /// What a failure means where nothing more is known.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotFound => Self::new(Code::Unknown).cause("what was there a moment ago is gone"),
            Failure::Conflict(key) => Self::new(Code::Unavailable)
                .status(409)
                .message("somebody else changed the same thing just now")
                .cause(format!("conflict at {key}")),
            Failure::TooLarge(size) => Self::new(Code::SizeInvalid)
                .status(413)
                .message("the content is too large")
                .detail("size", size.to_string()),
            Failure::Busy => {
                Self::new(Code::Unavailable).message("too much is going on; try again").header("Retry-After", "1")
            }
            Failure::Interrupted => Self::new(Code::BlobUploadInvalid).message("the content broke off"),
            Failure::NoSpace => Self::new(Code::Unavailable).status(507).message("the storage is full"),
            Failure::TooMuchStaged => Self::new(Code::TooManyRequests).message(
                "unfinished uploads hold as many bytes as those of one client may: finish or cancel some of them first",
            ),
            Failure::ReadOnly => Self::new(Code::Unsupported).message("the storage is read-only"),
            Failure::DigestMismatch => Self::new(Code::DigestInvalid),
            Failure::WrongOffset(offset) => {
                Self::new(Code::RangeInvalid).header("Range", crate::range::received(offset))
            }
            Failure::Exhausted => Self::new(Code::Unknown).cause("the request used up its limits"),
            Failure::InvalidKey(why) => Self::new(Code::Unknown).cause(format!("invalid key: {why}")),
            Failure::WrongKind => Self::new(Code::Unknown).cause("not the kind of thing that was expected"),
            Failure::Io(cause) | Failure::Other(cause) => Self::new(Code::Unknown).cause(cause),
        }
    }
}

/// What the host has to answer for; `handler.host-failure`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostFailure {
    /// 400
    BadRequest,
    /// 404
    NotFound,
    /// 408
    TimedOut,
    /// 413
    TooLarge,
    /// 431
    HeadTooLarge,
    /// 500
    Internal,
    /// 503
    Unavailable,
    /// 507
    NoSpace,
}

/// Header fields and body of an answer that the host gives itself.
#[must_use]
pub fn failure_answer(kind: HostFailure) -> (Vec<(String, String)>, Vec<u8>) {
    let error = match kind {
        HostFailure::BadRequest => Error::new(Code::Unsupported).message("the request cannot be understood"),
        HostFailure::NotFound => Error::new(Code::Unsupported).message("there is nothing at this path"),
        HostFailure::TimedOut => Error::new(Code::Unavailable).message("the request took too long to arrive"),
        HostFailure::TooLarge => Error::new(Code::SizeInvalid).message("the request is too large"),
        HostFailure::HeadTooLarge => Error::new(Code::SizeInvalid).message("the header of the request is too large"),
        HostFailure::Internal => Error::new(Code::Unknown),
        HostFailure::Unavailable => Error::new(Code::Unavailable),
        HostFailure::NoSpace => Error::new(Code::Unavailable).message("the storage is full"),
    };
    let response = error.into_response().of_registry();
    let bytes = match response.body {
        crate::response::Content::Bytes(bytes) => bytes,
        _ => Vec::new(),
    };
    (response.headers, bytes)
}

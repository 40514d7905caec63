//! A guest's answer, checked: it is as little trusted as a client's request.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::bindings::handler;
use crate::{server::Notes, storage::Key};

/// Header fields of one answer, and their bytes in all.
const FIELDS: usize = 64;
const FIELD_BYTES: usize = 16 << 10;

/// Notes of one answer, and their bytes in all.
const NOTES: usize = 16;
const NOTE_BYTES: usize = 4 << 10;

/// Bytes of the body of an answer that the host gives itself.
const OWN: usize = 64 << 10;

/// Fields by which messages are framed, or that belong to the connection: the
/// host's alone.
const FRAMING: [HeaderName; 7] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TRAILER,
    header::TE,
    header::DATE,
];

/// An answer that can be sent.
#[derive(Debug, Clone)]
pub struct Checked {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub content: Content,
    pub notes: Notes,
}

/// Where the bytes of an answer are.
#[derive(Debug, Clone)]
pub enum Content {
    Empty,
    Bytes(Bytes),
    Slice { key: Key, offset: u64, length: u64 },
}

/// What is wrong with an answer; for the log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a final status.
    #[error("guard answer: the status {0} is none of 200 to 599")]
    Status(u16),
    /// Not a header field.
    #[error("guard answer: the header field {0:?} is none")]
    Field(String),
    /// A field that is the host's.
    #[error("guard answer: the header field {0:?} is the host's to set")]
    Framing(String),
    /// Too much of something.
    #[error("guard answer: too many {0}")]
    TooMany(&'static str),
    /// A body where none can be.
    #[error("guard answer: a body with the status {0}")]
    Body(u16),
    /// A slice of no key, or beyond all sizes.
    #[error("guard answer: a slice that cannot be: {0}")]
    Slice(String),
}

/// Checks an answer. `limit` bounds its own body, in bytes.
pub fn check(response: handler::Response, limit: usize) -> Result<Checked, Refused> {
    let status = StatusCode::from_u16(response.status)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or(Refused::Status(response.status))?;
    let headers = fields(response.headers)?;
    let content = content(response.body, limit)?;
    let bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED, StatusCode::RESET_CONTENT];
    if bodiless.contains(&status) && !matches!(content, Content::Empty) {
        return Err(Refused::Body(response.status));
    }
    let notes = response.notes;
    let bytes: usize = notes.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
    if notes.len() > NOTES || bytes > NOTE_BYTES {
        return Err(Refused::TooMany("notes"));
    }
    Ok(Checked { status, headers, content, notes: notes.into() })
}

/// Checks what a module wants said when the host has to answer.
pub fn check_own(answer: handler::HostAnswer) -> Result<(HeaderMap, Bytes), Refused> {
    if answer.body.len() > OWN {
        return Err(Refused::TooMany("bytes in the body"));
    }
    Ok((fields(answer.headers)?, Bytes::from(answer.body)))
}

fn fields(given: Vec<(String, String)>) -> Result<HeaderMap, Refused> {
    let bytes: usize = given.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
    if given.len() > FIELDS || bytes > FIELD_BYTES {
        return Err(Refused::TooMany("header fields"));
    }
    let mut headers = HeaderMap::with_capacity(given.len().saturating_add(4));
    for (name, value) in given {
        let wrong = || Refused::Field(name.chars().take(64).collect());
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        if FRAMING.contains(&parsed) || parsed.as_str() == "keep-alive" || parsed.as_str() == "proxy-connection" {
            return Err(Refused::Framing(parsed.to_string()));
        }
        let value = HeaderValue::from_str(&value).map_err(|_| wrong())?;
        headers.append(parsed, value);
    }
    Ok(headers)
}

fn content(body: handler::Content, limit: usize) -> Result<Content, Refused> {
    match body {
        handler::Content::Empty => Ok(Content::Empty),
        handler::Content::Bytes(bytes) if bytes.len() > limit => Err(Refused::TooMany("bytes in the body")),
        handler::Content::Bytes(bytes) => Ok(Content::Bytes(Bytes::from(bytes))),
        handler::Content::Slice(slice) => {
            let key = Key::parse(&slice.key).map_err(|wrong| Refused::Slice(wrong.to_string()))?;
            if slice.offset.checked_add(slice.length).is_none() {
                return Err(Refused::Slice(format!("{} bytes at {}", slice.length, slice.offset)));
            }
            Ok(Content::Slice { key, offset: slice.offset, length: slice.length })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: handler::Content) -> Result<Checked, Refused> {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        check(handler::Response { status, headers, body, notes: Vec::new() }, 16)
    }

    #[test]
    fn what_a_guest_may_not_answer_is_refused() {
        let empty = || handler::Content::Empty;
        assert!(answer(200, &[("etag", "\"a\"")], empty()).is_ok());
        for status in [0, 99, 100, 101, 199, 600, 1000, u16::MAX] {
            assert_eq!(answer(status, &[], empty()).err(), Some(Refused::Status(status)));
        }
        for name in
            ["Content-Length", "transfer-encoding", "Connection", "keep-alive", "upgrade", "Trailer", "te", "date"]
        {
            assert!(matches!(answer(200, &[(name, "x")], empty()), Err(Refused::Framing(_))), "{name}");
        }
        for (name, value) in
            [("a b", "c"), ("", "c"), ("a", "b\r\nc: d"), ("a", "b\nc"), ("a", "b\0c"), ("a\r\nb", "c")]
        {
            assert!(matches!(answer(200, &[(name, value)], empty()), Err(Refused::Field(_))), "{name:?}: {value:?}");
        }
        let bytes = |n: usize| handler::Content::Bytes(vec![b'x'; n]);
        assert!(answer(200, &[], bytes(16)).is_ok());
        assert_eq!(answer(200, &[], bytes(17)).err(), Some(Refused::TooMany("bytes in the body")));
        assert_eq!(answer(204, &[], bytes(1)).err(), Some(Refused::Body(204)));
        assert_eq!(answer(304, &[], bytes(1)).err(), Some(Refused::Body(304)));
        let many = vec![("a", "b"); 65];
        assert_eq!(answer(200, &many, empty()).err(), Some(Refused::TooMany("header fields")));
        let long = "x".repeat(17 << 10);
        assert_eq!(answer(200, &[("a", &long)], empty()).err(), Some(Refused::TooMany("header fields")));
        for (key, offset, length) in
            [("../etc/passwd", 0, 1), ("/etc", 0, 1), (".skerry/key", 0, 1), ("a", u64::MAX, 1)]
        {
            let slice = handler::Slice { key: key.into(), offset, length };
            assert!(matches!(answer(200, &[], handler::Content::Slice(slice)), Err(Refused::Slice(_))), "{key}");
        }
    }
}

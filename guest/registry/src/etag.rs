//! Conditional requests (RFC 9110, 13). What a digest names never changes, so
//! the digest is its entity tag.

use crate::{digest::Digest, host::Request, response::Response};

/// The entity tag of what a digest names.
#[must_use]
pub fn of(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// The answer to a client that has this already.
pub fn not_modified(request: &(impl Request + ?Sized), digest: &Digest) -> Option<Response> {
    let values = request.header("if-none-match");
    let mut tags = values.iter().flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || names(tag, digest))
        .then(|| Response::new(304).header("ETag", of(digest)).header("Docker-Content-Digest", digest.as_str()))
}

/// Whether `If-Range` lets a range be served: it is not there, or names this.
pub fn allows_range(request: &(impl Request + ?Sized), digest: &Digest) -> bool {
    request.header("if-range").first().is_none_or(|value| names(value.trim(), digest))
}

/// Whether an entity tag, quoted or, as distribution takes it, bare, is this.
fn names(tag: &str, digest: &Digest) -> bool {
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"') == digest.as_str()
}

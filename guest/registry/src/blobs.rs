//! Blobs: bytes under a digest, which the host sends.

use crate::{
    admission::Admitted,
    digest::Digest,
    error::{Code, Error},
    etag,
    host::{Change, Failure, Happening, Kind},
    layout, links,
    permits::{Pull, Remove},
    range::Wanted,
    response::Response,
    settings::Delete,
};

/// `GET` and `HEAD`. A range is of a `GET` alone (RFC 9110, 14.2).
pub fn pull(permit: &Pull<'_>, digest: &Digest, ranges: bool) -> Result<Response, Error> {
    let (host, name) = (permit.host(), permit.name());
    let found = links::layer(host, name, digest)?.ok_or_else(|| unknown(digest))?;
    if let Some(response) = etag::not_modified(host, digest) {
        return Ok(caching(response));
    }
    let range = if ranges { host.header("range") } else { Vec::new() };
    let wanted = match range.as_slice() {
        [range] if etag::allows_range(host, digest) => Wanted::parse(range, found.size),
        _ => Wanted::Whole,
    };
    let size = found.size;
    let (status, offset, length) = match wanted {
        Wanted::Whole => (200, 0, size),
        Wanted::Part { offset, length } => (206, offset, length),
        Wanted::Unsatisfiable => {
            return Err(Error::new(Code::RangeInvalid)
                .message("the blob has no such range")
                .detail("size", size.to_string())
                .header("Content-Range", format!("bytes */{size}")));
        }
    };
    let mut response = caching(Response::new(status))
        .header("Content-Type", "application/octet-stream")
        .header("Docker-Content-Digest", digest.as_str())
        .header("ETag", etag::of(digest))
        .header("Accept-Ranges", "bytes");
    if status == 206 {
        let last = offset.saturating_add(length).saturating_sub(1);
        response = response.header("Content-Range", format!("bytes {offset}-{last}/{size}"));
    }
    Ok(response
        .slice(found.key, offset, length)
        .note("event", "pull-blob")
        .note("repository", name.as_str())
        .note("digest", digest.as_str()))
}

/// `DELETE`: takes the blob out of this repository. Others may hold it still,
/// so its data is for the garbage collection.
pub fn delete(permit: &Remove<'_>, _: Delete, digest: &Digest) -> Result<Response, Error> {
    let (host, name) = (permit.host(), permit.name());
    let link = layout::layer_link(name, digest);
    match host.stat(&link) {
        Ok(found) if found.kind == Kind::Object => {}
        Ok(_) | Err(Failure::NotFound | Failure::WrongKind) => return Err(unknown(digest)),
        Err(failure) => return Err(failure.into()),
    }
    let admitted = Admitted::ask(host, name, Happening::BlobDelete(digest.clone()))?;
    host.commit(Vec::new(), vec![Change::Remove(link)])?;
    Ok(admitted
        .warn(Response::new(202))
        .header("Docker-Content-Digest", digest.as_str())
        .note("event", "delete-blob")
        .note("repository", name.as_str())
        .note("digest", digest.as_str()))
}

fn caching(response: Response) -> Response {
    response.header("Cache-Control", "max-age=31536000")
}

fn unknown(digest: &Digest) -> Error {
    Error::new(Code::BlobUnknown).detail("digest", digest.as_str())
}

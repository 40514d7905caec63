//! Content that arrives: in chunks, as a stream, or all at once.

use super::{bad_digest, created, going_on, link, location, refuse_encoded, resume};
use crate::{
    admission::Admitted,
    digest::Digest,
    error::{Code, Error},
    host::{Body, Failure, Happening, Host, Upload},
    layout,
    name::RepositoryName,
    permits::{Push, Receive},
    range::{self, ContentRange},
    response::Response,
    settings::Write,
    uploads::UploadId,
};

/// `POST` with a digest: a blob in one request.
pub fn whole(permit: &Push<'_>, digest: &Digest) -> Result<Response, Error> {
    let (host, name) = (permit.host(), permit.name());
    refuse_encoded(host)?;
    let admitted = Admitted::ask(host, name, Happening::UploadStart(Body::body_length(host)))?;
    let upload = host.temporary()?;
    upload.append(None, None)?;
    finish(host, upload.as_ref(), name, digest, admitted)
}

/// `PATCH`: a chunk with its `Content-Range`, or a stream without.
pub fn patch(permit: &Receive<'_>, _: Write, id: &str) -> Result<Response, Error> {
    let (host, name) = (permit.host(), permit.name());
    refuse_encoded(host)?;
    let (id, upload) = resume(permit, id)?;
    let offset = append(host, upload.as_ref(), name, &id)?;
    Ok(going_on(202, name, &id, offset))
}

/// `PUT`: the end of an upload, with its last bytes or without.
pub fn put(permit: &Receive<'_>, _: Write, id: &str) -> Result<Response, Error> {
    let (host, name) = (permit.host(), permit.name());
    refuse_encoded(host)?;
    let digests = host.query("digest");
    let Some(text) = digests.first() else {
        return Err(Error::new(Code::DigestInvalid).message("the digest parameter is missing"));
    };
    let digest = Digest::parse(text).map_err(|why| bad_digest(why, text))?;
    let (id, upload) = resume(permit, id)?;
    append(host, upload.as_ref(), name, &id)?;
    let response = finish(host, upload.as_ref(), name, &digest, Admitted::default())?;
    Ok(response.header("Docker-Upload-UUID", id.as_str()))
}

/// Receives the body, if there is one. Whatever is wrong with its range, the
/// upload stays as it was, and the answer says where to go on.
fn append(body: &dyn Host, upload: &dyn Upload, name: &RepositoryName, id: &UploadId) -> Result<u64, Error> {
    let at = |error: Error, offset: u64| {
        error
            .header("Location", location(name, id))
            .header("Range", range::received(offset))
            .header("Docker-Upload-UUID", id.as_str())
    };
    let here = |code: Code, offset: u64| at(Error::new(code).status(416), offset);
    let offset = upload.offset();
    let length = Body::body_length(body);
    let range = match body.header("content-range").first() {
        None => None,
        Some(value) => {
            let range = ContentRange::parse(value)
                .ok_or_else(|| here(Code::RangeInvalid, offset).detail("range", value.as_str()))?;
            if range.first() != offset {
                return Err(here(Code::RangeInvalid, offset)
                    .message("the chunk does not begin where the upload ends")
                    .detail("range", value.as_str()));
            }
            if length.is_some_and(|length| length != range.length()) {
                return Err(here(Code::SizeInvalid, offset).detail("range", value.as_str()));
            }
            Some(range)
        }
    };
    if length == Some(0) {
        return Ok(offset);
    }
    let limit = range.map(ContentRange::length);
    let end = upload.append(Some(offset), limit).map_err(|failure| match failure {
        Failure::WrongOffset(offset) => here(Code::RangeInvalid, offset),
        Failure::TooLarge(_) if limit.is_some() => here(Code::SizeInvalid, upload.offset()),
        Failure::TooMuchStaged => at(Failure::TooMuchStaged.into(), upload.offset()),
        other => other.into(),
    })?;
    match limit {
        Some(limit) if end.saturating_sub(offset) != limit => Err(here(Code::SizeInvalid, end)),
        _ => Ok(end),
    }
}

fn finish(
    host: &dyn Host,
    upload: &dyn Upload,
    name: &RepositoryName,
    digest: &Digest,
    admitted: Admitted,
) -> Result<Response, Error> {
    let pushed = Happening::BlobPush { digest: digest.clone(), size: upload.offset() };
    let admitted = match Admitted::ask(host, name, pushed) {
        Ok(more) => admitted.and(more),
        Err(error) => {
            // What is not wanted takes no room until the purge.
            if !error.may_pass() {
                let _ = upload.abort();
            }
            return Err(error);
        }
    };
    let changes = link(host, &admitted, name, digest, digest)?;
    match upload.finish(&layout::data(digest), digest.as_str(), Vec::new(), changes) {
        Ok(()) => Ok(admitted.warn(created("push-blob", name, digest))),
        Err(Failure::DigestMismatch) => {
            // Nobody can use what has a wrong byte somewhere. That it could
            // not be removed is for the purge to mend.
            let _ = upload.abort();
            Err(Error::new(Code::DigestInvalid).detail("digest", digest.as_str()))
        }
        Err(failure) => Err(failure.into()),
    }
}

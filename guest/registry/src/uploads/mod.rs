//! Uploads: how blobs come in. The bytes go from the connection to the
//! storage; here is decided where, and what must be true of them.

mod id;
mod mount;
mod receive;

pub use self::{
    id::UploadId,
    receive::{patch, put},
};
use crate::{
    digest::{Algorithm, Digest, InvalidDigest},
    error::{Code, Error},
    host::{Change, Failure, Host, Kind, Request, Storage, Upload, Uploads},
    layout, links,
    name::RepositoryName,
    range,
    response::Response,
    settings::Write,
    time,
};

/// `POST`: mounts a blob, receives a whole one, or begins an upload.
pub fn start(host: &dyn Host, permit: Write, name: &RepositoryName) -> Result<Response, Error> {
    if let Some(algorithm) = host.query("digest-algorithm").first()
        && Algorithm::parse(algorithm).is_none()
    {
        return Err(bad_digest(InvalidDigest::UnknownAlgorithm, algorithm));
    }
    if let Some(text) = host.query("mount").first() {
        let digest = digest(text)?;
        if let Some(response) = mount::mount(host, &permit, name, &digest)? {
            return Ok(response);
        }
    } else if let Some(text) = host.query("digest").first() {
        return receive::whole(host, permit, name, &digest(text)?);
    }
    let id = UploadId::from_random(host.random());
    let started = (layout::upload_started(name.as_str(), &id), time::format(host.now()).into_bytes());
    drop(host.create(&layout::upload_data(name.as_str(), &id), vec![started])?);
    Ok(going_on(202, name, &id, 0))
}

/// `GET` and `HEAD`: how far the upload is.
pub fn status(host: &dyn Host, name: &RepositoryName, id: &str) -> Result<Response, Error> {
    let id = upload_id(id)?;
    let key = layout::upload_data(name.as_str(), &id);
    let offset = match host.resume(&key) {
        Ok(upload) => upload.offset(),
        // Somebody is sending just now: what has arrived so far will do.
        Err(Failure::Busy) => match host.stat(&key) {
            Ok(data) if data.kind == Kind::Object => data.size,
            _ => return Err(unknown(&id)),
        },
        Err(failure) => return Err(resuming(failure, &id)),
    };
    Ok(going_on(204, name, &id, offset))
}

/// `DELETE`: gives the upload up.
pub fn cancel(host: &dyn Host, _: Write, name: &RepositoryName, id: &str) -> Result<Response, Error> {
    let (id, upload) = resume(host, name, id)?;
    upload.abort()?;
    Ok(Response::new(204).header("Docker-Upload-UUID", id.as_str()))
}

fn resume(uploads: &dyn Host, name: &RepositoryName, id: &str) -> Result<(UploadId, Box<dyn Upload>), Error> {
    let id = upload_id(id)?;
    let upload = Uploads::resume(uploads, &layout::upload_data(name.as_str(), &id));
    upload.map_err(|failure| resuming(failure, &id)).map(|upload| (id, upload))
}

fn resuming(failure: Failure, id: &UploadId) -> Error {
    match failure {
        Failure::NotFound | Failure::WrongKind => unknown(id),
        Failure::Busy => Error::new(Code::BlobUploadInvalid)
            .status(409)
            .message("another request uses this upload")
            .detail("uuid", id.as_str()),
        other => other.into(),
    }
}

fn upload_id(text: &str) -> Result<UploadId, Error> {
    UploadId::parse(text).ok_or_else(|| Error::new(Code::BlobUploadUnknown).detail("uuid", text))
}

fn unknown(id: &UploadId) -> Error {
    Error::new(Code::BlobUploadUnknown).detail("uuid", id.as_str())
}

fn location(name: &RepositoryName, id: &UploadId) -> String {
    format!("/v2/{name}/blobs/uploads/{id}")
}

/// The answer that tells a client where to go on, and from which byte.
fn going_on(status: u16, name: &RepositoryName, id: &UploadId, offset: u64) -> Response {
    Response::new(status)
        .header("Location", location(name, id))
        .header("Range", range::received(offset))
        .header("Docker-Upload-UUID", id.as_str())
}

/// The answer to a blob that is now in the repository.
fn created(event: &str, name: &RepositoryName, digest: &Digest) -> Response {
    Response::new(201)
        .header("Location", format!("/v2/{name}/blobs/{digest}"))
        .header("Docker-Content-Digest", digest.as_str())
        .note("event", event)
        .note("repository", name.as_str())
        .note("digest", digest.as_str())
}

/// What puts a blob, stored under `stored`, into a repository.
fn link(
    storage: &(impl Storage + ?Sized),
    name: &RepositoryName,
    digest: &Digest,
    stored: &Digest,
) -> Result<Vec<Change>, Failure> {
    let mut changes = Vec::with_capacity(2);
    let manifests = layout::manifests(name.as_str());
    if !links::is_directory(storage, &manifests)? {
        changes.push(Change::MakeDirectory(manifests));
    }
    changes.push(Change::Put(layout::layer_link(name, digest), stored.as_str().into()));
    Ok(changes)
}

fn digest(text: &str) -> Result<Digest, Error> {
    Digest::parse(text).map_err(|why| bad_digest(why, text))
}

/// The refusal of a digest that a client gave.
pub fn bad_digest(why: InvalidDigest, text: &str) -> Error {
    let message = match why {
        InvalidDigest::Malformed => "the digest is not valid",
        InvalidDigest::UnknownAlgorithm => "the algorithm of the digest is not supported",
    };
    Error::new(Code::DigestInvalid).message(message).detail("digest", text)
}

/// A push is stored as it is sent, so it may not be encoded on its way.
pub fn refuse_encoded(request: &(impl Request + ?Sized)) -> Result<(), Error> {
    let encodings = request.header("content-encoding");
    let encoded = encodings
        .iter()
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .find(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity"));
    encoded.map_or(Ok(()), |encoding| {
        Err(Error::new(Code::Unsupported)
            .status(415)
            .message("content is taken without a Content-Encoding only")
            .detail("encoding", encoding))
    })
}

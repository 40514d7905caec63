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
    admission::Admitted,
    digest::{Algorithm, Digest, InvalidDigest},
    error::{Code, Error},
    host::{Change, Failure, Happening, Kind, Request, Storage, Upload},
    layout, links,
    name::RepositoryName,
    permits::{Push, Receive},
    range,
    response::Response,
    settings::Write,
    time,
};

/// Bytes of the longest name of an owner.
const OWNER: u64 = 1024;

/// `POST`: mounts a blob, receives a whole one, or begins an upload.
pub fn start(permit: &Push<'_>, _: Write) -> Result<Response, Error> {
    let (host, name) = (permit.host(), permit.name());
    if let Some(algorithm) = host.query("digest-algorithm").first()
        && Algorithm::parse(algorithm).is_none()
    {
        return Err(bad_digest(InvalidDigest::UnknownAlgorithm, algorithm));
    }
    if let Some(text) = host.query("mount").first() {
        let digest = digest(text)?;
        if let Some(response) = mount::mount(permit, &digest)? {
            return Ok(response);
        }
    } else if let Some(text) = host.query("digest").first() {
        return receive::whole(permit, &digest(text)?);
    }
    let admitted = Admitted::ask(host, name, Happening::UploadStart(None))?;
    let id = UploadId::from_random(host.random());
    let mut beside = vec![(layout::upload_started(name.as_str(), &id), time::format(host.now()).into_bytes())];
    if let Some(owner) = host.principal() {
        beside.push((layout::upload_owner(name, &id), owner.into_bytes()));
    }
    drop(host.create(&layout::upload_data(name.as_str(), &id), beside)?);
    Ok(admitted.warn(going_on(202, name, &id, 0)))
}

/// `GET` and `HEAD`: how far the upload is.
pub fn status(permit: &Receive<'_>, id: &str) -> Result<Response, Error> {
    let (host, name) = (permit.host(), permit.name());
    let id = own(permit, id)?;
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
pub fn cancel(permit: &Receive<'_>, _: Write, id: &str) -> Result<Response, Error> {
    let (id, upload) = resume(permit, id)?;
    upload.abort()?;
    Ok(Response::new(204).header("Docker-Upload-UUID", id.as_str()))
}

fn resume(permit: &Receive<'_>, id: &str) -> Result<(UploadId, Box<dyn Upload>), Error> {
    let id = own(permit, id)?;
    let upload = permit.host().resume(&layout::upload_data(permit.name().as_str(), &id));
    upload.map_err(|failure| resuming(failure, &id)).map(|upload| (id, upload))
}

fn resuming(failure: Failure, id: &UploadId) -> Error {
    match failure {
        Failure::NotFound | Failure::WrongKind => unknown(id),
        Failure::Busy => Error::new(Code::BlobUploadInvalid)
            .status(409)
            .message("another request uses this upload, or too much is open")
            .detail("uuid", id.as_str()),
        other => other.into(),
    }
}

/// The upload, unless it is somebody else's.
fn own(permit: &Receive<'_>, text: &str) -> Result<UploadId, Error> {
    let id = UploadId::parse(text).ok_or_else(|| Error::new(Code::BlobUploadUnknown).detail("uuid", text))?;
    match permit.host().read(&layout::upload_owner(permit.name(), &id), OWNER) {
        // Begun by nobody in particular, or by distribution.
        Err(Failure::NotFound) => Ok(id),
        Ok(owner) if permit.host().principal().is_some_and(|name| name.into_bytes() == owner) => Ok(id),
        Ok(_) | Err(Failure::WrongKind | Failure::TooLarge(_)) => Err(unknown(&id)),
        Err(failure) => Err(failure.into()),
    }
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
    _: &Admitted,
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

//! Manifests: small JSON objects that say what an image is made of.

mod check;
mod parse;
mod push;
mod references;
mod remove;
mod shape;
mod weigh;

pub use self::{
    check::{Needs, needs},
    parse::{List, Manifest, Referrer, too_deep},
    push::{Target, entry, push},
    references::{References, references},
    remove::{delete, untag},
    shape::{OCI_INDEX, media_type},
    weigh::{Weight, weigh},
};
use crate::{
    admission::Admitted,
    digest::Digest,
    error::{Code, Error},
    etag,
    host::{Concern, Failure, Happening, KnownManifest, Storage},
    layout, links,
    name::{InvalidReference, Reference, RepositoryName},
    permits::Pull,
    response::Response,
    uploads::bad_digest,
    used,
};

/// The largest manifest that is served, in bytes: one may have been stored
/// when the limit of a push was another. The host's answers end at 8 MiB.
pub const SERVED: u64 = 8 * 1024 * 1024;

/// `GET` and `HEAD`. What is given is what was stored, whatever `Accept` says.
pub fn pull(permit: &Pull<'_>, reference: &Reference) -> Result<Response, Error> {
    let (host, name) = (permit.host(), permit.name());
    let digest = match reference {
        Reference::Digest(digest) => digest.clone(),
        Reference::Tag(tag) => {
            links::tagged(host, name, tag)?.ok_or_else(|| unknown(name).detail("tag", tag.as_str()))?
        }
    };
    let gone = || unknown(name).detail("digest", digest.as_str());
    let stored = links::stored_revision(host, name, &digest)?.ok_or_else(gone)?;
    let bytes = read(host, &stored, &digest)?.ok_or_else(gone)?;
    let media_type = media_type(&bytes).unwrap_or_else(|| "application/octet-stream".to_owned());
    let admitted = Admitted::ask_if_wanted(host, name, Concern::Pull, || {
        Happening::Pull(Box::new(known(&digest, &media_type, reference, &bytes)))
    })?;
    if let Some(response) = etag::not_modified(host, &digest) {
        return Ok(used::note(admitted.warn(response), name, reference, &digest));
    }
    let response = admitted
        .warn(Response::new(200))
        .header("Content-Type", media_type)
        .header("Docker-Content-Digest", digest.as_str())
        .header("ETag", etag::of(&digest))
        .bytes(bytes)
        .note("event", "pull-manifest")
        .note("repository", name.as_str())
        .note("digest", digest.as_str());
    let response = match reference {
        Reference::Tag(tag) => response.note("tag", tag.as_str()),
        Reference::Digest(_) => response,
    };
    Ok(used::note(response, name, reference, &digest))
}

/// What policies are told of a manifest that is served: of one that could not
/// be pushed any more, as far as it can be read.
fn known(digest: &Digest, media_type: &str, reference: &Reference, bytes: &[u8]) -> KnownManifest {
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let manifest = Manifest::parse(bytes).ok();
    let described = manifest.as_ref().map(|manifest| manifest.describe(media_type.to_owned(), digest, size));
    let (artifact_type, annotations) = described.map(|found| (found.artifact_type, found.annotations)).unzip();
    KnownManifest {
        digest: digest.clone(),
        media_type: media_type.to_owned(),
        artifact_type: artifact_type.flatten(),
        subject: manifest.and_then(|manifest| manifest.subject().ok().flatten()),
        annotations: annotations.flatten().into_iter().flatten().collect(),
        tags: match reference {
            Reference::Tag(tag) => vec![tag.clone()],
            Reference::Digest(_) => Vec::new(),
        },
        content: bytes.to_vec(),
    }
}

/// The bytes of a manifest, unless they are gone, or are not what another
/// name of them says.
pub fn read(storage: &(impl Storage + ?Sized), stored: &Digest, digest: &Digest) -> Result<Option<Vec<u8>>, Failure> {
    let bytes = match storage.read(&layout::data(stored), SERVED) {
        Ok(bytes) => bytes,
        Err(Failure::NotFound | Failure::WrongKind) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let right = stored == digest || Digest::of(digest.algorithm(), &bytes) == *digest;
    Ok((right && !bytes.is_empty()).then_some(bytes))
}

/// Reads a reference.
///
/// # Errors
/// 400 for what is neither a tag nor a digest.
pub fn reference(text: &str) -> Result<Reference, Error> {
    Reference::parse(text).map_err(|why| match why {
        InvalidReference::Digest(why) => bad_digest(why, text),
        InvalidReference::Tag => Error::new(Code::TagInvalid).detail("tag", text),
    })
}

fn unknown(name: &RepositoryName) -> Error {
    Error::new(Code::ManifestUnknown).detail("name", name.as_str())
}

//! `PUT`: a manifest, and the tags that name it from now on.

use super::{check, media_type, parse::invalid, shape::is_media_type};
use crate::{
    digest::{Algorithm, Digest},
    error::{Code, Error},
    host::{Body, Change, Expectation, Failure, Host, Request, Storage},
    layout, links,
    manifests::{Manifest, Referrer},
    name::{Reference, RepositoryName, Tag},
    response::Response,
    settings::{self, Write},
    uploads::refuse_encoded,
};

/// Tags of one push: a commit of the host has room for them.
const TAGS: usize = 16;
/// Bytes of a referrer's entry; a longer one is left empty and made anew from
/// the manifest each time.
const ENTRY: usize = 32 * 1024;

/// Stores a manifest.
pub fn push(host: &dyn Host, _: Write, name: &RepositoryName, reference: &Reference) -> Result<Response, Error> {
    refuse_encoded(host)?;
    let tags = tags(host, reference)?;
    let bytes = receive(host)?;
    let digest = match reference {
        Reference::Tag(_) => Digest::of(Algorithm::Sha256, &bytes),
        Reference::Digest(wanted) => {
            if Digest::of(wanted.algorithm(), &bytes) != *wanted {
                return Err(Error::new(Code::DigestInvalid).detail("digest", wanted.as_str()));
            }
            wanted.clone()
        }
    };
    let manifest = Manifest::parse(&bytes)?;
    let media_type = agreed_type(host, &bytes)?;
    manifest.agree_with(&media_type)?;
    let subject = manifest.subject()?;
    check::check(host, name, &manifest, &media_type)?;

    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let referrer = subject.as_ref().map(|subject| {
        let descriptor = manifest.describe(media_type.clone(), &digest, size);
        (layout::referrer(name, subject, &digest), entry(&descriptor))
    });
    store(host, name, &digest, bytes, referrer, &tags)?;

    let mut response = Response::new(201)
        .header("Location", format!("/v2/{name}/manifests/{digest}"))
        .header("Docker-Content-Digest", digest.as_str());
    if let Some(subject) = subject {
        response = response.header("OCI-Subject", subject.as_str());
    }
    if matches!(reference, Reference::Digest(_)) {
        for tag in &tags {
            response = response.header("OCI-Tag", tag.as_str());
        }
    }
    response = response
        .note("event", "push-manifest")
        .note("repository", name.as_str())
        .note("digest", digest.as_str())
        .note("type", media_type);
    if tags.is_empty() {
        return Ok(response);
    }
    let tags: Vec<_> = tags.iter().map(Tag::as_str).collect();
    Ok(response.note("tag", tags.join(",")))
}

/// The tags to set: that of the path, or those of the parameters.
fn tags(request: &(impl Request + ?Sized), reference: &Reference) -> Result<Vec<Tag>, Error> {
    if let Reference::Tag(tag) = reference {
        return Ok(vec![tag.clone()]);
    }
    let mut tags = Vec::new();
    for text in request.query("tag") {
        let tag = Tag::parse(&text).ok_or_else(|| Error::new(Code::TagInvalid).detail("tag", text))?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        if tags.len() > TAGS {
            return Err(Error::new(Code::TagInvalid)
                .status(414)
                .message("too many tags")
                .detail("limit", TAGS.to_string()));
        }
    }
    Ok(tags)
}

fn receive(host: &dyn Host) -> Result<Vec<u8>, Error> {
    let limit = settings::manifest_limit(host);
    let large = || {
        Error::new(Code::ManifestInvalid)
            .status(413)
            .message("the manifest is too large")
            .detail("limit", limit.to_string())
    };
    if Body::body_length(host).is_some_and(|length| length > limit) {
        return Err(large());
    }
    host.read_body(limit).map_err(|failure| match failure {
        Failure::TooLarge(_) => large(),
        Failure::Interrupted => invalid("the content broke off"),
        other => other.into(),
    })
}

/// The media type, on which the header field and the manifest must agree:
/// only the manifest is stored.
fn agreed_type(request: &(impl Request + ?Sized), bytes: &[u8]) -> Result<String, Error> {
    let stated = request.header("content-type").into_iter().next();
    let stated = stated.map(|value| {
        let essence = value.split(';').next().unwrap_or_default();
        essence.trim().to_ascii_lowercase()
    });
    let Some(inferred) = media_type(bytes) else {
        return Err(invalid("there is no way to tell the media type of the manifest"));
    };
    match stated {
        Some(stated) if !stated.is_empty() && !stated.eq_ignore_ascii_case(&inferred) => {
            let shown = if is_media_type(&stated) { stated } else { String::new() };
            Err(invalid("the manifest is of another media type than the Content-Type says")
                .detail("contentType", shown)
                .detail("mediaType", inferred))
        }
        _ => Ok(inferred),
    }
}

fn entry(referrer: &Referrer) -> Vec<u8> {
    match serde_json::to_vec(referrer) {
        Ok(bytes) if bytes.len() <= ENTRY => bytes,
        _ => b"{}".to_vec(),
    }
}

/// Makes all of it visible in one commit: the data first, the tags last.
fn store(
    storage: &dyn Host,
    name: &RepositoryName,
    digest: &Digest,
    bytes: Vec<u8>,
    referrer: Option<(String, Vec<u8>)>,
    tags: &[Tag],
) -> Result<(), Failure> {
    let data = layout::data(digest);
    let layers = layout::layers(name.as_str());
    let mut changes = Vec::new();
    if !links::is_directory(storage, &layers)? {
        changes.push(Change::MakeDirectory(layers));
    }
    let link = || digest.as_str().as_bytes().to_vec();
    changes.push(Change::Put(layout::revision_link(name, digest), link()));
    if let Some((key, entry)) = referrer {
        changes.push(Change::Put(key, entry));
    }
    for tag in tags {
        changes.push(Change::Put(layout::tag_index(name, tag, digest), link()));
        changes.push(Change::Put(layout::tag_current(name, tag), link()));
    }
    // What is there already need not be written again, unless a crash left
    // something else in its place.
    let limit = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if Storage::read(storage, &data, limit).is_ok_and(|there| there == bytes) {
        match storage.commit(vec![Expectation::Present(data.clone())], changes.clone()) {
            // Swept away meanwhile.
            Err(Failure::Conflict(_)) => {}
            done => return done,
        }
    }
    changes.insert(0, Change::Put(data, bytes));
    storage.commit(Vec::new(), changes)
}

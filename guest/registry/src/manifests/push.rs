//! `PUT`: a manifest, and the tags that name it from now on.

use super::{check, media_type, parse::invalid, shape::is_media_type};
use crate::{
    admission::Admitted,
    digest::{Algorithm, Digest},
    error::{Code, Error},
    host::{Body, Change, Concern, Expectation, Failure, Happening, Host, KnownManifest, Request, Storage},
    layout, links,
    manifests::{Manifest, Referrer},
    name::{Reference, RepositoryName, Tag},
    permits::Push,
    response::Response,
    settings::{self, Write},
    uploads::refuse_encoded,
};

/// Tags of one push: a commit of the host has room for them.
const TAGS: usize = 16;
/// How often somebody may get in between. Each time one of those who push the
/// same tag is done, and the others try again: so many may push at once.
const ATTEMPTS: u32 = 256;
/// Bytes of a referrer's entry; a longer one is left empty and made anew from
/// the manifest each time.
const ENTRY: usize = 32 * 1024;

/// What a manifest is to be known by.
pub struct Target {
    reference: Reference,
    tags: Vec<Tag>,
}

impl Target {
    /// Reads the tags to set: that of the path, or those of the parameters.
    ///
    /// # Errors
    /// 400 for what is no tag, 414 for too many.
    pub fn ask(request: &(impl Request + ?Sized), reference: Reference) -> Result<Self, Error> {
        if let Reference::Tag(tag) = &reference {
            return Ok(Self { tags: vec![tag.clone()], reference });
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
        Ok(Self { reference, tags })
    }

    /// All of it as text.
    pub fn names(&self) -> Vec<&str> {
        let digest = matches!(self.reference, Reference::Digest(_)).then(|| self.reference.as_str());
        digest.into_iter().chain(self.tags.iter().map(Tag::as_str)).collect()
    }
}

/// Stores a manifest.
pub fn push(permit: &Push<'_>, _: Write, Target { reference, tags }: &Target) -> Result<Response, Error> {
    let (host, name) = (permit.host(), permit.name());
    refuse_encoded(host)?;
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
    let descriptor = manifest.describe(media_type.clone(), &digest, size);
    let referrer = subject.as_ref().map(|subject| (layout::referrer(name, subject, &digest), entry(&descriptor)));
    let admitted = Admitted::ask_if_wanted(host, name, Concern::ManifestPush, || {
        Happening::ManifestPush(Box::new(KnownManifest {
            digest: digest.clone(),
            media_type: media_type.clone(),
            artifact_type: descriptor.artifact_type,
            subject: subject.clone(),
            annotations: descriptor.annotations.into_iter().flatten().collect(),
            tags: tags.clone(),
            content: bytes.clone(),
        }))
    })?;
    let admitted = admitted.and(store(host, name, &digest, &bytes, referrer, tags)?);

    let mut response = admitted
        .warn(Response::new(201))
        .header("Location", format!("/v2/{name}/manifests/{digest}"))
        .header("Docker-Content-Digest", digest.as_str());
    if let Some(subject) = subject {
        response = response.header("OCI-Subject", subject.as_str());
    }
    if matches!(reference, Reference::Digest(_)) {
        for tag in tags {
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

/// What is kept of a manifest that refers to another.
pub fn entry(referrer: &Referrer) -> Vec<u8> {
    match serde_json::to_vec(referrer) {
        Ok(bytes) if bytes.len() <= ENTRY => bytes,
        _ => b"{}".to_vec(),
    }
}

/// Makes all of it visible in one commit: the data first, the tags last. Where
/// policies decide of that, each tag moves from where it was when they were
/// asked, or the question is put again.
fn store(
    host: &dyn Host,
    name: &RepositoryName,
    digest: &Digest,
    bytes: &[u8],
    referrer: Option<(String, Vec<u8>)>,
    tags: &[Tag],
) -> Result<Admitted, Error> {
    let data = layout::data(digest);
    let layers = layout::layers(name.as_str());
    let mut changes = Vec::new();
    if !links::is_directory(host, &layers)? {
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
    let limit = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let asked = if host.wanted(Concern::TagMove) { tags } else { &[] };
    for _ in 0..ATTEMPTS {
        let mut admitted = Admitted::default();
        let mut expect = Vec::new();
        for tag in asked {
            let (old, expected) = links::current(host, name, tag)?;
            let moved = Happening::TagMove { tag: tag.clone(), old, new: digest.clone() };
            admitted = admitted.and(Admitted::ask(host, name, moved)?);
            expect.extend(expected);
        }
        let mut changes = changes.clone();
        // What is there already need not be written again, unless a crash left
        // something else in its place.
        if Storage::read(host, &data, limit).is_ok_and(|there| there == bytes) {
            expect.push(Expectation::Present(data.clone()));
        } else {
            changes.insert(0, Change::Put(data.clone(), bytes.to_vec()));
        }
        match host.commit(expect, changes) {
            // A tag moved, or the data was swept away meanwhile.
            Err(Failure::Conflict(_)) => {}
            done => return Ok(done.map(|()| admitted)?),
        }
    }
    Err(Error::new(Code::Unavailable).status(409).message("the tag keeps changing"))
}

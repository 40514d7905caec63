//! Referrers: the manifests whose subject is another one.
//!
//! Each push of such a manifest leaves an entry of its own, so that two pushes
//! never overwrite each other's. An entry is shown while its manifest is here.
//! Volumes also hold lists that clients made themselves, under a tag, where a
//! registry could not; what they name is shown as well.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    digest::{Algorithm, Digest},
    error::Error,
    host::{Failure, Kind, Storage},
    layout, links,
    manifests::{self, List, Manifest, OCI_INDEX, Referrer},
    name::{RepositoryName, Tag},
    pagination,
    permits::Pull,
    response::Response,
};

/// Names asked for at a time.
const PAGE: u32 = 256;
/// Entries looked at for one answer.
const LOOKS: usize = 1_000;
/// Bytes after which an answer ends and a `Link` leads on.
const SIZE: usize = 2 * 1024 * 1024;
/// Bytes of the longest entry that is read.
const ENTRY: u64 = 64 * 1024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Referrer>,
}

/// Where an answer goes on.
enum Cursor {
    /// After this entry.
    Entry(Option<String>),
    /// At this place in the list under the tag.
    Tagged(usize),
}

impl Cursor {
    fn parse(text: Option<&String>) -> Self {
        match text {
            Some(text) => match text.strip_prefix("tag-").and_then(|place| place.parse().ok()) {
                Some(place) => Self::Tagged(place),
                None => Self::Entry(Some(text.clone())),
            },
            None => Self::Entry(None),
        }
    }
}

/// `GET` and `HEAD`: always a list, if need be an empty one.
pub fn list(permit: &Pull<'_>, subject: &Digest) -> Result<Response, Error> {
    let (host, name) = (permit.host(), permit.name());
    let filter = host.query("artifactType").into_iter().next().filter(|text| !text.is_empty());
    let mut part = Part { found: Vec::new(), looks: 0, size: 0, filter: filter.as_deref() };
    let next = match Cursor::parse(host.query("last").first()) {
        Cursor::Entry(after) => match entries(host, name, subject, after, &mut part)? {
            None => tagged(host, name, subject, 0, &mut part)?,
            next => next,
        },
        Cursor::Tagged(place) => tagged(host, name, subject, place, &mut part)?,
    };
    let index = Index { schema_version: 2, media_type: OCI_INDEX, manifests: part.found };
    let mut response = Response::json(200, OCI_INDEX, &index);
    if filter.is_some() {
        response = response.header("OCI-Filters-Applied", "artifactType");
    }
    if let Some(last) = next {
        let mut parameters = vec![("last", last.as_str())];
        if let Some(filter) = &filter {
            parameters.push(("artifactType", filter));
        }
        let path = format!("/v2/{name}/referrers/{subject}");
        response = response.header("Link", pagination::next(&path, &parameters));
    }
    Ok(response)
}

/// What one answer holds of them.
///
/// # Errors
/// A failure of the storage.
pub fn first(
    storage: &(impl Storage + ?Sized),
    name: &RepositoryName,
    subject: &Digest,
    filter: Option<&str>,
) -> Result<Vec<Referrer>, Failure> {
    let mut part = Part { found: Vec::new(), looks: 0, size: 0, filter };
    if entries(storage, name, subject, None, &mut part)?.is_none() {
        tagged(storage, name, subject, 0, &mut part)?;
    }
    Ok(part.found)
}

/// What is gathered for one answer.
struct Part<'a> {
    found: Vec<Referrer>,
    looks: usize,
    size: usize,
    filter: Option<&'a str>,
}

impl Part<'_> {
    const fn is_full(&self) -> bool {
        self.looks >= LOOKS || self.size >= SIZE
    }

    fn add(&mut self, referrer: Referrer) {
        let wanted = self.filter.is_none_or(|filter| referrer.artifact_type.as_deref() == Some(filter));
        if wanted {
            let annotations = referrer.annotations.iter().flatten();
            self.size += 512 + annotations.map(|(name, value)| name.len() + value.len() + 16).sum::<usize>();
            self.found.push(referrer);
        }
    }
}

/// Adds what has an entry. Returns where to go on if the answer is full.
fn entries(
    storage: &(impl Storage + ?Sized),
    name: &RepositoryName,
    subject: &Digest,
    mut after: Option<String>,
    part: &mut Part<'_>,
) -> Result<Option<String>, Failure> {
    let directory = layout::referrers(name, subject);
    loop {
        let listing = match storage.page(&directory, after.as_deref(), PAGE) {
            Ok(listing) => listing,
            Err(Failure::NotFound | Failure::WrongKind) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        for (entry, kind) in listing.entries {
            if part.is_full() {
                return Ok(after);
            }
            part.looks += 1;
            if kind == Kind::Object
                && let Some(digest) = entry_digest(&entry)
                && let Some(referrer) = described(storage, name, subject, &digest)?
            {
                part.add(referrer);
            }
            after = Some(entry);
        }
        if !listing.more {
            return Ok(None);
        }
    }
}

/// The descriptor of an entry, if its manifest is here.
fn described(
    storage: &(impl Storage + ?Sized),
    name: &RepositoryName,
    subject: &Digest,
    digest: &Digest,
) -> Result<Option<Referrer>, Failure> {
    let Some(found) = links::revision(storage, name, digest)? else {
        return Ok(None);
    };
    let entry = match storage.read(&layout::referrer(name, subject, digest), ENTRY) {
        Ok(bytes) => serde_json::from_slice::<Referrer>(&bytes).ok(),
        Err(Failure::NotFound | Failure::WrongKind | Failure::TooLarge(_)) => None,
        Err(failure) => return Err(failure),
    };
    match entry.filter(|entry| entry.digest == digest.as_str() && !entry.media_type.is_empty()) {
        Some(entry) => Ok(Some(Referrer { size: found.size, ..entry })),
        // Too long to be kept, or damaged: the manifest knows.
        None => derived(storage, &found, digest),
    }
}

/// The descriptor of a manifest, from its bytes.
fn derived(
    storage: &(impl Storage + ?Sized),
    found: &links::Found,
    digest: &Digest,
) -> Result<Option<Referrer>, Failure> {
    let bytes = match manifests::read(storage, &found.stored, digest) {
        Ok(Some(bytes)) => bytes,
        Ok(None) | Err(Failure::TooLarge(_)) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let Some(media_type) = manifests::media_type(&bytes) else {
        return Ok(None);
    };
    let Ok(manifest) = Manifest::parse(&bytes) else {
        return Ok(None);
    };
    Ok(Some(manifest.describe(media_type, digest, found.size)))
}

/// Adds what the list under the tag names and no entry does.
fn tagged(
    storage: &(impl Storage + ?Sized),
    name: &RepositoryName,
    subject: &Digest,
    from: usize,
    part: &mut Part<'_>,
) -> Result<Option<String>, Failure> {
    let Some(bytes) = tagged_list(storage, name, subject)? else {
        return Ok(None);
    };
    let manifest = Manifest::parse(&bytes).ok().and_then(|manifest| manifest.manifests);
    let Some(List(listed)) = manifest else {
        return Ok(None);
    };
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (place, descriptor) in listed.into_iter().enumerate().skip(from) {
        if part.is_full() {
            return Ok(Some(format!("tag-{place}")));
        }
        part.looks += 1;
        let Ok(digest) = Digest::parse(&descriptor.digest) else {
            continue;
        };
        if !seen.insert(descriptor.digest.clone()) || has_entry(storage, name, subject, &digest)? {
            continue;
        }
        let Some(found) = links::revision(storage, name, &digest)? else {
            continue;
        };
        let referrer = match descriptor.describe(found.size) {
            Some(referrer) => Some(referrer),
            None => derived(storage, &found, &digest)?,
        };
        if let Some(referrer) = referrer {
            part.add(referrer);
        }
    }
    Ok(None)
}

/// The bytes of the list under the tag.
fn tagged_list(
    storage: &(impl Storage + ?Sized),
    name: &RepositoryName,
    subject: &Digest,
) -> Result<Option<Vec<u8>>, Failure> {
    let Some(tag) = Tag::of_referrers(subject) else {
        return Ok(None);
    };
    let Some(digest) = links::tagged(storage, name, &tag)? else {
        return Ok(None);
    };
    let Some(stored) = links::stored_revision(storage, name, &digest)? else {
        return Ok(None);
    };
    match manifests::read(storage, &stored, &digest) {
        Err(Failure::TooLarge(_)) => Ok(None),
        done => done,
    }
}

fn has_entry(
    storage: &(impl Storage + ?Sized),
    name: &RepositoryName,
    subject: &Digest,
    digest: &Digest,
) -> Result<bool, Failure> {
    match storage.stat(&layout::referrer(name, subject, digest)) {
        Ok(found) => Ok(found.kind == Kind::Object),
        Err(Failure::NotFound | Failure::WrongKind) => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// The digest that the name of an entry says.
pub fn entry_digest(entry: &str) -> Option<Digest> {
    let (algorithm, hex) = entry.split_once('-')?;
    let algorithm = Algorithm::parse(algorithm)?;
    Digest::parse(&format!("{}:{hex}", algorithm.name())).ok()
}

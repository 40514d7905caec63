//! What the module tells of what it stores: facts for policies, and how much
//! a tree of repositories holds. It reads only, and answers no client.

mod usage;

pub use self::usage::{Tally, Usage, usage};
use crate::{
    digest::Digest,
    host::{Failure, Storage},
    links,
    manifests::{self, media_type},
    name::{Reference, RepositoryName, Tag},
    referrers, tags as listed,
};
pub use crate::{links::Found, manifests::Referrer};

/// Tags of one page.
const TAGS: u32 = 1_000;
/// Bytes of the largest manifest that is told.
const MANIFEST: u64 = 4 * 1024 * 1024;

/// What a repository holds of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// The repository is there at all.
    pub repository: bool,
    /// The manifest is.
    pub manifest: bool,
    /// The blob is.
    pub blob: bool,
}

/// A page of tags, each with what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In the order of their bytes.
    pub tags: Vec<(Tag, Digest)>,
    /// Whether more come after these.
    pub more: bool,
}

/// A manifest that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// What of this a repository holds.
///
/// # Errors
/// A failure of the storage.
pub fn holds(
    storage: &(impl Storage + ?Sized),
    name: &RepositoryName,
    manifest: Option<&Digest>,
    blob: Option<&Digest>,
) -> Result<Holding, Failure> {
    let manifest = match manifest {
        Some(digest) => links::revision(storage, name, digest)?.is_some(),
        None => false,
    };
    let blob = match blob {
        Some(digest) => links::layer(storage, name, digest)?.is_some(),
        None => false,
    };
    let repository = manifest || blob || links::is_repository(storage, name.as_str())?;
    Ok(Holding { repository, manifest, blob })
}

/// Tags that come after `after`. What is a tag by its name only, and leads
/// nowhere, is left out.
///
/// # Errors
/// `NotFound` where there is no such repository; a failure of the storage.
pub fn tags(
    storage: &(impl Storage + ?Sized),
    name: &RepositoryName,
    after: Option<String>,
    limit: u32,
) -> Result<Page, Failure> {
    let limit = usize::try_from(limit.min(TAGS)).unwrap_or(usize::MAX);
    let (mut after, mut page) = (after, Page { tags: Vec::new(), more: true });
    while page.more && page.tags.len() < limit {
        let left = limit.saturating_sub(page.tags.len());
        let (names, more) = listed::collect(storage, name, after.take(), left)?.ok_or(Failure::NotFound)?;
        after = names.last().cloned();
        page.more = more && after.is_some();
        for tag in names.iter().filter_map(|text| Tag::parse(text)) {
            if let Some(digest) = links::tagged(storage, name, &tag)? {
                page.tags.push((tag, digest));
            }
        }
    }
    Ok(page)
}

/// Manifests that refer to another one.
///
/// # Errors
/// A failure of the storage.
pub fn referrers(
    storage: &(impl Storage + ?Sized),
    name: &RepositoryName,
    subject: &Digest,
    artifact_type: Option<&str>,
) -> Result<Vec<Referrer>, Failure> {
    referrers::first(storage, name, subject, artifact_type)
}

/// A manifest.
///
/// # Errors
/// `NotFound`, `TooLarge`, or a failure of the storage.
pub fn manifest(
    storage: &(impl Storage + ?Sized),
    name: &RepositoryName,
    reference: &Reference,
) -> Result<Stored, Failure> {
    let digest = match reference {
        Reference::Digest(digest) => digest.clone(),
        Reference::Tag(tag) => links::tagged(storage, name, tag)?.ok_or(Failure::NotFound)?,
    };
    let found = links::revision(storage, name, &digest)?.ok_or(Failure::NotFound)?;
    if found.size > MANIFEST {
        return Err(Failure::TooLarge(found.size));
    }
    let content = manifests::read(storage, &found.stored, &digest)?.ok_or(Failure::NotFound)?;
    let media_type = media_type(&content).unwrap_or_else(|| "application/octet-stream".to_owned());
    Ok(Stored { digest, media_type, content })
}

/// Where a blob is.
///
/// # Errors
/// `NotFound`, or a failure of the storage.
pub fn blob(storage: &(impl Storage + ?Sized), name: &RepositoryName, digest: &Digest) -> Result<Found, Failure> {
    links::layer(storage, name, digest)?.ok_or(Failure::NotFound)
}

//! `DELETE`: of a tag, or of a manifest with every tag that names it.

use super::{Manifest, read, unknown};
use crate::{
    digest::Digest,
    error::{Code, Error},
    host::{Change, Expectation, Failure, Kind, Storage},
    layout, links,
    name::{Reference, RepositoryName, Tag},
    response::Response,
    settings::Delete,
};

/// Tags asked for at a time.
const PAGE: u32 = 1_000;
/// Tags of one commit: the host takes 64 changes.
const BATCH: usize = 24;
/// How often somebody may get in between.
const ATTEMPTS: u32 = 4;

/// Deletes what a reference names.
pub fn delete(
    storage: &(impl Storage + ?Sized),
    _: Delete,
    name: &RepositoryName,
    reference: &Reference,
) -> Result<Response, Error> {
    let response = Response::new(202).note("event", "delete-manifest").note("repository", name.as_str());
    match reference {
        Reference::Tag(tag) => {
            if !links::is_directory(storage, &layout::tag(name, tag))? {
                return Err(unknown(name).detail("tag", tag.as_str()));
            }
            storage.commit(Vec::new(), untag(name, tag))?;
            Ok(response.note("tag", tag.as_str()))
        }
        Reference::Digest(digest) => {
            revision(storage, name, digest)?;
            Ok(response.note("digest", digest.as_str()))
        }
    }
}

/// What the tag says goes first: with that the tag is gone, whatever happens
/// to its directory.
fn untag(name: &RepositoryName, tag: &Tag) -> Vec<Change> {
    vec![Change::Remove(layout::tag_current(name, tag)), Change::RemoveTree(layout::tag(name, tag))]
}

/// The tags go first: if this ends half-way, it can be asked for again.
fn revision(storage: &(impl Storage + ?Sized), name: &RepositoryName, digest: &Digest) -> Result<(), Error> {
    let link = layout::revision_link(name, digest);
    match storage.stat(&link) {
        Ok(found) if found.kind == Kind::Object => {}
        Ok(_) | Err(Failure::NotFound | Failure::WrongKind) => {
            return Err(unknown(name).detail("digest", digest.as_str()));
        }
        Err(failure) => return Err(failure.into()),
    }
    let mut last = Vec::new();
    if let Some(subject) = subject(storage, name, digest)? {
        last.push(Change::Remove(layout::referrer(name, &subject, digest)));
    }
    last.push(Change::Remove(link));
    for _ in 0..ATTEMPTS {
        let tags = tags(storage, name, digest)?;
        match remove(storage, name, digest, &tags, last.clone()) {
            // A tag moved between the look and the removal.
            Err(Failure::Conflict(_)) => {}
            done => return Ok(done?),
        }
    }
    Err(Error::new(Code::Unavailable).status(409).message("the tags of the manifest keep changing"))
}

fn remove(
    storage: &(impl Storage + ?Sized),
    name: &RepositoryName,
    digest: &Digest,
    tags: &[Tag],
    last: Vec<Change>,
) -> Result<(), Failure> {
    for batch in tags.chunks(BATCH) {
        let expect = batch
            .iter()
            .map(|tag| Expectation::Equals(layout::tag_current(name, tag), digest.as_str().into()))
            .collect();
        storage.commit(expect, batch.iter().flat_map(|tag| untag(name, tag)).collect())?;
    }
    storage.commit(Vec::new(), last)
}

/// Every tag that names a manifest.
fn tags(storage: &(impl Storage + ?Sized), name: &RepositoryName, digest: &Digest) -> Result<Vec<Tag>, Failure> {
    let directory = layout::tags(name);
    let mut tags = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let listing = match storage.page(&directory, after.as_deref(), PAGE) {
            Ok(listing) => listing,
            Err(Failure::NotFound | Failure::WrongKind) => return Ok(tags),
            Err(failure) => return Err(failure),
        };
        after = listing.entries.last().map(|(tag, _)| tag.clone());
        for (tag, kind) in listing.entries {
            if kind == Kind::Directory
                && let Some(tag) = Tag::parse(&tag)
                && links::tagged(storage, name, &tag)?.as_ref() == Some(digest)
            {
                tags.push(tag);
            }
        }
        if !listing.more || after.is_none() {
            return Ok(tags);
        }
    }
}

/// What a manifest refers to, as far as it can be read.
fn subject(
    storage: &(impl Storage + ?Sized),
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Option<Digest>, Failure> {
    let Some(found) = links::revision(storage, name, digest)? else {
        return Ok(None);
    };
    let bytes = match read(storage, &found, digest) {
        Ok(Some(bytes)) => bytes,
        Ok(None) | Err(Failure::TooLarge(_)) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    Ok(Manifest::parse(&bytes).ok().and_then(|manifest| manifest.subject().ok().flatten()))
}

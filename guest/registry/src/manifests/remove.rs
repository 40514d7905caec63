//! `DELETE`: of a tag, or of a manifest with every tag that names it.

use super::{Manifest, read, unknown};
use crate::{
    admission::Admitted,
    digest::Digest,
    error::{Code, Error},
    host::{Change, Expectation, Failure, Happening, Host, Kind, Storage},
    layout, links,
    name::{Reference, RepositoryName, Tag},
    permits::Remove,
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
pub fn delete(permit: &Remove<'_>, _: Delete, reference: &Reference) -> Result<Response, Error> {
    let (host, name) = (permit.host(), permit.name());
    let admitted = match reference {
        Reference::Tag(tag) => one_tag(host, name, tag)?,
        Reference::Digest(digest) => revision(host, name, digest)?,
    };
    let response = admitted.warn(Response::new(202));
    let response = response.note("event", "delete-manifest").note("repository", name.as_str());
    Ok(match reference {
        Reference::Tag(tag) => response.note("tag", tag.as_str()),
        Reference::Digest(digest) => response.note("digest", digest.as_str()),
    })
}

fn one_tag(host: &dyn Host, name: &RepositoryName, tag: &Tag) -> Result<Admitted, Error> {
    for _ in 0..ATTEMPTS {
        if !links::is_directory(host, &layout::tag(name, tag))? {
            return Err(unknown(name).detail("tag", tag.as_str()));
        }
        let (digest, expected) = links::current(host, name, tag)?;
        let admitted = Admitted::ask(host, name, Happening::TagDelete { tag: tag.clone(), digest })?;
        match host.commit(expected.into_iter().collect(), untag(name, tag)) {
            // It moved between the question and the removal.
            Err(Failure::Conflict(_)) => {}
            done => return Ok(done.map(|()| admitted)?),
        }
    }
    Err(Error::new(Code::Unavailable).status(409).message("the tag keeps changing"))
}

/// What the tag says goes first: with that the tag is gone, whatever happens
/// to its directory.
pub fn untag(name: &RepositoryName, tag: &Tag) -> Vec<Change> {
    vec![Change::Remove(layout::tag_current(name, tag)), Change::RemoveTree(layout::tag(name, tag))]
}

/// The tags go first: if this ends half-way, it can be asked for again.
fn revision(host: &dyn Host, name: &RepositoryName, digest: &Digest) -> Result<Admitted, Error> {
    let link = layout::revision_link(name, digest);
    match host.stat(&link) {
        Ok(found) if found.kind == Kind::Object => {}
        Ok(_) | Err(Failure::NotFound | Failure::WrongKind) => {
            return Err(unknown(name).detail("digest", digest.as_str()));
        }
        Err(failure) => return Err(failure.into()),
    }
    let mut last = Vec::new();
    if let Some(subject) = subject(host, name, digest)? {
        last.push(Change::Remove(layout::referrer(name, &subject, digest)));
    }
    last.push(Change::Remove(link));
    for _ in 0..ATTEMPTS {
        let tags = tags(host, name, digest)?;
        let gone = Happening::ManifestDelete { digest: digest.clone(), tags: tags.clone() };
        let admitted = Admitted::ask(host, name, gone)?;
        match remove(host, name, digest, &tags, last.clone()) {
            // A tag moved between the look and the removal.
            Err(Failure::Conflict(_)) => {}
            done => return Ok(done.map(|()| admitted)?),
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
    let Some(stored) = links::stored_revision(storage, name, digest)? else {
        return Ok(None);
    };
    let bytes = match read(storage, &stored, digest) {
        Ok(Some(bytes)) => bytes,
        Ok(None) | Err(Failure::TooLarge(_)) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    Ok(Manifest::parse(&bytes).ok().and_then(|manifest| manifest.subject().ok().flatten()))
}

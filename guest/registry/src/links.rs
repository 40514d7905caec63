//! What is here: the one rule by which a blob or a manifest exists.
//!
//! It exists for a repository when the repository's own link names it and its
//! data is not empty, or is rightly so. Whatever else a crash left is as if it
//! were not there, and is mended by the next push.

use crate::{
    digest::Digest,
    host::{Expectation, Failure, Kind, Storage},
    layout,
    name::{RepositoryName, Tag},
};

/// Bytes of the longest link.
const LINK: u64 = 256;

/// Something that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where its bytes are.
    pub key: String,
    /// How many.
    pub size: u64,
    /// What its link says: the digest under which it is stored.
    pub stored: Digest,
}

/// A blob of a repository.
pub fn layer(
    storage: &(impl Storage + ?Sized),
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Option<Found>, Failure> {
    follow(storage, &layout::layer_link(name, digest), digest)
}

/// A manifest of a repository.
pub fn revision(
    storage: &(impl Storage + ?Sized),
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Option<Found>, Failure> {
    follow(storage, &layout::revision_link(name, digest), digest)
}

/// What a tag names now, whether or not that is still here.
pub fn tagged(storage: &(impl Storage + ?Sized), name: &RepositoryName, tag: &Tag) -> Result<Option<Digest>, Failure> {
    read(storage, &layout::tag_current(name, tag))
}

/// The same, and what makes sure of it in a commit. What is no link at all is
/// held to nothing: no client can have got anything by it.
pub fn current(
    storage: &(impl Storage + ?Sized),
    name: &RepositoryName,
    tag: &Tag,
) -> Result<(Option<Digest>, Option<Expectation>), Failure> {
    let key = layout::tag_current(name, tag);
    match bytes(storage, &key) {
        Ok(bytes) => Ok((parse(&bytes), Some(Expectation::Equals(key, bytes)))),
        Err(Failure::NotFound) => Ok((None, Some(Expectation::Absent(key)))),
        Err(Failure::WrongKind | Failure::TooLarge(_)) => Ok((None, None)),
        Err(failure) => Err(failure),
    }
}

/// The digest that a link holds.
pub fn read(storage: &(impl Storage + ?Sized), key: &str) -> Result<Option<Digest>, Failure> {
    match bytes(storage, key) {
        Ok(bytes) => Ok(parse(&bytes)),
        Err(Failure::NotFound | Failure::WrongKind | Failure::TooLarge(_)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The bytes of a link.
pub fn bytes(storage: &(impl Storage + ?Sized), key: &str) -> Result<Vec<u8>, Failure> {
    // registry 2.8 writes a link in place: an empty one may be about to be
    // written, and reading again takes longer than that.
    for _ in 0..2 {
        let bytes = storage.read(key, LINK)?;
        if !bytes.is_empty() {
            return Ok(bytes);
        }
    }
    storage.read(key, LINK)
}

/// The digest that they are.
pub fn parse(link: &[u8]) -> Option<Digest> {
    Digest::parse(str::from_utf8(link).unwrap_or_default().trim_ascii()).ok()
}

/// The digest under which a manifest of a repository is stored, for who reads
/// its bytes: whether they are there is not looked at.
pub fn stored_revision(
    storage: &(impl Storage + ?Sized),
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Option<Digest>, Failure> {
    stored(storage, &layout::revision_link(name, digest), digest)
}

fn stored(storage: &(impl Storage + ?Sized), link: &str, digest: &Digest) -> Result<Option<Digest>, Failure> {
    // Of another algorithm it is another name of the same bytes. Of the same
    // one it is damage: these bytes are not what was asked for.
    Ok(read(storage, link)?.filter(|stored| stored == digest || stored.algorithm() != digest.algorithm()))
}

fn follow(storage: &(impl Storage + ?Sized), link: &str, digest: &Digest) -> Result<Option<Found>, Failure> {
    let Some(stored) = stored(storage, link, digest)? else {
        return Ok(None);
    };
    let key = layout::data(&stored);
    match storage.stat(&key) {
        Ok(data) if data.kind == Kind::Object && (data.size > 0 || stored.is_of_nothing()) => {
            Ok(Some(Found { key, size: data.size, stored }))
        }
        Ok(_) | Err(Failure::NotFound | Failure::WrongKind) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Whether a directory is there.
pub fn is_directory(storage: &(impl Storage + ?Sized), key: &str) -> Result<bool, Failure> {
    match storage.stat(key) {
        Ok(found) => Ok(found.kind == Kind::Directory),
        Err(Failure::NotFound | Failure::WrongKind) => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Whether a path below the repositories is a repository: registry 2.8 makes
/// the one directory with the first blob, and the other with the first
/// manifest.
pub fn is_repository(storage: &(impl Storage + ?Sized), path: &str) -> Result<bool, Failure> {
    Ok(is_directory(storage, &layout::manifests(path))? || is_directory(storage, &layout::layers(path))?)
}

//! Storage's failures and types as the guest sees them.

use bytes::Bytes;

use crate::{
    sandbox::bindings::{storage as wit, types},
    storage::{Change, Expectation, Failure, Key, Kind, Listing, Metadata},
};

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotFound => Self::NotFound,
            Failure::Conflict(key) => Self::Conflict(key.to_string()),
            Failure::InvalidKey(reason) => Self::InvalidKey(reason),
            Failure::TooLarge(size) => Self::TooLarge(size),
            Failure::WrongKind => Self::WrongKind,
            Failure::Busy => Self::Busy,
            Failure::WrongOffset(offset) => Self::WrongOffset(offset),
            Failure::DigestMismatch => Self::DigestMismatch,
            Failure::Interrupted => Self::Interrupted,
            Failure::NoSpace => Self::NoSpace,
            Failure::TooMuchStaged => Self::TooMuchStaged,
            Failure::ReadOnly => Self::ReadOnly,
            Failure::Exhausted => Self::Exhausted,
            Failure::Io(cause) => Self::Io(cause),
            Failure::Other(cause) => Self::Other(cause),
        }
    }
}

impl From<Metadata> for wit::Metadata {
    fn from(metadata: Metadata) -> Self {
        let since = metadata.modified.duration_since(std::time::UNIX_EPOCH);
        Self { kind: metadata.kind.into(), size: metadata.size, modified: since.map_or(0, |time| time.as_secs()) }
    }
}

impl From<Kind> for wit::Kind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Object => Self::Object,
            Kind::Directory => Self::Directory,
        }
    }
}

impl From<Listing> for wit::Listing {
    fn from(listing: Listing) -> Self {
        let entries = listing.entries.into_iter();
        Self {
            entries: entries.map(|(name, kind)| wit::Entry { name, kind: kind.into() }).collect(),
            more: listing.more,
        }
    }
}

/// Parses what a guest expects of a commit.
pub fn expectations(given: Vec<wit::Expectation>) -> Result<Vec<Expectation>, Failure> {
    let parse = |expectation| {
        Ok(match expectation {
            wit::Expectation::Absent(key) => Expectation::Absent(Key::parse(&key)?),
            wit::Expectation::Present(key) => Expectation::Present(Key::parse(&key)?),
            wit::Expectation::Equals((key, bytes)) => Expectation::Equals(Key::parse(&key)?, Bytes::from(bytes)),
        })
    };
    given.into_iter().map(parse).collect()
}

/// Parses the steps of a commit.
pub fn changes(given: Vec<wit::Change>) -> Result<Vec<Change>, Failure> {
    let parse = |change| {
        Ok(match change {
            wit::Change::Put((key, bytes)) => Change::Put(Key::parse(&key)?, Bytes::from(bytes)),
            wit::Change::Create((key, bytes)) => Change::Create(Key::parse(&key)?, Bytes::from(bytes)),
            wit::Change::Remove(key) => Change::Remove(Key::parse(&key)?),
            wit::Change::RemoveTree(key) => Change::RemoveTree(Key::parse(&key)?),
            wit::Change::MakeDirectory(key) => Change::MakeDirectory(Key::parse(&key)?),
            wit::Change::Quarantine(key) => Change::Quarantine(Key::parse(&key)?),
        })
    };
    given.into_iter().map(parse).collect()
}

//! What a link says, and what is there of what it names.

use super::{Step, Verifiable, blobs::bad, unread};
use crate::{
    digest::Digest,
    host::{Failure, Kind},
    layout, links,
};

/// A link.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Link {
    Absent,
    /// What it names: perhaps by another algorithm than its path.
    Right(Digest),
    /// What is wrong with it.
    Wrong(String),
}

/// Data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    Good,
    Missing,
    Damaged,
}

impl Data {
    /// In a sentence on what needs it.
    pub(super) const fn said(self) -> &'static str {
        match self {
            Self::Good => "is there",
            Self::Missing => "is missing",
            Self::Damaged => "is damaged",
        }
    }
}

impl<S: Verifiable + ?Sized> Step<'_, S> {
    /// The link at a key, which is to name this digest if it is to name a
    /// certain one.
    pub(super) fn link(&mut self, key: &str, digest: Option<&Digest>) -> Result<Link, String> {
        self.left = self.left.saturating_sub(1);
        let bytes = match links::bytes(self.host, key) {
            Ok(bytes) => bytes,
            Err(Failure::NotFound) => return Ok(Link::Absent),
            Err(Failure::WrongKind) => return Ok(Link::Wrong("it is no file".to_owned())),
            Err(Failure::TooLarge(size)) => return Ok(Link::Wrong(format!("it has {size} bytes, and is no link"))),
            Err(Failure::Io(cause)) => return Ok(Link::Wrong(format!("it cannot be read: {cause}"))),
            Err(failure) => return Err(unread(key, &failure)),
        };
        Ok(match (links::parse(&bytes), digest) {
            _ if bytes.is_empty() => Link::Wrong("it is empty".to_owned()),
            (None, _) => Link::Wrong("it holds no digest".to_owned()),
            (Some(named), Some(digest)) if named != *digest && named.algorithm() == digest.algorithm() => {
                Link::Wrong(format!("it names {named}"))
            }
            (Some(named), _) => Link::Right(named),
        })
    }

    /// What is there of data.
    pub(super) fn data(&mut self, digest: &Digest) -> Result<Data, String> {
        let key = layout::data(digest);
        if self.host.marked(&bad(digest)).map_err(|failure| unread(&key, &failure))? {
            return Ok(Data::Damaged);
        }
        self.left = self.left.saturating_sub(1);
        match self.host.stat(&key) {
            Ok(found) if found.kind == Kind::Object && (found.size > 0 || digest.is_of_nothing()) => Ok(Data::Good),
            Ok(_) | Err(Failure::WrongKind) => Ok(Data::Damaged),
            Err(Failure::NotFound) => Ok(Data::Missing),
            Err(failure) => Err(unread(&key, &failure)),
        }
    }
}

//! Names that clients choose: repositories, tags, references.

use std::fmt;

use crate::digest::{Digest, InvalidDigest};

/// The name of a repository: lower-case components joined by `/`, at most 255
/// bytes (OCI distribution-spec, "Pulling manifests"; the bound is
/// distribution's). Every one is safe as a part of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepositoryName(String);

impl RepositoryName {
    /// The longest name, in bytes.
    pub const LIMIT: usize = 255;

    /// Parses a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let valid = text.len() <= Self::LIMIT && text.split('/').all(is_component);
        valid.then(|| Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether a text is one component of a name:
/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
#[must_use]
pub fn is_component(text: &str) -> bool {
    // What the separator just before is: none, or the bytes of a run of one.
    let mut run: Option<(u8, usize)> = None;
    let mut any = false;
    for byte in text.bytes() {
        match (byte, run) {
            (b'a'..=b'z' | b'0'..=b'9', _) => {
                any = true;
                run = None;
            }
            (b'.' | b'_' | b'-', None) if any => run = Some((byte, 1)),
            (b'_', Some((b'_', 1))) => run = Some((b'_', 2)),
            (b'-', Some((b'-', count))) => run = Some((b'-', count.saturating_add(1))),
            _ => return false,
        }
    }
    any && run.is_none()
}

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`. Safe as a segment of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// Parses a tag.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let valid = (1..=128).contains(&text.len())
            && !text.starts_with(['.', '-'])
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        valid.then(|| Self(text.to_owned()))
    }

    /// The tag under which clients list the referrers of a digest in a
    /// registry that cannot (distribution-spec, "Referrers Tag Schema").
    #[must_use]
    pub fn of_referrers(subject: &Digest) -> Option<Self> {
        let mut text = format!("{}-{}", subject.algorithm().name(), subject.hex());
        text.truncate(128);
        Self::parse(&text)
    }

    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What names a manifest in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A tag, which may move.
    Tag(Tag),
    /// A digest, which cannot.
    Digest(Digest),
}

/// Why a text is no reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidReference {
    /// It has a colon and is no digest.
    Digest(InvalidDigest),
    /// It has none and is no tag.
    Tag,
}

impl Reference {
    /// Parses a reference. No tag has a colon, and every digest has.
    ///
    /// # Errors
    /// Says which of the two it was not.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        if text.contains(':') {
            Digest::parse(text).map(Self::Digest).map_err(InvalidReference::Digest)
        } else {
            Tag::parse(text).map(Self::Tag).ok_or(InvalidReference::Tag)
        }
    }

    /// The reference as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Tag(tag) => tag.as_str(),
            Self::Digest(digest) => digest.as_str(),
        }
    }
}

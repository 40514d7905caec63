//! What an event makes a repository hold.

use super::super::bindings::{
    fact_types::Usage,
    storage_policy_types::{Event, Happening},
};

/// One thing in one repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Thing {
    pub repository: String,
    kind: Kind,
}

/// What it is, by its digest or name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The repository itself.
    Repository,
    Manifest(String),
    Blob(String),
    Tag(String),
}

/// A thing that an event adds to its repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addition {
    pub kind: Kind,
    pub bytes: u64,
    /// It is not there yet, as far as anybody knows.
    pub new: bool,
}

impl Addition {
    /// What an event adds, if nothing of it is there.
    pub fn of(event: &Event) -> Vec<Self> {
        let (kind, bytes) = match &event.action {
            Happening::ManifestPush(pushed) => (Kind::Manifest(pushed.digest.clone()), pushed.size),
            Happening::BlobPush(blob) => (Kind::Blob(blob.digest.clone()), blob.size),
            Happening::Mount(mount) => (Kind::Blob(mount.digest.clone()), mount.size),
            Happening::TagMove(tag) if tag.old.is_none() => (Kind::Tag(tag.tag.clone()), 0),
            _ => return Vec::new(),
        };
        vec![Self { kind: Kind::Repository, bytes: 0, new: true }, Self { kind, bytes, new: true }]
    }

    /// Of this repository.
    pub fn thing(&self, repository: &str) -> Thing {
        Thing { repository: repository.to_owned(), kind: self.kind.clone() }
    }

    /// What it counts for.
    pub fn usage(&self) -> Usage {
        self.kind.usage(self.bytes)
    }
}

impl Thing {
    /// What it counts for.
    pub fn usage(&self, bytes: u64) -> Usage {
        self.kind.usage(bytes)
    }

    /// Whether it is in a tree.
    pub fn is_in(&self, tree: &str) -> bool {
        is_within(&self.repository, tree)
    }
}

impl Kind {
    fn usage(&self, bytes: u64) -> Usage {
        let nothing = Usage::default();
        match self {
            Self::Repository => Usage { repositories: 1, ..nothing },
            Self::Manifest(_) => Usage { manifests: 1, bytes, ..nothing },
            Self::Blob(_) => Usage { blobs: 1, bytes, ..nothing },
            Self::Tag(_) => Usage { tags: 1, ..nothing },
        }
    }
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Usage {
    fn default() -> Self {
        Self { bytes: 0, blobs: 0, manifests: 0, tags: 0, repositories: 0 }
    }
}

impl Usage {
    /// The sum.
    pub fn plus(&self, other: &Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    /// The difference.
    pub fn minus(&self, other: &Self) -> Self {
        self.with(other, u64::saturating_sub)
    }

    fn with(&self, other: &Self, each: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            bytes: each(self.bytes, other.bytes),
            blobs: each(self.blobs, other.blobs),
            manifests: each(self.manifests, other.manifests),
            tags: each(self.tags, other.tags),
            repositories: each(self.repositories, other.repositories),
        }
    }
}

/// Whether a repository is in a tree: by whole segments of its name.
pub fn is_within(repository: &str, tree: &str) -> bool {
    match repository.strip_prefix(tree) {
        Some(rest) => tree.is_empty() || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

/// The trees that a repository is in.
pub fn trees(repository: &str) -> impl Iterator<Item = &str> {
    let above = repository.match_indices('/').filter_map(|(at, _)| repository.get(..at));
    std::iter::once("").chain(above).chain(Some(repository).filter(|name| !name.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_of_whole_segments() {
        let all = ["", "team", "team/app", "team/app/web"];
        assert_eq!(trees("team/app/web").collect::<Vec<_>>(), all);
        assert!(all.iter().all(|tree| is_within("team/app/web", tree)));
        for tree in ["team/app/web/x", "team/a", "tea", "team/", "/", "other"] {
            assert!(!is_within("team/app/web", tree), "{tree:?}");
        }
    }
}

//! One event, and what a policy that decides on it may ask.

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::{
    super::{
        bindings::{
            fact_types::{Referrer, StoredManifest, TagPage, Usage},
            storage_policy_types::{Event, Happening},
            types::Failure,
        },
        limits::Guard,
    },
    tell::Teller,
};

/// What is asked is about the repository of this event, and nothing else can
/// be named.
pub struct About {
    teller: Arc<Teller>,
    repository: String,
    item: Option<Item>,
    adds: OnceCell<Usage>,
}

/// What a repository holds once the event has happened.
enum Item {
    Manifest {
        digest: String,
        size: u64,
    },
    Blob {
        digest: String,
        size: u64,
    },
    /// A tag that was not there.
    Tag,
}

impl About {
    /// This event.
    pub fn new(teller: &Arc<Teller>, event: &Event) -> Self {
        let item = match &event.action {
            Happening::ManifestPush(pushed) => {
                Some(Item::Manifest { digest: pushed.digest.clone(), size: pushed.size })
            }
            Happening::BlobPush(blob) => Some(Item::Blob { digest: blob.digest.clone(), size: blob.size }),
            Happening::Mount(mount) => Some(Item::Blob { digest: mount.digest.clone(), size: mount.size }),
            Happening::TagMove(tag) if tag.old.is_none() => Some(Item::Tag),
            _ => None,
        };
        Self { teller: Arc::clone(teller), repository: event.repository.clone(), item, adds: OnceCell::new() }
    }

    /// What a tree holds that the repository is in.
    pub async fn usage(&self, tree: &str) -> wasmtime::Result<Result<Usage, Failure>> {
        if !self.is_in(tree) {
            return Err(Guard::Tree.into());
        }
        Ok(self.teller.count(tree).await)
    }

    /// What the event adds.
    pub async fn adds(&self) -> Result<Usage, Failure> {
        self.adds.get_or_try_init(|| self.added()).await.copied()
    }

    async fn added(&self) -> Result<Usage, Failure> {
        let (manifest, blob) = match &self.item {
            None => return Ok(Usage::default()),
            Some(Item::Manifest { digest, .. }) => (Some(digest), None),
            Some(Item::Blob { digest, .. }) => (None, Some(digest)),
            Some(Item::Tag) => (None, None),
        };
        let held = self.teller.holds(&self.repository, manifest, blob).await?;
        let mut adds = Usage { repositories: u64::from(!held.repository), ..Usage::default() };
        match &self.item {
            Some(Item::Manifest { size, .. }) if !held.manifest => (adds.bytes, adds.manifests) = (*size, 1),
            Some(Item::Blob { size, .. }) if !held.blob => (adds.bytes, adds.blobs) = (*size, 1),
            Some(Item::Tag) => adds.tags = 1,
            _ => {}
        }
        Ok(adds)
    }

    /// Tags of the repository.
    pub async fn tags(&self, after: Option<&str>, limit: u32) -> Result<TagPage, Failure> {
        self.teller.tags(&self.repository, after, limit).await
    }

    /// What refers to a manifest there.
    pub async fn referrers(&self, subject: &String, artifact_type: Option<&str>) -> Result<Vec<Referrer>, Failure> {
        self.teller.referrers(&self.repository, subject, artifact_type).await
    }

    /// A manifest of it.
    pub async fn manifest(&self, reference: &str) -> Result<StoredManifest, Failure> {
        self.teller.manifest(&self.repository, reference).await
    }

    /// A blob of it.
    pub async fn blob(&self, digest: &String, limit: u64) -> Result<Vec<u8>, Failure> {
        self.teller.blob(&self.repository, digest, limit).await
    }

    fn is_in(&self, tree: &str) -> bool {
        is_within(&self.repository, tree)
    }
}

/// Whether a repository is in a tree: by whole segments of its name.
fn is_within(repository: &str, tree: &str) -> bool {
    match repository.strip_prefix(tree) {
        Some(rest) => tree.is_empty() || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_of_whole_segments() {
        for (tree, within) in [
            ("", true),
            ("team", true),
            ("team/app", true),
            ("team/app/web", true),
            ("team/app/web/x", false),
            ("team/a", false),
            ("tea", false),
            ("team/", false),
            ("/", false),
            ("other", false),
        ] {
            assert_eq!(is_within("team/app/web", tree), within, "{tree:?}");
        }
    }
}

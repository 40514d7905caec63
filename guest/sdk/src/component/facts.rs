//! The import `facts`, and what stands in its place for auth policies, whose
//! world has none.

use super::{
    Factless, Imports,
    storage::wit::skerry::registry::{fact_types as types, facts, types::Failure},
};
use crate::facts::{FactFailure, Facts, Referrer, StoredManifest, Tag, TagPage, Usage};

impl Facts for Imports {
    fn usage(&self, tree: &str) -> Result<Usage, FactFailure> {
        Ok(facts::usage(tree)?.into())
    }

    fn adds(&self) -> Result<Usage, FactFailure> {
        Ok(facts::adds()?.into())
    }

    fn tags(&self, after: Option<&str>, limit: u32) -> Result<TagPage, FactFailure> {
        let page = facts::tags(after, limit)?;
        let tags = page.tags.into_iter().map(|tag| Tag { name: tag.name, digest: tag.digest });
        Ok(TagPage { tags: tags.collect(), more: page.more })
    }

    fn referrers(&self, subject: &str, artifact_type: Option<&str>) -> Result<Vec<Referrer>, FactFailure> {
        let found = facts::referrers(subject, artifact_type)?.into_iter();
        Ok(found
            .map(|referrer| Referrer {
                digest: referrer.digest,
                media_type: referrer.media_type,
                artifact_type: referrer.artifact_type,
                size: referrer.size,
                annotations: referrer.annotations,
            })
            .collect())
    }

    fn manifest(&self, reference: &str) -> Result<StoredManifest, FactFailure> {
        let types::StoredManifest { digest, media_type, content } = facts::manifest(reference)?;
        Ok(StoredManifest { digest, media_type, content })
    }

    fn blob(&self, digest: &str, limit: u64) -> Result<Vec<u8>, FactFailure> {
        Ok(facts::blob(digest, limit)?)
    }
}

impl Facts for Factless {
    fn usage(&self, _: &str) -> Result<Usage, FactFailure> {
        Err(FactFailure::NotFound)
    }

    fn adds(&self) -> Result<Usage, FactFailure> {
        Err(FactFailure::NotFound)
    }

    fn tags(&self, _: Option<&str>, _: u32) -> Result<TagPage, FactFailure> {
        Err(FactFailure::NotFound)
    }

    fn referrers(&self, _: &str, _: Option<&str>) -> Result<Vec<Referrer>, FactFailure> {
        Err(FactFailure::NotFound)
    }

    fn manifest(&self, _: &str) -> Result<StoredManifest, FactFailure> {
        Err(FactFailure::NotFound)
    }

    fn blob(&self, _: &str, _: u64) -> Result<Vec<u8>, FactFailure> {
        Err(FactFailure::NotFound)
    }
}

impl From<types::Usage> for Usage {
    fn from(usage: types::Usage) -> Self {
        let types::Usage { bytes, blobs, manifests, tags, repositories } = usage;
        Self { bytes, blobs, manifests, tags, repositories }
    }
}

impl From<Failure> for FactFailure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotFound => Self::NotFound,
            Failure::TooLarge(_) => Self::TooLarge,
            Failure::Other(what) | Failure::Io(what) => Self::Other(what),
            other => Self::Other(other.to_string()),
        }
    }
}

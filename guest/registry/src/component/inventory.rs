//! The export `inventory`.

use super::{
    Component,
    wit::{
        exports::skerry::registry::inventory as wit,
        skerry::registry::{fact_types as facts, types},
    },
};
use crate::{
    digest::Digest,
    host::Failure,
    inventory::{self, Referrer},
    name::{Reference, RepositoryName},
};

type Answer<T> = Result<T, types::Failure>;

impl wit::Guest for Component {
    fn usage(tree: String, cursor: Option<String>, budget: u32) -> Answer<wit::Tally> {
        let inventory::Tally { usage, cursor } = inventory::usage(&Self, &tree, cursor.as_deref(), budget)?;
        let inventory::Usage { bytes, blobs, manifests, tags, repositories } = usage;
        Ok(wit::Tally { usage: facts::Usage { bytes, blobs, manifests, tags, repositories }, cursor })
    }

    fn holds(repository: String, manifest: Option<String>, blob: Option<String>) -> Answer<wit::Holding> {
        let [manifest, blob] = [manifest, blob].map(|text| text.map(|text| digest(&text)).transpose());
        let held = inventory::holds(&Self, &name(&repository)?, manifest?.as_ref(), blob?.as_ref())?;
        Ok(wit::Holding { repository: held.repository, manifest: held.manifest, blob: held.blob })
    }

    fn tags(repository: String, after: Option<String>, limit: u32) -> Answer<facts::TagPage> {
        let page = inventory::tags(&Self, &name(&repository)?, after, limit)?;
        let tags =
            page.tags.iter().map(|(tag, digest)| facts::Tag { name: tag.to_string(), digest: digest.to_string() });
        Ok(facts::TagPage { tags: tags.collect(), more: page.more })
    }

    fn referrers(repository: String, subject: String, artifact_type: Option<String>) -> Answer<Vec<facts::Referrer>> {
        let (name, subject) = (name(&repository)?, digest(&subject)?);
        let found = inventory::referrers(&Self, &name, &subject, artifact_type.as_deref())?;
        Ok(found.into_iter().map(Into::into).collect())
    }

    fn manifest(repository: String, reference: String) -> Answer<facts::StoredManifest> {
        let reference = Reference::parse(&reference).map_err(|_| none("neither a tag nor a digest"))?;
        let stored = inventory::manifest(&Self, &name(&repository)?, &reference)?;
        let inventory::Stored { digest, media_type, content } = stored;
        Ok(facts::StoredManifest { digest: digest.to_string(), media_type, content })
    }

    fn blob(repository: String, of: String) -> Answer<wit::Place> {
        let found = inventory::blob(&Self, &name(&repository)?, &digest(&of)?)?;
        Ok(wit::Place { key: found.key, size: found.size })
    }
}

impl From<Referrer> for facts::Referrer {
    fn from(referrer: Referrer) -> Self {
        let Referrer { media_type, digest, size, artifact_type, annotations } = referrer;
        Self { digest, media_type, artifact_type, size, annotations: annotations.into_iter().flatten().collect() }
    }
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotFound => Self::NotFound,
            Failure::Conflict(key) => Self::Conflict(key),
            Failure::InvalidKey(why) => Self::InvalidKey(why),
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

fn name(text: &str) -> Answer<RepositoryName> {
    RepositoryName::parse(text).ok_or_else(|| none("no name of a repository"))
}

fn digest(text: &str) -> Answer<Digest> {
    Digest::parse(text).map_err(|_| none("no digest"))
}

fn none(what: &str) -> types::Failure {
    types::Failure::Other(what.to_owned())
}

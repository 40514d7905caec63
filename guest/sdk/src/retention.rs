//! Policies about which tags are kept.

use crate::{Failed, Host, StoragePolicy, host::settings};

/// A policy of the world `retention-policy`: a storage policy that also decides
/// which tags are kept.
pub trait RetentionPolicy: StoragePolicy {
    /// Which of a repository's tags are to go: `tags` are all of them, at most
    /// 10,000. Asked by schedule, or when the operator says so.
    ///
    /// # Errors
    /// The policy has no answer: then nothing of the repository goes.
    fn retain(&self, host: &dyn Host, question: &Retention) -> Result<Vec<Departure>, Failed>;
}

/// The tags of one repository, and what is known of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    /// Where.
    pub repository: String,
    /// All of its tags, in order.
    pub tags: Vec<TagFacts>,
    /// Now, in seconds since 1970.
    pub now: u64,
    /// Since when pulls were written down, in seconds since 1970: of a tag with
    /// no `last_pull`, no more is known than that it was not pulled since then.
    pub recorded_since: u64,
}

/// What is known of a tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagFacts {
    /// Its name.
    pub tag: String,
    /// Where it leads: a digest.
    pub digest: String,
    /// When it was last set, in seconds since 1970.
    pub updated: u64,
    /// Bytes of its manifest and of all that this is made of, as they say.
    pub size: u64,
    /// When it, or its manifest by its digest, was last pulled, in seconds
    /// since 1970; nothing where no pull of it is known.
    pub last_pull: Option<u64>,
}

/// A tag that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// Its name.
    pub tag: String,
    /// Why, for the log, at most 256 bytes.
    pub reason: String,
}

/// [`RetentionPolicy::retain`] on a new policy, as the host calls it.
///
/// # Errors
/// The policy has no answer.
pub fn retain<P: RetentionPolicy>(host: &dyn Host, question: &Retention) -> Result<Vec<Departure>, Failed> {
    P::new(settings(host)?)?.retain(host, question)
}

//! A double of the host, for the native tests of policies.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    time::Duration,
};

use crate::{
    facts::{FactFailure, Facts, Referrer, StoredManifest, Tag, TagPage, Usage},
    host::{Clock, FileFailure, Files, Log, Secrets, Settings},
};

/// A host whose files, secrets, time, log and facts are in memory.
#[derive(Debug, Default)]
pub struct Memory {
    settings: Option<serde_json::Value>,
    files: RefCell<BTreeMap<String, Vec<u8>>>,
    secrets: BTreeMap<String, String>,
    now: Cell<Duration>,
    log: RefCell<Vec<String>>,
    facts: Stored,
}

/// What the event's repository holds, and the trees that it is in.
#[derive(Debug, Default)]
struct Stored {
    usage: BTreeMap<String, Usage>,
    adds: Usage,
    tags: BTreeMap<String, String>,
    referrers: Vec<(String, Referrer)>,
    manifests: BTreeMap<String, StoredManifest>,
    blobs: BTreeMap<String, Vec<u8>>,
}

impl Memory {
    /// A host with these settings, as JSON text, and nothing else. A text that
    /// is no JSON counts as no settings.
    #[must_use]
    pub fn new(settings: &str) -> Self {
        Self { settings: serde_json::from_str(settings).ok(), ..Self::default() }
    }

    /// The same, with a secret.
    #[must_use]
    pub fn with_secret(mut self, name: &str, secret: &str) -> Self {
        self.secrets.insert(name.to_owned(), secret.to_owned());
        self
    }

    /// The same, with a file.
    #[must_use]
    pub fn with_file(self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.put(name, bytes);
        self
    }

    /// The same, with a tree of repositories that holds this much. Any other
    /// tree is not found: where it matters, a host ends the policy.
    #[must_use]
    pub fn with_usage(mut self, tree: &str, usage: Usage) -> Self {
        self.facts.usage.insert(tree.to_owned(), usage);
        self
    }

    /// The same, with an event that adds this much.
    #[must_use]
    pub fn with_added(mut self, adds: Usage) -> Self {
        self.facts.adds = adds;
        self
    }

    /// The same, with a tag.
    #[must_use]
    pub fn with_tag(mut self, name: &str, digest: &str) -> Self {
        self.facts.tags.insert(name.to_owned(), digest.to_owned());
        self
    }

    /// The same, with a manifest that refers to `subject`.
    #[must_use]
    pub fn with_referrer(mut self, subject: &str, referrer: Referrer) -> Self {
        self.facts.referrers.push((subject.to_owned(), referrer));
        self
    }

    /// The same, with a manifest, which is found by its digest, and by the
    /// tags that lead to it.
    #[must_use]
    pub fn with_manifest(mut self, manifest: StoredManifest) -> Self {
        self.facts.manifests.insert(manifest.digest.clone(), manifest);
        self
    }

    /// The same, with a blob.
    #[must_use]
    pub fn with_blob(mut self, digest: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.facts.blobs.insert(digest.to_owned(), bytes.into());
        self
    }

    /// Writes a file.
    pub fn put(&self, name: &str, bytes: impl Into<Vec<u8>>) {
        self.files.borrow_mut().insert(name.to_owned(), bytes.into());
    }

    /// Sets the time, in seconds since the beginning of 1970.
    pub fn set_now(&self, seconds: u64) {
        self.now.set(Duration::from_secs(seconds));
    }

    /// The lines that were logged since the last call.
    pub fn take_log(&self) -> Vec<String> {
        self.log.take()
    }
}

impl Settings for Memory {
    fn value(&self, path: &str) -> Option<String> {
        let names = path.split('.').filter(|name| !name.is_empty());
        let found = names.fold(self.settings.as_ref(), |value, name| value?.get(name))?;
        Some(found.to_string())
    }
}

impl Files for Memory {
    fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, FileFailure> {
        let files = self.files.borrow();
        let bytes = files.get(name).ok_or_else(|| FileFailure::NotFound(name.to_owned()))?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
            Ok(bytes.clone())
        } else {
            Err(FileFailure::TooLarge(name.to_owned()))
        }
    }
}

impl Secrets for Memory {
    fn secret(&self, name: &str) -> Option<String> {
        self.secrets.get(name).cloned()
    }
}

impl Clock for Memory {
    fn now(&self) -> Duration {
        self.now.get()
    }
}

impl Log for Memory {
    fn log(&self, line: &str) {
        self.log.borrow_mut().push(line.to_owned());
    }
}

/// Bytes of the largest manifest or blob.
const LARGEST: usize = 4 << 20;

/// Tags of one page.
const TAGS: u32 = 1_000;

impl Facts for Memory {
    fn usage(&self, tree: &str) -> Result<Usage, FactFailure> {
        self.facts.usage.get(tree).copied().ok_or(FactFailure::NotFound)
    }

    fn adds(&self) -> Result<Usage, FactFailure> {
        Ok(self.facts.adds)
    }

    fn tags(&self, after: Option<&str>, limit: u32) -> Result<TagPage, FactFailure> {
        let limit = usize::try_from(limit.min(TAGS)).unwrap_or(usize::MAX);
        let mut rest = self.facts.tags.iter().filter(|(name, _)| after.is_none_or(|after| name.as_str() > after));
        let tags = rest.by_ref().take(limit).map(|(name, digest)| Tag { name: name.clone(), digest: digest.clone() });
        Ok(TagPage { tags: tags.collect(), more: rest.next().is_some() })
    }

    fn referrers(&self, subject: &str, artifact_type: Option<&str>) -> Result<Vec<Referrer>, FactFailure> {
        let of = |(known, referrer): &&(String, Referrer)| {
            known == subject && artifact_type.is_none_or(|wanted| referrer.artifact_type.as_deref() == Some(wanted))
        };
        Ok(self.facts.referrers.iter().filter(of).map(|(_, referrer)| referrer.clone()).collect())
    }

    fn manifest(&self, reference: &str) -> Result<StoredManifest, FactFailure> {
        let digest = self.facts.tags.get(reference).map_or(reference, String::as_str);
        let manifest = self.facts.manifests.get(digest).ok_or(FactFailure::NotFound)?;
        if manifest.content.len() > LARGEST { Err(FactFailure::TooLarge) } else { Ok(manifest.clone()) }
    }

    fn blob(&self, digest: &str, limit: u64) -> Result<Vec<u8>, FactFailure> {
        let bytes = self.facts.blobs.get(digest).ok_or(FactFailure::NotFound)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(LARGEST);
        if bytes.len() > limit { Err(FactFailure::TooLarge) } else { Ok(bytes.clone()) }
    }
}

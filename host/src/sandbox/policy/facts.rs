//! `skerry:registry/facts`: what a policy asks of the registry, taken from its
//! own limits.

use super::{
    super::{
        bindings::{
            fact_types::{self, Referrer, StoredManifest, TagPage, Usage},
            facts, types,
        },
        facts::{About, Told},
    },
    rights::State,
};
use std::sync::Arc;

/// Who tells the facts about the event that is decided on.
#[derive(Clone)]
pub enum Facts {
    /// The registry.
    Registry(Arc<About>),
    /// The author of the policy.
    Author(Arc<Told>),
}

type Answer<T> = wasmtime::Result<Result<T, types::Failure>>;

/// What an entry takes beside its texts.
const ENTRY: usize = 64;

impl fact_types::Host for State {}

impl facts::Host for State {
    async fn usage(&mut self, tree: String) -> Answer<Usage> {
        let told = match self.asks()? {
            None => return Ok(Err(types::Failure::NotFound)),
            Some(Facts::Registry(about)) => about.usage(&tree)?,
            Some(Facts::Author(told)) => told.usage(&tree)?,
        };
        self.told(told, |_| ENTRY)
    }

    async fn adds(&mut self) -> Answer<Usage> {
        let told = match self.asks()? {
            None => return Ok(Err(types::Failure::NotFound)),
            Some(Facts::Registry(about)) => about.adds().await,
            Some(Facts::Author(told)) => told.adds(),
        };
        self.told(told, |_| ENTRY)
    }

    async fn tags(&mut self, after: Option<String>, limit: u32) -> Answer<TagPage> {
        let told = match self.asks()? {
            None => return Ok(Err(types::Failure::NotFound)),
            Some(Facts::Registry(about)) => about.tags(after.as_deref(), limit).await,
            Some(Facts::Author(told)) => told.tags(after.as_deref(), limit),
        };
        self.told(told, |page| page.tags.iter().map(|tag| tag.name.len() + tag.digest.len() + ENTRY).sum())
    }

    async fn referrers(&mut self, subject: String, artifact_type: Option<String>) -> Answer<Vec<Referrer>> {
        let told = match self.asks()? {
            None => return Ok(Err(types::Failure::NotFound)),
            Some(Facts::Registry(about)) => about.referrers(&subject, artifact_type.as_deref()).await,
            Some(Facts::Author(told)) => told.referrers(&subject, artifact_type.as_deref()),
        };
        self.told(told, |found| found.iter().map(length).sum())
    }

    async fn manifest(&mut self, reference: String) -> Answer<StoredManifest> {
        let told = match self.asks()? {
            None => return Ok(Err(types::Failure::NotFound)),
            Some(Facts::Registry(about)) => about.manifest(&reference).await,
            Some(Facts::Author(told)) => told.manifest(&reference)?,
        };
        self.told(told, |found| found.content.len() + found.media_type.len() + ENTRY)
    }

    async fn blob(&mut self, digest: String, limit: u64) -> Answer<Vec<u8>> {
        let told = match self.asks()? {
            None => return Ok(Err(types::Failure::NotFound)),
            Some(Facts::Registry(about)) => about.blob(&digest, limit).await,
            Some(Facts::Author(told)) => told.blob(&digest, limit),
        };
        self.told(told, Vec::len)
    }
}

impl State {
    /// Begins a question. Nothing where there is no event to ask about.
    fn asks(&mut self) -> wasmtime::Result<Option<Facts>> {
        self.meter.enter()?;
        Ok(self.facts.clone())
    }

    /// Ends it: its time was the host's, and a look at the storage.
    fn told<T>(&mut self, told: Result<T, types::Failure>, size: impl Fn(&T) -> usize) -> Answer<T> {
        self.meter.look();
        self.meter.leave();
        if let Ok(told) = &told {
            self.meter.hand_over(size(told))?;
        }
        Ok(told)
    }
}

fn length(referrer: &Referrer) -> usize {
    let texts = [&referrer.digest, &referrer.media_type];
    let annotations = referrer.annotations.iter().flat_map(|(name, value)| [name, value]);
    texts.into_iter().chain(&referrer.artifact_type).chain(annotations).map(|text| text.len() + 16).sum::<usize>()
        + ENTRY
}

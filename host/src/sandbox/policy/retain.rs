//! What policies are asked in a task, where there is no client: which tags go,
//! and whether each of them may.

use std::{collections::HashSet, fmt};

use super::{
    super::{
        bindings::{
            retention_types::{Departure, TagFacts},
            storage_policy_types::{Event, Ruling},
        },
        tend::now,
    },
    Policies,
    one::{Asking, Failed, Policy},
    said::Mask,
    session::BUDGET,
};

/// Bytes that the answer about 10,000 tags may take of the host.
const ANSWER: usize = 8 << 20;

/// Bytes of a reason.
const REASON: usize = 256;

impl Policy {
    /// Which of these tags go?
    async fn retain(
        &self,
        asking: &Asking<'_>,
        repository: &str,
        tags: &[TagFacts],
        since: u64,
    ) -> Result<Vec<Departure>, Failed> {
        let Some(pre) = &self.keeper else { return Ok(Vec::new()) };
        let (mut store, _permit) = self.begin(asking).await?;
        store.set_hostcall_fuel(ANSWER);
        let called = self.bounded(async {
            let policy = pre.instantiate_async(&mut store).await?;
            policy.skerry_registry_retention().call_retain(&mut store, repository, tags, now(), since).await
        });
        let called = called.await;
        let (answer, _) = self.end(asking, store, called)?;
        let mask = self.mask(asking);
        let departures = answer.map_err(|reason| self.fail(asking, &mask.sentence(&reason, REASON)))?;
        let known: HashSet<&str> = tags.iter().map(|facts| facts.tag.as_str()).collect();
        if let Some(stranger) = departures.iter().find(|gone| !known.contains(gone.tag.as_str())) {
            return Err(self.fail(asking, &format!("guard departure: it was not asked about {:.128?}", stranger.tag)));
        }
        let said = |gone: Departure| Departure { reason: mask.sentence(&gone.reason, REASON), tag: gone.tag };
        Ok(departures.into_iter().map(said).collect())
    }
}

impl Policies {
    /// Whether one of them decides which tags are kept.
    pub fn keep_tags(&self) -> bool {
        self.storage.iter().any(|policy| policy.keeper.is_some())
    }

    /// Which of these tags go, by the first of the policies that says so; an
    /// error where one of them failed.
    pub async fn retain(&self, repository: &str, tags: &[TagFacts], since: u64) -> Result<Vec<Departure>, ()> {
        let mut departures = Vec::new();
        let mut gone: HashSet<String> = HashSet::new();
        for policy in &self.storage {
            let answer = policy.retain(&self.unattended(&"retention"), repository, tags, since).await;
            for departure in answer.map_err(drop)? {
                if gone.insert(departure.tag.clone()) {
                    departures.push(departure);
                }
            }
        }
        Ok(departures)
    }

    /// May this go, in a task?
    pub async fn admit_unattended(&self, event: &Event) -> Ruling {
        let mut left = BUDGET;
        self.rule(&self.unattended(&"task"), None, event, &mut left).await.0
    }

    fn unattended<'a>(&'a self, request: &'a (dyn fmt::Display + Sync)) -> Asking<'a> {
        static NOTHING: std::sync::LazyLock<Mask> = std::sync::LazyLock::new(Mask::default);
        Asking { common: &self.common, request, credentials: &NOTHING }
    }
}

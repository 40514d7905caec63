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
    one::{Asking, Failed, Policy, Stake},
    said::Mask,
    session::BUDGET,
};

/// Bytes that the answer about 10,000 tags may take of the host.
pub const ANSWER: usize = 8 << 20;

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
        let (answer, _) = self.end(asking, &store, called)?;
        let mask = self.mask(asking);
        let departures = answer.map_err(|reason| self.fail(asking, &mask.sentence(&reason, REASON)))?;
        let (all, gone) =
            (tags.iter().map(|facts| facts.tag.as_str()), departures.iter().map(|gone| gone.tag.as_str()));
        strangers(all, gone).map_err(|wrong| self.fail(asking, &wrong))?;
        let said = |gone: Departure| Departure { reason: mask.sentence(&gone.reason, REASON), tag: gone.tag };
        Ok(departures.into_iter().map(said).collect())
    }
}

/// That no other tags go than those that were asked about.
pub fn strangers<'a>(
    asked: impl Iterator<Item = &'a str>,
    mut gone: impl Iterator<Item = &'a str>,
) -> Result<(), String> {
    let known: HashSet<&str> = asked.collect();
    match gone.find(|tag| !known.contains(tag)) {
        Some(stranger) => Err(format!("guard departure: it was not asked about {stranger:.128?}")),
        None => Ok(()),
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
            let request = format!("retention of {repository:.256?}");
            let answer = policy.retain(&self.unattended(&request, Stake::Tags), repository, tags, since).await;
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
        self.rule(&self.unattended(&"task", Stake::Removal), None, event, &mut left).await.0
    }

    fn unattended<'a>(&'a self, request: &'a (dyn fmt::Display + Sync), stake: Stake) -> Asking<'a> {
        static NOTHING: std::sync::LazyLock<Mask> = std::sync::LazyLock::new(Mask::default);
        Asking { common: &self.common, request, credentials: &NOTHING, stake }
    }
}

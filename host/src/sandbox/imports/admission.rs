//! `skerry:registry/admission`.

use crate::{
    remember::Reason,
    sandbox::{
        bindings::{
            admission as wit, fact_types,
            retention_types::{self, Departure, TagFacts},
            storage_policy_types::{self, Concern, Event, Ruling},
        },
        policy,
        state::State,
    },
};

impl storage_policy_types::Host for State {}
impl fact_types::Host for State {}

impl retention_types::Host for State {}

impl wit::Host for State {
    /// Nothing to write down: policies that change make forget.
    fn wanted(&mut self, concern: Concern) -> wasmtime::Result<bool> {
        self.enter()?;
        let session = self.request.as_ref().and_then(|request| request.session.as_deref());
        Ok(session.is_some_and(|session| session.wants(concern)))
    }

    async fn admit(&mut self, event: Event) -> wasmtime::Result<Ruling> {
        self.enter()?;
        if let Some(policies) = self.task.as_ref().and_then(|task| task.policies.clone()) {
            let ruling = policies.admit_unattended(&event).await;
            self.leave();
            return Ok(ruling);
        }
        let concern = policy::concern(&event.action);
        let Some(mut session) = self.lend_session(|session| session.wants(concern)) else {
            return Ok(Ruling::Allow(Vec::new()));
        };
        // What a ruling rests on is not written down.
        self.refuse(Reason::Policy);
        let ruling = self.asking(session.admit(&event)).await;
        self.give_back(session);
        self.leave();
        Ok(ruling.unwrap_or(Ruling::Unavailable))
    }

    async fn retain(
        &mut self,
        repository: String,
        tags: Vec<TagFacts>,
    ) -> wasmtime::Result<Result<Vec<Departure>, ()>> {
        self.enter()?;
        self.refuse(Reason::Policy);
        let departures = match &self.task {
            None => Err(()),
            Some(task) => match task.policies.clone() {
                None => Ok(Vec::new()),
                Some(policies) => policies.retain(&repository, &tags, self.shared.uses.since()).await,
            },
        };
        self.leave();
        if let Ok(departures) = &departures {
            self.hand_over(departures.iter().map(|gone| gone.tag.len() + gone.reason.len() + 32).sum())?;
        }
        Ok(departures)
    }
}

//! `skerry:registry/admission`.

use crate::{
    remember::Reason,
    sandbox::{
        bindings::{
            admission as wit, fact_types,
            storage_policy_types::{self, Concern, Event, Ruling},
        },
        policy,
        state::State,
    },
};

impl storage_policy_types::Host for State {}
impl fact_types::Host for State {}

impl wit::Host for State {
    /// Nothing to write down: policies that change make forget.
    fn wanted(&mut self, concern: Concern) -> wasmtime::Result<bool> {
        self.enter()?;
        let session = self.request.as_ref().and_then(|request| request.session.as_deref());
        Ok(session.is_some_and(|session| session.wants(concern)))
    }

    async fn admit(&mut self, event: Event) -> wasmtime::Result<Ruling> {
        self.enter()?;
        let concern = policy::concern(&event.action);
        let Some(mut session) = self.lend_session(|session| session.wants(concern)) else {
            return Ok(Ruling::Allow(Vec::new()));
        };
        // What a ruling rests on is not written down.
        self.refuse(Reason::Policy);
        let ruling = self.parked(async { Ok(session.admit(&event).await) }).await;
        self.give_back(session);
        self.leave();
        Ok(ruling.unwrap_or(Ruling::Unavailable))
    }
}

//! `skerry:registry/admission`.

use crate::{
    remember::Reason,
    sandbox::{
        bindings::{
            admission as wit, fact_types,
            storage_policy_types::{self, Event, Ruling},
        },
        policy::Session,
        state::State,
    },
};

impl storage_policy_types::Host for State {}
impl fact_types::Host for State {}

impl wit::Host for State {
    async fn admit(&mut self, event: Event) -> wasmtime::Result<Ruling> {
        self.enter()?;
        let Some(mut session) = self.lend_session(Session::has_storage_rules) else {
            return Ok(Ruling::Allow(Vec::new()));
        };
        // Asked before something is written; where nothing is, the answer
        // rests on what is not written down.
        self.refuse(Reason::Policy);
        let ruling = self.parked(async { Ok(session.admit(&event).await) }).await;
        self.give_back(session);
        self.leave();
        Ok(ruling.unwrap_or(Ruling::Unavailable))
    }
}

//! `skerry:registry/last-use`.

use crate::{
    remember::Reason,
    sandbox::{bindings::last_use as wit, state::State},
};

impl wit::Host for State {
    fn last_used(&mut self, value: String) -> wasmtime::Result<Option<u64>> {
        self.enter()?;
        self.refuse(Reason::Clock);
        Ok(self.task.as_ref().and_then(|_| self.shared.uses.last(&value)))
    }

    fn recorded_since(&mut self) -> wasmtime::Result<u64> {
        self.enter()?;
        self.refuse(Reason::Clock);
        Ok(self.task.as_ref().map_or(u64::MAX, |_| self.shared.uses.since()))
    }
}

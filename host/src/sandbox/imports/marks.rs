//! `skerry:registry/marks`.

use crate::sandbox::{
    bindings::{marks as wit, types},
    state::State,
};

impl wit::Host for State {
    fn mark(&mut self, name: String) -> wasmtime::Result<Result<bool, types::Failure>> {
        self.enter()?;
        Ok(match &self.task {
            Some(task) => task.marks.add(&name).ok_or(types::Failure::Exhausted),
            None => Err(outside()),
        })
    }

    fn marked(&mut self, name: String) -> wasmtime::Result<Result<bool, types::Failure>> {
        self.enter()?;
        Ok(match &self.task {
            Some(task) => Ok(task.marks.has(&name)),
            None => Err(outside()),
        })
    }
}

fn outside() -> types::Failure {
    types::Failure::Other("there are marks within a task only".into())
}

//! `skerry:registry/settings`.

use crate::sandbox::{bindings::settings as wit, state::State};

impl wit::Host for State {
    fn value(&mut self, path: String) -> wasmtime::Result<Option<String>> {
        self.enter()?;
        let value = (self.shared.settings)(&path);
        self.hand_over(value.as_ref().map_or(0, String::len))?;
        Ok(value)
    }
}

impl crate::sandbox::bindings::types::Host for State {}

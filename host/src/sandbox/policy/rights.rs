//! What one policy may have and use; the host's side of what it imports.

use serde_json::Value;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use std::sync::{Arc, atomic::AtomicU64};

use super::{
    super::{
        bindings::{AuthPolicy, StoragePolicy, files, identity, secrets, settings, storage_policy_types, types},
        engine::Ticker,
        imports::{self, Watched},
        limits::{Allowance, Limits},
        meter::{Meter, Metered},
        output::GuestOutput,
        preopen::Preopen,
        state,
    },
    facts::Facts,
    said::Mask,
};
use crate::{
    remember::Reason,
    storage::{Failure, Grant, LARGEST_GRANTED, Seen},
};

/// What the operator granted to one policy.
pub struct Rights {
    pub name: String,
    pub grant: Grant,
    /// The same directory by WASI, where that is granted too.
    pub preopen: Option<Preopen>,
    pub secrets: Vec<(String, String)>,
    pub settings: Settings,
    pub limits: Limits,
    /// Its secrets.
    pub mask: Mask,
}

/// What a policy's `settings` tell it.
pub struct Settings {
    value: Value,
    /// The same as text: most want it as a whole, whenever they are asked.
    text: Option<String>,
}

impl Settings {
    pub fn new(value: Value) -> Self {
        Self { text: text(&value), value }
    }

    /// A part of them as JSON text; the whole by an empty path.
    fn at(&self, path: &str) -> Option<String> {
        match path {
            "" => self.text.clone(),
            path => text(path.split('.').try_fold(&self.value, |value, name| value.get(name))?),
        }
    }
}

fn text(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| value.to_string())
}

/// The data of a store in which a policy runs.
pub struct State {
    pub rights: Arc<Rights>,
    /// Files that were read, and what was seen of them; one of no name for
    /// all that WASI shows.
    pub read: Vec<(Arc<str>, Seen)>,
    pub meter: Meter,
    pub allowance: Allowance,
    pub output: GuestOutput,
    /// Who tells it facts, where there is an event that it may ask about.
    pub facts: Option<Facts>,
    table: ResourceTable,
    seed: u128,
    wasi: Option<WasiCtx>,
    listed: Arc<AtomicU64>,
}

impl State {
    pub fn new(rights: &Arc<Rights>, ticker: &Ticker, seed: u128) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(state::RESOURCES);
        Self {
            rights: Arc::clone(rights),
            read: Vec::new(),
            meter: Meter::new(ticker, &rights.limits),
            allowance: Allowance::new(&rights.limits),
            output: GuestOutput::default(),
            facts: None,
            table,
            seed,
            wasi: None,
            listed: Arc::default(),
        }
    }

    /// Another question begins: it may take as long as the first.
    pub fn renew(&mut self, ticker: &Ticker) {
        self.meter = Meter::new(ticker, &self.rights.limits);
    }
}

/// What the world `auth-policy` imports, and WASI.
pub fn auth_linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    AuthPolicy::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    wasmtime_wasi_io::add_to_linker_async(&mut linker)?;
    imports::add_wasi(&mut linker)?;
    Ok(linker)
}

/// What the world `storage-policy` imports, and WASI.
pub fn storage_linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    StoragePolicy::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    wasmtime_wasi_io::add_to_linker_async(&mut linker)?;
    imports::add_wasi(&mut linker)?;
    Ok(linker)
}

impl settings::Host for State {
    fn value(&mut self, path: String) -> wasmtime::Result<Option<String>> {
        self.meter.enter()?;
        let value = self.rights.settings.at(&path);
        self.meter.hand_over(value.as_ref().map_or(0, String::len))?;
        Ok(value)
    }
}

impl files::Host for State {
    fn read(&mut self, name: String, limit: u64) -> wasmtime::Result<Result<Vec<u8>, types::Failure>> {
        self.meter.enter()?;
        let (outcome, seen) = self.rights.grant.read(&name, limit.min(LARGEST_GRANTED));
        // What failed may fail otherwise the next time.
        let seen =
            if outcome.as_ref().is_err_and(|failure| *failure != Failure::NotFound) { Seen::Unknown } else { seen };
        if !self.read.iter().any(|(known, before)| **known == *name && *before == seen) {
            self.read.push((name.into(), seen));
        }
        self.meter.leave();
        if let Ok(bytes) = &outcome {
            self.meter.hand_over(bytes.len())?;
        }
        Ok(outcome.map_err(Into::into))
    }
}

impl secrets::Host for State {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        self.meter.enter()?;
        let secret = self.rights.secrets.iter().find(|(known, _)| *known == name).map(|(_, secret)| secret.clone());
        self.meter.hand_over(secret.as_ref().map_or(0, String::len))?;
        Ok(secret)
    }
}

impl types::Host for State {}
impl identity::Host for State {}
impl storage_policy_types::Host for State {}

impl Metered for State {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

impl Watched for State {
    /// A policy says itself for how long its answers hold; but what it reads by
    /// WASI, nobody could look at again.
    fn refusing(&mut self, reason: Reason) -> &mut Self {
        if reason == Reason::Files && self.rights.preopen.is_some() && self.read.is_empty() {
            self.read.push(("".into(), Seen::Unknown));
        }
        self
    }

    fn listed(&self) -> &Arc<AtomicU64> {
        &self.listed
    }

    const WITHHELD: &'static [&'static str] = &[];
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (output, seed, preopen) = (&self.output, self.seed, self.rights.preopen.as_ref());
        // It runs on threads that serve others: files are waited for by tokio's
        // own for such work.
        let ctx = self.wasi.get_or_insert_with(|| state::wasi(output, seed, preopen, false));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl wasmtime_wasi_io::IoView for State {
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_found_by_their_path() {
        let value = json!({"realm": "r", "a": {"b": [1, 2], "c": null}});
        let settings = Settings::new(value.clone());
        for (path, expected) in [
            ("realm", Some("\"r\"")),
            ("a.b", Some("[1,2]")),
            ("a.c", None),
            ("a.d", None),
            ("a.b.0", None),
            (".", None),
            ("storage.delete", None),
        ] {
            assert_eq!(settings.at(path).as_deref(), expected, "{path}");
        }
        assert_eq!(settings.at(""), Some(value.to_string()));
        assert_eq!(Settings::new(Value::Null).at(""), None);
    }
}

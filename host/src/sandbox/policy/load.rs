//! From what the operator configured to a policy that can be asked.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use serde_json::Value;
use wasmtime::{
    Engine,
    component::{Component, Linker},
};

use super::{
    super::{
        compiler::Purpose,
        instances::Instances,
        limits::Limits,
        module::{self, LoadError, ModuleFile},
        preopen::Preopen,
        wants::Wants,
    },
    Common,
    concerns::Concerns,
    evidence::Evidence,
    exports::{AUTH, RETENTION, STORAGE, fitted},
    one::{Asking, Policy, Stake},
    rights::{Rights, Settings, State, auth_linker, storage_linker},
    said::Mask,
};
use crate::storage::Grant;

/// A policy as it was configured.
pub struct Source {
    /// For logs; one of its own.
    pub name: String,
    /// Where its component comes from.
    pub module: Origin,
    /// Which of the worlds it is to be of, where the operator said.
    pub world: Option<World>,
    /// What `settings` tells it.
    pub settings: Value,
    /// What `files` reads.
    pub grant: Grant,
    /// What WASI shows it.
    pub preopen: Option<Preopen>,
    /// What `secrets` tells it.
    pub secrets: Vec<(String, String)>,
    /// Whether it counts as one with no opinion when it fails.
    pub lenient: bool,
    /// How long what it decided is relied on at the most.
    pub lifetime: Option<Duration>,
    /// What one question may use of the sandbox.
    pub limits: Limits,
}

/// Where a component comes from.
pub enum Origin {
    /// It is built in, by this name.
    BuiltIn(String),
    /// A file.
    File(ModuleFile),
}

impl Origin {
    /// Whether it is WebAssembly, and not compiled yet.
    pub fn is_source(&self) -> bool {
        matches!(self, Self::File(file) if !file.is_compiled())
    }
}

/// A world of policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// Who may do what.
    Auth,
    /// What may be stored.
    Storage,
}

/// Names of the policies that are built in.
pub fn built_in() -> impl Iterator<Item = &'static str> {
    module::policies()
}

/// Components of policies that are built in: those of one name share it.
#[derive(Default)]
pub struct Components(HashMap<String, Component>);

impl Components {
    fn of(&mut self, engine: &Engine, origin: Origin) -> Result<(Component, String), LoadError> {
        let Origin::BuiltIn(name) = &origin else { return component(engine, origin, Purpose::Serve) };
        let name = name.clone();
        if let Some(known) = self.0.get(&name) {
            return Ok((known.clone(), module::IN_THIS_PROGRAM.to_owned()));
        }
        let (made, path) = component(engine, origin, Purpose::Serve)?;
        self.0.insert(name, made.clone());
        Ok((made, path))
    }
}

/// Loads one, and sees that it starts.
pub async fn load(common: &Common, components: &mut Components, source: Source) -> Result<Policy, LoadError> {
    let Source { name, module: origin, world, settings, grant, preopen, secrets, lenient, lifetime, limits } = source;
    let (component, path) = components.of(&common.engine, origin)?;
    let exports = |export: &str| component.get_export_index(None, export).is_some();
    let wrong = |cause: String| LoadError::Policy { name: name.clone(), path: path.clone(), cause };
    let worlds = Wants::of(&common.engine, &component).worlds().map_err(|misfit| wrong(misfit.to_string()))?;
    let is = |name: &str| worlds.iter().any(|world| world.name == name);
    let world = match (world, is("auth-policy"), is("storage-policy")) {
        (None | Some(World::Auth), true, false) | (Some(World::Auth), true, true) => World::Auth,
        (None | Some(World::Storage), false, true) | (Some(World::Storage), true, true) => World::Storage,
        (None, true, true) => {
            return Err(wrong(format!("exports both {AUTH} and {STORAGE}: say `world: auth` or `world: storage`")));
        }
        (Some(World::Auth), false, _) => return Err(wrong(format!("does not export {AUTH}, as `world: auth` says"))),
        (Some(World::Storage), _, false) => {
            return Err(wrong(format!("does not export {STORAGE}, as `world: storage` says")));
        }
        (None, false, false) => {
            return Err(wrong(format!(
                "exports neither {AUTH} nor {STORAGE}, which are what this host asks of policies: a registry is named in `sandbox.registry`"
            )));
        }
    };
    let misfit = |cause: wasmtime::Error| {
        wrong(format!(
            "does not fit its world skerry:registry/{}-policy@0.1.0, which is what this host offers: {cause:#}",
            world.name()
        ))
    };
    let pre = world.linker(&common.engine).and_then(|linker| linker.instantiate_pre(&component)).map_err(misfit)?;
    let (pre, keeper) = fitted(pre, world, exports(RETENTION)).map_err(misfit)?;
    if let Some(preopen) = &preopen {
        let closed = |cause| wrong(format!("cannot have its directory by way of /proc/self/fd: {cause:#}"));
        preopen.check().map_err(closed)?;
    }
    let mask = Mask::new(secrets.iter().map(|(_, secret)| secret.as_str()));
    let instances = Instances::new(&limits, u32::MAX, u32::MAX);
    let settings = Settings::new(settings);
    let rights = Arc::new(Rights { name: name.clone(), grant, preopen, secrets, settings, limits, mask });
    let (asked, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut policy = Policy {
        rights,
        pre,
        keeper,
        knows_by: Evidence::default(),
        concerns: Concerns::default(),
        instances,
        lenient,
        lifetime,
        asked,
        failed,
    };
    let asking = Asking { common, request: &"start", credentials: &Mask::default(), stake: Stake::Request };
    let started = policy.prove(&asking).await;
    let cannot = |cause| wrong(format!("cannot work: {cause}"));
    started.map_err(cannot)?;
    policy.about(&asking).await.map_err(cannot)?;
    Ok(policy)
}

/// Makes a component of it.
pub fn component(engine: &Engine, origin: Origin, purpose: Purpose) -> Result<(Component, String), LoadError> {
    // It takes long, and requests may be served meanwhile.
    tokio::task::block_in_place(|| match origin {
        Origin::File(file) => Ok((module::component_for(engine, &file, purpose)?, file.path.display().to_string())),
        Origin::BuiltIn(name) => Ok((module::built_in_policy(engine, &name)?, module::IN_THIS_PROGRAM.to_owned())),
    })
}

impl World {
    /// What its policies import.
    pub fn linker(self, engine: &Engine) -> wasmtime::Result<Linker<State>> {
        match self {
            Self::Auth => auth_linker(engine),
            Self::Storage => storage_linker(engine),
        }
    }

    /// Its first word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Storage => "storage",
        }
    }
}

//! The modules in force: the registry and the policies, replaced while
//! requests are served.
//!
//! What is new is loaded beside the old, checked, and switched in between two
//! requests; what cannot be used changes nothing. It comes from three sides: a
//! file that the configuration names has changed ([`watch`]), SIGHUP, or the
//! admin endpoint (`serve/admin.rs`). The latter two read the configuration
//! again: what it says of modules and policies is in force then, and the rest
//! takes a restart. A configuration that has changed is not read unless it is
//! asked for: half of one is a whole one with fewer rules. A module that the endpoint put there is
//! kept in memory: it goes with the next restart, the next reload, or when the
//! file changes in whose place it is.

mod in_force;
mod watch;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use tokio::{sync::Mutex, task::block_in_place};

use self::watch::Stamps;
pub use self::{
    in_force::{InForce, Origin, Status},
    watch::watch,
};
use super::{ServeError, artifacts::Artifacts, map, policies};
use crate::{
    cli::Reread,
    config::{Config, ModuleAt, PolicyModule},
    metrics::{Counter, Metrics},
    sandbox::{LoadError, ModuleFile, PolicyOrigin, PolicySource, Sandbox, StartError},
    storage::{Algorithm, Digest, Directory},
};

/// What is read at the start: modules, and how they are described.
pub struct Read {
    /// The registry module; none for the built-in one.
    pub registry: Option<ModuleFile>,
    /// The policies, in order.
    pub policies: Vec<PolicySource>,
    /// How that is described.
    pub known: Known,
}

/// What is known of what was read.
pub struct Known {
    status: Status,
    stamps: Stamps,
    artifacts: Arc<Artifacts>,
}

/// The modules that the configuration names, as their files are now.
///
/// # Errors
/// That one of the files, or something granted to a policy, cannot be read.
pub fn read(config: &Config, artifacts: Arc<Artifacts>) -> Result<Read, ServeError> {
    let stamps = Stamps::default();
    stamps.note(&files(config));
    let registry = registry(config, &artifacts)?;
    let policies = policies::sources(config, &artifacts)?;
    let status = Status {
        registry: in_force::of_registry(registry.as_ref()),
        policies: policies.iter().map(in_force::of_policy).collect(),
    };
    Ok(Read { registry, policies, known: Known { status, stamps, artifacts } })
}

/// Files that the configuration names modules by.
fn files(config: &Config) -> Vec<PathBuf> {
    let of_policies = config.policies.iter().filter_map(|policy| match &policy.module {
        PolicyModule::File(path) => Some(path),
        PolicyModule::BuiltIn(_) | PolicyModule::Artifact(_) => None,
    });
    let of_registry = config.sandbox.registry.iter().filter_map(|module| match module {
        ModuleAt::File(path) => Some(path),
        ModuleAt::Artifact(_) => None,
    });
    let mut files: Vec<_> = of_registry.chain(of_policies).cloned().collect();
    files.sort();
    files.dedup();
    files
}

/// The registry module that the configuration names; none for the built-in
/// one.
pub fn registry(config: &Config, artifacts: &Artifacts) -> Result<Option<ModuleFile>, StartError> {
    let path = match &config.sandbox.registry {
        None => return Ok(None),
        Some(ModuleAt::Artifact(name)) => return Ok(Some(artifacts.file(config, name))),
        Some(ModuleAt::File(path)) => path,
    };
    let read = |cause| StartError::Load(LoadError::Read { path: path.display().to_string(), cause });
    let bytes = map::module(path).map_err(read)?;
    Ok(Some(map::module_file(config, path, bytes)))
}

/// Sections of the configuration that a reload puts in force.
const RELOADED: [&str; 5] = ["policies", "auth", "sandbox.registry", "sandbox.oci", "sandbox.precompiled"];

/// Who changes modules.
pub struct Modules {
    now: RwLock<Arc<Now>>,
    reread: Reread,
    sandbox: Arc<Sandbox>,
    storage: Arc<Directory>,
    stamps: Stamps,
    /// Held while one is changed: one change at a time.
    state: Mutex<State>,
    taken: Arc<Counter>,
    refused: Arc<Counter>,
}

/// What is in force.
struct Now {
    config: Config,
    /// All that it names.
    artifacts: Arc<Artifacts>,
}

struct State {
    status: Status,
    /// Policies that the endpoint put in the place of what is configured.
    posted: BTreeMap<String, Vec<u8>>,
}

impl Modules {
    /// Begins with what was read, and is in force.
    pub fn new(
        config: Config,
        reread: Reread,
        (sandbox, storage): (&Arc<Sandbox>, &Arc<Directory>),
        known: Known,
        metrics: &Metrics,
    ) -> Arc<Self> {
        let counter = |result| {
            metrics.counter(
                "skerry_module_changes_total",
                "Modules that were put in the place of others, and those that could not be used.",
                &[("result", result)],
            )
        };
        let state = Mutex::new(State { status: known.status, posted: BTreeMap::new() });
        Arc::new(Self {
            now: RwLock::new(Arc::new(Now { config, artifacts: known.artifacts })),
            reread,
            sandbox: Arc::clone(sandbox),
            storage: Arc::clone(storage),
            stamps: known.stamps,
            state,
            taken: counter("taken"),
            refused: counter("refused"),
        })
    }

    /// What is in force.
    pub async fn status(&self) -> Status {
        let mut status = self.state.lock().await.status.clone();
        for counts in self.sandbox.policies() {
            if let Some(policy) = status.policies.iter_mut().find(|policy| policy.name == counts.name) {
                policy.world = format!("{}-policy", counts.world.name());
            }
        }
        status
    }

    /// Files that the configuration names modules by.
    pub fn files(&self) -> Vec<PathBuf> {
        files(&self.now().config)
    }

    fn now(&self) -> Arc<Now> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads everything anew, the configuration first, and goes back to what
    /// that names.
    ///
    /// # Errors
    /// A sentence about each part that stays as it was.
    pub async fn reload(&self, by: &str) -> Result<(), Vec<String>> {
        self.sandbox.forget();
        let mut state = self.state.lock().await;
        let now = self.now();
        let fresh = match self.read_again(&now, by).await {
            Ok(fresh) => fresh,
            Err(cause) => return Err(vec![self.refuse("all modules and policies stay as they were", &cause, by)]),
        };
        block_in_place(|| self.stamps.note(&files(&fresh.config)));
        let mut next = now.config.clone();
        let mut wrong = Vec::new();
        let named = |now: &Now| now.config.sandbox.registry.is_some();
        if named(&fresh) || named(&now) || state.status.registry.origin == Origin::Posted {
            let file = block_in_place(|| registry(&fresh.config, &fresh.artifacts));
            match self.take_registry(&mut state, file, by).await {
                Ok(()) => next.sandbox.registry = fresh.config.sandbox.registry.clone(),
                Err(sentence) => wrong.push(sentence),
            }
        }
        if !fresh.config.policies.is_empty() || !now.config.policies.is_empty() {
            let posted = std::mem::take(&mut state.posted);
            match self.take_policies(&mut state, &fresh, by).await {
                Ok(()) => next.policies.clone_from(&fresh.config.policies),
                Err(sentence) => {
                    state.posted = posted;
                    wrong.push(sentence);
                }
            }
        }
        next.sandbox.oci = fresh.config.sandbox.oci.clone();
        next.sandbox.precompiled.clone_from(&fresh.config.sandbox.precompiled);
        let artifacts = Arc::new(fresh.artifacts.only(&next));
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Now { config: next, artifacts });
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// The configuration as it is now, as far as it takes no restart; and what
    /// it names from registries, with what is in force.
    async fn read_again(&self, now: &Now, by: &str) -> Result<Now, String> {
        let (read, warnings) = block_in_place(|| self.reread.read()).map_err(|error| error.to_string())?;
        for warning in warnings {
            tracing::warn!(by, "{warning}");
        }
        let restart = now.config.differs(&read, &RELOADED);
        if !restart.is_empty() {
            tracing::warn!(by, keys = restart.join(" "), "the configuration has changed in what takes a restart");
        }
        let mut config = now.config.clone();
        config.policies = read.policies;
        config.sandbox.registry = read.sandbox.registry;
        config.sandbox.oci = read.sandbox.oci;
        config.sandbox.precompiled = read.sandbox.precompiled;
        let artifacts = now.artifacts.and(&config, &self.storage).await.map_err(|error| error.to_string())?;
        Ok(Now { config, artifacts: Arc::new(artifacts) })
    }

    /// Takes what has changed of these files.
    pub async fn changed(&self, files: &[PathBuf]) {
        const BY: &str = "its file has changed";
        let mut state = self.state.lock().await;
        let now = self.now();
        if matches!(&now.config.sandbox.registry, Some(ModuleAt::File(path)) if files.contains(path)) {
            // What is wrong is in the log.
            let file = block_in_place(|| registry(&now.config, &now.artifacts));
            let _ = self.take_registry(&mut state, file, BY).await;
        }
        let of_changed = |module: &PolicyModule| matches!(module, PolicyModule::File(path) if files.contains(path));
        let names = now.config.policies.iter().filter(|policy| of_changed(&policy.module));
        let names: Vec<_> = names.map(|policy| policy.name.clone()).collect();
        if !names.is_empty() && block_in_place(|| differs(&now.config, &state, &names)) {
            let posted = state.posted.clone();
            state.posted.retain(|name, _| !names.contains(name));
            if self.take_policies(&mut state, &now, BY).await.is_err() {
                state.posted = posted;
            }
        }
    }

    /// Puts another registry module in the place of the one that there is.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub async fn swap_registry(&self, bytes: Vec<u8>, by: &str) -> Result<InForce, String> {
        let mut state = self.state.lock().await;
        self.put_registry(&mut state, Some(self.posted(bytes)), Origin::Posted, by).await?;
        Ok(state.status.registry.clone())
    }

    /// Puts another module in the place of a policy's. Name, settings, grants
    /// and limits stay those of the configuration.
    ///
    /// # Errors
    /// Why it cannot be used; nothing where there is no such policy.
    pub async fn swap_policy(&self, name: &str, bytes: Vec<u8>, by: &str) -> Result<InForce, Option<String>> {
        let now = self.now();
        if !now.config.policies.iter().any(|policy| policy.name == name) {
            return Err(None);
        }
        let mut state = self.state.lock().await;
        let before = state.posted.insert(name.to_owned(), bytes);
        if let Err(sentence) = self.take_policies(&mut state, &now, by).await {
            match before {
                Some(bytes) => state.posted.insert(name.to_owned(), bytes),
                None => state.posted.remove(name),
            };
            return Err(Some(sentence));
        }
        state.status.policies.iter().find(|policy| policy.name == name).cloned().ok_or(None)
    }

    fn posted(&self, bytes: Vec<u8>) -> ModuleFile {
        map::module_file(&self.now().config, Path::new("that was posted"), bytes)
    }

    async fn take_registry(
        &self,
        state: &mut State,
        file: Result<Option<ModuleFile>, StartError>,
        by: &str,
    ) -> Result<(), String> {
        let file = match file {
            Ok(file) => file,
            Err(cause) => return Err(self.refuse("the registry module stays as it was", &cause.to_string(), by)),
        };
        let fresh = in_force::of_registry(file.as_ref());
        if fresh.is(&state.status.registry) {
            tracing::info!(by, "the registry module is what it was");
            return Ok(());
        }
        let origin = fresh.origin;
        self.put_registry(state, file, origin, by).await
    }

    async fn put_registry(
        &self,
        state: &mut State,
        file: Option<ModuleFile>,
        origin: Origin,
        by: &str,
    ) -> Result<(), String> {
        let fresh = InForce { origin, ..in_force::of_registry(file.as_ref()) };
        match self.sandbox.set_module(file).await {
            Ok(()) => {
                self.taken.inc();
                let (from, sha256) = (fresh.origin.to_string(), fresh.sha256.as_deref().unwrap_or("-"));
                tracing::info!(from, sha256, by, "another registry module is in force");
                state.status.registry = fresh;
                Ok(())
            }
            Err(cause) => Err(self.refuse("the registry module stays as it was", &cause.to_string(), by)),
        }
    }

    /// Loads all policies anew: each from its file, or as it was posted.
    async fn take_policies(&self, state: &mut State, now: &Now, by: &str) -> Result<(), String> {
        let read = block_in_place(|| policies::sources(&now.config, &now.artifacts)).map(|mut sources| {
            for source in &mut sources {
                if let Some(bytes) = state.posted.get(&source.name) {
                    source.module = PolicyOrigin::File(self.posted(bytes.clone()));
                }
            }
            sources
        });
        let taken = match read {
            Ok(sources) => {
                let mut fresh: Vec<_> = sources.iter().map(in_force::of_policy).collect();
                for policy in &mut fresh {
                    if state.posted.contains_key(&policy.name) {
                        policy.origin = Origin::Posted;
                    }
                    // What did not change has been in force since then.
                    if let Some(old) = state.status.policies.iter().find(|old| old.is(policy)) {
                        policy.since = old.since;
                    }
                }
                self.sandbox.set_policies(sources).await.map(|()| fresh).map_err(|cause| cause.to_string())
            }
            Err(cause) => Err(cause.to_string()),
        };
        match taken {
            Ok(fresh) => {
                self.taken.inc();
                tracing::info!(policies = fresh.len(), by, "policies are loaded anew");
                state.status.policies = fresh;
                Ok(())
            }
            Err(cause) => Err(self.refuse("policies stay as they were", &cause, by)),
        }
    }

    fn refuse(&self, what: &str, cause: &str, by: &str) -> String {
        self.refused.inc();
        tracing::error!(cause, by, "{what}");
        format!("{what}: {cause}")
    }
}

/// Whether one of these policies' files holds something else than what is in
/// force. One that cannot be read does: then that is said.
fn differs(config: &Config, state: &State, names: &[String]) -> bool {
    config.policies.iter().filter(|policy| names.contains(&policy.name)).any(|policy| {
        let PolicyModule::File(path) = &policy.module else { return false };
        let digest = map::module(path).ok().map(|bytes| Digest::of(Algorithm::Sha256, &bytes).to_string());
        let old = state.status.policies.iter().find(|old| old.name == policy.name);
        digest.is_none() || old.is_none_or(|old| old.sha256 != digest)
    })
}

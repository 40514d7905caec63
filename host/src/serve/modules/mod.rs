//! The modules in force: the registry and the policies, replaced while
//! requests are served.
//!
//! What is new is loaded beside the old, checked, and switched in between two
//! requests; what cannot be used changes nothing. It comes from three sides: a
//! file that the configuration names has changed ([`watch`]), SIGHUP, or the
//! admin endpoint (`serve/admin.rs`). A module that the endpoint put there is
//! kept in memory: it goes with the next restart, the next reload, or when the
//! file changes in whose place it is.

mod in_force;
mod watch;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{sync::Mutex, task::block_in_place};

use self::watch::Stamps;
pub use self::{
    in_force::{InForce, Origin, Status},
    watch::watch,
};
use super::{ServeError, artifacts::Artifacts, map, policies};
use crate::{
    config::{Config, ModuleAt, PolicyModule},
    metrics::{Counter, Metrics},
    sandbox::{LoadError, ModuleFile, PolicyOrigin, PolicySource, Sandbox, StartError},
    storage::{Algorithm, Digest},
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

/// Who changes modules.
pub struct Modules {
    config: Config,
    sandbox: Arc<Sandbox>,
    stamps: Stamps,
    /// They are pinned, and stay what they were at the start.
    artifacts: Arc<Artifacts>,
    /// Held while one is changed: one change at a time.
    state: Mutex<State>,
    taken: Arc<Counter>,
    refused: Arc<Counter>,
}

struct State {
    status: Status,
    /// Policies that the endpoint put in the place of what is configured.
    posted: BTreeMap<String, Vec<u8>>,
}

impl Modules {
    /// Begins with what was read, and is in force.
    pub fn new(config: Config, sandbox: Arc<Sandbox>, known: Known, metrics: &Metrics) -> Arc<Self> {
        let counter = |result| {
            metrics.counter(
                "skerry_module_changes_total",
                "Modules that were put in the place of others, and those that could not be used.",
                &[("result", result)],
            )
        };
        let state = Mutex::new(State { status: known.status, posted: BTreeMap::new() });
        Arc::new(Self {
            config,
            sandbox,
            stamps: known.stamps,
            artifacts: known.artifacts,
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
        files(&self.config)
    }

    /// Reads everything anew, and goes back to what the configuration names.
    ///
    /// # Errors
    /// A sentence about each part that stays as it was.
    pub async fn reload(&self, by: &str) -> Result<(), Vec<String>> {
        self.sandbox.forget();
        let mut state = self.state.lock().await;
        block_in_place(|| self.stamps.note(&self.files()));
        let mut wrong = Vec::new();
        if self.config.sandbox.registry.is_some() || state.status.registry.origin == Origin::Posted {
            wrong.extend(
                self.take_registry(&mut state, block_in_place(|| registry(&self.config, &self.artifacts)), by)
                    .await
                    .err(),
            );
        }
        if !self.config.policies.is_empty() {
            let posted = std::mem::take(&mut state.posted);
            if let Err(sentence) = self.take_policies(&mut state, by).await {
                state.posted = posted;
                wrong.push(sentence);
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// Takes what has changed of these files.
    pub async fn changed(&self, files: &[PathBuf]) {
        const BY: &str = "its file has changed";
        let mut state = self.state.lock().await;
        if matches!(&self.config.sandbox.registry, Some(ModuleAt::File(path)) if files.contains(path)) {
            // What is wrong is in the log.
            let _ =
                self.take_registry(&mut state, block_in_place(|| registry(&self.config, &self.artifacts)), BY).await;
        }
        let of_changed = |module: &PolicyModule| matches!(module, PolicyModule::File(path) if files.contains(path));
        let names = self.config.policies.iter().filter(|policy| of_changed(&policy.module));
        let names: Vec<_> = names.map(|policy| policy.name.clone()).collect();
        if !names.is_empty() && block_in_place(|| self.differs(&state, &names)) {
            let posted = state.posted.clone();
            state.posted.retain(|name, _| !names.contains(name));
            if self.take_policies(&mut state, BY).await.is_err() {
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
        if !self.config.policies.iter().any(|policy| policy.name == name) {
            return Err(None);
        }
        let mut state = self.state.lock().await;
        let before = state.posted.insert(name.to_owned(), bytes);
        if let Err(sentence) = self.take_policies(&mut state, by).await {
            match before {
                Some(bytes) => state.posted.insert(name.to_owned(), bytes),
                None => state.posted.remove(name),
            };
            return Err(Some(sentence));
        }
        state.status.policies.iter().find(|policy| policy.name == name).cloned().ok_or(None)
    }

    fn posted(&self, bytes: Vec<u8>) -> ModuleFile {
        map::module_file(&self.config, Path::new("that was posted"), bytes)
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
    async fn take_policies(&self, state: &mut State, by: &str) -> Result<(), String> {
        let read = block_in_place(|| policies::sources(&self.config, &self.artifacts)).map(|mut sources| {
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

    /// Whether one of these policies' files holds something else than what is
    /// in force. One that cannot be read does: then that is said.
    fn differs(&self, state: &State, names: &[String]) -> bool {
        self.config.policies.iter().filter(|policy| names.contains(&policy.name)).any(|policy| {
            let PolicyModule::File(path) = &policy.module else { return false };
            let digest = map::module(path).ok().map(|bytes| Digest::of(Algorithm::Sha256, &bytes).to_string());
            let old = state.status.policies.iter().find(|old| old.name == policy.name);
            digest.is_none() || old.is_none_or(|old| old.sha256 != digest)
        })
    }

    fn refuse(&self, what: &str, cause: &str, by: &str) -> String {
        self.refused.inc();
        tracing::error!(cause, by, "{what}");
        format!("{what}: {cause}")
    }
}

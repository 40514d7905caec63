//! Who tells facts: the registry module, as far as it exports `inventory`.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::{Engine, Store};

use super::super::{
    Shared,
    bindings::{
        Inventory,
        fact_types::{Referrer, StoredManifest, TagPage, Usage},
        inventory::{Holding, Place, Tally},
        types::Failure,
    },
    ending::describe,
    module::Module,
    state::State,
    store,
};
use super::ledger::Ledger;
use crate::storage::{Digest, Key};

/// Bytes of the largest manifest or blob that is told.
pub const LARGEST: u64 = 4 << 20;

/// Tags of one page, and referrers of one answer.
pub const TAGS: u32 = 1_000;
pub const REFERRERS: usize = 1_000;

/// Looks at the storage in one step of a count, and steps of one count: a
/// module that never says that it is done is stopped.
const BUDGET: u32 = 1_000;
const STEPS: u32 = 1_000_000;

/// Counts that go on at once.
const COUNTS: usize = 2;

/// The module that is in use, and instances of it beside those of requests.
pub struct Teller {
    engine: Engine,
    shared: Arc<Shared>,
    module: Arc<RwLock<Arc<Module>>>,
    turns: Semaphore,
    /// Counts that go on at once.
    pub(super) counts: Semaphore,
    /// What is known of trees.
    pub ledger: Arc<Ledger>,
}

/// An instance that is asked one thing.
struct Asked<'a> {
    store: Store<State>,
    instance: Inventory,
    _turn: SemaphorePermit<'a>,
}

/// Asks the module one thing.
macro_rules! tell {
    ($teller:ident, $call:ident($($argument:expr),*)) => {{
        let mut asked = $teller.begin().await?;
        let told = asked.instance.skerry_registry_inventory().$call(&mut asked.store, $($argument),*).await;
        asked.end(told)
    }};
}

impl Teller {
    /// Asks this module, in so many instances at once.
    pub fn new(engine: Engine, shared: Arc<Shared>, module: Arc<RwLock<Arc<Module>>>, instances: u32) -> Self {
        let turns = Semaphore::new(usize::try_from(instances).unwrap_or(1).max(1));
        let ledger = Arc::new(Ledger::new(shared.limits.recount));
        Self { engine, shared, module, turns, counts: Semaphore::new(COUNTS), ledger }
    }

    /// Tags of a repository.
    pub async fn tags(&self, repository: &str, after: Option<&str>, limit: u32) -> Result<TagPage, Failure> {
        let limit = limit.min(TAGS);
        let mut page: TagPage = tell!(self, call_tags(repository, after, limit))?;
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        page.more |= page.tags.len() > most;
        page.tags.truncate(most);
        Ok(page)
    }

    /// Manifests that refer to another one.
    pub async fn referrers(
        &self,
        repository: &str,
        subject: &String,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Referrer>, Failure> {
        Digest::parse(subject)?;
        let mut found: Vec<Referrer> = tell!(self, call_referrers(repository, subject, artifact_type))?;
        found.truncate(REFERRERS);
        Ok(found)
    }

    /// A manifest; its bytes are what its digest says.
    pub async fn manifest(&self, repository: &str, reference: &str) -> Result<StoredManifest, Failure> {
        let found: StoredManifest = tell!(self, call_manifest(repository, reference))?;
        let size = found.content.len();
        if u64::try_from(size).is_ok_and(|size| size > LARGEST) {
            return Err(Failure::TooLarge(LARGEST));
        }
        if reference.contains(':') && found.digest != reference {
            return Err(Failure::Other("the module told of another manifest than was asked for".to_owned()));
        }
        genuine(&found.digest, &found.content)?;
        Ok(found)
    }

    /// The bytes of a blob; they are what its digest says.
    pub async fn blob(&self, repository: &str, digest: &String, limit: u64) -> Result<Vec<u8>, Failure> {
        Digest::parse(digest)?;
        let Place { key, size } = tell!(self, call_blob(repository, digest))?;
        let limit = limit.min(LARGEST);
        if size > limit {
            return Err(Failure::TooLarge(size));
        }
        let bytes = self.shared.storage.read(&Key::parse(&key)?, limit).await?;
        genuine(digest, &bytes)?;
        Ok(bytes.into())
    }

    /// What of this a repository holds.
    pub async fn holds(
        &self,
        repository: &str,
        manifest: Option<&String>,
        blob: Option<&String>,
    ) -> Result<Holding, Failure> {
        tell!(self, call_holds(repository, manifest, blob))
    }

    /// Counts a tree, step by step.
    pub async fn count(&self, tree: &str) -> Result<Usage, Failure> {
        let mut sum = Usage::default();
        let mut cursor: Option<String> = None;
        for _ in 0..STEPS {
            let Tally { usage, cursor: next } = tell!(self, call_usage(tree, cursor.as_deref(), BUDGET))?;
            sum = sum.plus(&usage);
            match next {
                None => return Ok(sum),
                Some(next) if cursor.as_ref() == Some(&next) => {
                    return Err(Failure::Other("the module makes no progress in counting".to_owned()));
                }
                Some(next) => cursor = Some(next),
            }
        }
        Err(Failure::Other("the module does not come to an end in counting".to_owned()))
    }

    async fn begin(&self) -> Result<Asked<'_>, Failure> {
        let turn = tokio::time::timeout(self.shared.limits.queue_time, self.turns.acquire()).await;
        let Ok(Ok(turn)) = turn else { return Err(Failure::Busy) };
        let module = Arc::clone(&self.module.read().unwrap_or_else(PoisonError::into_inner));
        let Some(inventory) = &module.linked.inventory else {
            return Err(Failure::Other(
                "the registry module tells nothing: it does not export skerry:registry/inventory@0.1.0".to_owned(),
            ));
        };
        let mut store = store(&self.engine, &self.shared, State::new(Arc::clone(&self.shared), None, None));
        let instance = inventory.instantiate_async(&mut store).await.map_err(|cause| failed(&cause))?;
        Ok(Asked { store, instance, _turn: turn })
    }
}

impl Asked<'_> {
    fn end<T>(self, told: wasmtime::Result<Result<T, Failure>>) -> Result<T, Failure> {
        self.store.data().output.log("facts");
        told.map_err(|cause| failed(&cause))?
    }
}

fn failed(cause: &wasmtime::Error) -> Failure {
    let cause = describe(cause);
    tracing::error!(cause, "the registry module failed when it was asked for facts");
    Failure::Other(format!("the registry module failed: {cause}"))
}

/// Whether bytes are what their digest says, whatever the module said.
fn genuine(digest: &str, bytes: &[u8]) -> Result<(), Failure> {
    let digest = Digest::parse(digest)?;
    match Digest::of(digest.algorithm(), bytes) == digest {
        true => Ok(()),
        false => Err(Failure::DigestMismatch),
    }
}

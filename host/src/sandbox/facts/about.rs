//! One event, and what a policy that decides on it may ask.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Mutex as AsyncMutex;

use super::{
    super::{
        bindings::{
            fact_types::{Referrer, StoredManifest, TagPage, Usage},
            storage_policy_types::Event,
            types::Failure,
        },
        limits::Guard,
    },
    ledger::{Admitted, Known, Relied},
    tell::Teller,
    thing::{Addition, Kind, is_within},
};

/// How long a request waits for the first count of a tree.
const FIRST: Duration = Duration::from_secs(30);

/// How long it waits for a better one, before a denial stands.
const BETTER: Duration = Duration::from_secs(10);

/// What is asked is about the repository of this event, and nothing else can
/// be named.
pub struct About {
    teller: Arc<Teller>,
    repository: String,
    additions: Vec<Addition>,
    /// When the event was first asked about.
    began: u64,
    /// What of the additions is new, as the module says.
    found: AsyncMutex<Option<Vec<Addition>>>,
    round: Mutex<Round>,
}

/// What came up while the policies were asked, once.
#[derive(Default)]
struct Round {
    relied: Vec<Relied>,
    /// What the policy was told of that is asked just now.
    told: Vec<String>,
    /// A tree that has to be counted first.
    wanted: Option<String>,
    /// Trees that cannot be counted.
    failed: HashMap<String, Failure>,
    /// Whether figures were counted anew already.
    doubted: bool,
}

/// A policy asked for what has to be counted first: it is to be asked again.
#[derive(Debug, thiserror::Error)]
#[error("guard facts: the policy waits for a count")]
pub struct Later;

/// The figures have grown since the policies were asked.
pub struct Grown;

impl About {
    /// This event.
    pub fn new(teller: &Arc<Teller>, event: &Event) -> Self {
        Self {
            teller: Arc::clone(teller),
            repository: event.repository.clone(),
            additions: Addition::of(event),
            began: teller.ledger.now(),
            found: AsyncMutex::default(),
            round: Mutex::default(),
        }
    }

    /// What a tree holds that the repository is in.
    pub fn usage(&self, tree: &str) -> wasmtime::Result<Result<Usage, Failure>> {
        if !is_within(&self.repository, tree) {
            return Err(Guard::Tree.into());
        }
        let mut round = self.round();
        if !round.told.iter().any(|known| known == tree) {
            round.told.push(tree.to_owned());
        }
        if let Some(failure) = round.failed.get(tree) {
            return Ok(Err(failure.clone()));
        }
        match self.teller.ledger.ask(tree) {
            Known::Figure { usage, relied, due } => {
                // The first that was told counts: a later one may hide a change.
                if round.relied.iter().all(|known| known.tree != tree) {
                    round.relied.push(relied);
                }
                drop(round);
                if due {
                    self.teller.recount(tree);
                }
                Ok(Ok(usage))
            }
            Known::Nothing => {
                round.wanted = Some(tree.to_owned());
                Err(Later.into())
            }
        }
    }

    /// What the event adds.
    pub async fn adds(&self) -> Result<Usage, Failure> {
        let found = self.found().await?;
        let open = |addition: &&Addition| self.teller.ledger.is_open(&self.repository, addition);
        let new = found.iter().filter(|addition| addition.new && !open(addition));
        Ok(new.fold(Usage::default(), |sum, addition| sum.plus(&addition.usage())))
    }

    async fn found(&self) -> Result<Vec<Addition>, Failure> {
        let mut known = self.found.lock().await;
        if let Some(found) = &*known {
            return Ok(found.clone());
        }
        let (mut manifest, mut blob) = (None, None);
        for addition in &self.additions {
            match &addition.kind {
                Kind::Manifest(digest) => manifest = Some(digest),
                Kind::Blob(digest) => blob = Some(digest),
                Kind::Repository | Kind::Tag(_) => {}
            }
        }
        let mut found = self.additions.clone();
        if !found.is_empty() {
            let held = self.teller.holds(&self.repository, manifest, blob).await?;
            for addition in &mut found {
                addition.new = match addition.kind {
                    Kind::Repository => !held.repository,
                    Kind::Manifest(_) => !held.manifest,
                    Kind::Blob(_) => !held.blob,
                    // The event itself says that it is.
                    Kind::Tag(_) => true,
                };
            }
        }
        *known = Some(found.clone());
        Ok(found)
    }

    /// Tags of the repository.
    pub async fn tags(&self, after: Option<&str>, limit: u32) -> Result<TagPage, Failure> {
        self.teller.tags(&self.repository, after, limit).await
    }

    /// What refers to a manifest there.
    pub async fn referrers(&self, subject: &String, artifact_type: Option<&str>) -> Result<Vec<Referrer>, Failure> {
        self.teller.referrers(&self.repository, subject, artifact_type).await
    }

    /// A manifest of it.
    pub async fn manifest(&self, reference: &str) -> Result<StoredManifest, Failure> {
        self.teller.manifest(&self.repository, reference).await
    }

    /// A blob of it.
    pub async fn blob(&self, digest: &String, limit: u64) -> Result<Vec<u8>, Failure> {
        self.teller.blob(&self.repository, digest, limit).await
    }

    /// The policies are asked, all of them: nothing of an earlier time counts.
    pub async fn begin_round(&self) {
        *self.found.lock().await = None;
        let mut round = self.round();
        (round.relied, round.wanted) = (Vec::new(), None);
    }

    /// Waits for the count that a policy wanted. One that fails is a failure
    /// of the question then.
    pub async fn wait(&self) {
        let Some(tree) = self.round().wanted.take() else { return };
        if let Err(failure) = self.teller.counted(&tree, 0, FIRST).await {
            self.round().failed.insert(tree, failure);
        }
    }

    /// Another policy is asked.
    pub fn begin_policy(&self) {
        self.round().told.clear();
    }

    /// The policy is against it: counts the trees anew that it was told of,
    /// once. Whether that was done, and all are to be asked again.
    pub async fn doubt(&self) -> bool {
        let trees = {
            let mut round = self.round();
            if round.told.is_empty() || std::mem::replace(&mut round.doubted, true) {
                return false;
            }
            std::mem::take(&mut round.told)
        };
        for tree in trees {
            // Where that takes too long, the figures stand.
            if self.teller.counted(&tree, self.began, BETTER).await.is_err() {
                return false;
            }
        }
        true
    }

    /// The policies let it in.
    pub async fn admit(&self) -> Result<Option<Admitted>, Grown> {
        if self.additions.is_empty() {
            return Ok(None);
        }
        let ledger = &self.teller.ledger;
        // Where no figure is kept that it could be in, nobody needs to know.
        let found = if ledger.keeps(&self.repository) { self.found().await.ok() } else { None };
        let relied = self.round().relied.clone();
        let additions = found.as_ref().unwrap_or(&self.additions);
        ledger.admit(&self.repository, additions, &relied).map(Some).ok_or(Grown)
    }

    fn round(&self) -> MutexGuard<'_, Round> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

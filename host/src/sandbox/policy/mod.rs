//! Policies: components that decide who may do what, and what may be stored.
//!
//! A registry module asks through its imports (`access`, `admission`), and
//! the host runs the configured chain: each policy in instances of its own,
//! with limits, settings, files and secrets of its own. No instance serves two
//! requests, no policy sees a registry's storage, and none sees what another
//! one has.
//!
//! What a policy decided is kept only for as long as it said, while the files
//! that it read are as they were ([`decisions`]); so is every remembered
//! answer that rests on it.

mod challenge;
mod client;
mod concerns;
mod decisions;
mod evidence;
mod exports;
mod facts;
mod live;
mod load;
mod one;
mod question;
mod rehearsal;
mod retain;
mod rights;
mod ruling;
mod said;
mod session;
mod values;

use std::sync::{Arc, atomic::Ordering};

use tokio::sync::Semaphore;
use wasmtime::Engine;

use self::{concerns::Concerns, decisions::Decisions, load::Components, one::Policy};
pub use self::{
    concerns::concern,
    load::{Origin, Source, World, built_in},
    rehearsal::{Asked, Rehearsal, Scene},
    session::Session,
};
use super::{engine::Ticker, facts::Teller, module::LoadError};

/// What all policies share.
pub struct Common {
    pub engine: Engine,
    pub ticker: Ticker,
    /// The seed that their hash maps get.
    pub seed: u128,
    /// Who tells storage policies what the registry holds.
    pub teller: Arc<Teller>,
    /// Instances that all of them may be in, those of chains that were replaced
    /// and still run among them.
    pub instances: Arc<Semaphore>,
    /// How many that are.
    pub slots: u32,
}

impl Common {
    /// Whether half of those instances or more may begin now.
    fn is_roomy(&self) -> bool {
        let slots = usize::try_from(self.slots).unwrap_or(usize::MAX);
        self.instances.available_permits() >= slots.div_ceil(2)
    }
}

/// The chain, as it was configured. A changed configuration makes another one,
/// with no decision of this one.
pub struct Policies {
    common: Common,
    auth: Vec<Policy>,
    storage: Vec<Policy>,
    /// What any of the storage policies is about.
    concerns: Concerns,
    decisions: Decisions,
}

/// What was counted of one policy since it was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyCounts {
    /// Its name.
    pub name: String,
    /// What it decides on.
    pub world: World,
    /// Questions that were put to it.
    pub asked: u64,
    /// Those that it failed to answer.
    pub failed: u64,
}

impl Policies {
    /// Loads all of them, in order.
    pub async fn load(common: Common, sources: Vec<Source>) -> Result<Self, LoadError> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|cause| LoadError::Random(cause.to_string()))?;
        let mut policies = Self {
            common,
            auth: Vec::new(),
            storage: Vec::new(),
            concerns: Concerns::default(),
            decisions: Decisions::new(secret),
        };
        let mut components = Components::default();
        for source in sources {
            let policy = load::load(&policies.common, &mut components, source).await?;
            policies.concerns = policies.concerns.and(policy.concerns);
            match policy.pre {
                exports::Pre::Auth(_) => policies.auth.push(policy),
                exports::Pre::Storage(_) => policies.storage.push(policy),
            }
        }
        Ok(policies)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.auth.is_empty() && self.storage.is_empty()
    }

    /// What was counted of each.
    pub fn counts(&self) -> Vec<PolicyCounts> {
        let of = |policy: &Policy| PolicyCounts {
            name: policy.rights.name.clone(),
            world: match policy.pre {
                exports::Pre::Auth(_) => World::Auth,
                exports::Pre::Storage(_) => World::Storage,
            },
            asked: policy.asked.load(Ordering::Relaxed),
            failed: policy.failed.load(Ordering::Relaxed),
        };
        self.auth.iter().chain(&self.storage).map(of).collect()
    }

    /// How often a decision was there already, and how often not.
    pub fn decisions(&self) -> (u64, u64) {
        self.decisions.counts()
    }
}

//! Instances of auth policies, for as long as they are asked about one thing.
//!
//! A chain asks each of its policies a few questions about one client: who it
//! is, whether it may, what it is to show. Its instance answers them all, and
//! none about anything else. That saves time and nothing hangs on it: where
//! instances are scarce, each question has one of its own.

use std::sync::{Arc, atomic::Ordering};

use wasmtime::{Store, component};

use super::{
    super::moment::Moment,
    one::{ANSWER, Asking, Failed, Permits, Policy},
    rights::State,
};

/// Questions that one instance answers, so that what it leaves behind in its
/// memory adds up to little.
const QUESTIONS: u32 = 64;

/// An instance, or a place for one.
pub struct Instance {
    pub store: Store<State>,
    /// Nothing until it is begun.
    pub begun: Option<component::Instance>,
    /// Since when what it sees holds: its answers may rest on whatever it read
    /// for earlier ones.
    pub since: Moment,
    left: u32,
    _permits: Permits,
}

/// Those of a chain that may be asked more.
#[derive(Default)]
pub struct Live(Vec<Instance>);

impl Live {
    /// Keeps one, unless others may want its place.
    pub fn keep(&mut self, policy: &Policy, asking: &Asking<'_>, mut instance: Instance) {
        instance.left = instance.left.saturating_sub(1);
        if instance.left > 0 && policy.instances.is_roomy() && asking.common.is_roomy() {
            self.0.push(instance);
        }
    }

    fn take(&mut self, policy: &Policy) -> Option<Instance> {
        let of_it = |instance: &Instance| Arc::ptr_eq(&instance.store.data().rights, &policy.rights);
        self.0.iter().position(of_it).map(|index| self.0.swap_remove(index))
    }
}

impl Policy {
    /// An instance to put one question to.
    pub async fn instance(&self, asking: &Asking<'_>, live: &mut Live) -> Result<Instance, Failed> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if let Some(mut instance) = live.take(self) {
            instance.store.data_mut().renew(&asking.common.ticker);
            instance.store.set_hostcall_fuel(ANSWER);
            return Ok(instance);
        }
        let permits = match self.permits_at_hand(asking.common) {
            Some(permits) => permits,
            // Whoever waits holds nothing that others may wait for.
            None => {
                live.0.clear();
                self.permits(asking).await?
            }
        };
        let store = self.store(asking.common);
        Ok(Instance { store, begun: None, since: Moment::now(), left: QUESTIONS, _permits: permits })
    }
}

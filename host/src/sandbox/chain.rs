//! The policies that are asked, as requests find them.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
};

use super::policy::Policies;

/// The policies, if there are any.
#[derive(Default)]
pub struct Chain {
    policies: RwLock<Option<Arc<Policies>>>,
    /// Whether there are any: where there are none, as with most, a request
    /// learns it without a lock.
    any: AtomicBool,
}

impl Chain {
    /// For a request that begins now.
    pub fn get(&self) -> Option<Arc<Policies>> {
        if !self.any.load(Ordering::SeqCst) {
            return None;
        }
        self.policies.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on.
    pub fn set(&self, policies: Option<Arc<Policies>>) {
        let mut now = self.policies.write().unwrap_or_else(PoisonError::into_inner);
        *now = policies;
        self.any.store(now.is_some(), Ordering::SeqCst);
    }
}

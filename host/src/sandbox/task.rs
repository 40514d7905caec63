//! What the steps of one task share.

use std::sync::{Arc, atomic::AtomicU64};

use super::{marks::Marks, policy::Policies};

/// One run of a task.
#[derive(Default)]
pub struct Task {
    pub marks: Marks,
    /// Bytes that were hashed so far.
    pub hashed: Arc<AtomicU64>,
    /// The chain when it began.
    pub policies: Option<Arc<Policies>>,
}

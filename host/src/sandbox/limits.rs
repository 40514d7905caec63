//! What one request, and all of them together, may use of the sandbox.

use std::time::Duration;

use wasmtime::{Error, ResourceLimiter, Result};

/// Limits of the sandbox; `sandbox` and `limits` in the configuration.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Instances that run at once.
    pub instances: u32,
    /// Instances that wait for a body at once, beside those that run.
    pub parked: u32,
    /// Of those, for one address or IPv6 /64.
    pub parked_per_address: u32,
    /// Of those, for one principal.
    pub parked_per_principal: u32,
    /// Instances that wait for a policy at once, beside all those.
    pub asking: u32,
    /// Of those, for one address or IPv6 /64.
    pub asking_per_address: u32,
    /// Requests that may wait for an instance; beyond it the answer is 503.
    pub queue: usize,
    /// How long a request may wait for an instance.
    pub queue_time: Duration,
    /// How long a count of what is stored is relied on.
    pub recount: Duration,
    /// Bytes of all linear memories of one instance.
    pub memory: usize,
    /// Elements of all tables of one instance.
    pub table_elements: usize,
    /// Time that a guest may compute for one request. A host call's own time
    /// is not counted.
    pub time: Duration,
    /// Time that the host may look at the storage for one request.
    pub storage_time: Duration,
    /// Host calls that a guest may make for one request.
    pub calls: u32,
    /// Bytes that host calls may hand to a guest for one request.
    pub bytes: u64,
    /// Bytes of an answer's own body, and of any one call's arguments.
    pub answer: usize,
    /// Bytes of a request body that a guest may read.
    pub body_in_memory: u64,
    /// Bytes of an object that a guest may read.
    pub object_in_memory: u64,
    /// How long a client may be silent in the middle of a body.
    pub idle: Duration,
}

/// Instances that may wait for a body in slots of the pool, at the most: each
/// slot takes time to make, at every start, and few registries have need of so
/// many.
const NEAR: u32 = 128;

impl Limits {
    /// Of those that may wait for a body, as many as the pool has slots for.
    pub fn near(&self) -> u32 {
        self.parked.min(NEAR)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            instances: 64,
            parked: 1024,
            parked_per_address: 256,
            parked_per_principal: 256,
            asking: 256,
            asking_per_address: 128,
            queue: 4096,
            queue_time: Duration::from_secs(10),
            recount: Duration::from_secs(300),
            memory: 64 << 20,
            table_elements: 32 << 10,
            time: Duration::from_secs(1),
            storage_time: Duration::from_secs(300),
            calls: 200_000,
            bytes: 256 << 20,
            answer: 8 << 20,
            body_in_memory: 4 << 20,
            object_in_memory: 4 << 20,
            idle: Duration::from_secs(60),
        }
    }
}

/// A limit that ended a guest: named in the log, and in tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Guard {
    /// It computed for too long.
    #[error("guard time: the guest computed for longer than sandbox.time")]
    Time,
    /// It waited for too long, of its own accord.
    #[error("guard wait: the guest waited for longer than sandbox.time")]
    Wait,
    /// It computed or waited for too long before it answered.
    #[error("guard patience: no answer within four times its limits.time and two seconds")]
    Patience,
    /// It had the host look at the storage for too long.
    #[error("guard storage: the guest had the host look at the storage for longer than sandbox.storage_time")]
    Storage,
    /// Its memories grew too large.
    #[error("guard memory: the guest asked for more than sandbox.memory")]
    Memory,
    /// Its tables grew too large.
    #[error("guard table: the guest asked for more table elements than it may have")]
    Table,
    /// It made too many host calls.
    #[error("guard calls: the guest made more host calls than sandbox.calls")]
    Calls,
    /// It read too much.
    #[error("guard bytes: the guest was handed more than sandbox.bytes")]
    Bytes,
    /// A policy asked about what it does not decide on.
    #[error("guard tree: the policy asked for the usage of a tree that the event's repository is not in")]
    Tree,
}

/// Counts what one instance has taken of its memory, over all its memories:
/// wasmtime's own limiter counts each alone.
#[derive(Debug)]
pub struct Allowance {
    memory: usize,
    table: usize,
}

impl Allowance {
    /// A full allowance.
    pub const fn new(limits: &Limits) -> Self {
        Self { memory: limits.memory, table: limits.table_elements }
    }

    /// Bytes of memory that were taken of a full one.
    pub const fn taken(&self, limits: &Limits) -> usize {
        limits.memory.saturating_sub(self.memory)
    }
}

impl ResourceLimiter for Allowance {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        take(&mut self.memory, current, desired, Guard::Memory)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        take(&mut self.table, current, desired, Guard::Table)
    }

    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        8
    }
}

/// A refused grow ends the guest: what it would answer from then on depended
/// on how much memory there was.
fn take(left: &mut usize, current: usize, desired: usize, guard: Guard) -> Result<bool> {
    match left.checked_sub(desired.saturating_sub(current)) {
        Some(rest) => {
            *left = rest;
            Ok(true)
        }
        None => Err(Error::new(guard)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component may have several memories and tables.
    #[test]
    fn all_memories_of_an_instance_are_counted_together() {
        let mut allowance = Allowance::new(&Limits { memory: 100, table_elements: 10, ..Limits::default() });
        assert!(allowance.memory_growing(0, 60, None).unwrap());
        assert!(allowance.memory_growing(0, 30, None).unwrap());
        assert!(allowance.memory_growing(60, 70, None).unwrap());
        let refused = allowance.memory_growing(30, 31, None).unwrap_err();
        assert_eq!(refused.downcast_ref(), Some(&Guard::Memory));
        assert!(allowance.table_growing(0, 6, None).unwrap());
        let refused = allowance.table_growing(0, 5, None).unwrap_err();
        assert_eq!(refused.downcast_ref(), Some(&Guard::Table));
    }
}

//! Who may run: permits for instances, a bounded queue before them, and room
//! beside them for those that wait for a client.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits::Limits;

/// Permits of one kind of module.
#[derive(Debug)]
pub struct Instances {
    running: Arc<Semaphore>,
    parked: Arc<Semaphore>,
    places: usize,
    queued: AtomicUsize,
    queue: usize,
    patience: Duration,
}

impl Instances {
    /// Permits such that all of them fit into `slots` of the pool.
    pub fn new(limits: &Limits, slots: u32) -> Self {
        // Some are for work in the background, and for those that end.
        let spare = (slots / 8).clamp(1, 8);
        let rest = slots.saturating_sub(spare);
        let scarce = rest < limits.instances.saturating_add(limits.parked);
        let running = limits.instances.clamp(1, if scarce { rest / 2 } else { rest }.max(1));
        let parked = limits.parked.min(rest.saturating_sub(running));
        let permits = |count: u32| Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(0)));
        Self {
            running: permits(running),
            parked: permits(parked),
            places: usize::try_from(parked).unwrap_or(0),
            queued: AtomicUsize::new(0),
            queue: limits.queue,
            patience: limits.queue_time,
        }
    }

    /// A permit to run, at once or after a wait in the queue; none when the
    /// queue is full or does not move.
    pub async fn admit(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.running).try_acquire_owned() {
            return Some(permit);
        }
        let _place = Place::take(&self.queued, self.queue)?;
        let permit = Arc::clone(&self.running).acquire_owned();
        tokio::time::timeout(self.patience, permit).await.ok()?.ok()
    }

    /// Room to wait for a client without a permit to run.
    pub fn park(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.parked).try_acquire_owned().ok()
    }

    /// A permit to run for one that has waited for its client; it never fails,
    /// as what the client sent is there already.
    pub async fn resume(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.running).acquire_owned().await.ok()
    }

    /// Permits to run that are free.
    pub fn free(&self) -> usize {
        self.running.available_permits()
    }

    /// Instances that wait for their client.
    pub fn parked(&self) -> usize {
        self.places.saturating_sub(self.parked.available_permits())
    }

    /// Requests that wait for a permit.
    pub fn waiting(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }
}

/// A place in the queue, given back when it is dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(queued: &'a AtomicUsize, most: usize) -> Option<Self> {
        let place = Self(queued);
        (queued.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_fit_into_the_slots() {
        for (instances, parked, slots, expected) in [
            (64, 1024, 1096, (64, 1024)),
            (1, 3, 16, (1, 3)),
            // Where address space is scarce, half of them may wait.
            (64, 1024, 16, (7, 7)),
            (64, 1024, 9, (4, 4)),
            (64, 1024, 4, (1, 2)),
            (1, 1024, 16, (1, 13)),
        ] {
            let instances = Instances::new(&Limits { instances, parked, ..Limits::default() }, slots);
            assert_eq!((instances.free(), instances.places), expected, "{slots} slots");
        }
    }
}

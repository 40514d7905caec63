//! Who may run: permits for instances, a bounded queue before them, and room
//! beside them for those that wait for a body or for a policy.
//!
//! The pool has slots for all that run or wait for a policy, and for some of
//! those that wait for a body; the rest of these is in the annex.
//!
//! Nobody waits here for what waits for it. One that waits for a body gives
//! its permit to run back, or slow uploads stop all pulls. One that waits for
//! a policy has room of its own, or those uploads stop whatever needs a
//! policy; and each policy has its own permits, which only it hands out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    limits::Limits,
    room::{Client, Full, Place, Room},
};

/// Permits of one kind of module.
#[derive(Debug)]
pub struct Instances {
    running: Arc<Semaphore>,
    /// How many those are in all.
    most: usize,
    /// For those that wait for a body.
    bodies: Room,
    /// Slots of the pool that they may keep meanwhile, where they are not as
    /// many as may wait.
    near: Option<Arc<Semaphore>>,
    /// For those that wait for a policy.
    answers: Room,
    /// Those that may keep their permit to run while they wait for a policy,
    /// where there is no more such room: half, so that others still run.
    keeping: Arc<Semaphore>,
    crowded: AtomicU64,
    queued: AtomicUsize,
    queue: usize,
    patience: Duration,
}

/// Where an instance is.
#[derive(Debug)]
pub enum Slot {
    /// In a slot of the pool, for as long as it runs.
    Lent,
    /// In one that it may keep while it waits for a body.
    Kept(Option<OwnedSemaphorePermit>),
    /// In the annex.
    Apart,
}

/// How one waits for a policy.
pub enum Asking {
    /// Without a permit to run.
    Beside(Place),
    /// With the one that it has.
    Running(OwnedSemaphorePermit),
}

impl Instances {
    /// Permits such that all of them fit into `slots` of the pool, and into the
    /// space for as many `beside` it.
    pub fn new(limits: &Limits, slots: u32, beside: u32) -> Self {
        // Some are for work in the background, and for those that end.
        let spare = (slots / 8).clamp(1, 8);
        let rest = slots.saturating_sub(spare);
        let scarce = rest < limits.instances.saturating_add(limits.near()).saturating_add(limits.asking);
        let running = limits.instances.clamp(1, if scarce { rest / 2 } else { rest }.max(1));
        let rest = rest.saturating_sub(running);
        let asking = limits.asking.min(if scarce { rest / 4 } else { rest });
        let pooled = limits.near().min(rest.saturating_sub(asking));
        // Where address space is scarce, there is none for an annex either.
        let parked = if scarce { pooled } else { limits.parked.min(beside.max(pooled)) };
        let permits = |count: u32| Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(0)));
        Self {
            running: permits(running),
            most: usize::try_from(running).unwrap_or(usize::MAX),
            near: (pooled < parked).then(|| permits(pooled)),
            bodies: Room::new(parked, limits.parked, limits.parked_per_address, limits.parked_per_principal),
            answers: Room::new(asking, limits.asking, limits.asking_per_address, u32::MAX),
            // On a small machine all of them, as to wait is better than to fail.
            keeping: permits(if scarce { running } else { (running / 2).max(1) }),
            crowded: AtomicU64::new(0),
            queued: AtomicUsize::new(0),
            queue: limits.queue,
            patience: limits.queue_time,
        }
    }

    /// A permit to run, at once or after a wait in the queue; none when the
    /// queue is full or does not move.
    pub async fn admit(&self) -> Option<OwnedSemaphorePermit> {
        if let Some(permit) = self.at_hand() {
            return Some(permit);
        }
        let _turn = Turn::take(&self.queued, self.queue)?;
        let permit = Arc::clone(&self.running).acquire_owned();
        tokio::time::timeout(self.patience, permit).await.ok()?.ok()
    }

    /// A permit to run, if there is one now.
    pub fn at_hand(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.running).try_acquire_owned().ok()
    }

    /// Whether half of the permits to run, or more, are free.
    pub fn is_roomy(&self) -> bool {
        self.free() >= self.most.div_ceil(2)
    }

    /// Where an instance is to begin; `sent` says that its request has a body,
    /// for which it may wait.
    pub fn slot(&self, sent: bool) -> Slot {
        match &self.near {
            None => Slot::Kept(None),
            Some(near) if sent => {
                Arc::clone(near).try_acquire_owned().map_or(Slot::Apart, |kept| Slot::Kept(Some(kept)))
            }
            Some(_) => Slot::Lent,
        }
    }

    /// Room to wait for a client's body, without a permit to run.
    pub fn park(&self, client: Option<&Client>, slot: &mut Slot) -> Option<Place> {
        if let (Slot::Lent, Some(near)) = (&*slot, &self.near) {
            *slot = Slot::Kept(Some(self.refusing(Arc::clone(near).try_acquire_owned().ok())?));
        }
        self.refusing(self.bodies.take(client).ok())
    }

    /// Leave to wait for a policy.
    pub fn ask(&self, client: Option<&Client>) -> Option<Asking> {
        self.refusing(match self.answers.take(client) {
            Ok(place) => Some(Asking::Beside(place)),
            Err(Full::All) => Arc::clone(&self.keeping).try_acquire_owned().ok().map(Asking::Running),
            Err(Full::Share) => None,
        })
    }

    fn refusing<T>(&self, given: Option<T>) -> Option<T> {
        if given.is_none() {
            self.crowded.fetch_add(1, Ordering::Relaxed);
        }
        given
    }

    /// A permit to run for one that has waited; it never fails, as what it
    /// waited for is there already.
    pub async fn resume(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.running).acquire_owned().await.ok()
    }

    /// Permits to run that are free.
    pub fn free(&self) -> usize {
        self.running.available_permits()
    }

    /// Instances that wait for a body, and those that wait for a policy.
    pub fn parked(&self) -> (usize, usize) {
        (self.bodies.taken(), self.answers.taken())
    }

    /// Instances that were not allowed to wait, as too many did already.
    pub fn crowded(&self) -> u64 {
        self.crowded.load(Ordering::Relaxed)
    }

    /// Requests that wait for a permit.
    pub fn waiting(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }
}

/// A turn in the queue, given back when it is dropped.
struct Turn<'a>(&'a AtomicUsize);

impl<'a> Turn<'a> {
    fn take(queued: &'a AtomicUsize, most: usize) -> Option<Self> {
        let turn = Self(queued);
        (queued.fetch_add(1, Ordering::Relaxed) < most).then_some(turn)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_fit_into_the_slots() {
        for (instances, parked, asking, (slots, beside), expected) in [
            // Most of those that wait for a body need none of them.
            (64, 1024, 256, (456, u32::MAX), (64, 1024, 256, Some(128))),
            (64, 1024, 256, (456, 400), (64, 400, 256, Some(128))),
            (64, 1024, 256, (456, 0), (64, 128, 256, None)),
            (64, 128, 256, (456, u32::MAX), (64, 128, 256, None)),
            (1, 3, 2, (16, u32::MAX), (1, 3, 2, None)),
            // Where address space is scarce, half of them may wait.
            (64, 1024, 256, (455, u32::MAX), (64, 128, 95, None)),
            (64, 1024, 256, (16, 0), (7, 6, 1, None)),
            (64, 1024, 256, (9, 0), (4, 3, 1, None)),
            (64, 1024, 256, (4, 0), (1, 2, 0, None)),
            (1, 1024, 256, (16, 0), (1, 10, 3, None)),
        ] {
            let limits = Limits { instances, parked, asking, ..Limits::default() };
            let permits = Instances::new(&limits, slots, beside);
            let near = permits.near.as_ref().map(|near| near.available_permits());
            let found = (permits.free(), permits.bodies.size().0, permits.answers.size().0, near);
            assert_eq!(found, expected, "{slots} slots");
        }
    }

    /// Of what there is, and not of what was asked for.
    #[test]
    fn no_client_has_all_where_address_space_is_scarce() {
        let limits = Limits { parked: 1024, parked_per_address: 256, ..Limits::default() };
        for (slots, beside, most) in [(16, 0, 1), (456, 400, 100)] {
            let permits = Instances::new(&limits, slots, beside);
            let one = client("10.0.0.1");
            let taken: Vec<_> = std::iter::from_fn(|| permits.park(Some(&one), &mut Slot::Apart)).take(1024).collect();
            assert_eq!(taken.len(), most, "{slots} slots");
            assert!(permits.park(Some(&client("10.0.0.2")), &mut Slot::Apart).is_some());
        }
    }

    #[test]
    fn whoever_waits_has_a_slot_or_is_apart() {
        let permits = Instances::new(&Limits { parked: 130, ..Limits::default() }, 1000, u32::MAX);
        let mut near: Vec<_> = (0..127).map(|_| permits.slot(true)).collect();
        assert!(near.iter().all(|slot| matches!(slot, Slot::Kept(Some(_)))));
        // One that runs, and waits after all, has the last.
        let mut late = [permits.slot(false), permits.slot(false)];
        assert!(late.iter().all(|slot| matches!(slot, Slot::Lent)));
        let waiting = permits.park(None, &mut late[0]).unwrap();
        assert!(matches!(late[0], Slot::Kept(Some(_))));
        // There is room to wait, but no slot to wait in.
        assert!(permits.park(None, &mut late[1]).is_none());
        assert_eq!((permits.parked().0, permits.crowded()), (1, 1));
        let mut apart = permits.slot(true);
        assert!(matches!(apart, Slot::Apart));
        assert!(permits.park(None, &mut apart).is_some());
        near.pop();
        assert!(permits.park(None, &mut late[1]).is_some());
        drop(waiting);
    }

    fn client(address: &str) -> Client {
        Client { address: address.parse().unwrap(), principal: None }
    }

    #[test]
    fn bodies_do_not_keep_others_from_asking() {
        let limits = Limits { instances: 4, parked: 2, asking: 2, asking_per_address: 1, ..Limits::default() };
        let permits = Instances::new(&limits, 16, 0);
        let [one, two, three] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(client);
        let park = |client| permits.park(Some(client), &mut permits.slot(true));
        let bodies = [park(&one).unwrap(), park(&one).unwrap()];
        assert!(park(&two).is_none());
        let beside = permits.ask(Some(&one)).unwrap();
        assert!(matches!(beside, Asking::Beside(_)));
        assert!(permits.ask(Some(&one)).is_none());
        let other = permits.ask(Some(&two)).unwrap();
        // Some of those that run may go on like that, not all.
        let kept = [permits.ask(Some(&three)).unwrap(), permits.ask(Some(&three)).unwrap()];
        assert!(kept.iter().all(|kept| matches!(kept, Asking::Running(_))));
        assert!(permits.ask(Some(&three)).is_none());
        assert_eq!((permits.parked(), permits.crowded()), ((2, 2), 3));
        drop((bodies, beside, other, kept));
        assert_eq!(permits.parked(), (0, 0));
    }
}

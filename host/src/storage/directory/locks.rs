//! Keys that are being changed.
//!
//! Two questions, two tables. *May I change it?* is a lock on each key, shared
//! on all keys above it, so that the removal of a tree excludes every change
//! below. *Is what I read on the disk yet?* is the table of pending keys:
//! renamed, and not yet synced. A reader that meets one waits.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, watch};

use super::tree::Place;
use crate::storage::{Changing, Generations, Key};

/// How a key is to be locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// Nobody changes it.
    Shared,
    /// Nobody else uses it, or anything below.
    Exclusive,
}

/// A lock for each key that somebody uses just now.
#[derive(Default)]
pub(super) struct Locks {
    map: Mutex<HashMap<Key, Arc<RwLock<()>>>>,
}

/// Locks that are held until it is dropped.
pub(super) struct Held {
    _slots: Vec<Slot>,
}

enum Guard {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Exclusive { _guard: OwnedRwLockWriteGuard<()> },
}

/// One lock, waited for or held.
struct Slot {
    locks: Arc<Locks>,
    key: Key,
    lock: Option<Arc<RwLock<()>>>,
    guard: Option<Guard>,
}

impl Locks {
    /// Locks `keys`, and shared all those above them. Everybody locks in the
    /// order of the keys, so that nobody waits for whom waits for them.
    pub(super) async fn lock(self: &Arc<Self>, keys: impl IntoIterator<Item = (Key, Mode)>) -> Held {
        let mut wanted = BTreeMap::new();
        for (key, mode) in keys {
            let mut above = key.parent();
            while let Some(parent) = above {
                above = parent.parent();
                wanted.entry(parent).or_insert(Mode::Shared);
            }
            let entry = wanted.entry(key).or_insert(mode);
            *entry = mode.max(*entry);
        }
        let mut slots = Vec::with_capacity(wanted.len());
        for (key, mode) in wanted {
            let lock = guard(&self.map).entry(key.clone()).or_default().clone();
            let mut slot = Slot { locks: self.clone(), key, lock: Some(lock.clone()), guard: None };
            slot.guard = Some(match mode {
                Mode::Shared => Guard::Shared { _guard: lock.read_owned().await },
                Mode::Exclusive => Guard::Exclusive { _guard: lock.write_owned().await },
            });
            slots.push(slot);
        }
        Held { _slots: slots }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        guard(&self.map).len()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.guard = None;
        let mut map = guard(&self.locks.map);
        self.lock = None;
        // Clones are made under the map's lock alone: one left means that
        // nobody uses or waits for it.
        if map.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            map.remove(&self.key);
        }
    }
}

/// Keys that were changed and are not known to be on the disk.
pub(super) struct Pending {
    table: Mutex<Table>,
    generations: Arc<Generations>,
}

#[derive(Default)]
struct Table {
    next: u64,
    places: HashMap<Place, Vec<(u64, watch::Receiver<()>)>>,
    /// Removed with all that was below.
    trees: Vec<(u64, Key, watch::Receiver<()>)>,
}

/// What one commit made pending, until it is dropped.
pub(super) struct Marks {
    pending: Arc<Pending>,
    id: u64,
    places: Vec<Place>,
    receiver: watch::Receiver<()>,
    /// Its end is what waiters see.
    _sender: watch::Sender<()>,
    /// Ends after the marks: who sees no change under way need not wait.
    changing: Changing,
}

impl Pending {
    pub(super) fn new(generations: Arc<Generations>) -> Self {
        Self { table: Mutex::default(), generations }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let table = guard(&self.table);
        table.places.is_empty() && table.trees.is_empty()
    }

    pub(super) fn marks(self: &Arc<Self>) -> Marks {
        let (sender, receiver) = watch::channel(());
        let mut table = guard(&self.table);
        table.next += 1;
        let changing = self.generations.changing();
        Marks { pending: self.clone(), id: table.next, places: Vec::new(), receiver, _sender: sender, changing }
    }

    /// Waits for the disk if what was just seen at `place` may not be there
    /// yet. Returns whether it waited: then look again.
    ///
    /// Ask after the look, not before: whoever makes a change visible marks
    /// it first.
    pub(super) async fn settle(&self, place: Option<&Key>) -> bool {
        let Some(mut receiver) = self.find(place) else { return false };
        // Nothing is ever sent: this ends when the sender is dropped.
        while receiver.changed().await.is_ok() {}
        true
    }

    fn find(&self, place: Option<&Key>) -> Option<watch::Receiver<()>> {
        let table = guard(&self.table);
        if table.places.is_empty() && table.trees.is_empty() {
            return None;
        }
        let tree = table.trees.iter().find(|(_, tree, _)| place.is_some_and(|key| key == tree || key.is_below(tree)));
        let found = tree.map(|(_, _, receiver)| receiver);
        let at = || table.places.get(&place.cloned()).and_then(|marks| marks.first()).map(|(_, receiver)| receiver);
        found.or_else(at).cloned()
    }
}

impl Marks {
    /// What is at `place` is about to change.
    pub(super) fn place(&mut self, place: Place) {
        if self.places.contains(&place) {
            return;
        }
        self.changing.place(place.as_ref());
        let mut table = guard(&self.pending.table);
        table.places.entry(place.clone()).or_default().push((self.id, self.receiver.clone()));
        self.places.push(place);
    }

    /// A directory is about to be made where nothing is.
    pub(super) fn made(&mut self, key: &Key) {
        self.place(key.parent());
        // Nobody waits for the disk at the directory itself: it is empty.
        self.changing.place(Some(key));
    }

    /// All at and below `key` is about to go.
    pub(super) fn tree(&mut self, key: Key) {
        self.changing.tree(&key);
        guard(&self.pending.table).trees.push((self.id, key, self.receiver.clone()));
    }
}

impl Drop for Marks {
    fn drop(&mut self) {
        let mut table = guard(&self.pending.table);
        for place in self.places.drain(..) {
            if let Some(marks) = table.places.get_mut(&place) {
                marks.retain(|(id, _)| *id != self.id);
                if marks.is_empty() {
                    table.places.remove(&place);
                }
            }
        }
        table.trees.retain(|(id, ..)| *id != self.id);
    }
}

/// The content of a mutex; no code panics while it holds one of ours.
pub(super) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

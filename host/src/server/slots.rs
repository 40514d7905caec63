//! How many connections there are, in all and from one address.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room for connections.
pub(super) struct Slots {
    all: Arc<Semaphore>,
    size: u32,
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
    per_address: usize,
}

/// Room for one connection, until dropped.
pub(super) struct Slot {
    _permit: OwnedSemaphorePermit,
    _share: Option<Share>,
}

/// One of an address's connections, until dropped.
pub(super) struct Share {
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
    key: IpAddr,
}

impl Slots {
    pub(super) fn new(connections: usize, per_address: usize) -> Self {
        let size = u32::try_from(connections.max(1)).unwrap_or(u32::MAX).min(1 << 24);
        Self { all: Arc::new(Semaphore::new(size as usize)), size, addresses: Arc::default(), per_address }
    }

    /// Waits for room for one more connection, from whomever.
    pub(super) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        // It fails only when closed, which it never is.
        self.all.clone().acquire_owned().await.ok()
    }

    /// Room for one more connection, if there is some now.
    pub(super) fn room_now(&self) -> Option<OwnedSemaphorePermit> {
        self.all.clone().try_acquire_owned().ok()
    }

    /// Takes the room for a connection from there; `None` if there are as many
    /// from there as there may be. Without an address it is not counted there.
    pub(super) fn take(&self, permit: OwnedSemaphorePermit, address: Option<IpAddr>) -> Option<Slot> {
        let share = match address {
            Some(address) => Some(self.share(address)?),
            None => None,
        };
        Some(Slot { _permit: permit, _share: share })
    }

    /// Counts a connection as one from there; `None` if there are as many from
    /// there as there may be.
    pub(super) fn share(&self, address: IpAddr) -> Option<Share> {
        let key = network(address);
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let count = addresses.entry(key).or_insert(0);
        if *count >= self.per_address {
            if *count == 0 {
                addresses.remove(&key);
            }
            return None;
        }
        *count += 1;
        drop(addresses);
        Some(Share { addresses: self.addresses.clone(), key })
    }

    /// Waits until there is no connection any more.
    pub(super) async fn empty(&self) {
        let _ = self.all.acquire_many(self.size).await;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = addresses.entry(self.key) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// What counts as one client's address: whoever has one of IPv6 has a /64 of
/// them.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Slots;

    #[tokio::test]
    async fn counts() {
        let slots = Slots::new(3, 2);
        let [a, b, c] = ["2001:db8::1", "2001:db8::2", "2001:db8:1::1"].map(|a| Some(a.parse().unwrap()));
        let first = slots.take(slots.room().await.unwrap(), a).unwrap();
        let second = slots.take(slots.room().await.unwrap(), b).unwrap();
        assert!(slots.take(slots.room().await.unwrap(), a).is_none());
        let third = slots.take(slots.room().await.unwrap(), c).unwrap();
        assert!(tokio::time::timeout(std::time::Duration::from_millis(5), slots.room()).await.is_err());
        drop(first);
        let fourth = slots.take(slots.room().await.unwrap(), a).unwrap();
        drop((second, third, fourth));
        slots.empty().await;
        assert!(slots.addresses.lock().unwrap().is_empty());
    }
}

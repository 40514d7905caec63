//! Room for instances that wait, of which no client may take all.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::server::network;

/// Room for so many, and for so many of one client.
#[derive(Debug)]
pub struct Room {
    places: Arc<Semaphore>,
    size: u32,
    per_address: u32,
    per_principal: u32,
    taken: Arc<Mutex<HashMap<Holder, u32>>>,
}

/// On whose behalf somebody waits.
#[derive(Debug, Clone)]
pub struct Client {
    /// As the connection or a trusted proxy names it.
    pub address: IpAddr,
    /// The principal's name, where a policy knows it.
    pub principal: Option<Arc<str>>,
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Nobody has any.
    All,
    /// This client has as much as one may have.
    Share,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    _shares: Vec<Share>,
}

impl Client {
    /// Whom its bytes count for: the principal or, where nobody says who that
    /// is, the address.
    pub fn holder(&self) -> Arc<str> {
        match &self.principal {
            Some(name) => format!("principal {name}").into(),
            None => format!("address {}", network(self.address)).into(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Holder {
    Address(IpAddr),
    Principal(Arc<str>),
}

/// One of a client's places.
#[derive(Debug)]
struct Share {
    taken: Arc<Mutex<HashMap<Holder, u32>>>,
    holder: Holder,
}

impl Room {
    /// Room for `size`. Where that is less than the `wanted`, a client's part
    /// of it is less in the same way.
    pub fn new(size: u32, wanted: u32, per_address: u32, per_principal: u32) -> Self {
        let part = |most: u32| {
            let part = u64::from(most) * u64::from(size) / u64::from(wanted.max(1));
            u32::try_from(part).unwrap_or(u32::MAX).clamp(1, most.max(1))
        };
        Self {
            places: Arc::new(Semaphore::new(usize::try_from(size).unwrap_or(0))),
            size,
            per_address: part(per_address),
            per_principal: part(per_principal),
            taken: Arc::default(),
        }
    }

    /// A place for a client's instance; for the host's own if there is none.
    pub fn take(&self, client: Option<&Client>) -> Result<Place, Full> {
        let shares = self.share(client)?;
        let permit = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Full::All)?;
        Ok(Place { _permit: permit, _shares: shares })
    }

    /// Places that are taken.
    pub fn taken(&self) -> usize {
        usize::try_from(self.size).unwrap_or(0).saturating_sub(self.places.available_permits())
    }

    fn share(&self, client: Option<&Client>) -> Result<Vec<Share>, Full> {
        let Some(client) = client else { return Ok(Vec::new()) };
        let principal = client.principal.clone().map(|name| (Holder::Principal(name), self.per_principal));
        let holders = [Some((Holder::Address(network(client.address)), self.per_address)), principal];
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if holders.iter().flatten().any(|(holder, most)| taken.get(holder).is_some_and(|count| count >= most)) {
            return Err(Full::Share);
        }
        let shares = holders.into_iter().flatten().map(|(holder, _)| {
            *taken.entry(holder.clone()).or_insert(0) += 1;
            Share { taken: Arc::clone(&self.taken), holder }
        });
        Ok(shares.collect())
    }

    /// How many there is room for, and for how many of one address.
    #[cfg(test)]
    pub fn size(&self) -> (u32, u32) {
        (self.size, self.per_address)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = taken.entry(self.holder.clone()) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str, principal: Option<&str>) -> Client {
        Client { address: address.parse().unwrap(), principal: principal.map(Into::into) }
    }

    #[test]
    fn no_client_takes_all() {
        let room = Room::new(6, 6, 3, 2);
        let one = room.take(Some(&client("2001:db8::1", None))).unwrap();
        let ann = ["2001:db8::2", "10.0.0.1"].map(|address| room.take(Some(&client(address, Some("ann")))).unwrap());
        // The third of ann's, from wherever.
        assert_eq!(room.take(Some(&client("10.0.0.2", Some("ann")))).err(), Some(Full::Share));
        // The fourth of one network: what was refused is not counted.
        let third = room.take(Some(&client("2001:db8::3", Some("bob")))).unwrap();
        assert_eq!(room.take(Some(&client("2001:db8::4", None))).err(), Some(Full::Share));
        let others = ["10.0.0.3", "10.0.0.4"].map(|address| room.take(Some(&client(address, None))).unwrap());
        assert_eq!(room.taken(), 6);
        assert_eq!(room.take(Some(&client("10.0.0.5", None))).err(), Some(Full::All));
        assert_eq!(room.take(None).err(), Some(Full::All));
        drop((one, third));
        let again = room.take(Some(&client("2001:db8::5", None))).unwrap();
        drop((ann, others, again));
        assert_eq!(room.taken(), 0);
        assert!(room.taken.lock().unwrap().is_empty());
    }

    #[test]
    fn shares_shrink_with_the_room() {
        assert_eq!(Room::new(1024, 1024, 256, 256).size(), (1024, 256));
        assert_eq!(Room::new(8, 1024, 256, 256).size(), (8, 2));
        assert_eq!(Room::new(0, 1024, 256, 256).size(), (0, 1));
        // More than all is all, whatever there is.
        assert_eq!(Room::new(3, 3, 256, 256).size(), (3, 256));
    }
}

//! Names that are remembered while a task goes on.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

/// Names of one task: about 2 GiB when it is full.
const MOST: usize = 1 << 26;

/// A set of names, of each of which 128 bits of its SHA-256 are kept. Two that
/// meet in those are one: of a name that was added this is never denied.
#[derive(Debug, Default)]
pub struct Marks(Mutex<HashSet<u128>>);

impl Marks {
    /// Adds a name: whether it is new; nothing when there is no room.
    pub fn add(&self, name: &str) -> Option<bool> {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let short = short(name);
        if set.len() >= MOST && !set.contains(&short) {
            return None;
        }
        Some(set.insert(short))
    }

    /// Whether a name was added.
    pub fn has(&self, name: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&short(name))
    }
}

fn short(name: &str) -> u128 {
    let digest = Sha256::digest(name.as_bytes());
    let mut short = [0; 16];
    short.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
    u128::from_ne_bytes(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let marks = Marks::default();
        assert!(!marks.has("a"));
        assert_eq!((marks.add("a"), marks.add("a"), marks.add("b")), (Some(true), Some(false), Some(true)));
        assert!(marks.has("a") && marks.has("b") && !marks.has("c"));
    }
}

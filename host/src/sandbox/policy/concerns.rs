//! What a policy is about.

use super::super::bindings::storage_policy_types::{Concern, Happening};

/// Kinds of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Concerns(u16);

impl Concerns {
    /// Whether this kind is among them.
    pub const fn has(self, concern: Concern) -> bool {
        self.0 & bit(concern) != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// These and others.
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}

impl FromIterator<Concern> for Concerns {
    fn from_iter<I: IntoIterator<Item = Concern>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |all, kind| all | bit(kind)))
    }
}

const fn bit(concern: Concern) -> u16 {
    1 << concern as u16
}

/// The kind of an event.
pub const fn concern(action: &Happening) -> Concern {
    match action {
        Happening::ManifestPush(_) => Concern::ManifestPush,
        Happening::BlobPush(_) => Concern::BlobPush,
        Happening::UploadStart(_) => Concern::UploadStart,
        Happening::Mount(_) => Concern::Mount,
        Happening::TagMove(_) => Concern::TagMove,
        Happening::ManifestDelete(_) => Concern::ManifestDelete,
        Happening::BlobDelete(_) => Concern::BlobDelete,
        Happening::TagDelete(_) => Concern::TagDelete,
        Happening::Pull(_) => Concern::Pull,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_it_was_made_of() {
        let all = [
            Concern::ManifestPush,
            Concern::BlobPush,
            Concern::UploadStart,
            Concern::Mount,
            Concern::TagMove,
            Concern::ManifestDelete,
            Concern::BlobDelete,
            Concern::TagDelete,
            Concern::Pull,
        ];
        assert!(Concerns::default().is_empty());
        for one in all {
            let set: Concerns = [one, one].into_iter().collect();
            assert!(!set.is_empty());
            assert_eq!(set.and(Concerns::default()), set);
            for other in all {
                assert_eq!(set.has(other), one == other);
                assert!([other].into_iter().collect::<Concerns>().and(set).has(one));
            }
        }
    }
}

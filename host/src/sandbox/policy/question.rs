//! Questions to policies as bytes: what decisions are found by, and what
//! remembered answers rest on. Different questions are different bytes.

use std::sync::Arc;

use super::super::bindings::identity::{Access, Action};

/// Who somebody is.
pub const WHO: &[u8] = b"w";

/// Whether it is fine that a client is nobody in particular.
pub fn nobody(accesses: &[Access]) -> Arc<[u8]> {
    of(b'n', accesses)
}

/// Whether a client may do all of these.
pub fn authorize(accesses: &[Access]) -> Arc<[u8]> {
    of(b'a', accesses)
}

/// Which of these repositories it may pull from.
pub fn may_pull(repositories: &[String]) -> Arc<[u8]> {
    let mut bytes = vec![b'm'];
    repositories.iter().for_each(|name| part(&mut bytes, Some(name)));
    bytes.into()
}

fn of(kind: u8, accesses: &[Access]) -> Arc<[u8]> {
    let mut bytes = Vec::with_capacity(128);
    bytes.push(kind);
    for access in accesses {
        bytes.push(match access.action {
            Action::Pull => 1,
            Action::Push => 2,
            Action::Delete => 3,
            Action::Catalog => 4,
        });
        part(&mut bytes, access.repository.as_deref());
        part(&mut bytes, access.reference.as_deref());
    }
    bytes.into()
}

fn part(bytes: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => bytes.push(0),
        Some(text) => {
            bytes.push(1);
            bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_questions_are_different_bytes() {
        let access = |repository: Option<&str>, action, reference: Option<&str>| Access {
            repository: repository.map(str::to_owned),
            action,
            reference: reference.map(str::to_owned),
        };
        let names = |names: &[&str]| may_pull(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let all = [
            Arc::from(WHO),
            nobody(&[]),
            authorize(&[]),
            authorize(&[access(None, Action::Pull, None)]),
            authorize(&[access(Some(""), Action::Pull, None)]),
            authorize(&[access(None, Action::Pull, Some(""))]),
            authorize(&[access(Some("a"), Action::Push, None)]),
            authorize(&[access(Some("a"), Action::Pull, Some("b"))]),
            authorize(&[access(Some("ab"), Action::Pull, None)]),
            authorize(&[access(Some("a"), Action::Pull, None), access(Some("b"), Action::Pull, None)]),
            nobody(&[access(Some("a"), Action::Push, None)]),
            names(&["a", "b"]),
            names(&["ab"]),
            names(&[]),
        ];
        for (index, one) in all.iter().enumerate() {
            for other in all.iter().skip(index + 1) {
                assert_ne!(one, other, "{index}");
            }
        }
    }
}

//! What may be found of each thing, by what was answered.

use std::collections::{BTreeMap, BTreeSet};

/// Something that a client can ask for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// A tag of a repository.
    Tag(String, String),
    /// A manifest of a repository.
    Manifest(String, String),
    /// A blob of a repository.
    Blob(String, String),
    /// A referrer, by repository, subject and itself.
    Referrer(String, String, String),
}

/// What it is: the digest, or nothing.
pub type Value = Option<String>;

/// What became of each thing, in the order in which it was asked for. Clients
/// change a thing one after the other, or all to the same.
pub type Histories = BTreeMap<Thing, Vec<(u64, Value)>>;

/// What a thing may be when these requests are answered: what the last of them
/// made it, or what was asked for after that and is under way.
pub fn allowed(history: &[(u64, Value)], answered: &BTreeSet<u64>) -> Vec<Value> {
    let last = history.iter().rposition(|(number, _)| answered.contains(number));
    let mut allowed = match last {
        Some(last) => vec![history[last].1.clone()],
        None => vec![None],
    };
    let next = last.map_or(0, |last| last + 1);
    allowed.extend(history.get(next..).into_iter().flatten().map(|(_, value)| value.clone()));
    allowed
}

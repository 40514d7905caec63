//! What every storage must do, as one table of cases; each backend runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::missing_panics_doc)]

mod objects;
mod uploads;

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;

use super::{Algorithm, Change, Digest, Failure, Key, Storage};

type Store = Arc<dyn Storage>;
type Case = fn(Store) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! cases {
    ($($name:path),* $(,)?) => { &[$((stringify!($name), |store| Box::pin($name(store)))),*] };
}

const CASES: &[(&str, Case)] = cases![
    objects::reads,
    objects::expectations,
    objects::create_conflicts,
    objects::order_within_a_commit,
    objects::removals,
    objects::directories,
    objects::one_create_wins,
    objects::compare_and_swap_counts,
    objects::bounds_of_a_commit,
    objects::pages,
    objects::objects,
    uploads::upload_to_object,
    uploads::upload_is_exclusive,
    uploads::wrong_digest,
    uploads::both_algorithms,
    uploads::cut_back,
    uploads::temporary_uploads,
    uploads::uploads_of_one_digest,
    uploads::finish_needs_its_expectations,
    uploads::abort_removes_all,
    uploads::uploads_that_are_refused,
    uploads::a_given_up_call_leaves_the_upload,
];

/// Runs every case on a storage of its own that `make` gives.
pub async fn run<F: Future<Output = Store>>(make: impl Fn() -> F) {
    for (name, case) in CASES {
        println!("case {name}");
        case(make().await).await;
    }
}

/// A key that is one.
pub fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

/// Bytes that are not all alike.
pub fn pattern(size: usize) -> Bytes {
    (0..size).map(|n| (n * 7 % 251) as u8).collect::<Vec<_>>().into()
}

/// The sha256 of bytes.
pub fn sha256(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

/// Writes an object.
pub async fn put(store: &dyn Storage, at: &str, bytes: &'static str) {
    store.commit(vec![], vec![Change::Put(key(at), bytes.into())]).await.unwrap();
}

async fn get(store: &Store, at: &str) -> Result<Bytes, Failure> {
    store.read(&key(at), 1 << 20).await
}

async fn names(store: &Store, parent: &str) -> Vec<String> {
    let listing = store.page(Some(&key(parent)), None, 1000).await.unwrap();
    listing.entries.into_iter().map(|(name, _)| name).collect()
}

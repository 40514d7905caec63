//! The same tables on another registry: they describe the protocol, and not
//! only what we happen to do.

use std::panic::AssertUnwindSafe;

use skerry_tests::{
    Case, Client, Peer,
    table::{Whose, compare},
};

/// Fills a registry with what a table asks for, and makes the table.
type Table = fn(&Client) -> Vec<Case>;

#[test]
#[ignore = "needs registry 3.1.2: run by .ci/run"]
fn the_tables_hold_on_distribution() {
    let tables: [(&str, Table); 9] = [
        ("base", crate::base::cases),
        ("blobs", crate::blobs::cases),
        ("uploads", crate::uploads::cases),
        ("manifests", crate::manifests::cases),
        ("no manifests", crate::manifests::refused),
        ("kinds", crate::manifests::kinds),
        ("tags", crate::listing::tags),
        ("catalog", crate::listing::catalog),
        ("deletes", crate::deletes::cases),
    ];
    let mut failed = Vec::new();
    for (name, table) in tables {
        let volume = tempfile::tempdir().unwrap();
        let peer = Peer::registry3(volume.path());
        let client = peer.client();
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| compare(&client, &table(&client), Whose::Peers)));
        if outcome.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

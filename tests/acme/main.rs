//! Certificates that are ordered: from Pebble, with its faults; and what is
//! served while the authority is slow, or gone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod client;
mod dns;
mod offline;
mod orders;
mod pebble;
mod proofs;
mod renewals;

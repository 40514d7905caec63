//! A volume is distribution's as much as ours: each serves what the other
//! wrote, and neither harms it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod beside;
mod collection;
mod collector;
mod keys;
mod snapshot;
mod verify;
mod volumes;

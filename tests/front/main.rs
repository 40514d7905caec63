//! nginx in front, configured as `host/package/nginx` has it, and several
//! registries behind it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod clients;
mod hosts;
mod layers;
mod nginx;
mod restarts;
mod smuggling;

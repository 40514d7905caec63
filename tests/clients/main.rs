//! Real clients over verified TLS. What they push and pull is compared with
//! what the test made, digest by digest.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod containers;
mod curl;
mod docker;
mod go;
mod skopeo;
mod target;

//! What lies in `host/package`, as people use it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod composed;
mod configurations;
mod image;
mod modules;
mod units;

use std::path::PathBuf;

use skerry_tests::binary::workspace;

/// Where it lies.
fn package(path: &str) -> PathBuf {
    workspace().join("host/package").join(path)
}

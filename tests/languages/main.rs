//! Modules in the languages that people know: each begun by `skerry guest
//! new`, built by that language's own tools as its README says, tried by
//! `skerry policy test`, and then asked about real pushes over TLS.
//!
//! They need npm, Python, clang and more (see `.ci/run`), and minutes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod languages;
mod project;

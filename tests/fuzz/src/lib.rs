//! A target for each parser. Each takes any bytes, and fails by a panic: where
//! a parser panics, or where what it made of them breaks its promise.
//!
//! The files of the host are taken as they are, with nothing of wasmtime, so
//! that a run with coverage is built in a minute; what they want of types that
//! are generated from `wit/` is written out here. `tests/short.rs` runs every
//! target with the corpus and some thousand changes of it; `long` runs them by
//! cargo-fuzz for as long as one likes.

// The host's own tests are in the files that are taken from it.
#![cfg(not(test))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod acme;
#[path = "../../../host/src/config/mod.rs"]
#[allow(dead_code, missing_docs, unused_imports, unfulfilled_lint_expectations, reason = "it is public there")]
mod config;
mod guest;
mod policies;
mod sandbox;
mod server;
mod settings;
mod storage;
#[path = "../../../host/src/tls/mod.rs"]
#[allow(dead_code, missing_docs, unused_imports, clippy::disallowed_methods, reason = "it is the host's")]
mod tls;

pub use self::{
    acme::acme,
    guest::{manifests, names, paths, ranges, requests},
    policies::{htpasswd, jwks, patterns, tokens},
    sandbox::{answers, challenges, credentials},
    server::{forwarded, framing, proxy},
    settings::{config, environment},
    storage::{digests, keys},
};

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// Every target, by the name of its directory in `corpus`, and how many times
/// it can be run in the time of a cheap one's hundred.
pub const TARGETS: &[(&str, Target, usize)] = &[
    ("acme", acme, 20),
    ("answers", answers, 100),
    ("challenges", challenges, 100),
    ("config", config, 5),
    ("credentials", credentials, 100),
    ("digests", digests, 100),
    ("environment", environment, 2),
    ("forwarded", forwarded, 100),
    ("framing", framing, 50),
    ("htpasswd", htpasswd, 100),
    ("jwks", jwks, 20),
    ("keys", keys, 100),
    ("manifests", manifests, 20),
    ("names", names, 100),
    ("paths", paths, 100),
    ("patterns", patterns, 50),
    ("proxy", proxy, 50),
    ("ranges", ranges, 100),
    ("requests", requests, 10),
    ("tokens", tokens, 20),
];

/// The bytes as text, whatever they are.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The bytes as lines of text.
fn lines(bytes: &[u8]) -> Vec<String> {
    text(bytes).split('\n').map(str::to_owned).collect()
}

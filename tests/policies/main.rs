//! Policies from outside, over TLS: who may do what, and what may be stored.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod artifacts;
mod author;
mod certificates;
mod checks;
mod clients;
mod distribution;
mod facts;
mod host;
mod hostile;
#[path = "../sandbox/modules.rs"]
#[allow(dead_code, reason = "of the tests of the sandbox, not all are asked for here")]
mod modules;
mod names;
mod pulls;
mod quota;
mod remembered;
mod repositories;
mod retention;
mod rules;
mod signatures;
mod staged;
mod storage;
mod sweepers;
mod tokens;

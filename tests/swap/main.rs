//! Modules that are replaced while requests are served: by a changed file, by
//! SIGHUP, and by the admin endpoint.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod broken;
mod endpoint;
mod host;
mod load;
#[path = "../sandbox/modules.rs"]
#[allow(dead_code, reason = "of the tests of the sandbox, not all are asked for here")]
mod modules;
mod pins;

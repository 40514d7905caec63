//! Skerry, an OCI registry for the edge: control in WebAssembly, bytes in
//! native code. See the README for the map of these rooms.

pub mod acme;
pub mod cli;
pub mod config;
pub mod metrics;
pub mod oci;
pub mod plane;
pub mod remember;
pub mod sandbox;
pub mod serve;
pub mod server;
pub mod storage;
pub mod tls;

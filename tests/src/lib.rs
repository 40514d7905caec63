//! The harness: it starts the registry, and others to compare it with, and
//! speaks to them as clients do, well-behaved or not.
//!
//! Nothing is shared between tests: each has its own directory, certificates,
//! port and processes, and what it started ends with it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod authority;
pub mod binary;
pub mod chains;
pub mod children;
pub mod client;
pub mod command;
pub mod content;
pub mod engine;
pub mod frames;
pub mod image;
pub mod layout;
pub mod mounts;
pub mod namespaces;
pub mod peer;
pub mod ports;
pub mod push;
pub mod raw;
pub mod registry;
pub mod service;
pub mod smuggling;
pub mod supervisor;
pub mod table;
pub mod tools;
pub mod vitals;
pub mod wire;

pub use self::{
    client::{Answer, Client},
    content::{sha256, sha512},
    peer::Peer,
    registry::{Options, Registry},
    table::Case,
};

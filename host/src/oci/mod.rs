//! Modules as OCI artifacts: pushed to and pulled from registries, this one
//! or another, in the layout that `wkg` and the other tools for WebAssembly
//! use.
//!
//! What comes from a registry is trusted no further than its digest: whoever
//! names one gets these bytes or nothing.

mod artifact;
mod client;
mod credentials;
mod reference;
mod wire;

#[cfg(test)]
mod tests;

pub use self::{
    artifact::{Artifact, LARGEST_MANIFEST, LARGEST_MODULE, Layer},
    client::{Client, Trust},
    credentials::{Credentials, docker_config},
    reference::Reference,
};

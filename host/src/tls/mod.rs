//! Certificates and keys: from files into a `rustls` configuration, and for a
//! first run from nothing.
//!
//! What is handed out is an `Arc<ServerConfig>`: who accepts connections takes
//! a new one for each, so that it can be swapped while connections go on.

mod authorities;
mod cached;
pub mod check;
mod client;
mod clients;
mod error;
pub(crate) mod files;
mod hybrid;
mod load;
mod local;
mod notice;
pub(crate) mod pem;
mod policy;
mod print;
mod sni;
mod store;
mod suites;
pub mod trust;

#[cfg(test)]
mod tests;

pub use self::{
    authorities::authorities,
    cached::{Cached, cached, examine},
    client::ClientCertificate,
    error::TlsError,
    load::{Leaf, Loaded, TlsFiles, load, shown},
    local::{Local, local},
    notice::{Gravity, Notice, Notices},
    policy::Policy,
    sni::Names,
    store::{Look, Origin, Store, Watch},
};

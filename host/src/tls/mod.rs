//! Certificates and keys: from files into a `rustls` configuration, and for a
//! first run from nothing.
//!
//! What is handed out is an `Arc<ServerConfig>`: who accepts connections takes
//! a new one for each, so that it can be swapped while connections go on.

mod client;
mod clients;
mod error;
mod files;
mod load;
mod local;
mod notice;
mod pem;
mod print;
mod sni;
mod store;
mod suites;

#[cfg(test)]
mod tests;

pub use self::{
    client::ClientCertificate,
    error::TlsError,
    load::{Leaf, Loaded, TlsFiles, load},
    local::{Local, local},
    notice::{Gravity, Notice, Notices},
    store::{Look, Origin, Store, Watch},
};

//! Certificates and keys: from files into a `rustls` configuration, and for a
//! first run from nothing.
//!
//! What is handed out is an `Arc<ServerConfig>`: who accepts connections takes
//! a new one for each, so that it can be swapped while connections go on.

mod error;
mod files;
mod load;
mod local;
mod pem;
mod suites;

#[cfg(test)]
mod tests;

pub use self::{
    error::TlsError,
    load::{Loaded, TlsFiles, load},
    local::{Local, local},
};

//! Certificates from an authority that speaks ACME (RFC 8555), such as Let's
//! Encrypt: ordered, renewed, and kept where Go's `autocert` would keep them.
//!
//! Nothing here serves: what is ordered becomes a file of the cache, and the
//! store of [`crate::tls`] takes it as it takes every changed file. So another
//! process may write the same cache, and the old certificate is served for as
//! long as there is no better.
//!
//! One task does it all, one order at a time. Whatever the authority does, it
//! costs log lines: every exchange has an end, and failures wait for longer
//! each time.

mod account;
mod authority;
mod cache;
mod challenge;
mod http;
mod keeper;
mod key;
mod name;
mod order;
mod problem;
mod schedule;
#[cfg(test)]
mod tests;

pub use self::{
    cache::{Cache, CacheError},
    challenge::Proofs,
    http::answer,
    keeper::Keeper,
};

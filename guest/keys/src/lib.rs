//! Public keys and certificates: what policies need that verify signatures.
//!
//! There is no private key here, and nothing that could make one.

pub mod chain;
mod key;

pub use self::key::{Hash, Key, Kind, Scheme};

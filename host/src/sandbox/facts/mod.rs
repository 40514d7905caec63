//! Facts: what policies may ask of the registry while they decide on an event.
//!
//! Only the registry module knows the layout, so it is asked: each question in
//! a fresh instance with no request, which takes none of the permits of
//! requests or policies. So nobody waits here for somebody who waits for them.

mod about;
mod tell;

pub use self::{about::About, tell::Teller};

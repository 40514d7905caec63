//! Facts: what policies may ask of the registry while they decide on an event.
//!
//! Only the registry module knows the layout, so it is asked: each question in
//! a fresh instance with no request, which takes none of the permits of
//! requests or policies. So nobody waits here for somebody who waits for them.
//!
//! What trees of repositories hold is counted in the background and kept in a
//! [`ledger`], with all that was let in since.

mod about;
mod count;
mod given;
mod ledger;
mod tell;
#[cfg(test)]
mod tests;
mod thing;

pub use self::{
    about::{About, Later},
    given::{Given, NotGiven, Told},
    ledger::Admitted,
    tell::Teller,
};

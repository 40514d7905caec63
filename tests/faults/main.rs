//! A disk that fails: each system call of an operation on the volume, in turn
//! and at random, finds no room, an error of the device, no descriptor, a
//! filesystem that became read-only, or is done by half.
//!
//! An error says what happened, in the answer and in the log; no success is
//! lost, nothing half is visible, and afterwards everything works, at once and
//! after a restart.
//!
//! Of all that can happen, one in `SKERRY_FAULTS_ONE_IN` does (1: all of it),
//! to the operations whose name begins with `SKERRY_FAULTS_ONLY` (all), and
//! `SKERRY_FAULTS_ROUNDS` times several things at once;
//! `SKERRY_FAULTS_SEED` chooses which.

#![cfg(target_arch = "x86_64")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod deletes;
mod judge;
mod manifests;
mod operation;
mod reads;
mod slow;
mod sweep;
mod uploads;

use std::env;

use skerry_tests::content::Noise;

use crate::operation::Operation;

/// Every operation.
fn operations() -> Vec<Operation> {
    let only = env::var("SKERRY_FAULTS_ONLY").unwrap_or_default();
    let mut all = [uploads::all(), manifests::all(), deletes::all(), reads::all()].concat();
    all.retain(|operation| operation.name.starts_with(&only));
    assert!(!all.is_empty(), "there is no operation {only}");
    all
}

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    Some(env::var(name).ok()?.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Of what is left to chance; shown, so that it can be had again.
fn seed() -> u64 {
    let seed = setting("SKERRY_FAULTS_SEED").unwrap_or_else(|| Noise::fresh().number());
    println!("SKERRY_FAULTS_SEED={seed}");
    seed
}

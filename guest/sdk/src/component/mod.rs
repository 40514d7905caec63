//! The glue between the traits and the exports of a component, and the host
//! behind the ports. Nothing is decided here.

pub mod auth;
mod facts;
pub mod retention;
pub mod storage;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use self::auth::wit::skerry::registry::{files, secrets, settings, types::Failure};
use crate::{
    Failed,
    host::{Clock, FileFailure, Files, Log, Secrets, Settings},
};

/// The host that runs this instance of a storage policy.
struct Imports;

/// The host that runs this instance of an auth policy: it tells no facts.
struct Factless;

/// What both have.
trait Runs {}

impl Runs for Imports {}
impl Runs for Factless {}

impl<T: Runs> Settings for T {
    fn value(&self, path: &str) -> Option<String> {
        settings::value(path)
    }
}

impl<T: Runs> Files for T {
    fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, FileFailure> {
        files::read(name, limit).map_err(|failure| match failure {
            Failure::NotFound => FileFailure::NotFound(name.to_owned()),
            Failure::TooLarge(_) => FileFailure::TooLarge(name.to_owned()),
            other => FileFailure::Other(format!("the file {name:?} cannot be read: {other}")),
        })
    }
}

impl<T: Runs> Secrets for T {
    fn secret(&self, name: &str) -> Option<String> {
        secrets::get(name)
    }
}

impl<T: Runs> Clock for T {
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

impl<T: Runs> Log for T {
    fn log(&self, line: &str) {
        eprintln!("{line}");
    }
}

/// The answer, or the end of the instance: the host then decides by
/// `on_failure`.
fn answered<T>(answer: Result<T, Failed>) -> T {
    answer.unwrap_or_else(|failed| {
        eprintln!("{failed}");
        std::process::abort()
    })
}

/// Milliseconds, as the host takes them.
fn milliseconds(lifetime: Option<Duration>) -> Option<u64> {
    lifetime.map(|lifetime| u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX))
}

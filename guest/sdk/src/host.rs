//! The ports: what a policy may look at, as plain Rust.
//!
//! Each trait mirrors one interface of `wit/`, where meaning, authority and
//! limits are written down. On wasm the host stands behind them, natively
//! [`memory`](crate::memory).

use std::{fmt, time::Duration};

use serde::de::DeserializeOwned;

use crate::{Facts, Failed};

/// All of them.
pub trait Host: Settings + Files + Secrets + Clock + Log + Facts {}

impl<T: Settings + Files + Secrets + Clock + Log + Facts> Host for T {}

/// The policy's own `settings` in the configuration.
pub trait Settings {
    /// The value at a dotted path, as JSON text; all of them by the empty path.
    fn value(&self, path: &str) -> Option<String>;
}

/// Small files that the operator granted.
pub trait Files {
    /// The bytes of a file, by its path below the granted directory; not more
    /// than `limit`.
    ///
    /// # Errors
    /// See [`FileFailure`].
    fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, FileFailure>;
}

/// Secrets that the operator granted by name.
pub trait Secrets {
    /// The secret; nothing where none of that name is granted.
    fn secret(&self, name: &str) -> Option<String>;
}

/// The time of day.
pub trait Clock {
    /// The time since the beginning of 1970, UTC.
    fn now(&self) -> Duration;
}

/// The host's log.
pub trait Log {
    /// Writes a line.
    fn log(&self, line: &str);
}

/// Why a file was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileFailure {
    /// Nothing of that name is there, or none is granted. The name.
    NotFound(String),
    /// More bytes than the limit. The name.
    TooLarge(String),
    /// Anything else. What happened, for the log.
    Other(String),
}

impl fmt::Display for FileFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(name) => write!(f, "the file {name:?} is not there, or was not granted"),
            Self::TooLarge(name) => write!(f, "the file {name:?} is too large"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

/// The settings, in the type that a policy has for them.
pub fn settings<T: DeserializeOwned>(host: &dyn Host) -> Result<T, Failed> {
    let text = host.value("");
    let read = match &text {
        Some(text) => serde_json::from_str(text),
        // A policy without settings takes either of these.
        None => serde_json::from_str("{}").or_else(|_| serde_json::from_str("null")),
    };
    read.map_err(|error| format!("settings: {}", said(&error)).into())
}

/// What is wrong, without the place: nobody sees the JSON.
fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((what, _)) => what.to_owned(),
        None => text,
    }
}

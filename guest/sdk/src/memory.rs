//! A double of the host, for the native tests of policies.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    time::Duration,
};

use crate::host::{Clock, FileFailure, Files, Log, Secrets, Settings};

/// A host whose files, secrets, time and log are in memory.
#[derive(Debug, Default)]
pub struct Memory {
    settings: Option<serde_json::Value>,
    files: RefCell<BTreeMap<String, Vec<u8>>>,
    secrets: BTreeMap<String, String>,
    now: Cell<Duration>,
    log: RefCell<Vec<String>>,
}

impl Memory {
    /// A host with these settings, as JSON text, and nothing else. A text that
    /// is no JSON counts as no settings.
    #[must_use]
    pub fn new(settings: &str) -> Self {
        Self { settings: serde_json::from_str(settings).ok(), ..Self::default() }
    }

    /// The same, with a secret.
    #[must_use]
    pub fn with_secret(mut self, name: &str, secret: &str) -> Self {
        self.secrets.insert(name.to_owned(), secret.to_owned());
        self
    }

    /// The same, with a file.
    #[must_use]
    pub fn with_file(self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.put(name, bytes);
        self
    }

    /// Writes a file.
    pub fn put(&self, name: &str, bytes: impl Into<Vec<u8>>) {
        self.files.borrow_mut().insert(name.to_owned(), bytes.into());
    }

    /// Sets the time, in seconds since the beginning of 1970.
    pub fn set_now(&self, seconds: u64) {
        self.now.set(Duration::from_secs(seconds));
    }

    /// The lines that were logged since the last call.
    pub fn take_log(&self) -> Vec<String> {
        self.log.take()
    }
}

impl Settings for Memory {
    fn value(&self, path: &str) -> Option<String> {
        let names = path.split('.').filter(|name| !name.is_empty());
        let found = names.fold(self.settings.as_ref(), |value, name| value?.get(name))?;
        Some(found.to_string())
    }
}

impl Files for Memory {
    fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, FileFailure> {
        let files = self.files.borrow();
        let bytes = files.get(name).ok_or_else(|| FileFailure::NotFound(name.to_owned()))?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
            Ok(bytes.clone())
        } else {
            Err(FileFailure::TooLarge(name.to_owned()))
        }
    }
}

impl Secrets for Memory {
    fn secret(&self, name: &str) -> Option<String> {
        self.secrets.get(name).cloned()
    }
}

impl Clock for Memory {
    fn now(&self) -> Duration {
        self.now.get()
    }
}

impl Log for Memory {
    fn log(&self, line: &str) {
        self.log.borrow_mut().push(line.to_owned());
    }
}

//! What files held when they were read: to see whether they changed since,
//! however that was done (in place, by a rename, by a link to elsewhere).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{error::TlsError, files};

/// By path: a digest of the content, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Print(BTreeMap<PathBuf, Result<[u8; 32], String>>);

impl Print {
    /// Of files as they are now.
    pub fn take<'a>(paths: impl Iterator<Item = &'a Path>) -> Self {
        let mut print = BTreeMap::new();
        for path in paths {
            print.entry(path.to_owned()).or_insert_with(|| match files::read(path) {
                Ok(bytes) => Ok(digest(&bytes)),
                Err(error) => Err(error.to_string()),
            });
        }
        Self(print)
    }
}

/// Files that are read together: each once, so that what is made of them and
/// what is remembered of them are the same.
#[derive(Default)]
pub(super) struct Reading(BTreeMap<PathBuf, Vec<u8>>);

impl Reading {
    /// The bytes of a file.
    pub fn read(&mut self, path: &Path) -> Result<Vec<u8>, TlsError> {
        if let Some(bytes) = self.0.get(path) {
            return Ok(bytes.clone());
        }
        let bytes = files::read(path)?;
        self.0.insert(path.to_owned(), bytes.clone());
        Ok(bytes)
    }

    /// Of what was read.
    pub fn print(&self) -> Print {
        Print(self.0.iter().map(|(path, bytes)| (path.clone(), Ok(digest(bytes)))).collect())
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

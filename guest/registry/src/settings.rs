//! What the operator configured, and the permits that follow from it.

use serde::de::DeserializeOwned;

use crate::{
    error::{Code, Error},
    host::Settings,
};

/// The largest manifest where `limits.manifest` does not say, in bytes.
const MANIFEST: u64 = 4 * 1024 * 1024;

/// A setting, where it is set and of the expected type.
pub fn get<T: DeserializeOwned>(settings: &(impl Settings + ?Sized), path: &str) -> Option<T> {
    serde_json::from_str(&settings.value(path)?).ok()
}

/// A switch; off where it is not set.
pub fn flag(settings: &(impl Settings + ?Sized), path: &str) -> bool {
    get(settings, path).unwrap_or(false)
}

/// The largest manifest that is taken, in bytes.
pub fn manifest_limit(settings: &(impl Settings + ?Sized)) -> u64 {
    get(settings, "limits.manifest").unwrap_or(MANIFEST)
}

fn read_only(settings: &(impl Settings + ?Sized)) -> bool {
    flag(settings, "storage.maintenance.readonly.enabled")
}

fn deletes(settings: &(impl Settings + ?Sized)) -> bool {
    flag(settings, "storage.delete.enabled")
}

/// That this registry may be written to.
#[derive(Debug)]
pub struct Write(());

impl Write {
    /// Asks for the permit.
    ///
    /// # Errors
    /// 405 in the read-only mode.
    pub fn ask(settings: &(impl Settings + ?Sized)) -> Result<Self, Error> {
        if read_only(settings) {
            return Err(Error::new(Code::Unsupported).message("the registry is in its read-only mode"));
        }
        Ok(Self(()))
    }
}

/// That manifests, tags and blobs may be deleted.
#[derive(Debug)]
pub struct Delete(());

impl Delete {
    /// Asks for the permit.
    ///
    /// # Errors
    /// 405 in the read-only mode, and where deleting is not enabled.
    pub fn ask(settings: &(impl Settings + ?Sized)) -> Result<Self, Error> {
        Write::ask(settings)?;
        if !deletes(settings) {
            return Err(Error::new(Code::Unsupported).message("deleting is not enabled"));
        }
        Ok(Self(()))
    }
}

/// The value of `Allow`, from the methods that read and those that write.
pub fn allow(settings: &(impl Settings + ?Sized), (reads, writes): (&str, &str)) -> String {
    if writes.is_empty() || read_only(settings) { reads.to_owned() } else { format!("{reads}, {writes}") }
}

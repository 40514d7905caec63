//! Users and passwords, from where `docker login` puts them.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::tls::files;

/// Those of a `config.json` of docker.
#[derive(Clone, Default)]
pub struct Credentials(Value);

/// A user and a password, for `Authorization: Basic`.
#[derive(Clone, PartialEq, Eq)]
pub struct Basic(String);

impl Credentials {
    /// Reads a file.
    ///
    /// # Errors
    /// That it cannot be read, or is no JSON.
    pub fn read(path: &Path) -> Result<Self, String> {
        let bytes = files::read(path).map_err(|cause| cause.to_string())?;
        let value = serde_json::from_slice(&bytes).map_err(|cause| format!("{}: {cause}", path.display()))?;
        Ok(Self(value))
    }

    /// What is known for a registry.
    ///
    /// # Errors
    /// That it is kept where it cannot be had.
    pub fn of(&self, registry: &str) -> Result<Option<Basic>, String> {
        let hub = matches!(registry, "docker.io" | "index.docker.io");
        let names: &[&str] = if hub { &["https://index.docker.io/v1/", "docker.io"] } else { &[registry] };
        for name in names {
            let entry = [(*name).to_owned(), format!("https://{name}")]
                .iter()
                .find_map(|name| self.0.get("auths")?.get(name).cloned());
            let text = |field: &str| {
                let text = entry.as_ref()?.get(field)?.as_str()?;
                (!text.is_empty()).then(|| text.to_owned())
            };
            if let Some(auth) = text("auth") {
                let decoded = STANDARD.decode(auth.trim()).ok();
                return match decoded.is_some_and(|pair| pair.contains(&b':')) {
                    true => Ok(Some(Basic(auth.trim().to_owned()))),
                    false => Err(format!("what `auths` has for {name} is no user and password")),
                };
            }
            if let (Some(user), Some(password)) = (text("username"), text("password")) {
                return Ok(Some(Basic(STANDARD.encode(format!("{user}:{password}")))));
            }
            let helper = self.0.get("credHelpers").and_then(|helpers| helpers.get(*name));
            // What `docker login` leaves where another program keeps the rest.
            if helper.is_some() || (entry.is_some() && self.0.get("credsStore").is_some()) {
                return Err(format!(
                    "the password for {name} is kept by a program of docker's, which is not run here: log in with a \
                     configuration that names no `credsStore`"
                ));
            }
        }
        Ok(None)
    }
}

impl Basic {
    /// The value of `Authorization`.
    pub(super) fn field(&self) -> String {
        format!("Basic {}", self.0)
    }
}

/// It holds passwords.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Basic")
    }
}

/// Where `docker login` of this user puts them, if the file is there.
pub fn docker_config(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let directory = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let path = match directory("DOCKER_CONFIG") {
        Some(directory) => directory.join("config.json"),
        None => directory("HOME")?.join(".docker/config.json"),
    };
    path.is_file().then_some(path)
}

//! What there is to say of the modules in force.

use std::{fmt, path::PathBuf, time::SystemTime};

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    sandbox::{ModuleFile, PolicyOrigin, PolicySource},
    storage::{Algorithm, Digest},
};

/// All of them.
#[derive(Debug, Clone)]
pub struct Status {
    /// What answers requests.
    pub registry: InForce,
    /// What it asks, in order.
    pub policies: Vec<InForce>,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct InForce {
    /// `registry`, or the name of a policy.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// `registry`, `auth-policy`, `storage-policy`; empty where it is not told
    /// yet.
    pub world: String,
    /// Of its bytes; nothing for one that is a part of this program.
    pub sha256: Option<String>,
    /// How many they are.
    pub bytes: usize,
    /// Since when it is in force.
    pub since: SystemTime,
}

/// Where a module comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It is a part of this program.
    BuiltIn,
    /// A file that the configuration names.
    File(PathBuf),
    /// The admin endpoint was given it.
    Posted,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File(path) => path.display().fmt(f),
            Self::Posted => f.write_str("posted"),
        }
    }
}

impl Status {
    /// For programs.
    pub fn json(&self) -> Value {
        let policies: Vec<_> = self.policies.iter().map(InForce::json).collect();
        json!({"version": env!("CARGO_PKG_VERSION"), "registry": self.registry.json(), "policies": policies})
    }
}

impl InForce {
    /// Whether it is the same module from the same place.
    pub fn is(&self, other: &Self) -> bool {
        (&self.name, &self.origin, &self.sha256) == (&other.name, &other.origin, &other.sha256)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "from": self.origin.to_string(),
            "world": self.world,
            "sha256": self.sha256,
            "bytes": self.bytes,
            "since": OffsetDateTime::from(self.since).format(&Rfc3339).unwrap_or_default(),
        })
    }

    fn new(name: &str, world: &str, file: Option<&ModuleFile>) -> Self {
        Self {
            name: name.to_owned(),
            origin: file.map_or(Origin::BuiltIn, |file| Origin::File(file.path.clone())),
            world: world.to_owned(),
            sha256: file.map(|file| Digest::of(Algorithm::Sha256, &file.bytes).to_string()),
            bytes: file.map_or(0, |file| file.bytes.len()),
            since: SystemTime::now(),
        }
    }
}

/// Of the registry module; the built-in one where none is given.
pub fn of_registry(file: Option<&ModuleFile>) -> InForce {
    InForce::new("registry", "registry", file)
}

/// Of a policy.
pub fn of_policy(source: &PolicySource) -> InForce {
    let file = match &source.module {
        PolicyOrigin::File(file) => Some(file),
        PolicyOrigin::BuiltIn(_) => None,
    };
    InForce::new(&source.name, "", file)
}

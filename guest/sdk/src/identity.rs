//! What requests are about, and who makes them.

use std::fmt;

use serde::Deserialize;

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The repository; nothing where it is the registry as a whole.
    pub repository: Option<String>,
    /// What is done to it.
    pub action: Action,
    /// The tag or digest, where one is concerned.
    pub reference: Option<String>,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Read.
    Pull,
    /// Write.
    Push,
    /// Remove.
    Delete,
    /// See the names of repositories.
    Catalog,
}

impl Action {
    /// Its name in settings and scopes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::Catalog => "catalog",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Somebody, as an auth policy knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Principal {
    /// The name; 1 to 256 bytes.
    pub subject: String,
    /// At most 64.
    pub groups: Vec<String>,
    /// What else is known: names and values, at most 64, 16 KiB in all.
    pub claims: Vec<(String, String)>,
}

impl Principal {
    /// Somebody of whom only the name is known.
    #[must_use]
    pub fn named(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), ..Self::default() }
    }

    /// The first claim of a name.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&str> {
        self.claims.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

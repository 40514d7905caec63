//! Why a policy has no answer.

use std::fmt;

use crate::{facts::FactFailure, host::FileFailure};

/// A policy cannot answer: the request is denied with 503, and this goes to
/// the host's log. Clients never see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed(String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

impl From<String> for Failed {
    fn from(reason: String) -> Self {
        Self(reason)
    }
}

impl From<&str> for Failed {
    fn from(reason: &str) -> Self {
        Self(reason.to_owned())
    }
}

impl From<FileFailure> for Failed {
    fn from(failure: FileFailure) -> Self {
        Self(failure.to_string())
    }
}

impl From<FactFailure> for Failed {
    fn from(failure: FactFailure) -> Self {
        Self(failure.to_string())
    }
}

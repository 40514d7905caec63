//! What the storage policies let happen.

use crate::{
    error::{Code, Error},
    host::{Admission, Concern, Event, Happening, Ruling},
    name::RepositoryName,
    response::Response,
};

/// Warnings of one answer.
const WARNINGS: usize = 8;
/// Bytes of one warning.
const WARNING: usize = 256;

/// That something may happen: asked before anything becomes visible, goes
/// away, or is served. The policies may have something to say of it to the client.
#[derive(Debug, Default)]
#[must_use]
pub struct Admitted {
    warnings: Vec<String>,
}

impl Admitted {
    /// Asks for the permit.
    ///
    /// # Errors
    /// What the policy says, or 503 where one failed.
    pub fn ask(
        admission: &(impl Admission + ?Sized),
        name: &RepositoryName,
        happening: Happening,
    ) -> Result<Self, Error> {
        match admission.admit(Event { repository: name.clone(), happening }) {
            Ruling::Allow(warnings) => Ok(Self { warnings }),
            Ruling::Deny(denial) => Err(denial.into()),
            Ruling::Unavailable => Err(Error::new(Code::Unavailable).cause("a storage policy failed")),
        }
    }

    /// Asks for the permit where anybody decides of such things; where nobody
    /// does, what would be asked is not gathered.
    ///
    /// # Errors
    /// As those of [`ask`](Self::ask).
    pub fn ask_if_wanted(
        admission: &(impl Admission + ?Sized),
        name: &RepositoryName,
        concern: Concern,
        happening: impl FnOnce() -> Happening,
    ) -> Result<Self, Error> {
        if admission.wanted(concern) { Self::ask(admission, name, happening()) } else { Ok(Self::default()) }
    }

    /// This and another.
    pub fn and(mut self, other: Self) -> Self {
        for warning in other.warnings {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        self
    }

    /// Says the warnings with the answer (distribution-spec, "Warnings").
    pub fn warn(self, response: Response) -> Response {
        let warnings = self.warnings.iter().take(WARNINGS);
        warnings.fold(response, |response, text| response.header("Warning", format!("299 - \"{}\"", quotable(text))))
    }
}

/// A text as it can stand between quotes in a header field (RFC 9110, 5.6.4),
/// where only ASCII comes through unchanged.
fn quotable(text: &str) -> String {
    let mut quoted = String::new();
    for character in text.chars().take(WARNING) {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' => quoted.push(character),
            _ if character.is_control() => quoted.push(' '),
            _ => quoted.push('?'),
        }
    }
    quoted
}

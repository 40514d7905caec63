//! What went wrong with an authority: one sentence, and what to do.

use std::{
    fmt::{self, Display},
    time::Duration,
};

use instant_acme::{Error, Problem};

use super::{authority::Wire, challenge::Way, schedule::Gravity};
use crate::server::escaped;

const URN: &str = "urn:ietf:params:acme:error:";

/// A failed exchange with the authority, or on the way to it.
#[derive(Debug)]
pub(super) struct Failure {
    sentence: String,
    /// The authority's own word for it, if it gave one.
    kind: Option<String>,
    /// How long to wait.
    pub gravity: Gravity,
    /// What the authority says about that.
    pub after: Option<Duration>,
    /// Whether every name is affected.
    pub common: bool,
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl Failure {
    /// Something on our side: the disk.
    pub(super) fn own(error: impl Display) -> Self {
        Self { sentence: error.to_string(), kind: None, gravity: Gravity::OutOfReach, after: None, common: true }
    }

    /// The authority refused, in our words.
    pub(super) fn refused(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), kind: None, gravity: Gravity::Refused, after: None, common: false }
    }

    /// What an exchange ended with.
    pub(super) fn of(error: &Error, wire: &Wire) -> Self {
        let after = wire.after();
        match error {
            Error::Api(problem) => Self { after, ..Self::said(problem) },
            Error::Timeout(_) => Self { after, ..Self::refused("it did not come to a decision in time") },
            Error::Json(error) => {
                Self { after, ..Self::own(format!("what it answers is not ACME: {}", shown(&error.to_string()))) }
            }
            other => Self { after, ..Self::own(shown(&other.to_string())) },
        }
    }

    /// A problem, as the authority describes it.
    pub(super) fn said(problem: &Problem) -> Self {
        let kind = problem.r#type.as_deref().unwrap_or_default();
        let kind = kind.strip_prefix(URN).unwrap_or(kind).to_owned();
        let mut sentence = problem.detail.as_deref().map(shown).unwrap_or_else(|| "no reason given".to_owned());
        for inner in problem.subproblems.iter().take(8) {
            if let Some(detail) = &inner.detail {
                sentence = format!("{sentence}; {}", shown(detail));
            }
        }
        if !kind.is_empty() {
            sentence = format!("{sentence} ({})", shown(&kind));
        }
        // A nonce that was taken once too often says nothing of the order.
        let out_of_reach = matches!(kind.as_str(), "serverInternal" | "badNonce")
            || problem.status.is_some_and(|status| status >= 500);
        let gravity = if out_of_reach { Gravity::OutOfReach } else { Gravity::Refused };
        Self { sentence, kind: Some(kind), gravity, after: None, common: out_of_reach }
    }

    /// Every name needs the account.
    pub(super) fn about_account(self) -> Self {
        Self { common: true, ..self }
    }

    /// What to do about it, as far as its kind tells.
    pub(super) fn advice(&self, host: &str, way: Way) -> String {
        let (port, name) = (way.port(), way.name());
        match self.kind.as_deref() {
            Some("connection") => {
                format!(
                    "port {port} of {host} must lead here from everywhere ({name}): look at DNS, firewalls and forwarded ports"
                )
            }
            Some("dns") => format!("{host} needs an A or AAAA record that leads here"),
            Some("caa") => format!("a CAA record of {host}, or of a domain above it, names other authorities"),
            Some("tls" | "unauthorized" | "incorrectResponse") if way == Way::Tls => format!(
                "port 443 of {host} must lead to this registry itself: look at DNS and forwarded ports; behind a proxy that \
                 does TLS, set `http.tls.letsencrypt.http` and lead port 80 there"
            ),
            Some("unauthorized" | "incorrectResponse") => {
                format!("port 80 of {host} must lead to `http.tls.letsencrypt.http`: look at DNS and forwarded ports")
            }
            Some("rateLimited") => "the authority allows so many orders in a time; wait".to_owned(),
            Some("rejectedIdentifier") => format!("the authority issues nothing for {host}"),
            Some("invalidContact" | "unsupportedContact") => "look at `http.tls.letsencrypt.email`".to_owned(),
            Some("externalAccountRequired") => {
                "this authority wants an account that was made elsewhere, which is not supported".to_owned()
            }
            Some("userActionRequired") => "the authority has new terms: see what it says".to_owned(),
            _ if self.sentence.contains("renewed already")
                || self.sentence.contains("not valid yet")
                || self.sentence.contains("certificate expired") =>
            {
                "is this machine's clock right?".to_owned()
            }
            _ if self.sentence.contains("UnknownIssuer") => {
                "an authority that the system does not trust is named by `http.tls.letsencrypt.ca`".to_owned()
            }
            _ if self.gravity == Gravity::OutOfReach => {
                "look whether this machine reaches `http.tls.letsencrypt.directoryurl`".to_owned()
            }
            _ => "see what the authority says".to_owned(),
        }
    }

    /// Whether the authority forgot the account, or the account may not go on.
    pub(super) fn is_of_account(&self) -> bool {
        self.common || matches!(self.kind.as_deref(), Some("accountDoesNotExist" | "unauthorized" | "malformed"))
    }
}

/// Somebody else's words: on one line, with nothing that a terminal obeys, and
/// with an end.
fn shown(text: &str) -> String {
    escaped(text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn problem(json: &str) -> Failure {
        Failure::said(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn sentences() {
        let failure = problem(
            r#"{"type": "urn:ietf:params:acme:error:connection", "detail": "no route\nto \u001b[31mhost", "status": 400,
                "subproblems": [{"type": "x", "detail": "inner"}]}"#,
        );
        assert_eq!(failure.to_string(), r"no route\x0ato \x1b[31mhost; inner (connection)");
        assert_eq!((failure.gravity, failure.common), (Gravity::Refused, false));
        assert!(failure.advice("a.example", Way::Tls).starts_with("port 443 of a.example must lead here"));
        assert!(failure.advice("a.example", Way::Http).starts_with("port 80 of a.example must lead here"));
        let failure = problem(r#"{"type": "urn:ietf:params:acme:error:serverInternal", "status": 500}"#);
        assert_eq!((failure.gravity, failure.common), (Gravity::OutOfReach, true));
        assert_eq!(problem("{}").to_string(), "no reason given");
        let long = format!(r#"{{"detail": "{}"}}"#, "x".repeat(5000));
        assert!(problem(&long).to_string().len() < 1100);
    }
}

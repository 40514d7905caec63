//! What a token says (RFC 7519, and Docker's `access`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Seconds by which clocks may differ, as in distribution.
const LEEWAY: f64 = 60.0;

/// The claims that matter.
#[derive(Debug, Deserialize)]
pub struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    nbf: Option<f64>,
    access: Option<Vec<Grant>>,
}

/// One or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// What may be done with one thing.
#[derive(Debug, Serialize, Deserialize)]
pub struct Grant {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    actions: Option<Vec<String>>,
}

impl Grant {
    /// Those that [`Claims::grants`] wrote.
    pub fn list(text: &str) -> Option<Vec<Self>> {
        serde_json::from_str(text).ok()
    }

    /// Whether it allows this.
    pub fn allows(&self, kind: &str, name: &str, action: &str) -> bool {
        let one = |granted: &String| granted == "*" || granted == action;
        self.kind == kind && self.name == name && self.actions.iter().flatten().any(one)
    }
}

impl Claims {
    /// Reads the payload of a token.
    pub fn parse(payload: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(payload).map_err(|error| format!("its claims cannot be read: {error}"))
    }

    /// Whether it is meant for us and is in force; for how long it still is.
    pub fn check(&self, issuer: &str, service: &str, now: Duration) -> Result<Duration, String> {
        if self.iss.as_deref() != Some(issuer) {
            return Err(format!("it is of another issuer: {:?}", self.iss));
        }
        let meant = match &self.aud {
            Some(Audience::One(one)) => one == service,
            Some(Audience::Many(many)) => many.iter().any(|one| one == service),
            None => false,
        };
        if !meant {
            return Err(format!("it is for another service: {:?}", self.aud));
        }
        let now = now.as_secs_f64();
        let end = self.exp.ok_or("it has no end")? + LEEWAY;
        if now > end {
            return Err("it has expired".into());
        }
        if self.nbf.is_some_and(|begin| now < begin - LEEWAY) {
            return Err("it is not in force yet".into());
        }
        Ok(Duration::try_from_secs_f64(end - now).unwrap_or(Duration::MAX))
    }

    /// Whose it is; empty where it is nobody's in particular.
    pub fn subject(&self) -> &str {
        self.sub.as_deref().unwrap_or_default()
    }

    /// What it grants, as text for [`Grant::list`].
    pub fn grants(&self) -> Result<String, String> {
        let none = Vec::new();
        serde_json::to_string(self.access.as_ref().unwrap_or(&none)).map_err(|error| error.to_string())
    }
}

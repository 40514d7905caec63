//! Some addresses push; all others pull, and nothing else.

use std::time::Duration;

use serde::Deserialize;
use skerry_sdk::{Access, Action, AuthPolicy, Client, Decision, Failed, Host, Identity, Outcome, Principal};

/// What the operator may set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    writers: Vec<String>,
}

struct Policy(Settings);

/// How long the host may rely on an answer.
const MINUTE: Option<Duration> = Some(Duration::from_secs(60));

impl AuthPolicy for Policy {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Failed> {
        Ok(Self(settings))
    }

    fn authenticate(&self, _: &dyn Host, client: &Client, _: &[Access]) -> Result<Identity, Failed> {
        let principal = Principal { subject: client.address.clone(), groups: Vec::new(), claims: Vec::new() };
        Ok(Identity::Known(principal, MINUTE))
    }

    fn authorize(&self, _: &dyn Host, _: Option<&Principal>, client: &Client, accesses: &[Access]) -> Result<Decision, Failed> {
        let pulls = accesses.iter().all(|access| access.action == Action::Pull);
        let outcome = match pulls || self.0.writers.contains(&client.address) {
            true => Outcome::Allow,
            false => Outcome::Deny(format!("{} may pull and nothing else", client.address)),
        };
        Ok(Decision { outcome, lifetime: MINUTE })
    }
}

skerry_sdk::auth_policy!(Policy);

#[cfg(test)]
mod tests {
    use skerry_sdk::{authorize, memory::Memory};

    use super::*;

    #[test]
    fn writers_push() {
        let host = Memory::new(r#"{"writers": ["10.0.0.7"]}"#);
        let push = [Access { repository: Some("app".into()), action: Action::Push, reference: None }];
        for (address, allowed) in [("10.0.0.7", true), ("10.0.0.8", false)] {
            let client = Client { address: address.into(), ..Client::default() };
            let decision = authorize::<Policy>(&host, None, &client, &push).unwrap();
            assert_eq!(decision.outcome == Outcome::Allow, allowed, "{address}");
        }
    }
}

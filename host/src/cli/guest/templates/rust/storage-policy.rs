//! Tags that the settings refuse cannot be set.

use serde::Deserialize;
use skerry_sdk::{Concern, Event, Failed, Happening, Host, Principal, Ruling, StoragePolicy};

/// What the operator may set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    refused: Vec<String>,
}

struct Policy(Settings);

impl StoragePolicy for Policy {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Failed> {
        if settings.refused.iter().any(String::is_empty) { Err("`refused` names a tag that is none".into()) } else { Ok(Self(settings)) }
    }

    fn concerns(&self) -> Vec<Concern> {
        vec![Concern::TagMove]
    }

    fn admit(&self, _: &dyn Host, _: Option<&Principal>, event: &Event) -> Result<Ruling, Failed> {
        Ok(match &event.action {
            Happening::TagMove(to) if self.0.refused.contains(&to.tag) => {
                Ruling::deny(format!("the tag {} of {} is refused here", to.tag, event.repository))
            }
            _ => Ruling::allow(),
        })
    }
}

skerry_sdk::storage_policy!(Policy);

#[cfg(test)]
mod tests {
    use skerry_sdk::{TagMove, admit, memory::Memory};

    use super::*;

    #[test]
    fn a_tag_that_is_refused() {
        let host = Memory::new(r#"{"refused": ["latest"]}"#);
        let to = |tag: &str| Event {
            repository: "app".into(),
            action: Happening::TagMove(TagMove { tag: tag.into(), old: None, new: "sha256:aa".into() }),
        };
        assert!(matches!(admit::<Policy>(&host, None, &to("latest")), Ok(Ruling::Deny(_))));
        assert!(matches!(admit::<Policy>(&host, None, &to("v1")), Ok(Ruling::Allow(_))));
    }
}

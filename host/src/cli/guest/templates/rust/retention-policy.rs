//! Tags go that nobody set or pulled for some days; some names are kept.

use serde::Deserialize;
use skerry_sdk::{
    Concern, Departure, Event, Failed, Host, Principal, Retention, RetentionPolicy, Ruling, StoragePolicy, TagFacts,
};

/// What the operator may set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    kept: Vec<String>,
    days: u64,
}

struct Policy(Settings);

impl StoragePolicy for Policy {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Failed> {
        if settings.days == 0 { Err("`days` is 0: nothing would stay".into()) } else { Ok(Self(settings)) }
    }

    // What clients do is not.
    fn concerns(&self) -> Vec<Concern> {
        Vec::new()
    }

    fn admit(&self, _: &dyn Host, _: Option<&Principal>, _: &Event) -> Result<Ruling, Failed> {
        Ok(Ruling::allow())
    }
}

impl RetentionPolicy for Policy {
    fn retain(&self, _: &dyn Host, question: &Retention) -> Result<Vec<Departure>, Failed> {
        let Settings { kept, days } = &self.0;
        let goes = |tag: &&TagFacts| {
            // Of what was pulled before that, nobody knows.
            let used = tag.updated.max(tag.last_pull.unwrap_or(question.recorded_since));
            !kept.contains(&tag.tag) && question.now.saturating_sub(used) > days.saturating_mul(86_400)
        };
        let reason = format!("neither set nor pulled for {days} days");
        let gone = question.tags.iter().filter(goes);
        Ok(gone.map(|tag| Departure { tag: tag.tag.clone(), reason: reason.clone() }).collect())
    }
}

skerry_sdk::retention_policy!(Policy);

#[cfg(test)]
mod tests {
    use skerry_sdk::{memory::Memory, retain};

    use super::*;

    #[test]
    fn what_nobody_uses_goes() {
        let host = Memory::new(r#"{"kept": ["latest"], "days": 1}"#);
        let tag = |tag: &str, updated| TagFacts { tag: tag.into(), updated, ..TagFacts::default() };
        let tags = vec![tag("latest", 1), tag("new", 950_000), tag("old", 1)];
        let question = Retention { repository: "app".into(), tags, now: 1_000_000, recorded_since: 1 };
        let gone = retain::<Policy>(&host, &question).unwrap();
        assert!(matches!(gone.as_slice(), [gone] if gone.tag == "old"));
    }
}

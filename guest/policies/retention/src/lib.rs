//! `retention`: which tags are kept.
//!
//! Tags go by the schedule `storage.maintenance.retention`, or by the command
//! `skerry retain`; what no tag leads to any more goes with `garbage-collect`.
//!
//! ```yaml
//! storage:
//!   maintenance:
//!     retention: {enabled: true, interval: 24h, dryrun: true}
//! policies:
//! - module: retention
//!   settings:
//!     rules:
//!     - repositories: ["team/**"]  # of which repositories
//!       tags: ["pr-*"]             # and of which tags; all where it is not set
//!       # A tag stays for any of these:
//!       matching: ["*-keep"]       # it is like one of these
//!       keep_last: 5               # it is among the last so many that were set
//!       younger_than: 14d          # it was set within this time
//!       pulled_within: 30d         # it was pulled within this time
//! ```
//!
//! A tag that no rule is about stays; one that several are about stays if any
//! of them keeps it. Of the clauses each may be left out, and one at least must
//! be there. While pulls have not been written down for as long as
//! `pulled_within`, it keeps every tag.
//!
//! Times are whole minutes, hours, days or weeks (`90m`, `12h`, `30d`, `8w`);
//! `*` stands for characters within a segment of a name, `**` for segments.

mod period;
mod rule;

use serde::Deserialize;
use skerry_libc as _;
use skerry_sdk::{
    Concern, Departure, Event, Failed, Host, Principal, Retention, RetentionPolicy, Ruling, StoragePolicy,
};

pub use self::{period::Period, rule::Rule};

/// The policy.
#[derive(Debug)]
pub struct Keep(Settings);

/// What the operator may set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    rules: Vec<Rule>,
}

impl StoragePolicy for Keep {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Failed> {
        if settings.rules.is_empty() {
            return Err("settings: `rules` is empty: everything would stay".into());
        }
        for (index, rule) in settings.rules.iter().enumerate() {
            rule.check().map_err(|wrong| format!("settings: rule {}: {wrong}", index + 1))?;
        }
        Ok(Self(settings))
    }

    /// What clients do is not.
    fn concerns(&self) -> Vec<Concern> {
        Vec::new()
    }

    fn admit(&self, _: &dyn Host, _: Option<&Principal>, _: &Event) -> Result<Ruling, Failed> {
        Ok(Ruling::allow())
    }
}

impl RetentionPolicy for Keep {
    fn retain(&self, _: &dyn Host, question: &Retention) -> Result<Vec<Departure>, Failed> {
        let rules = self.0.rules.iter().enumerate().filter(|(_, rule)| rule.is_about(&question.repository));
        let judged: Vec<_> = rules.map(|(index, rule)| (index + 1, rule, rule.judge(question))).collect();
        let mut departures = Vec::new();
        for (place, facts) in question.tags.iter().enumerate() {
            // Of each rule that is about the tag, whether it keeps it.
            let mut said = judged.iter().filter_map(|(number, rule, kept)| Some((number, rule, (*kept.get(place)?)?)));
            let Some((number, rule, kept)) = said.next() else { continue };
            if !kept && said.all(|(_, _, kept)| !kept) {
                let reason = format!("rule {number}: {}", rule.against());
                departures.push(Departure { tag: facts.tag.clone(), reason });
            }
        }
        Ok(departures)
    }
}

skerry_sdk::retention_policy!(Keep);

//! One rule.

use serde::Deserialize;
use skerry_sdk::{Glob, Retention, TagFacts};

use crate::Period;

/// What keeps which tags.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    repositories: Vec<Glob>,
    tags: Option<Vec<Glob>>,
    matching: Option<Vec<Glob>>,
    keep_last: Option<usize>,
    younger_than: Option<Period>,
    pulled_within: Option<Period>,
}

impl Rule {
    /// What is wrong with it.
    ///
    /// # Errors
    /// A sentence.
    pub fn check(&self) -> Result<(), String> {
        let empty = |list: &Option<Vec<Glob>>| list.as_ref().is_some_and(Vec::is_empty);
        if self.repositories.is_empty() {
            return Err("`repositories` is an empty list: it would be about nothing".to_owned());
        }
        for (name, list) in [("tags", &self.tags), ("matching", &self.matching)] {
            if empty(list) {
                return Err(format!("`{name}` is an empty list: leave it out"));
            }
        }
        let keeps = self.matching.is_some()
            || self.keep_last.is_some()
            || self.younger_than.is_some()
            || self.pulled_within.is_some();
        match keeps {
            true => Ok(()),
            false => Err("it has none of `matching`, `keep_last`, `younger_than` and `pulled_within`, and would keep \
                          nothing: if that is meant, say `keep_last: 0`"
                .to_owned()),
        }
    }

    /// Whether it is about a repository.
    #[must_use]
    pub fn is_about(&self, repository: &str) -> bool {
        any(&self.repositories, repository)
    }

    /// Of each tag whether it is kept; nothing of those that it is not about.
    #[must_use]
    pub fn judge(&self, question: &Retention) -> Vec<Option<bool>> {
        let about = |facts: &&TagFacts| self.tags.as_ref().is_none_or(|tags| any(tags, &facts.tag));
        let mut latest: Vec<&TagFacts> = question.tags.iter().filter(about).collect();
        // The last first; of two of the same second, the one whose name is
        // later.
        latest.sort_by(|one, other| (other.updated, &other.tag).cmp(&(one.updated, &one.tag)));
        let last = self.keep_last.and_then(|n| n.checked_sub(1)).and_then(|n| latest.get(n).or(latest.last()));
        let among =
            |facts: &TagFacts| last.is_some_and(|last| (facts.updated, &facts.tag) >= (last.updated, &last.tag));
        let within = |period: &Option<Period>, time: u64| {
            period.as_ref().is_some_and(|period| question.now.saturating_sub(time) < period.seconds())
        };
        let keeps = |facts: &TagFacts| {
            self.matching.as_ref().is_some_and(|globs| any(globs, &facts.tag))
                || among(facts)
                || within(&self.younger_than, facts.updated)
                || within(&self.pulled_within, facts.last_pull.unwrap_or(question.recorded_since))
        };
        question.tags.iter().map(|facts| about(&facts).then(|| keeps(facts))).collect()
    }

    /// Why a tag goes that it does not keep.
    #[must_use]
    pub fn against(&self) -> String {
        let mut said = Vec::new();
        if let Some(last) = self.keep_last {
            said.push(format!("not among the last {last}"));
        }
        if let Some(period) = &self.younger_than {
            said.push(format!("not younger than {period}"));
        }
        if let Some(period) = &self.pulled_within {
            said.push(format!("not pulled within {period}"));
        }
        if self.matching.is_some() {
            said.push("not like what is to stay".to_owned());
        }
        said.join(", ")
    }
}

fn any(globs: &[Glob], name: &str) -> bool {
    globs.iter().any(|glob| glob.matches(name))
}

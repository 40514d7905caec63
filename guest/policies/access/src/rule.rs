//! One rule: these may do this there.

use serde::Deserialize;
use skerry_sdk::{Action, Glob, Principal};

/// Everybody who is known.
const ANYBODY: &str = "*";

/// These may do this there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    #[serde(default)]
    repositories: Vec<Glob>,
    #[serde(default)]
    subjects: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    anonymous: bool,
    actions: Vec<Action>,
}

impl Rule {
    /// Whether it can be meant.
    ///
    /// # Errors
    /// It could never allow anything. A sentence about it.
    pub fn check(&self) -> Result<(), &'static str> {
        if !self.anonymous && self.subjects.is_empty() && self.groups.is_empty() {
            return Err(
                "it is for nobody: name `subjects` (\"*\" for all who are known), `groups` or `anonymous: true`",
            );
        }
        if self.actions.is_empty() {
            return Err("`actions` is empty: it allows nothing");
        }
        let in_repositories = self.actions.iter().any(|action| *action != Action::Catalog);
        if in_repositories && self.repositories.is_empty() {
            return Err("`repositories` is empty: it allows nothing (\"**\" for all of them)");
        }
        if !in_repositories && !self.repositories.is_empty() {
            return Err("`catalog` is not about `repositories`: leave them out, or allow `pull` too");
        }
        Ok(())
    }

    /// The groups that it names.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Whether it is about this client, with the groups that it is in.
    pub fn is_about(&self, principal: Option<&Principal>, groups: &[&str]) -> bool {
        let named = |principal: &Principal| {
            self.subjects.iter().any(|subject| subject == ANYBODY || *subject == principal.subject)
        };
        self.anonymous
            || principal.is_some_and(named)
            || self.groups.iter().any(|group| groups.contains(&group.as_str()))
    }

    /// Whether it allows this there.
    pub fn allows(&self, action: Action, repository: Option<&str>) -> bool {
        self.actions.contains(&action)
            && match (action, repository) {
                (Action::Catalog, None) => true,
                (Action::Catalog, Some(_)) | (_, None) => false,
                (_, Some(repository)) => self.repositories.iter().any(|glob| glob.matches(repository)),
            }
    }
}

//! `access`: who may do what, by the name of the repository.
//!
//! What no rule allows is denied: a client that nobody knows is asked to say
//! who it is (401), one that is known is told why not (403), or, with `hide`,
//! finds nothing where it may not pull. Rules only allow, so their order does
//! not matter. Other policies say who clients are; this one can take the name
//! from a certificate that an authority of `http.tls.clientcas` vouched for.
//!
//! ```yaml
//! policies:
//! - name: rules
//!   module: access
//!   settings:
//!     rules:
//!     - repositories: ["public/**"]  # `*` within a segment, `**` for segments
//!       anonymous: true              # everybody, whether known or not
//!       actions: [pull]
//!     - repositories: ["team/**"]
//!       groups: [developers]
//!       actions: [pull, push]
//!     - repositories: ["**"]
//!       subjects: [admin]            # "*" is everybody who is known
//!       actions: [pull, push, delete, catalog]
//!     groups:
//!       developers: [ann, bob]       # beside the groups that policies know
//!     hide: false
//!     ask: true
//!     certificates:
//!       subject: common-name         # or dns, email, uri
//! ```
//!
//! To push is to pull as well: registries ask for both. `catalog` is for the
//! list of repositories, whatever `repositories` says, and shows those that
//! the client may pull.
//!
//! `ask` is about `/v2/`, which clients look at first. podman, skopeo and
//! dockerd send a password only to a registry that asks for it there, so it
//! does, even where a rule lets everybody in. dockerd (unless it uses the
//! containerd store) then pulls nothing without a password; `ask: false` lets
//! it, and is for registries that it does not push to.
//!
//! With certificates, put this policy before one that demands a password. A
//! client that shows a password or a token as well is known by that.

mod rule;
mod subject;

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use skerry_libc as _;
use skerry_sdk::{Access, AuthPolicy, Client, Decision, Evidence, Failed, Host, Identity, Principal};

pub use self::{rule::Rule, subject::Source};

/// The answers follow from the question alone: the host forgets them when the
/// configuration changes.
const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// Certificates end, and authorities change.
const CERTIFICATE_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// The longest subject, in bytes.
const LONGEST_SUBJECT: usize = 256;

/// The policy.
#[derive(Debug)]
pub struct Rules(Settings);

/// What the operator may set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    rules: Vec<Rule>,
    #[serde(default)]
    groups: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    hide: bool,
    #[serde(default = "yes")]
    ask: bool,
    certificates: Option<Certificates>,
}

/// How a certificate names a client.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Certificates {
    subject: Source,
}

const fn yes() -> bool {
    true
}

impl AuthPolicy for Rules {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Failed> {
        for (index, rule) in settings.rules.iter().enumerate() {
            rule.check().map_err(|why| format!("settings: rule {}: {why}", index + 1))?;
        }
        Ok(Self(settings))
    }

    fn check(&self, _: &dyn Host) -> Result<Vec<String>, Failed> {
        let rules = self.0.rules.iter().enumerate();
        let unknown = rules.flat_map(|(index, rule)| {
            let groups = rule.groups().iter().filter(|group| !self.0.groups.contains_key(*group));
            groups.map(move |group| {
                format!("rule {}: the group {group:?} is not in `groups`: only another policy can know it", index + 1)
            })
        });
        let nothing = self.0.rules.is_empty().then(|| "there are no rules: nobody may do anything".to_owned());
        Ok(nothing.into_iter().chain(unknown).take(64).collect())
    }

    fn knows_by(&self) -> Vec<Evidence> {
        self.0.certificates.iter().map(|_| Evidence::Certificate).collect()
    }

    fn authenticate(&self, _: &dyn Host, client: &Client, _: &[Access]) -> Result<Identity, Failed> {
        let (Some(wanted), Some(certificate), true) =
            (&self.0.certificates, &client.certificate, client.credential.is_nothing())
        else {
            return Ok(Identity::Pass);
        };
        let subject = wanted.subject.of(certificate).filter(|subject| (1..=LONGEST_SUBJECT).contains(&subject.len()));
        Ok(subject
            .map_or(Identity::Pass, |subject| Identity::Known(Principal::named(subject), Some(CERTIFICATE_LIFETIME))))
    }

    fn authorize(
        &self,
        _: &dyn Host,
        principal: Option<&Principal>,
        _: &Client,
        accesses: &[Access],
    ) -> Result<Decision, Failed> {
        let groups = principal.map(|principal| self.groups_of(principal)).unwrap_or_default();
        let rules: Vec<&Rule> = self.0.rules.iter().filter(|rule| rule.is_about(principal, &groups)).collect();
        let decision = match principal {
            // Whoever is known is let in, and may then do what rules allow.
            None if accesses.is_empty() && (self.0.ask || rules.is_empty()) => Decision::challenge(),
            _ => match (accesses.iter().find(|access| !allowed(&rules, access)), principal) {
                (None, _) => Decision::allow(),
                (Some(_), None) => Decision::challenge(),
                (Some(access), Some(_)) if self.0.hide && !visible(&rules, access) => Decision::hide(),
                (Some(access), Some(principal)) => Decision::deny(reason(principal, access)),
            },
        };
        Ok(decision.lasting(LIFETIME))
    }
}

impl Rules {
    /// The groups that a policy knew of, and those of the settings.
    fn groups_of<'a>(&'a self, principal: &'a Principal) -> Vec<&'a str> {
        let listed = self.0.groups.iter().filter(|(_, members)| members.contains(&principal.subject));
        principal.groups.iter().map(String::as_str).chain(listed.map(|(name, _)| name.as_str())).collect()
    }
}

fn allowed(rules: &[&Rule], access: &Access) -> bool {
    rules.iter().any(|rule| rule.allows(access.action, access.repository.as_deref()))
}

/// Whether the client may know that there is such a repository.
fn visible(rules: &[&Rule], access: &Access) -> bool {
    let repository = access.repository.as_deref();
    repository.is_none() || rules.iter().any(|rule| rule.allows(skerry_sdk::Action::Pull, repository))
}

fn reason(principal: &Principal, access: &Access) -> String {
    match &access.repository {
        Some(repository) => format!("{} may not {} {repository}", principal.subject, verb(access)),
        None => format!("{} may not {}", principal.subject, verb(access)),
    }
}

const fn verb(access: &Access) -> &'static str {
    use skerry_sdk::Action;
    match access.action {
        Action::Pull => "pull from",
        Action::Push => "push to",
        Action::Delete => "delete from",
        Action::Catalog => "list the repositories",
    }
}

skerry_sdk::auth_policy!(Rules);

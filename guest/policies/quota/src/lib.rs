//! `quota`: how much trees of repositories may hold.
//!
//! What does not fit in is denied, with the figures: a blob or a manifest
//! before it becomes visible, an upload when it begins, if the tree is full or
//! its declared length does not fit. Above 90 % clients are warned. Who deletes
//! gets room at once, by what was the repository's own; pushing what is there
//! already takes none, once its upload has begun.
//!
//! ```yaml
//! policies:
//! - module: quota
//!   settings:
//!     rules:
//!     - {bytes: 500GiB}                             # the whole registry
//!     - {tree: team, bytes: 50GiB, repositories: 20}
//!     - {tree: "users/*", bytes: 5GiB}              # each user's repositories together
//!     - {tree: "team/**", tags: 200, manifests: 1000} # each repository below team
//! ```
//!
//! All rules of all trees that a repository is in must hold. A `tree` is a
//! pattern of names by whole segments: `team` is the repository of that name
//! and all below it, `*` each such tree of one segment by itself; a pattern
//! that ends with `**` is of each repository by itself. `bytes` is a number, or
//! one with `kB`, `MB`, `GB`, `TB` or `KiB`, `MiB`, `GiB`, `TiB`; beside it
//! there are `blobs`, `manifests`, `tags` and `repositories`.
//!
//! Bytes are those of the distinct blobs and manifests of each repository: what
//! two repositories share counts in both, although the disk has it once.

mod size;

use serde::Deserialize;
use skerry_libc as _;
use skerry_sdk::{Concern, Event, Failed, Glob, Happening, Host, Principal, Ruling, StoragePolicy, Usage};

use self::size::Size;

/// The policy.
#[derive(Debug)]
pub struct Quota {
    rules: Vec<Rule>,
}

/// What the operator may set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    tree: Option<Glob>,
    bytes: Option<Size>,
    blobs: Option<u64>,
    manifests: Option<u64>,
    tags: Option<u64>,
    repositories: Option<u64>,
}

/// One thing of which there is a limit.
struct Limit {
    /// Its name; nothing for bytes.
    of: &'static str,
    most: u64,
    used: u64,
    added: u64,
}

impl StoragePolicy for Quota {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Failed> {
        if settings.rules.is_empty() {
            return Err("settings: `rules` is an empty list, which limits nothing".into());
        }
        if settings.rules.iter().any(|rule| rule.limits(&Usage::default(), &Usage::default()).next().is_none()) {
            return Err("settings: a rule limits none of bytes, blobs, manifests, tags, repositories".into());
        }
        Ok(Self { rules: settings.rules })
    }

    fn concerns(&self) -> Vec<Concern> {
        let mut concerns = vec![Concern::BlobPush, Concern::Mount, Concern::ManifestPush, Concern::UploadStart];
        if self.rules.iter().any(|rule| rule.tags.is_some()) {
            concerns.push(Concern::TagMove);
        }
        concerns
    }

    fn admit(&self, host: &dyn Host, _: Option<&Principal>, event: &Event) -> Result<Ruling, Failed> {
        let begins = match &event.action {
            Happening::BlobPush(_) | Happening::Mount(_) | Happening::ManifestPush(_) => None,
            Happening::TagMove(tag) if tag.old.is_none() => None,
            // It becomes one blob, of what it brings.
            Happening::UploadStart(length) => Some(Usage { bytes: length.unwrap_or(1), blobs: 1, ..Usage::default() }),
            _ => return Ok(Ruling::allow()),
        };
        let mut warnings = Vec::new();
        let mut adds = begins;
        for tree in trees(&event.repository) {
            let mut used = None;
            for rule in self.rules.iter().filter(|rule| rule.is_of(tree, &event.repository)) {
                let used = match used {
                    Some(used) => used,
                    None => *used.insert(host.usage(tree)?),
                };
                let adds = match adds {
                    Some(adds) => adds,
                    None => *adds.insert(host.adds()?),
                };
                for limit in rule.limits(&used, &adds).filter(|limit| limit.added > 0) {
                    let then = limit.used.saturating_add(limit.added);
                    let name = if tree.is_empty() { "the registry" } else { tree };
                    if then > limit.most {
                        return Ok(Ruling::deny(limit.denies(name, &event.action)));
                    }
                    if begins.is_none() && then.saturating_mul(10) > limit.most.saturating_mul(9) {
                        let (held, most) = (limit.shown(then), limit.shown(limit.most));
                        warnings.push(format!("{name} holds {held} of its quota of {most}{}", limit.of));
                    }
                }
            }
        }
        warnings.truncate(8);
        Ok(Ruling::Allow(warnings))
    }
}

impl Rule {
    /// Whether it limits a tree, which a repository is in.
    fn is_of(&self, tree: &str, repository: &str) -> bool {
        match &self.tree {
            None => tree.is_empty(),
            Some(glob) => {
                let each = glob.as_str().ends_with("**");
                !tree.is_empty() && (!each || tree == repository) && glob.matches(tree)
            }
        }
    }

    fn limits(&self, used: &Usage, adds: &Usage) -> impl Iterator<Item = Limit> {
        [
            ("", self.bytes.as_ref().map(|size| size.0), used.bytes, adds.bytes),
            (" blobs", self.blobs, used.blobs, adds.blobs),
            (" manifests", self.manifests, used.manifests, adds.manifests),
            (" tags", self.tags, used.tags, adds.tags),
            (" repositories", self.repositories, used.repositories, adds.repositories),
        ]
        .into_iter()
        .filter_map(|(of, most, used, added)| Some(Limit { of, most: most?, used, added }))
    }
}

impl Limit {
    fn shown(&self, amount: u64) -> String {
        if self.of.is_empty() { size::shown(amount) } else { amount.to_string() }
    }

    fn denies(&self, tree: &str, action: &Happening) -> String {
        let (most, used) = (self.shown(self.most), self.shown(self.used));
        let more = match action {
            Happening::UploadStart(None) => String::new(),
            _ => self.shown(self.added) + " ",
        };
        format!("{tree} has a quota of {most}{} and holds {used}: there is no room for {more}more", self.of)
    }
}

/// The trees that a repository is in, the smallest first.
fn trees(repository: &str) -> impl Iterator<Item = &str> {
    let above = repository.rmatch_indices('/').filter_map(|(at, _)| repository.get(..at));
    std::iter::once(repository).chain(above).chain(std::iter::once(""))
}

skerry_sdk::storage_policy!(Quota);

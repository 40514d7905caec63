//! `name-rules`: what repositories and tags may be called.
//!
//! What is pushed under another name is denied from the start of its upload
//! on. What is there already can be pulled and deleted.
//!
//! ```yaml
//! policies:
//! - name: names
//!   module: name-rules
//!   settings:
//!     repositories: ["team-*/**", "base"]       # patterns; any one of them
//!     repository_pattern: "[a-z/-]+"            # a regular expression for the whole name
//!     max_depth: 3                              # segments: a/b/c
//!     tags: ["latest", "v*"]
//!     tag_pattern: "latest|v[0-9]+(\\.[0-9]+)*"
//! ```
//!
//! Each of these may be left out; all that are set must hold. In patterns, `*`
//! stands for characters within a segment, `**` for segments. Regular
//! expressions are those of the crate regex-lite: their time is bounded.

use regex_lite::{Regex, RegexBuilder};
use serde::Deserialize;
use skerry_libc as _;
use skerry_sdk::{Concern, Event, Failed, Glob, Happening, Host, Principal, Ruling, StoragePolicy};

/// The largest program of a regular expression, in bytes.
const PROGRAM: usize = 256 * 1024;

/// The policy.
#[derive(Debug)]
pub struct NameRules {
    repositories: Rules,
    tags: Rules,
    max_depth: Option<usize>,
}

/// What the operator may set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    repositories: Option<Vec<Glob>>,
    repository_pattern: Option<String>,
    max_depth: Option<usize>,
    tags: Option<Vec<Glob>>,
    tag_pattern: Option<String>,
}

/// What one kind of name has to be.
#[derive(Debug)]
struct Rules {
    globs: Option<Vec<Glob>>,
    pattern: Option<(String, Regex)>,
}

impl Rules {
    fn new(list: &str, globs: Option<Vec<Glob>>, setting: &str, pattern: Option<String>) -> Result<Self, Failed> {
        if globs.as_ref().is_some_and(Vec::is_empty) {
            return Err(format!("settings: `{list}` is an empty list: no push could follow it").into());
        }
        let compiled = pattern.map(|text| {
            // Whole, whatever alternatives there are within.
            match RegexBuilder::new(&format!("^(?:{text})$")).size_limit(PROGRAM).build() {
                Ok(regex) => Ok((text, regex)),
                Err(error) => Err(format!("settings: `{setting}`: {error}")),
            }
        });
        Ok(Self { globs, pattern: compiled.transpose()? })
    }

    /// What a name would have to be, if it is not.
    fn broken(&self, name: &str) -> Option<String> {
        if let Some(globs) = self.globs.as_ref().filter(|globs| !globs.iter().any(|glob| glob.matches(name))) {
            let globs: Vec<String> = globs.iter().map(Glob::to_string).collect();
            return Some(globs.join(", "));
        }
        let (text, _) = self.pattern.as_ref().filter(|(_, regex)| !regex.is_match(name))?;
        Some(text.clone())
    }
}

impl StoragePolicy for NameRules {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Failed> {
        if settings.max_depth == Some(0) {
            return Err("settings: `max_depth` is 0: no push could follow it".into());
        }
        Ok(Self {
            repositories: Rules::new(
                "repositories",
                settings.repositories,
                "repository_pattern",
                settings.repository_pattern,
            )?,
            tags: Rules::new("tags", settings.tags, "tag_pattern", settings.tag_pattern)?,
            max_depth: settings.max_depth,
        })
    }

    /// A blob that is pushed has been asked about as an upload that began, and
    /// a tag as one of its manifest.
    fn concerns(&self) -> Vec<Concern> {
        vec![Concern::UploadStart, Concern::Mount, Concern::ManifestPush]
    }

    fn admit(&self, _: &dyn Host, _: Option<&Principal>, event: &Event) -> Result<Ruling, Failed> {
        let tags = match &event.action {
            Happening::UploadStart(_) | Happening::Mount(_) => &[],
            Happening::ManifestPush(manifest) => manifest.tags.as_slice(),
            _ => return Ok(Ruling::allow()),
        };
        let repository = &event.repository;
        let depth = repository.split('/').count();
        if let Some(most) = self.max_depth.filter(|most| depth > *most) {
            return Ok(Ruling::deny(format!(
                "nothing can be pushed to {repository}: it has {depth} segments, and {most} are allowed"
            )));
        }
        if let Some(wanted) = self.repositories.broken(repository) {
            return Ok(Ruling::deny(cut(format!(
                "nothing can be pushed to {repository}: names of repositories have to be like {wanted}"
            ))));
        }
        for tag in tags {
            if let Some(wanted) = self.tags.broken(tag) {
                return Ok(Ruling::deny(cut(format!(
                    "{repository}:{tag} cannot be pushed: tags have to be like {wanted}"
                ))));
            }
        }
        Ok(Ruling::allow())
    }
}

/// The message, within what a client may be told.
fn cut(mut message: String) -> String {
    const LONGEST: usize = 1024;
    if message.len() > LONGEST {
        let end = (0..=LONGEST - 3).rev().find(|end| message.is_char_boundary(*end)).unwrap_or_default();
        message.truncate(end);
        message.push_str("...");
    }
    message
}

skerry_sdk::storage_policy!(NameRules);

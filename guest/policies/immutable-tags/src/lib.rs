//! `immutable-tags`: a tag that is there stays where it leads.
//!
//! It cannot be moved to another digest and cannot be deleted, nor can the
//! manifest that it leads to. To push what is there already is no move. New
//! tags are free, and so is whatever has no tag.
//!
//! ```yaml
//! policies:
//! - name: releases
//!   module: immutable-tags
//!   settings:
//!     repositories: ["team/**"]  # all of them where it is not set
//!     tags: ["v*"]               # all of them where it is not set
//!     except: ["v*-rc*"]         # these move, whatever `tags` says
//! ```
//!
//! `*` stands for characters within a segment of a name, `**` for segments.

use serde::Deserialize;
use skerry_libc as _;
use skerry_sdk::{Concern, Event, Failed, Glob, Happening, Host, Principal, Ruling, StoragePolicy};

/// The policy.
#[derive(Debug)]
pub struct ImmutableTags(Settings);

/// What the operator may set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    repositories: Option<Vec<Glob>>,
    tags: Option<Vec<Glob>>,
    #[serde(default)]
    except: Vec<Glob>,
}

impl StoragePolicy for ImmutableTags {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Failed> {
        for (name, list) in [("repositories", &settings.repositories), ("tags", &settings.tags)] {
            if list.as_ref().is_some_and(Vec::is_empty) {
                return Err(
                    format!("settings: `{name}` is an empty list, which is nothing: leave it out for all").into()
                );
            }
        }
        Ok(Self(settings))
    }

    fn concerns(&self) -> Vec<Concern> {
        vec![Concern::TagMove, Concern::TagDelete, Concern::ManifestDelete]
    }

    fn admit(&self, _: &dyn Host, _: Option<&Principal>, event: &Event) -> Result<Ruling, Failed> {
        let repository = &event.repository;
        let stays = |tag: &str| self.stays(repository, tag);
        Ok(match &event.action {
            Happening::TagMove(tag) if stays(&tag.tag) => match &tag.old {
                Some(old) if *old != tag.new => Ruling::deny(format!(
                    "the tag {} of {repository} is immutable and leads to {old}: push under another tag",
                    tag.tag
                )),
                _ => Ruling::allow(),
            },
            Happening::TagDelete(gone) if stays(&gone.tag) => {
                Ruling::deny(format!("the tag {} of {repository} is immutable and cannot be deleted", gone.tag))
            }
            Happening::ManifestDelete(gone) => match gone.tags.iter().find(|tag| stays(tag)) {
                Some(tag) => Ruling::deny(format!(
                    "the immutable tag {tag} of {repository} leads to {}, which therefore cannot be deleted",
                    gone.digest
                )),
                None => Ruling::allow(),
            },
            _ => Ruling::allow(),
        })
    }
}

impl ImmutableTags {
    fn stays(&self, repository: &str, tag: &str) -> bool {
        let any = |list: &[Glob], name| list.iter().any(|glob| glob.matches(name));
        self.0.repositories.as_ref().is_none_or(|list| any(list, repository))
            && self.0.tags.as_ref().is_none_or(|list| any(list, tag))
            && !any(&self.0.except, tag)
    }
}

skerry_sdk::storage_policy!(ImmutableTags);

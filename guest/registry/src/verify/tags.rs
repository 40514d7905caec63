//! Tags.

use std::collections::BTreeMap;

use super::{Step, Verifiable, Wrong, data::Link, present, unread};
use crate::{
    digest::Digest,
    host::{Change, Expectation, Failure, Kind},
    layout, links,
    manifests::{SERVED, references},
    name::{RepositoryName, Tag},
};

/// Tags of a repository that are looked through for who needs a manifest.
const TAGS: usize = 10_000;
/// Tags that one line names.
const NAMED: usize = 5;
/// Seconds: a tag may be about to be set.
const YOUNG: u64 = 10;

impl<S: Verifiable + ?Sized> Step<'_, S> {
    /// A tag of a repository.
    pub(super) fn tag(&mut self, name: &RepositoryName, text: &str, kind: Kind) -> Result<(), String> {
        let (Some(tag), Kind::Directory) = (Tag::parse(text), kind) else {
            return self.stray(&format!("{}/{text}", layout::tags(name)));
        };
        self.place.count.tags += 1;
        let key = layout::tag_current(name, &tag);
        match self.link(&key, None)? {
            Link::Right(digest) => self.named(name, &tag, &digest),
            Link::Absent if !self.asked.repair && self.is_young(name, &tag)? => Ok(()),
            Link::Absent => self.unnamed(name, &tag, "it does not say which manifest it is".to_owned()),
            Link::Wrong(what) => self.unnamed(name, &tag, format!("{key}: {what}")),
        }
    }

    fn is_young(&self, name: &RepositoryName, tag: &Tag) -> Result<bool, String> {
        let key = layout::tag(name, tag);
        let found = present(self.host.stat(&key)).map_err(|failure| unread(&key, &failure))?;
        Ok(found.is_none_or(|found| found.modified.saturating_add(YOUNG) > self.asked.now))
    }

    /// A tag that names a manifest.
    fn named(&mut self, name: &RepositoryName, tag: &Tag, digest: &Digest) -> Result<(), String> {
        let current = layout::tag_current(name, tag);
        let still = || Expectation::Equals(current.clone(), digest.as_str().into());
        let link = || digest.as_str().as_bytes().to_vec();
        if !self.has_revision(name, digest)? {
            if self.moved(&current, digest)? {
                return Ok(());
            }
            let there = self.is_manifest(digest)?;
            let done = if there {
                let changes = vec![Change::Put(layout::revision_link(name, digest), link())];
                self.mend("linked again", vec![still(), Expectation::Present(layout::data(digest))], changes)?
            } else {
                None
            };
            let what = match there {
                true => format!("the manifest that it names, {digest}, is not linked here"),
                false => format!("the manifest that it names, {digest}, is not here"),
            };
            let wrong = self.tag_lost(name, tag, what);
            self.damaged(wrong, done);
            if !there {
                return Ok(());
            }
        }
        let index = layout::tag_index(name, tag, digest);
        if self.link(&index, Some(digest))? == Link::Absent && !self.moved(&current, digest)? {
            let wrong = Wrong {
                place: index.clone(),
                what: "it is missing".to_owned(),
                consequence: format!("distribution may leave {name}:{tag} when its manifest is deleted"),
                remedy: "a repair writes it, as does a push of the tag".to_owned(),
            };
            let done = self.mend("written", vec![still()], vec![Change::Put(index, link())])?;
            self.damaged(wrong, done);
        }
        Ok(())
    }

    /// Whether a tag went, or names something else, since it was looked at.
    fn moved(&mut self, current: &str, digest: &Digest) -> Result<bool, String> {
        Ok(!self.asked.repair && self.link(current, None)? != Link::Right(digest.clone()))
    }

    /// A tag of which nobody can tell what it names, unless it never named but
    /// one manifest that is here.
    fn unnamed(&mut self, name: &RepositoryName, tag: &Tag, what: String) -> Result<(), String> {
        let mut before = self.history(name, tag)?;
        let only = before.pop().filter(|_| before.is_empty());
        let directory = layout::tag(name, tag);
        let current = layout::tag_current(name, tag);
        let done = match only {
            Some(only) => {
                let changes = vec![
                    Change::Quarantine(current.strip_suffix("/link").unwrap_or(&current).to_owned()),
                    Change::Create(current.clone(), only.as_str().into()),
                ];
                self.mend("set to the only manifest that it ever named", Vec::new(), changes)?
            }
            None => self.mend("moved to the quarantine", Vec::new(), vec![Change::Quarantine(directory)])?,
        };
        let wrong = self.tag_lost(name, tag, what);
        self.damaged(wrong, done);
        Ok(())
    }

    fn tag_lost(&self, name: &RepositoryName, tag: &Tag, what: String) -> Wrong {
        Wrong {
            place: format!("{name}:{tag}"),
            what,
            consequence: format!("cannot be pulled: {name}:{tag}"),
            remedy: format!("tag it and push it again: docker push HOST/{name}:{tag}"),
        }
    }

    /// Up to two manifests that a tag once named and that are here.
    fn history(&mut self, name: &RepositoryName, tag: &Tag) -> Result<Vec<Digest>, String> {
        let mut found = Vec::new();
        for algorithm in ["sha256", "sha512"] {
            let directory = format!("{}/index/{algorithm}", layout::tag(name, tag));
            let page =
                present(self.host.page(&directory, None, 100)).map_err(|failure| unread(&directory, &failure))?;
            for (hex, _) in page.unwrap_or_default().entries {
                if let Ok(digest) = Digest::parse(&format!("{algorithm}:{hex}"))
                    && found.len() < 2
                    && self.has_revision(name, &digest)?
                {
                    found.push(digest);
                }
            }
        }
        Ok(found)
    }

    /// The tags by which a manifest is pulled, itself or as a part of an index.
    pub(super) fn tags_of(&mut self, name: &RepositoryName, digest: &Digest) -> Result<Vec<String>, String> {
        if self.names.as_ref().is_none_or(|(repository, _)| repository != name.as_str()) {
            let names = self.all_tags(name).map_err(|failure| unread(&layout::tags(name), &failure))?;
            self.names = Some((name.as_str().to_owned(), names));
        }
        let tags = self.names.as_ref().and_then(|(_, names)| names.get(digest.as_str()));
        Ok(tags.into_iter().flatten().take(NAMED).map(|tag| format!("{name}:{tag}")).collect())
    }

    fn all_tags(&self, name: &RepositoryName) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut add = |digest: &Digest, tag: &Tag| {
            let tags = names.entry(digest.as_str().to_owned()).or_default();
            if tags.len() < NAMED {
                tags.push(tag.as_str().to_owned());
            }
        };
        let Some(page) = present(self.host.page(&layout::tags(name), None, 10_000))? else { return Ok(names) };
        for tag in page.entries.iter().take(TAGS).filter_map(|(tag, _)| Tag::parse(tag)) {
            let Some(digest) = links::tagged(self.host, name, &tag)? else { continue };
            add(&digest, &tag);
            let bytes = match self.host.read(&layout::data(&digest), SERVED) {
                Ok(bytes) => bytes,
                Err(Failure::NotFound | Failure::WrongKind | Failure::TooLarge(_) | Failure::Io(_)) => continue,
                Err(failure) => return Err(failure),
            };
            // A blob's digest is none of a manifest's, and does no harm.
            for child in references(&bytes).unwrap_or_default().parts.iter().take(256) {
                add(child, &tag);
            }
        }
        Ok(names)
    }
}

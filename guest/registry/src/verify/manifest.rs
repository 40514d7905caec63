//! Manifests, and whether what they name is here.

use std::collections::BTreeSet;

use super::{
    Step, Verifiable, Wrong,
    data::{Data, Link},
    push_again, unread,
};
use crate::{
    digest::Digest,
    host::{Change, Expectation, Failure, Kind},
    layout,
    manifests::{Manifest, Needs, SERVED, entry, media_type, needs, references},
    name::RepositoryName,
};

/// Parts that one line names.
const NAMED: usize = 3;

impl<S: Verifiable + ?Sized> Step<'_, S> {
    /// A manifest of a repository.
    pub(super) fn revision(&mut self, name: &RepositoryName, digest: &Digest) -> Result<(), String> {
        let key = layout::revision_link(name, digest);
        let stored = match self.link(&key, Some(digest))? {
            Link::Absent => return Ok(()),
            Link::Right(stored) => stored,
            Link::Wrong(what) => {
                let wrong = self.lost(name, digest, key.clone(), what)?;
                return self.relink(digest, wrong, key);
            }
        };
        self.place.count.manifests += 1;
        let mut found = self.examine(name, digest, &stored)?;
        if found.is_some() && !self.asked.repair {
            // It may have been deleted, or its parts collected, just then.
            if self.link(&key, Some(digest))? == Link::Absent {
                return Ok(());
            }
            found = self.examine(name, digest, &stored)?;
        }
        let Some((what, links)) = found else { return Ok(()) };
        let done = if links.is_empty() {
            None
        } else {
            // A blob that is there was in this repository: a manifest that
            // names it is taken only then.
            let present = links.iter().map(|part| Expectation::Present(layout::data(part))).collect();
            let put = |part: &Digest| Change::Put(layout::layer_link(name, part), part.as_str().into());
            self.mend("linked again", present, links.iter().map(put).collect())?
        };
        let wrong = self.lost(name, digest, format!("{name}@{digest}"), what)?;
        self.damaged(wrong, done);
        Ok(())
    }

    /// What is wrong with a manifest, and the blobs of it that are here and
    /// are not linked.
    fn examine(
        &mut self,
        name: &RepositoryName,
        digest: &Digest,
        stored: &Digest,
    ) -> Result<Option<(String, Vec<Digest>)>, String> {
        let data = self.data(stored)?;
        if data != Data::Good {
            return Ok(Some((format!("the manifest itself {}", data.said()), Vec::new())));
        }
        let key = layout::data(stored);
        self.left = self.left.saturating_sub(1);
        let bytes = match self.host.read(&key, SERVED) {
            Ok(bytes) => bytes,
            Err(Failure::TooLarge(size)) => {
                return Ok(Some((format!("the manifest has {size} bytes, and none so large is served"), Vec::new())));
            }
            Err(Failure::NotFound) => return Ok(Some(("the manifest itself is missing".to_owned(), Vec::new()))),
            Err(failure) => return Err(unread(&key, &failure)),
        };
        if references(&bytes).is_none() {
            return Ok(Some(("the manifest is no JSON object".to_owned(), Vec::new())));
        }
        // Nothing is known of kinds that nobody checks when they are pushed.
        let (Some(kind), Ok(manifest)) = (media_type(&bytes), Manifest::parse(&bytes)) else { return Ok(None) };
        if let Ok(Some(subject)) = manifest.subject() {
            self.listed(name, &subject, digest, || entry(&manifest.describe(kind.clone(), digest, size(&bytes))))?;
        }
        let Needs { blobs, children } = needs(&manifest, &kind);
        for child in children {
            let absent = self.link(&layout::revision_link(name, &child), Some(&child))? == Link::Absent;
            self.place.count.sparse += u64::from(absent);
        }
        self.blobs_of(name, blobs)
    }

    fn blobs_of(
        &mut self,
        name: &RepositoryName,
        blobs: BTreeSet<Digest>,
    ) -> Result<Option<(String, Vec<Digest>)>, String> {
        let (mut lacking, mut more, mut links) = (Vec::new(), 0_u32, Vec::new());
        for blob in blobs {
            let said = match self.link(&layout::layer_link(name, &blob), Some(&blob))? {
                Link::Right(stored) => match self.data(&stored)? {
                    Data::Good => continue,
                    lost => lost.said(),
                },
                other => {
                    // A manifest may be part of one.
                    let revision = self.link(&layout::revision_link(name, &blob), Some(&blob))?;
                    match (revision, self.data(&blob)?) {
                        (Link::Right(_), Data::Good) => continue,
                        _ if self.sparse && other == Link::Absent => continue,
                        (_, Data::Good) => {
                            if links.len() < 32 {
                                links.push(blob.clone());
                            }
                            "is not linked here"
                        }
                        (_, lost) => lost.said(),
                    }
                }
            };
            match lacking.len() < NAMED {
                true => lacking.push(format!("its blob {blob} {said}")),
                false => more += 1,
            }
        }
        if lacking.is_empty() {
            return Ok(None);
        }
        let mut what = lacking.join(", ");
        if more > 0 {
            what.push_str(&format!(", and {more} more"));
        }
        Ok(Some((what, links)))
    }

    /// That the list of a subject's referrers has a manifest.
    fn listed(
        &mut self,
        name: &RepositoryName,
        subject: &Digest,
        digest: &Digest,
        entry: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), String> {
        let key = layout::referrer(name, subject, digest);
        self.left = self.left.saturating_sub(1);
        match self.host.stat(&key) {
            Ok(_) | Err(Failure::WrongKind) => Ok(()),
            Err(Failure::NotFound) => {
                self.place.count.unlisted += 1;
                self.mend("listed", Vec::new(), vec![Change::Put(key, entry())]).map(drop)
            }
            Err(failure) => Err(unread(&key, &failure)),
        }
    }

    /// A manifest that cannot be pulled, or not whole.
    fn lost(&mut self, name: &RepositoryName, digest: &Digest, place: String, what: String) -> Result<Wrong, String> {
        let tags = self.tags_of(name, digest)?;
        let consequence = match tags.as_slice() {
            [] => format!("cannot be pulled: {name}@{digest}"),
            tags => format!("cannot be pulled: {}", tags.join(", ")),
        };
        let tag = tags.first().and_then(|tag| tag.rsplit_once(':')).map(|(_, tag)| tag.to_owned());
        Ok(Wrong { place, what, consequence, remedy: push_again(name, tag.as_deref()) })
    }

    /// Whether data is a manifest.
    pub(super) fn is_manifest(&mut self, digest: &Digest) -> Result<bool, String> {
        if self.data(digest)? != Data::Good {
            return Ok(false);
        }
        let key = layout::data(digest);
        match self.host.read(&key, SERVED) {
            Ok(bytes) => Ok(media_type(&bytes).is_some()),
            Err(Failure::NotFound | Failure::WrongKind | Failure::TooLarge(_)) => Ok(false),
            Err(failure) => Err(unread(&key, &failure)),
        }
    }

    /// Whether a revision is here.
    pub(super) fn has_revision(&mut self, name: &RepositoryName, digest: &Digest) -> Result<bool, String> {
        let key = layout::revision_link(name, digest);
        self.left = self.left.saturating_sub(1);
        match self.host.stat(&key) {
            Ok(found) => Ok(found.kind == Kind::Object),
            Err(Failure::NotFound | Failure::WrongKind) => Ok(false),
            Err(failure) => Err(unread(&key, &failure)),
        }
    }
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

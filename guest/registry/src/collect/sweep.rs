//! Sweeping.

use super::{Part, Phase, Step, mark::digest, present, unlisted};
use crate::{
    digest::Digest,
    host::{Change, Expectation, Failure, Kind, Marks, Storage},
    layout, links,
    manifests::{SERVED, references},
    name::RepositoryName,
};

impl<S: Storage + Marks + ?Sized> Step<'_, S> {
    /// Goes on with a repository in one of the later phases; whether a part of
    /// it is done.
    pub(super) fn sweep(&mut self, name: &RepositoryName) -> Result<bool, String> {
        let whole = match (self.place.phase, self.place.part) {
            (Phase::Manifests, Part::Tags) => {
                let visit = &mut |step: &mut Self, path: &str| step.untagged(name, path);
                self.tree(&layout::revisions(name), 2, visit)?
            }
            (Phase::Manifests, Part::Revisions) => {
                let visit = &mut |step: &mut Self, path: &str| step.history(name, path);
                self.tree(&layout::tags(name), 4, visit)?
            }
            (Phase::Links, Part::Layers) => {
                let visit = &mut |step: &mut Self, path: &str| step.layer(name, path);
                self.tree(&layout::layers(name.as_str()), 2, visit)?
            }
            _ => true,
        };
        if whole {
            self.place.part = match self.place.part {
                Part::Tags => Part::Revisions,
                Part::Revisions => Part::Layers,
                Part::Layers | Part::Done => Part::Done,
            };
        }
        Ok(whole)
    }

    /// Removes a revision that nothing leads to.
    fn untagged(&mut self, name: &RepositoryName, path: &str) -> Result<(), String> {
        let Some(digest) = digest(path) else { return Ok(()) };
        if self.is_kept(name, &digest)? {
            return Ok(());
        }
        let link = layout::revision_link(name, &digest);
        let wrong = |failure: Failure| unlisted(&link, &failure);
        match present(self.host.stat(&link)).map_err(wrong)? {
            // Pushed since.
            Some(found) if self.is_young(found.modified) => return Ok(()),
            Some(_) => {
                self.place.count.manifests += 1;
                self.say(format!("{name}: manifest eligible for deletion: {digest}"));
            }
            None => {}
        }
        if self.collection.dry_run {
            return Ok(());
        }
        let mut changes = Vec::new();
        if let Some(stored) = links::read(self.host, &link).map_err(wrong)?
            && let Some(bytes) = present(self.host.read(&layout::data(&stored), SERVED)).map_err(wrong)?
        {
            let subjects = references(&bytes).unwrap_or_default().subjects;
            changes.extend(
                subjects.iter().take(8).map(|subject| Change::Remove(layout::referrer(name, subject, &digest))),
            );
        }
        changes.push(Change::Remove(link.clone()));
        changes.push(Change::RemoveTree(link.strip_suffix("/link").unwrap_or(&link).to_owned()));
        self.remove(&link, Vec::new(), changes)
    }

    /// Removes that a tag once named what is no manifest any more.
    fn history(&mut self, name: &RepositoryName, path: &str) -> Result<(), String> {
        let Some(digest) = digest(path).filter(|_| path.split('/').nth(1) == Some("index")) else { return Ok(()) };
        let link = layout::revision_link(name, &digest);
        let gone = present(self.host.stat(&link)).map_err(|failure| unlisted(&link, &failure))?.is_none();
        if !gone || self.collection.dry_run {
            return Ok(());
        }
        let entry = format!("{}/{path}", layout::tags(name));
        self.remove(&entry, vec![Expectation::Absent(link)], vec![Change::RemoveTree(entry.clone())])
    }

    /// Goes on with all data; whether it is at the end.
    pub(super) fn blobs(&mut self) -> Result<bool, String> {
        self.tree(layout::BLOBS, 3, &mut |step: &mut Self, path: &str| step.blob(path))
    }

    fn blob(&mut self, path: &str) -> Result<(), String> {
        let mut parts = path.split('/');
        let (Some(algorithm), Some(_), Some(hex)) = (parts.next(), parts.next(), parts.next()) else { return Ok(()) };
        // Of what is not ours to judge nothing is removed.
        let Ok(digest) = Digest::parse(&format!("{algorithm}:{hex}")) else { return Ok(()) };
        let data = layout::data(&digest);
        let directory = format!("{}/{path}", layout::BLOBS);
        if data.strip_suffix("/data") != Some(&directory) || self.is_marked(&digest)? {
            return Ok(());
        }
        let wrong = |failure: Failure| unlisted(&directory, &failure);
        let found = match present(self.host.stat(&data)).map_err(wrong)? {
            Some(found) if found.kind == Kind::Object => Some(found),
            Some(_) => return Ok(()),
            None => None,
        };
        let modified = match (found, present(self.host.stat(&directory)).map_err(wrong)?) {
            (Some(data), _) => data.modified,
            (None, Some(directory)) => directory.modified,
            (None, None) => return Ok(()),
        };
        if self.is_young(modified) {
            self.place.count.young += u64::from(found.is_some());
            return Ok(());
        }
        if found.is_some() {
            self.place.count.blobs += 1;
            self.say(format!("blob eligible for deletion: {digest}"));
        }
        if self.collection.dry_run {
            return Ok(());
        }
        self.remove(&directory, Vec::new(), vec![Change::Remove(data), Change::RemoveTree(directory.clone())])
    }

    /// Removes a link whose data is gone.
    fn layer(&mut self, name: &RepositoryName, path: &str) -> Result<(), String> {
        let Some(digest) = digest(path) else { return Ok(()) };
        let link = layout::layer_link(name, &digest);
        let wrong = |failure: Failure| unlisted(&link, &failure);
        let Some(stored) = links::read(self.host, &link).map_err(wrong)? else { return Ok(()) };
        let found = present(self.host.stat(&link)).map_err(wrong)?;
        if self.is_marked(&stored)? || found.is_none_or(|found| self.is_young(found.modified)) {
            return Ok(());
        }
        let data = layout::data(&stored);
        let there = present(self.host.stat(&data)).map_err(wrong)?;
        if there.is_some_and(|data| !self.collection.dry_run || self.is_young(data.modified)) {
            return Ok(());
        }
        self.say(format!("{name}: layer link eligible for deletion: {digest}"));
        if self.collection.dry_run {
            return Ok(());
        }
        let directory = link.strip_suffix("/link").unwrap_or(&link).to_owned();
        self.remove(
            &link,
            vec![Expectation::Absent(data)],
            vec![Change::Remove(link.clone()), Change::RemoveTree(directory)],
        )
    }

    fn remove(&mut self, what: &str, expect: Vec<Expectation>, changes: Vec<Change>) -> Result<(), String> {
        self.left = self.left.saturating_sub(4);
        match self.host.commit(expect, changes) {
            Ok(()) => self.progress.changed += 1,
            // It came back meanwhile.
            Err(Failure::Conflict(_)) => {}
            Err(failure) => return Err(format!("{what} cannot be removed: {failure:?}; the collection ends here")),
        }
        Ok(())
    }
}

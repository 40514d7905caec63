//! Marking.

use super::{Part, Step, present};
use crate::{
    digest::Digest,
    host::{Failure, Marks, Storage},
    layout, links,
    manifests::{References, SERVED, references},
    name::{RepositoryName, Tag},
};

/// Passes over a repository's revisions in search of referrers of referrers.
/// Who builds longer chains keeps all of them.
const PASSES: u32 = 64;

impl<S: Storage + Marks + ?Sized> Step<'_, S> {
    /// Goes on with marking in a repository; whether its part is done.
    pub(super) fn mark(&mut self, name: &RepositoryName) -> Result<bool, String> {
        match self.place.part {
            Part::Tags => {
                if self.place.round == 0 && self.place.after.is_none() && self.is_repository(name)? {
                    self.say(name.to_string());
                }
                if self.collection.delete_untagged {
                    let visit = &mut |step: &mut Self, tag: &str| step.tag(name, tag);
                    if !self.tree(&layout::tags(name), 1, visit)? {
                        return Ok(false);
                    }
                }
                self.place.part = Part::Revisions;
            }
            Part::Revisions => {
                let visit = &mut |step: &mut Self, path: &str| step.revision(name, path);
                if !self.tree(&layout::revisions(name), 2, visit)? {
                    return Ok(false);
                }
                // What refers to something that was kept only in this pass may
                // have come before it.
                let again = std::mem::take(&mut self.place.found) && self.collection.delete_untagged;
                self.place.pass += 1;
                if !again || self.place.pass > PASSES {
                    self.place.part = Part::Layers;
                }
            }
            Part::Layers | Part::Done => {
                let visit = &mut |step: &mut Self, path: &str| step.young_layer(name, path);
                if !self.tree(&layout::layers(name.as_str()), 2, visit)? {
                    return Ok(false);
                }
                self.place.part = Part::Done;
            }
        }
        Ok(true)
    }

    fn is_repository(&self, name: &RepositoryName) -> Result<bool, String> {
        links::is_repository(self.host, name.as_str()).map_err(|failure| stopped(name, "its directory", &failure))
    }

    /// Keeps what a tag names; where that cannot be told, all that it ever
    /// named.
    fn tag(&mut self, name: &RepositoryName, tag: &str) -> Result<(), String> {
        let Some(tag) = Tag::parse(tag) else { return Ok(()) };
        let link = layout::tag_current(name, &tag);
        let wrong = |failure: Failure| stopped(name, &format!("tag {tag}"), &failure);
        if present(self.host.stat(&link)).map_err(wrong)?.is_none() {
            return Ok(());
        }
        if let Some(digest) = links::tagged(self.host, name, &tag).map_err(wrong)? {
            // A tag may outlive its manifest.
            if self.has_revision(name, &digest)? {
                self.keep(name, digest)?;
            }
            return Ok(());
        }
        self.say(format!("{name}: the link of tag {tag} is damaged; all that it ever named is kept"));
        let index = format!("{}/index", layout::tag(name, &tag));
        for algorithm in self.names(&index)? {
            for hex in self.names(&format!("{index}/{algorithm}"))? {
                if let Ok(digest) = Digest::parse(&format!("{algorithm}:{hex}"))
                    && self.has_revision(name, &digest)?
                {
                    self.keep(name, digest)?;
                }
            }
        }
        Ok(())
    }

    /// All names in a directory.
    fn names(&mut self, directory: &str) -> Result<Vec<String>, String> {
        let mut names: Vec<String> = Vec::new();
        loop {
            let page = present(self.host.page(directory, names.last().map(String::as_str), 1_000));
            let Some(page) = page.map_err(|failure| super::unlisted(directory, &failure))? else { return Ok(names) };
            let more = page.more && !page.entries.is_empty();
            names.extend(page.entries.into_iter().map(|(name, _)| name));
            if !more {
                return Ok(names);
            }
        }
    }

    /// Keeps a revision, if it is to be kept for its own sake or for that of
    /// its subject.
    fn revision(&mut self, name: &RepositoryName, path: &str) -> Result<(), String> {
        let Some(digest) = digest(path) else {
            return Err(format!(
                "{}/{path}: a manifest of an algorithm that is not known here, and what it names is not known either; \
                 nothing was removed. Delete it, then collect again",
                layout::revisions(name)
            ));
        };
        let link = layout::revision_link(name, &digest);
        let wrong = |failure: Failure| stopped(name, digest.as_str(), &failure);
        let Some(found) = present(self.host.stat(&link)).map_err(wrong)? else { return Ok(()) };
        let keep = !self.collection.delete_untagged || self.is_young(found.modified) || self.place.pass >= PASSES;
        if keep {
            return self.keep(name, digest);
        }
        if self.is_kept(name, &digest)? {
            return Ok(());
        }
        // No tag leads to it, so that it need not be whole.
        let stored = self.stored(&link, &digest).map_err(wrong)?;
        let bytes = match self.host.read(&layout::data(&stored), SERVED) {
            Ok(bytes) => bytes,
            Err(Failure::NotFound | Failure::WrongKind) => return Ok(()),
            Err(failure) => return Err(wrong(failure)),
        };
        for subject in references(&bytes).unwrap_or_default().subjects {
            if self.is_kept(name, &subject)? {
                self.place.found = true;
                return self.keep(name, digest);
            }
        }
        Ok(())
    }

    /// Keeps a manifest with all that it is made of.
    fn keep(&mut self, name: &RepositoryName, digest: Digest) -> Result<(), String> {
        let mut pending = vec![digest];
        while let Some(digest) = pending.pop() {
            if !self.host.mark(&kept(name, &digest)).map_err(full)? {
                continue;
            }
            self.left = self.left.saturating_sub(1);
            let link = layout::revision_link(name, &digest);
            let stored = self.stored(&link, &digest).map_err(|failure| stopped(name, digest.as_str(), &failure))?;
            self.say(format!("{name}: marking manifest {digest} "));
            self.mark_data(&stored)?;
            let References { parts, .. } = self.read(name, &digest, &stored)?;
            for part in parts {
                if self.mark_data(&part)? {
                    self.say(format!("{name}: marking blob {part}"));
                }
                let link = links::read(self.host, &layout::layer_link(name, &part));
                if let Some(named) = link.map_err(|failure| stopped(name, part.as_str(), &failure))?
                    && named != part
                {
                    self.mark_data(&named)?;
                }
                if self.has_revision(name, &part)? {
                    pending.push(part);
                }
            }
        }
        Ok(())
    }

    /// What a manifest names.
    fn read(&self, name: &RepositoryName, digest: &Digest, stored: &Digest) -> Result<References, String> {
        let why = match self.host.read(&layout::data(stored), SERVED) {
            Ok(bytes) if bytes.is_empty() => "its data is empty".to_owned(),
            Ok(bytes) => match references(&bytes) {
                Some(references) => return Ok(references),
                None => "its data is no JSON object".to_owned(),
            },
            Err(Failure::NotFound | Failure::WrongKind) => "its data is not there".to_owned(),
            Err(Failure::TooLarge(size)) => format!("it has {size} bytes"),
            Err(failure) => format!("{failure:?}"),
        };
        let link = layout::revision_link(name, digest);
        Err(format!(
            "{name}: the manifest {digest} cannot be read ({why}), and what it names is not known; nothing was \
             removed. Push it again, or delete it (remove {}), then collect again",
            link.strip_suffix("/link").unwrap_or(&link)
        ))
    }

    /// A blob that was linked a moment ago is one that somebody is about to
    /// name.
    fn young_layer(&mut self, name: &RepositoryName, path: &str) -> Result<(), String> {
        let Some(digest) = digest(path) else { return Ok(()) };
        let link = layout::layer_link(name, &digest);
        let wrong = |failure: Failure| stopped(name, digest.as_str(), &failure);
        let Some(found) = present(self.host.stat(&link)).map_err(wrong)? else { return Ok(()) };
        if self.is_young(found.modified) {
            let stored = self.stored(&link, &digest).map_err(wrong)?;
            self.mark_data(&stored)?;
        }
        Ok(())
    }

    /// What a link names. One that cannot be read, as a crash leaves it or as
    /// distribution rewrites it just now, names what its path says.
    fn stored(&self, link: &str, digest: &Digest) -> Result<Digest, Failure> {
        Ok(links::read(self.host, link)?.unwrap_or_else(|| digest.clone()))
    }

    fn has_revision(&self, name: &RepositoryName, digest: &Digest) -> Result<bool, String> {
        let found = present(self.host.stat(&layout::revision_link(name, digest)));
        Ok(found.map_err(|failure| stopped(name, digest.as_str(), &failure))?.is_some())
    }

    pub(super) fn is_kept(&self, name: &RepositoryName, digest: &Digest) -> Result<bool, String> {
        self.host.marked(&kept(name, digest)).map_err(full)
    }

    fn mark_data(&mut self, digest: &Digest) -> Result<bool, String> {
        let new = self.host.mark(digest.as_str()).map_err(full)?;
        self.place.count.marked += u64::from(new);
        Ok(new)
    }

    pub(super) fn is_marked(&self, digest: &Digest) -> Result<bool, String> {
        self.host.marked(digest.as_str()).map_err(full)
    }
}

/// The mark of a manifest in a repository.
fn kept(name: &RepositoryName, digest: &Digest) -> String {
    format!("{name}@{digest}")
}

/// The digest in the end of a path: `sha256/…`, `tag/index/sha256/…`.
pub(super) fn digest(path: &str) -> Option<Digest> {
    let (rest, hex) = path.rsplit_once('/')?;
    let algorithm = rest.rsplit('/').next()?;
    Digest::parse(&format!("{algorithm}:{hex}")).ok()
}

fn stopped(name: &RepositoryName, what: &str, failure: &Failure) -> String {
    format!("{name}: {what} cannot be read: {failure:?}; nothing was removed")
}

fn full(failure: Failure) -> String {
    match failure {
        Failure::Exhausted => {
            "there are more blobs than can be remembered at once; nothing more was removed".to_owned()
        }
        other => format!("nothing can be marked: {other:?}"),
    }
}

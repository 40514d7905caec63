//! What is known of a tag.

use std::collections::BTreeMap;

use super::{Gathered, Retaining, Step};
use crate::{
    digest::Digest,
    host::{Failure, Kind},
    layout, links,
    manifests::{SERVED, Weight, weigh},
    name::{RepositoryName, Tag},
    used,
};

/// Manifests that are read for the size of one tag.
const MANIFESTS: usize = 64;

impl<S: Retaining + ?Sized> Step<'_, S> {
    /// All of it, if the tag names anything.
    pub(super) fn gather(&mut self, name: &RepositoryName, tag: &Tag) -> Result<Option<Gathered>, Failure> {
        self.left = self.left.saturating_sub(2);
        let Some(digest) = links::tagged(self.host, name, tag)? else { return Ok(None) };
        let updated = match self.host.stat(&layout::tag_current(name, tag)) {
            Ok(link) if link.kind == Kind::Object => link.modified,
            Ok(_) | Err(Failure::NotFound | Failure::WrongKind) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let by_tag = self.host.last_used(&used::tag(name, tag));
        let by_digest = self.host.last_used(&used::digest(name, &digest));
        Ok(Some(Gathered {
            tag: tag.as_str().to_owned(),
            updated,
            size: self.size(name, &digest)?,
            pull: by_tag.max(by_digest),
            digest: digest.as_str().to_owned(),
        }))
    }

    /// Bytes of a manifest and of all that it is made of, each thing once.
    fn size(&mut self, name: &RepositoryName, digest: &Digest) -> Result<u64, Failure> {
        let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
        let mut pending = vec![digest.clone()];
        let mut read = 0;
        while let Some(digest) = pending.pop() {
            if read == MANIFESTS {
                break;
            }
            read += 1;
            self.left = self.left.saturating_sub(2);
            let Some(found) = links::revision(self.host, name, &digest)? else { continue };
            sizes.insert(digest.as_str().to_owned(), found.size);
            let Weight { blobs, manifests } = match self.host.read(&found.key, SERVED) {
                Ok(bytes) => weigh(&bytes),
                Err(Failure::NotFound | Failure::WrongKind | Failure::TooLarge(_)) => continue,
                Err(failure) => return Err(failure),
            };
            sizes.extend(blobs);
            for (child, size) in manifests {
                if sizes.insert(child.clone(), size).is_none() {
                    pending.extend(Digest::parse(&child));
                }
            }
        }
        Ok(sizes.values().fold(0, |sum, size| sum.saturating_add(*size)))
    }
}

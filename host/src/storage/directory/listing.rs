//! Pages of sorted names.
//!
//! A directory is read and sorted once, and kept while it is unchanged: a page
//! then costs a binary search, in a big directory as in a small one.

use std::{
    collections::HashMap,
    os::fd::OwnedFd,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use rustix::{
    fs::{AtFlags, Dir, FileType, fstat, statat},
    io::Errno,
};

use super::{
    Inner,
    errors::{failure, looking},
    locks::guard,
    read::split,
    stamp::{SETTLED, Stamp, kind},
    tree::{Place, Wait},
};
use crate::storage::{
    Failure, Key, Kind, Listing, Looked, Seen,
    key::{HOST_SEGMENT, is_segment},
};

/// Names in one page.
const MAX_PAGE: u32 = 10_000;
/// A directory with more names is read anew for each page, and only what the
/// page needs is held.
const MAX_KEPT: usize = 200_000;
/// Kept directories.
const MAX_DIRECTORIES: usize = 512;

type Names = Vec<(String, Kind)>;

/// Sorted names of directories that did not change since they were read.
pub(super) struct Listings {
    cache: Mutex<Cache>,
    budget: usize,
}

#[derive(Default)]
struct Cache {
    map: HashMap<Place, Kept>,
    bytes: usize,
    clock: u64,
}

struct Kept {
    stamp: Stamp,
    names: Arc<Names>,
    bytes: usize,
    used: u64,
}

impl Listings {
    /// Keeps about `budget` bytes of names.
    pub(super) fn new(budget: usize) -> Self {
        Self { cache: Mutex::default(), budget }
    }

    fn find(&self, place: &Place, stamp: Stamp) -> Option<Arc<Names>> {
        let mut cache = guard(&self.cache);
        cache.clock += 1;
        let clock = cache.clock;
        let kept = cache.map.get_mut(place).filter(|kept| kept.stamp == stamp)?;
        kept.used = clock;
        Some(kept.names.clone())
    }

    fn keep(&self, place: &Place, stamp: Stamp, names: Arc<Names>) {
        let entry = size_of::<(String, Kind)>() + 16;
        let bytes = 256 + names.iter().map(|(name, _)| entry + name.len()).sum::<usize>();
        if bytes > self.budget {
            return;
        }
        self.forget(place);
        let mut cache = guard(&self.cache);
        while cache.bytes + bytes > self.budget || cache.map.len() >= MAX_DIRECTORIES {
            let oldest = cache.map.iter().min_by_key(|(_, kept)| kept.used).map(|(place, _)| place.clone());
            let Some(kept) = oldest.and_then(|place| cache.map.remove(&place)) else { break };
            cache.bytes -= kept.bytes;
        }
        cache.bytes += bytes;
        let used = cache.clock;
        cache.map.insert(place.clone(), Kept { stamp, names, bytes, used });
    }

    /// The names there are about to change, or did.
    pub(super) fn forget(&self, place: &Place) {
        let mut cache = guard(&self.cache);
        if let Some(kept) = cache.map.remove(place) {
            cache.bytes -= kept.bytes;
        }
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        guard(&self.cache).map.len()
    }
}

impl Inner {
    /// A page of the names in the directory at `place`.
    pub(super) async fn page(self: &Arc<Self>, place: Place, after: Option<&str>, limit: u32) -> Looked<Listing> {
        let limit = limit.min(MAX_PAGE) as usize;
        loop {
            let looked = match self.tree.look(place.as_ref(), Wait::No) {
                Ok(stat) if kind(&stat) == Some(Kind::Directory) => Ok(Some(stat)),
                Ok(_) => Err(Failure::WrongKind),
                Err(Errno::AGAIN) => Ok(None),
                Err(errno) => Err(looking(errno, "a directory")),
            };
            let kept = looked.map(|stat| {
                let stat = stat?;
                Some((self.listings.find(&place, Stamp::of(&stat))?, self.state(place.as_ref(), &stat)))
            });
            let listing = match kept {
                Ok(Some((names, seen))) => Ok((cut(&names, after, limit), seen)),
                Ok(None) => {
                    let (inner, place, after) = (self.clone(), place.clone(), after.map(str::to_owned));
                    self.blocking(&self.pools.listings, move || inner.list(&place, after.as_deref(), limit)).await
                }
                Err(failure) => Err(failure),
            };
            if !self.pending.settle(place.as_ref()).await {
                return split(listing);
            }
        }
    }

    fn list(&self, place: &Place, after: Option<&str>, limit: usize) -> Result<(Listing, Seen), Failure> {
        let failed = |errno: Errno| looking(errno, "a directory");
        // Asked first, since an open for listing calls both "not there" and
        // "no directory" the same.
        if kind(&self.tree.look(place.as_ref(), Wait::Yes).map_err(failed)?) != Some(Kind::Directory) {
            return Err(Failure::WrongKind);
        }
        let directory = self.tree.directory(place.as_ref()).map_err(failed)?;
        let stat = fstat(&directory).map_err(failed)?;
        let (before, seen) = (Stamp::of(&stat), self.state(place.as_ref(), &stat));
        if let Some(names) = self.listings.find(place, before) {
            return Ok((cut(&names, after, limit), seen));
        }
        let (mut names, whole) =
            self.names(&directory, place, after, limit).map_err(|errno| failure(errno, "listing a directory"))?;
        names.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let names = Arc::new(names);
        let unchanged = fstat(&directory).is_ok_and(|stat| Stamp::of(&stat) == before);
        if whole && unchanged && before.settled(SystemTime::now(), SETTLED) {
            self.listings.keep(place, before, names.clone());
        }
        Ok((cut(&names, after, limit), if unchanged { seen } else { Seen::Unknown }))
    }

    /// The names in a directory: all of them, or, where they are very many,
    /// those that a page could need.
    fn names(
        &self,
        directory: &OwnedFd,
        place: &Place,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Names, bool), Errno> {
        let mut names = Names::new();
        let mut whole = true;
        let mut most = MAX_KEPT;
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if !is_segment(name) || name == HOST_SEGMENT && self.is_base(place) {
                continue;
            }
            if let Some(kind) = self.entry_kind(directory, place, name, entry.file_type()) {
                names.push((name.to_owned(), kind));
            }
            if names.len() > most {
                whole = false;
                names.retain(|(name, _)| after.is_none_or(|after| name.as_str() > after));
                if names.len() > limit {
                    names.select_nth_unstable_by(limit, |(one, _), (other, _)| one.cmp(other));
                    names.truncate(limit + 1);
                }
                most = 4 * (limit + 1);
            }
        }
        Ok((names, whole))
    }

    fn is_base(&self, place: &Place) -> bool {
        place.as_ref().is_none_or(|key| self.tree.is_link(key))
    }

    fn entry_kind(&self, directory: &OwnedFd, place: &Place, name: &str, file_type: FileType) -> Option<Kind> {
        match file_type {
            FileType::RegularFile => Some(Kind::Object),
            FileType::Directory => Some(Kind::Directory),
            FileType::Symlink => {
                let key = match place {
                    Some(parent) => parent.join(name),
                    None => Key::parse(name),
                };
                key.is_ok_and(|key| self.tree.is_link(&key)).then_some(Kind::Directory)
            }
            FileType::Unknown => {
                let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
                match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Unknown => None,
                    known => self.entry_kind(directory, place, name, known),
                }
            }
            _ => None,
        }
    }
}

fn cut(names: &[(String, Kind)], after: Option<&str>, limit: usize) -> Listing {
    let start = after.map_or(0, |after| names.partition_point(|(name, _)| name.as_str() <= after));
    let rest = names.get(start..).unwrap_or_default();
    Listing { entries: rest.iter().take(limit).cloned().collect(), more: rest.len() > limit }
}

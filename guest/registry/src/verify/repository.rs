//! One repository, part by part.

use super::{
    Part, Step, Verifiable, Wrong,
    data::{Data, Link},
    present, push_again, unread,
};
use crate::{
    digest::{Digest, InvalidDigest},
    host::{Change, Failure, Kind},
    layout, links,
    manifests::Referrer,
    name::RepositoryName,
    referrers,
    uploads::UploadId,
};

/// Bytes of the longest entry of a referrer.
const ENTRY: u64 = 64 * 1024;

impl<S: Verifiable + ?Sized> Step<'_, S> {
    /// Goes on with one directory that may be a repository; whether it is
    /// done.
    pub(super) fn repository(&mut self) -> Result<bool, String> {
        let Some(name) = RepositoryName::parse(&self.place.repository) else {
            return Err(format!("{:?} is no name of a repository", self.place.repository));
        };
        while self.place.part != Part::Done {
            let whole = match self.place.part {
                Part::Begin => self.begin(&name)?,
                Part::Layers => {
                    let root = layout::layers(name.as_str());
                    self.descend(&root, 2, &mut |step, path, kind| match step.entry(&root, path, kind)? {
                        Some(digest) => step.layer(&name, &digest),
                        None => Ok(()),
                    })?
                }
                Part::Revisions => {
                    let root = layout::revisions(&name);
                    self.descend(&root, 2, &mut |step, path, kind| match step.entry(&root, path, kind)? {
                        Some(digest) => step.revision(&name, &digest),
                        None => Ok(()),
                    })?
                }
                Part::Tags => {
                    let root = layout::tags(&name);
                    self.descend(&root, 1, &mut |step, tag, kind| step.tag(&name, tag, kind))?
                }
                Part::Index => {
                    let root = layout::tags(&name);
                    self.descend(&root, 4, &mut |step, path, kind| step.index(&name, &root, path, kind))?
                }
                Part::Referrers => {
                    let root = layout::all_referrers(&name);
                    self.descend(&root, 3, &mut |step, path, kind| step.referrer(&name, &root, path, kind))?
                }
                Part::Uploads => {
                    let root = layout::uploads(name.as_str());
                    self.descend(&root, 1, &mut |step, id, kind| step.upload(&name, id, kind))?
                }
                Part::Done => true,
            };
            if !whole {
                return Ok(false);
            }
            self.place.part = match self.place.part {
                Part::Begin => Part::Layers,
                Part::Layers => Part::Revisions,
                Part::Revisions => Part::Tags,
                Part::Tags => Part::Index,
                Part::Index => Part::Referrers,
                Part::Referrers => Part::Uploads,
                Part::Uploads | Part::Done => Part::Done,
            };
        }
        self.place.inside = false;
        Ok(true)
    }

    /// registry 2.8 finds a repository by the one directory, registry 3 by the
    /// other.
    fn begin(&mut self, name: &RepositoryName) -> Result<bool, String> {
        self.left = self.left.saturating_sub(3);
        let mut missing = Vec::new();
        for directory in [layout::layers(name.as_str()), layout::manifests(name.as_str())] {
            if !links::is_directory(self.host, &directory).map_err(|failure| unread(&directory, &failure))? {
                missing.push(Change::MakeDirectory(directory));
            }
        }
        if missing.len() < 2 {
            self.place.count.repositories += 1;
            if !missing.is_empty() {
                self.place.count.bare += 1;
                self.mend("made", Vec::new(), missing)?;
            }
        }
        Ok(true)
    }

    /// The digest that a path of links says, if it is one that is looked at.
    fn entry(&mut self, root: &str, path: &str, kind: Kind) -> Result<Option<Digest>, String> {
        match (digest(path), kind) {
            (Ok(digest), Kind::Directory) => Ok(Some(digest)),
            (Err(InvalidDigest::UnknownAlgorithm), _) => {
                self.place.count.unknown += 1;
                Ok(None)
            }
            _ => self.stray(&format!("{root}/{path}")).map(|()| None),
        }
    }

    fn layer(&mut self, name: &RepositoryName, digest: &Digest) -> Result<(), String> {
        let key = layout::layer_link(name, digest);
        match self.link(&key, Some(digest))? {
            Link::Absent => Ok(()),
            Link::Right(stored) => {
                // Manifests that need it say so.
                self.place.count.dangling += u64::from(self.data(&stored)? == Data::Missing);
                Ok(())
            }
            Link::Wrong(what) => {
                let consequence = format!("images of {name} that need the blob {digest} cannot be pulled");
                self.relink(
                    digest,
                    Wrong { place: key.clone(), what, consequence, remedy: push_again(name, None) },
                    key,
                )
            }
        }
    }

    /// Writes a link again whose path says what it is to hold, if that is
    /// there; else it is in the way.
    pub(super) fn relink(&mut self, digest: &Digest, wrong: Wrong, key: String) -> Result<(), String> {
        let directory = key.strip_suffix("/link").unwrap_or(&key).to_owned();
        let mut changes = vec![Change::Quarantine(directory)];
        let mut done = "moved to the quarantine";
        if self.data(digest)? == Data::Good {
            changes.push(Change::Create(key, digest.as_str().into()));
            done = "written again from its path";
        }
        let done = self.mend(done, Vec::new(), changes)?;
        self.damaged(wrong, done);
        Ok(())
    }

    /// That a tag named a manifest at some time.
    fn index(&mut self, name: &RepositoryName, root: &str, path: &str, kind: Kind) -> Result<(), String> {
        let (Ok(digest), Kind::Directory, Some("index")) = (digest(path), kind, path.split('/').nth(1)) else {
            return Ok(());
        };
        let key = format!("{root}/{path}/link");
        let Link::Wrong(what) = self.link(&key, Some(&digest))? else { return Ok(()) };
        let consequence = format!("distribution may leave a tag of {name} when {digest} is deleted");
        let remedy = "a repair writes it again, as does a push of the tag".to_owned();
        self.relink(&digest, Wrong { place: key.clone(), what, consequence, remedy }, key)
    }

    fn referrer(&mut self, name: &RepositoryName, root: &str, path: &str, kind: Kind) -> Result<(), String> {
        let key = format!("{root}/{path}");
        let mut parts = path.rsplitn(2, '/');
        let entry = parts.next().and_then(referrers::entry_digest);
        let subject = parts.next().and_then(|path| digest(path).ok());
        let (Some(digest), Some(_), Kind::Object) = (entry, subject, kind) else { return self.stray(&key) };
        self.left = self.left.saturating_sub(1);
        let what = match self.host.read(&key, ENTRY) {
            Ok(bytes) if bytes == b"{}" => return Ok(()),
            Ok(bytes) => match serde_json::from_slice::<Referrer>(&bytes) {
                Ok(entry) if entry.digest == digest.as_str() => return Ok(()),
                _ => "it describes no manifest".to_owned(),
            },
            Err(Failure::NotFound) => return Ok(()),
            Err(Failure::WrongKind | Failure::TooLarge(_)) => "it describes no manifest".to_owned(),
            Err(Failure::Io(cause)) => format!("it cannot be read: {cause}"),
            Err(failure) => return Err(unread(&key, &failure)),
        };
        let wrong = Wrong {
            place: key.clone(),
            what,
            consequence: format!("to list {digest} among the referrers, its manifest is read each time"),
            remedy: format!("push {name}@{digest} again"),
        };
        // Empty, it is made from the manifest.
        let changes = vec![Change::Quarantine(key.clone()), Change::Create(key, b"{}".to_vec())];
        let done = self.mend("written again", Vec::new(), changes)?;
        self.damaged(wrong, done);
        Ok(())
    }

    fn upload(&mut self, name: &RepositoryName, id: &str, kind: Kind) -> Result<(), String> {
        let (Some(id), Kind::Directory) = (UploadId::parse(id), kind) else {
            return self.stray(&format!("{}/{id}", layout::uploads(name.as_str())));
        };
        self.left = self.left.saturating_sub(2);
        for key in [layout::upload_started(name.as_str(), &id), layout::upload_data(name.as_str(), &id)] {
            let found = present(self.host.stat(&key)).map_err(|failure| unread(&key, &failure))?;
            if found.is_none_or(|found| found.kind != Kind::Object) {
                self.place.count.uploads += 1;
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The digest in the end of a path: `sha256/…`.
fn digest(path: &str) -> Result<Digest, InvalidDigest> {
    let (rest, hex) = path.rsplit_once('/').ok_or(InvalidDigest::Malformed)?;
    let algorithm = rest.rsplit('/').next().unwrap_or_default();
    Digest::parse(&format!("{algorithm}:{hex}"))
}

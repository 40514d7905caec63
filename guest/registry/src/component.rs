//! The component: the exports of the world `registry`, and its imports behind
//! the ports. Nothing is decided here.

mod inventory;

#[allow(missing_docs, unsafe_code, clippy::all, reason = "generated")]
mod wit {
    wit_bindgen::generate!({ path: "../../wit", world: "registry-with-inventory", generate_all });
}

/// The one import beyond the world's own: unpredictable numbers, for the names
/// of uploads.
#[allow(missing_docs, unsafe_code, clippy::all, reason = "generated")]
mod wasi {
    wit_bindgen::generate!({
        inline: "
            package skerry:registry-randomness;

            world randomness {
                import wasi:random/random@0.2.0;
            }

            package wasi:random@0.2.0 {
                interface random {
                    get-random-bytes: func(len: u64) -> list<u8>;
                    get-random-u64: func() -> u64;
                }
            }
        ",
        world: "skerry:registry-randomness/randomness",
        generate_all,
    });
}

use skerry_libc as _;
use wit::{
    exports::skerry::registry::handler,
    skerry::registry::{
        access, admission, body, identity, last_use, marks, request, retention_types, settings, storage,
        storage_policy_types as policy, types, uploads,
    },
};

use crate::{
    collect,
    digest::{Algorithm, Digest},
    error::HostFailure,
    host::{
        Access, Action, Admission, Ambient, Body, Change, Concern, Denial, Departure, Event, Expectation, Failure,
        Happening, Hashes, Intent, Kind, KnownManifest, LastUse, Listing, Marks, Metadata, Request, Retention, Ruling,
        Settings, Storage, TagFacts, Upload, Uploads, Verdict,
    },
    name::{RepositoryName, Tag},
    response::Content,
    retain, tend, verify,
};

struct Component;

#[allow(unsafe_code, reason = "generated")]
mod export {
    super::wit::export!(Component with_types_in super::wit);
    use super::Component;
}

impl handler::Guest for Component {
    fn handle() -> handler::Response {
        let response = crate::handle(&Component);
        handler::Response {
            status: response.status,
            headers: response.headers,
            body: match response.body {
                Content::Empty => handler::Content::Empty,
                Content::Bytes(bytes) => handler::Content::Bytes(bytes),
                Content::Slice { key, offset, length } => {
                    handler::Content::Slice(handler::Slice { key, offset, length })
                }
            },
            notes: response.notes,
        }
    }

    fn failure_answer(kind: handler::HostFailure) -> handler::HostAnswer {
        let (headers, body) = crate::failure_answer(match kind {
            handler::HostFailure::NotFound => HostFailure::NotFound,
            handler::HostFailure::BadRequest => HostFailure::BadRequest,
            handler::HostFailure::TimedOut => HostFailure::TimedOut,
            handler::HostFailure::TooLarge => HostFailure::TooLarge,
            handler::HostFailure::HeadTooLarge => HostFailure::HeadTooLarge,
            handler::HostFailure::Internal => HostFailure::Internal,
            handler::HostFailure::Unavailable => HostFailure::Unavailable,
            handler::HostFailure::NoSpace => HostFailure::NoSpace,
        });
        handler::HostAnswer { headers, body }
    }

    fn tend(task: handler::Task, cursor: Option<String>, budget: u32) -> Result<handler::Progress, String> {
        let progress = match task {
            handler::Task::PurgeUploads(purge) => {
                let purge = tend::Purge { now: purge.now, older_than: purge.older_than, dry_run: purge.dry_run };
                tend::purge_uploads(&Component, purge, cursor.as_deref(), budget)
            }
            handler::Task::Collect(asked) => {
                let collection = collect::Collection {
                    now: asked.now,
                    grace: asked.grace,
                    dry_run: asked.dry_run,
                    delete_untagged: asked.delete_untagged,
                };
                collect::collect(&Component, collection, cursor.as_deref(), budget)?
            }
            handler::Task::Verify(asked) => {
                let asked = verify::Verification { now: asked.now, repair: asked.repair };
                verify::verify(&Component, asked, cursor.as_deref(), budget)?
            }
            handler::Task::Retain(asked) => {
                let run = retain::Run { dry_run: asked.dry_run };
                retain::retain(&Component, run, cursor.as_deref(), budget)?
            }
            handler::Task::Other(name) => {
                return Err(format!("this module knows no task {name:?}"));
            }
        };
        Ok(handler::Progress {
            cursor: progress.cursor,
            examined: progress.examined,
            changed: progress.changed,
            messages: progress.messages,
            total: progress.total,
            damage: progress.damage.into_iter().map(damage_out).collect(),
        })
    }
}

impl Request for Component {
    fn method(&self) -> String {
        request::method()
    }

    fn path(&self) -> String {
        request::path()
    }

    fn query(&self, name: &str) -> Vec<String> {
        request::query(name)
    }

    fn header(&self, name: &str) -> Vec<String> {
        request::header(name)
    }
}

impl Body for Component {
    fn body_length(&self) -> Option<u64> {
        body::length()
    }

    fn read_body(&self, limit: u64) -> Result<Vec<u8>, Failure> {
        Ok(body::read(limit)?)
    }
}

impl Storage for Component {
    fn read(&self, key: &str, limit: u64) -> Result<Vec<u8>, Failure> {
        Ok(storage::read(key, limit)?)
    }

    fn stat(&self, key: &str) -> Result<Metadata, Failure> {
        let found = storage::stat(key)?;
        Ok(Metadata { kind: found.kind.into(), size: found.size, modified: found.modified })
    }

    fn page(&self, parent: &str, after: Option<&str>, limit: u32) -> Result<Listing, Failure> {
        let listing = storage::page(parent, after, limit)?;
        let entries = listing.entries.into_iter().map(|entry| (entry.name, entry.kind.into())).collect();
        Ok(Listing { entries, more: listing.more })
    }

    fn commit(&self, expect: Vec<Expectation>, changes: Vec<Change>) -> Result<(), Failure> {
        Ok(storage::commit(&expectations(expect), &changes_out(changes))?)
    }
}

impl Uploads for Component {
    fn create(&self, key: &str, beside: Vec<(String, Vec<u8>)>) -> Result<Box<dyn Upload>, Failure> {
        Ok(Box::new(uploads::Upload::create(key, &beside)?))
    }

    fn temporary(&self) -> Result<Box<dyn Upload>, Failure> {
        Ok(Box::new(uploads::Upload::temporary()?))
    }

    fn resume(&self, key: &str) -> Result<Box<dyn Upload>, Failure> {
        Ok(Box::new(uploads::Upload::resume(key)?))
    }
}

impl Upload for uploads::Upload {
    fn offset(&self) -> u64 {
        self.offset()
    }

    fn append(&self, at: Option<u64>, limit: Option<u64>) -> Result<u64, Failure> {
        Ok(self.append(at, limit)?)
    }

    fn finish(&self, to: &str, digest: &str, expect: Vec<Expectation>, changes: Vec<Change>) -> Result<(), Failure> {
        Ok(self.finish(to, digest, &expectations(expect), &changes_out(changes))?)
    }

    fn abort(&self) -> Result<(), Failure> {
        Ok(self.abort()?)
    }
}

impl Marks for Component {
    fn mark(&self, name: &str) -> Result<bool, Failure> {
        Ok(marks::mark(name)?)
    }

    fn marked(&self, name: &str) -> Result<bool, Failure> {
        Ok(marks::marked(name)?)
    }
}

impl Hashes for Component {
    fn digests(&self, keys: &[String], algorithm: Algorithm) -> Vec<Result<String, Failure>> {
        storage::digests(keys, algorithm.name()).into_iter().map(|digest| digest.map_err(Failure::from)).collect()
    }
}

impl LastUse for Component {
    fn last_used(&self, value: &str) -> Option<u64> {
        last_use::last_used(value)
    }
}

impl Retention for Component {
    fn retain(&self, repository: &RepositoryName, tags: &[TagFacts]) -> Option<Vec<Departure>> {
        let facts = |facts: &TagFacts| retention_types::TagFacts {
            tag: facts.tag.as_str().to_owned(),
            digest: facts.digest.as_str().to_owned(),
            updated: facts.updated,
            size: facts.size,
            last_pull: facts.last_pull,
        };
        let facts: Vec<_> = tags.iter().map(facts).collect();
        let departures = admission::retain(repository.as_str(), &facts).ok()?;
        Some(departures.into_iter().map(|gone| Departure { tag: gone.tag, reason: gone.reason }).collect())
    }
}

impl Settings for Component {
    fn value(&self, path: &str) -> Option<String> {
        settings::value(path)
    }
}

impl Access for Component {
    fn authorize(&self, intents: &[Intent<'_>]) -> Verdict {
        let accesses: Vec<_> = intents.iter().map(access_out).collect();
        match access::authorize(&accesses) {
            access::Verdict::Allow => Verdict::Allow,
            access::Verdict::Challenge(fields) => Verdict::Challenge(fields),
            access::Verdict::Deny(reason) => Verdict::Deny(reason),
            access::Verdict::Hide => Verdict::Hide,
            access::Verdict::Unavailable => Verdict::Unavailable,
        }
    }

    fn may_pull(&self, repositories: &[String]) -> Vec<bool> {
        access::may_pull(repositories)
    }

    fn principal(&self) -> Option<String> {
        access::principal().map(|somebody| somebody.subject)
    }
}

impl Admission for Component {
    fn wanted(&self, concern: Concern) -> bool {
        admission::wanted(match concern {
            Concern::ManifestPush => policy::Concern::ManifestPush,
            Concern::TagMove => policy::Concern::TagMove,
            Concern::Pull => policy::Concern::Pull,
        })
    }

    fn admit(&self, event: Event) -> Ruling {
        let repository = event.repository.as_str().to_owned();
        match admission::admit(&policy::Event { repository, action: happening(event.happening) }) {
            policy::Ruling::Allow(warnings) => Ruling::Allow(warnings),
            policy::Ruling::Deny(policy::Denial { code, status, message }) => {
                Ruling::Deny(Denial { code, status, message })
            }
            policy::Ruling::Unavailable => Ruling::Unavailable,
        }
    }
}

impl Ambient for Component {
    fn now(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    }

    fn random(&self) -> [u8; 16] {
        let word = wasi::wasi::random::random::get_random_u64;
        (u128::from(word()) << 64 | u128::from(word())).to_be_bytes()
    }
}

impl From<storage::Kind> for Kind {
    fn from(kind: storage::Kind) -> Self {
        match kind {
            storage::Kind::Object => Self::Object,
            storage::Kind::Directory => Self::Directory,
        }
    }
}

impl From<types::Failure> for Failure {
    fn from(failure: types::Failure) -> Self {
        match failure {
            types::Failure::NotFound => Self::NotFound,
            types::Failure::Conflict(key) => Self::Conflict(key),
            types::Failure::InvalidKey(why) => Self::InvalidKey(why),
            types::Failure::TooLarge(size) => Self::TooLarge(size),
            types::Failure::WrongKind => Self::WrongKind,
            types::Failure::Busy => Self::Busy,
            types::Failure::WrongOffset(offset) => Self::WrongOffset(offset),
            types::Failure::DigestMismatch => Self::DigestMismatch,
            types::Failure::Interrupted => Self::Interrupted,
            types::Failure::NoSpace => Self::NoSpace,
            types::Failure::TooMuchStaged => Self::TooMuchStaged,
            types::Failure::ReadOnly => Self::ReadOnly,
            types::Failure::Exhausted => Self::Exhausted,
            types::Failure::Io(cause) => Self::Io(cause),
            types::Failure::Other(cause) => Self::Other(cause),
        }
    }
}

fn expectations(expect: Vec<Expectation>) -> Vec<storage::Expectation> {
    let one = |expectation| match expectation {
        Expectation::Absent(key) => storage::Expectation::Absent(key),
        Expectation::Present(key) => storage::Expectation::Present(key),
        Expectation::Equals(key, bytes) => storage::Expectation::Equals((key, bytes)),
    };
    expect.into_iter().map(one).collect()
}

fn changes_out(changes: Vec<Change>) -> Vec<storage::Change> {
    let one = |change| match change {
        Change::Put(key, bytes) => storage::Change::Put((key, bytes)),
        Change::Create(key, bytes) => storage::Change::Create((key, bytes)),
        Change::Remove(key) => storage::Change::Remove(key),
        Change::RemoveTree(key) => storage::Change::RemoveTree(key),
        Change::MakeDirectory(key) => storage::Change::MakeDirectory(key),
        Change::Quarantine(key) => storage::Change::Quarantine(key),
    };
    changes.into_iter().map(one).collect()
}

fn damage_out(damage: tend::Damage) -> handler::Damage {
    let tend::Damage { place, what, consequence, remedy, done } = damage;
    handler::Damage { place, what, consequence, remedy, done }
}

fn access_out(intent: &Intent<'_>) -> identity::Access {
    identity::Access {
        repository: intent.repository.map(str::to_owned),
        action: match intent.action {
            Action::Pull => identity::Action::Pull,
            Action::Push => identity::Action::Push,
            Action::Delete => identity::Action::Delete,
            Action::Catalog => identity::Action::Catalog,
        },
        reference: intent.reference.map(str::to_owned),
    }
}

fn happening(happening: Happening) -> policy::Happening {
    let digest = |digest: Digest| digest.as_str().to_owned();
    let tag = |tag: Tag| tag.as_str().to_owned();
    match happening {
        Happening::ManifestPush(pushed) => policy::Happening::ManifestPush(known(*pushed)),
        Happening::BlobPush { digest: pushed, size } => {
            policy::Happening::BlobPush(policy::Blob { digest: digest(pushed), size })
        }
        Happening::UploadStart(length) => policy::Happening::UploadStart(length),
        Happening::Mount { digest: mounted, size, source } => {
            policy::Happening::Mount(policy::Mount { digest: digest(mounted), size, source: source.to_string() })
        }
        Happening::TagMove { tag: moved, old, new } => {
            policy::Happening::TagMove(policy::TagMove { tag: tag(moved), old: old.map(digest), new: digest(new) })
        }
        Happening::ManifestDelete { digest: deleted, tags } => {
            let tags = tags.into_iter().map(tag).collect();
            policy::Happening::ManifestDelete(policy::ManifestDelete { digest: digest(deleted), tags })
        }
        Happening::BlobDelete(deleted) => policy::Happening::BlobDelete(digest(deleted)),
        Happening::TagDelete { tag: deleted, digest: old } => {
            policy::Happening::TagDelete(policy::TagDelete { tag: tag(deleted), digest: old.map(digest) })
        }
        Happening::Pull(pulled) => policy::Happening::Pull(known(*pulled)),
    }
}

fn known(manifest: KnownManifest) -> policy::Manifest {
    policy::Manifest {
        digest: manifest.digest.as_str().to_owned(),
        media_type: manifest.media_type,
        artifact_type: manifest.artifact_type,
        size: u64::try_from(manifest.content.len()).unwrap_or(u64::MAX),
        subject: manifest.subject.map(|subject| subject.as_str().to_owned()),
        annotations: manifest.annotations,
        tags: manifest.tags.iter().map(|tag| tag.as_str().to_owned()).collect(),
        content: manifest.content,
    }
}

//! The ports: what the module imports, as plain Rust.
//!
//! Each trait mirrors one interface of `wit/`, where meaning, authority and
//! limits are written down. A function takes the smallest trait that it
//! needs, so that its signature says what it can do: who takes `&dyn Storage`
//! alone reads no clock and no request.

use crate::{
    digest::{Algorithm, Digest},
    name::{RepositoryName, Tag},
};

/// The head of the request, to be asked piece by piece.
///
/// What was asked is what the answer depended on: ask for no more than the
/// decision needs.
pub trait Request {
    /// The method as it was sent.
    fn method(&self) -> String;
    /// The path as it was sent, percent-encoded, without the query.
    fn path(&self) -> String;
    /// The values of a query parameter, decoded.
    fn query(&self, name: &str) -> Vec<String>;
    /// The values of a header field.
    fn header(&self, name: &str) -> Vec<String>;
}

/// The body of the request, which can be taken once.
pub trait Body {
    /// The length that the client declared.
    fn body_length(&self) -> Option<u64>;
    /// The whole body, if it has at most `limit` bytes.
    ///
    /// # Errors
    /// `TooLarge`, `Interrupted`, or `Other` when it is taken already.
    fn read_body(&self, limit: u64) -> Result<Vec<u8>, Failure>;
}

/// Small objects under keys.
pub trait Storage {
    /// The bytes of an object, whole.
    ///
    /// # Errors
    /// `NotFound`, `TooLarge`, `WrongKind`, or a failure of the storage.
    fn read(&self, key: &str, limit: u64) -> Result<Vec<u8>, Failure>;
    /// What is at a key.
    ///
    /// # Errors
    /// `NotFound`, or a failure of the storage.
    fn stat(&self, key: &str) -> Result<Metadata, Failure>;
    /// Sorted names below a directory that come after `after`.
    ///
    /// # Errors
    /// `NotFound`, `WrongKind`, or a failure of the storage.
    fn page(&self, parent: &str, after: Option<&str>, limit: u32) -> Result<Listing, Failure>;
    /// Changes several keys, durably and in order.
    ///
    /// # Errors
    /// `Conflict` with nothing changed, or a failure of the storage.
    fn commit(&self, expect: Vec<Expectation>, changes: Vec<Change>) -> Result<(), Failure>;
}

/// Objects of any size, received from the client.
pub trait Uploads {
    /// Begins an upload at a key, with small objects beside it.
    ///
    /// # Errors
    /// `Conflict`, `Busy`, or a failure of the storage.
    fn create(&self, key: &str, beside: Vec<(String, Vec<u8>)>) -> Result<Box<dyn Upload>, Failure>;
    /// Begins an upload that cannot be resumed.
    ///
    /// # Errors
    /// `Busy`, or a failure of the storage.
    fn temporary(&self) -> Result<Box<dyn Upload>, Failure>;
    /// Goes on with an upload.
    ///
    /// # Errors
    /// `NotFound`, `Busy`, or a failure of the storage.
    fn resume(&self, key: &str) -> Result<Box<dyn Upload>, Failure>;
}

/// An upload that this request alone uses. Dropping it keeps it.
pub trait Upload {
    /// Bytes received so far.
    fn offset(&self) -> u64;
    /// Receives the body of the request; returns the new offset.
    ///
    /// # Errors
    /// `WrongOffset`, `TooLarge`, `Interrupted`, or a failure of the storage.
    fn append(&self, at: Option<u64>, limit: Option<u64>) -> Result<u64, Failure>;
    /// Makes what was received an object, together with changes.
    ///
    /// # Errors
    /// `DigestMismatch` with nothing changed, `Conflict`, or a failure of the
    /// storage.
    fn finish(&self, to: &str, digest: &str, expect: Vec<Expectation>, changes: Vec<Change>) -> Result<(), Failure>;
    /// Removes the upload and its directory.
    ///
    /// # Errors
    /// A failure of the storage.
    fn abort(&self) -> Result<(), Failure>;
}

/// Names that are remembered while a task goes on.
pub trait Marks {
    /// Adds a name; whether it is new.
    ///
    /// # Errors
    /// `Exhausted` when there is no room.
    fn mark(&self, name: &str) -> Result<bool, Failure>;
    /// Whether a name was added; very rarely so of one that was not.
    ///
    /// # Errors
    /// Outside a task.
    fn marked(&self, name: &str) -> Result<bool, Failure>;
}

/// Digests of whole objects, which the host computes; within a task.
pub trait Hashes {
    /// The digests of the objects at these keys, at most 256, in their order.
    fn digests(&self, keys: &[String], algorithm: Algorithm) -> Vec<Result<String, Failure>>;
}

/// When things were last used; within a task.
pub trait LastUse {
    /// When an answer noted this value as used, in seconds since 1970.
    fn last_used(&self, value: &str) -> Option<u64>;
}

/// Which tags the policies want to keep; within a task.
pub trait Retention {
    /// Those of a repository's tags, at most 10,000, that are to go, and why;
    /// nothing where a policy failed.
    fn retain(&self, repository: &RepositoryName, tags: &[TagFacts]) -> Option<Vec<Departure>>;
}

/// What the operator configured.
pub trait Settings {
    /// The value at a dotted path, as JSON text.
    fn value(&self, path: &str) -> Option<String>;
}

/// Who asks, and what they may do.
pub trait Access {
    /// Whether the request may do all of these, at most 16; with none, whether
    /// its client is let in at all.
    fn authorize(&self, intents: &[Intent<'_>]) -> Verdict;
    /// Which of these repositories the client may pull from, in their order.
    fn may_pull(&self, repositories: &[String]) -> Vec<bool>;
    /// The name of the client, where it is known.
    fn principal(&self) -> Option<String>;
}

/// Whether something may be stored, kept, served, or go.
pub trait Admission {
    /// Whether any policy is asked of such events.
    fn wanted(&self, concern: Concern) -> bool;
    /// Asks about one event, before it happens.
    fn admit(&self, event: Event) -> Ruling;
}

/// What makes an answer depend on more than was asked: no read path takes it.
pub trait Ambient {
    /// Seconds since 1970.
    fn now(&self) -> u64;
    /// Unpredictable bytes.
    fn random(&self) -> [u8; 16];
}

/// All of them.
pub trait Host: Request + Body + Storage + Uploads + Settings + Access + Admission + Ambient {}

impl<T: Request + Body + Storage + Uploads + Settings + Access + Admission + Ambient> Host for T {}

/// Why the host did not do what it was asked; `types.failure`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is there.
    NotFound,
    /// An expectation did not hold at this key.
    Conflict(String),
    /// Not a key.
    InvalidKey(String),
    /// Beyond a limit: the size where it is known, else the limit.
    TooLarge(u64),
    /// Not the kind of thing that was asked for.
    WrongKind,
    /// In use, or too much is open.
    Busy,
    /// The upload is at this offset.
    WrongOffset(u64),
    /// The received bytes have another digest.
    DigestMismatch,
    /// The body broke off.
    Interrupted,
    /// No room left.
    NoSpace,
    /// The client's unfinished uploads hold as many bytes as they may.
    TooMuchStaged,
    /// Not writable.
    ReadOnly,
    /// The request used up its share.
    Exhausted,
    /// The storage failed: for the log.
    Io(String),
    /// Anything else: for the log.
    Other(String),
}

/// What is at a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Object or directory.
    pub kind: Kind,
    /// Bytes; 0 for a directory.
    pub size: u64,
    /// Seconds since 1970.
    pub modified: u64,
}

/// What can be at a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes.
    Object,
    /// Names.
    Directory,
}

/// One page of a directory's names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Sorted by the bytes of the name.
    pub entries: Vec<(String, Kind)>,
    /// Whether more come after these.
    pub more: bool,
}

/// What must be so for a commit to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing is there.
    Absent(String),
    /// An object is there, and it is not empty.
    Present(String),
    /// An object with exactly these bytes is there.
    Equals(String, Vec<u8>),
}

/// One step of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Write, over what may be there.
    Put(String, Vec<u8>),
    /// Write where nothing is.
    Create(String, Vec<u8>),
    /// Remove an object, if it is there.
    Remove(String),
    /// Remove a directory and all below it, if it is there.
    RemoveTree(String),
    /// Make a directory, if it is not there.
    MakeDirectory(String),
    /// Take what is there out of the way, if anything is.
    Quarantine(String),
}

/// What is known of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagFacts {
    /// The tag.
    pub tag: Tag,
    /// What it names.
    pub digest: Digest,
    /// When it was set, in seconds since 1970.
    pub updated: u64,
    /// Bytes of its manifest and of what that is made of.
    pub size: u64,
    /// When it was pulled, in seconds since 1970.
    pub last_pull: Option<u64>,
}

/// A tag that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// The tag.
    pub tag: String,
    /// Why.
    pub reason: String,
}

/// Something that a request is to do; `identity.access`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent<'a> {
    /// The repository; nothing for the registry as a whole.
    pub repository: Option<&'a str>,
    /// What is done there.
    pub action: Action,
    /// The tag or digest, where one is concerned.
    pub reference: Option<&'a str>,
}

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Read.
    Pull,
    /// Write.
    Push,
    /// Remove.
    Delete,
    /// See the names of repositories.
    Catalog,
}

/// What to answer to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Allow,
    /// 401, with these values of `WWW-Authenticate`.
    Challenge(Vec<String>),
    /// 403, for this reason.
    Deny(String),
    /// As if nothing of that name were there.
    Hide,
    /// 503: a policy failed.
    Unavailable,
}

/// What is about to happen in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The repository.
    pub repository: RepositoryName,
    /// What happens there.
    pub happening: Happening,
}

/// What is gathered for policies only, where any is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// Of [`Happening::ManifestPush`].
    ManifestPush,
    /// Of [`Happening::TagMove`].
    TagMove,
    /// Of [`Happening::Pull`].
    Pull,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// A manifest is pushed.
    ManifestPush(Box<KnownManifest>),
    /// A blob is about to become visible.
    BlobPush {
        /// Its digest.
        digest: Digest,
        /// Its bytes.
        size: u64,
    },
    /// An upload begins, with the length that was declared.
    UploadStart(Option<u64>),
    /// A blob of another repository is linked.
    Mount {
        /// Its digest.
        digest: Digest,
        /// Its bytes.
        size: u64,
        /// The other repository.
        source: RepositoryName,
    },
    /// A tag is set or moved.
    TagMove {
        /// The tag.
        tag: Tag,
        /// What it names now.
        old: Option<Digest>,
        /// What it is to name.
        new: Digest,
    },
    /// A manifest goes, with these tags.
    ManifestDelete {
        /// Its digest.
        digest: Digest,
        /// The tags that name it.
        tags: Vec<Tag>,
    },
    /// A blob goes.
    BlobDelete(Digest),
    /// A tag goes.
    TagDelete {
        /// The tag.
        tag: Tag,
        /// What it names now.
        digest: Option<Digest>,
    },
    /// A manifest is served.
    Pull(Box<KnownManifest>),
}

/// What is known of a manifest that is pushed or pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownManifest {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// What kind of artifact it is.
    pub artifact_type: Option<String>,
    /// What it refers to.
    pub subject: Option<Digest>,
    /// What its author says of it.
    pub annotations: Vec<(String, String)>,
    /// The tags that are to name it, or by which it was asked for.
    pub tags: Vec<Tag>,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// What the storage policies say of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// Go on, and warn the client.
    Allow(Vec<String>),
    /// Do not.
    Deny(Denial),
    /// 503: a policy failed.
    Unavailable,
}

/// How a policy refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// A code of the distribution-spec.
    pub code: String,
    /// 400 to 499; 0 for what goes with the code.
    pub status: u16,
    /// What the client reads.
    pub message: String,
}

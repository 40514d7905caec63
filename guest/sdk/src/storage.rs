//! Policies about what may be stored, kept, or go.

use serde::de::DeserializeOwned;

use crate::{Failed, Host, Principal, host::settings};

/// A policy of the world `storage-policy`.
pub trait StoragePolicy: Sized {
    /// What the operator may set. `()` where there is nothing.
    type Settings: DeserializeOwned;

    /// Takes the settings.
    ///
    /// # Errors
    /// What is wrong with them, for the operator.
    fn new(settings: Self::Settings) -> Result<Self, Failed>;

    /// Whether it can work, once, when it is loaded: what the operator should
    /// be warned of, at most 64 lines.
    ///
    /// # Errors
    /// Why not. The host does not take the policy then.
    fn check(&self, host: &dyn Host) -> Result<Vec<String>, Failed> {
        let _ = host;
        Ok(Vec::new())
    }

    /// What it is to be asked about, once, when it is loaded: only of such
    /// events [`admit`](Self::admit) is called. All that changes something,
    /// unless it says otherwise.
    ///
    /// An answer to a client of which a policy was asked is not remembered:
    /// who names [`Concern::Pull`] is asked at each pull.
    fn concerns(&self) -> Vec<Concern> {
        Concern::CHANGES.to_vec()
    }

    /// May this happen? Asked before anything becomes visible or goes away, or
    /// is served.
    ///
    /// # Errors
    /// The policy has no answer.
    fn admit(&self, host: &dyn Host, principal: Option<&Principal>, event: &Event) -> Result<Ruling, Failed>;
}

/// What is about to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Where.
    pub repository: String,
    /// What.
    pub action: Happening,
}

/// What is about to happen in a repository. Digests are texts such as
/// `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// A manifest is pushed, by tags or by its digest alone.
    ManifestPush(Manifest),
    /// A blob is about to become visible.
    BlobPush(Blob),
    /// An upload begins; the length that was declared, if any.
    UploadStart(Option<u64>),
    /// A blob of another repository is linked.
    Mount(Mount),
    /// A tag is set or moved: asked after the push of the manifest.
    TagMove(TagMove),
    /// A manifest goes, with the tags that lead to it.
    ManifestDelete(ManifestDelete),
    /// A blob's link goes; its digest.
    BlobDelete(String),
    /// A tag goes.
    TagDelete(TagDelete),
    /// A manifest is about to be served, by a tag or by its digest alone.
    Pull(Manifest),
}

/// The kinds of what happens, one for each [`Happening`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Concern {
    /// [`Happening::ManifestPush`].
    ManifestPush,
    /// [`Happening::BlobPush`].
    BlobPush,
    /// [`Happening::UploadStart`].
    UploadStart,
    /// [`Happening::Mount`].
    Mount,
    /// [`Happening::TagMove`].
    TagMove,
    /// [`Happening::ManifestDelete`].
    ManifestDelete,
    /// [`Happening::BlobDelete`].
    BlobDelete,
    /// [`Happening::TagDelete`].
    TagDelete,
    /// [`Happening::Pull`].
    Pull,
}

impl Concern {
    /// All that changes something.
    pub const CHANGES: [Self; 8] = [
        Self::ManifestPush,
        Self::BlobPush,
        Self::UploadStart,
        Self::Mount,
        Self::TagMove,
        Self::ManifestDelete,
        Self::BlobDelete,
        Self::TagDelete,
    ];
}

impl Happening {
    /// Its kind.
    #[must_use]
    pub const fn concern(&self) -> Concern {
        match self {
            Self::ManifestPush(_) => Concern::ManifestPush,
            Self::BlobPush(_) => Concern::BlobPush,
            Self::UploadStart(_) => Concern::UploadStart,
            Self::Mount(_) => Concern::Mount,
            Self::TagMove(_) => Concern::TagMove,
            Self::ManifestDelete(_) => Concern::ManifestDelete,
            Self::BlobDelete(_) => Concern::BlobDelete,
            Self::TagDelete(_) => Concern::TagDelete,
            Self::Pull(_) => Concern::Pull,
        }
    }
}

/// A manifest that is pushed or pulled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Its digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Its artifact type.
    pub artifact_type: Option<String>,
    /// Its length in bytes.
    pub size: u64,
    /// The digest of what it refers to.
    pub subject: Option<String>,
    /// Its annotations.
    pub annotations: Vec<(String, String)>,
    /// What it is known by once it is stored; of a pull, the tag that was asked
    /// for, if any.
    pub tags: Vec<String>,
    /// The manifest itself.
    pub content: Vec<u8>,
}

/// A blob that is pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its digest.
    pub digest: String,
    /// Its length in bytes.
    pub size: u64,
}

/// A blob that is linked from another repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its digest.
    pub digest: String,
    /// Its length in bytes.
    pub size: u64,
    /// The other repository.
    pub source: String,
}

/// A tag that is set or moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagMove {
    /// The tag.
    pub tag: String,
    /// Where it leads now; nothing where it is new.
    pub old: Option<String>,
    /// Where it is to lead.
    pub new: String,
}

/// A manifest that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestDelete {
    /// Its digest.
    pub digest: String,
    /// The tags that lead to it, and go with it.
    pub tags: Vec<String>,
}

/// A tag that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagDelete {
    /// The tag.
    pub tag: String,
    /// Where it leads now.
    pub digest: Option<String>,
}

/// Whether it may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// Yes, with warnings for the client, at most 8 of 256 bytes.
    Allow(Vec<String>),
    /// No.
    Deny(Denial),
}

/// Why it may not happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// A code of the distribution-spec.
    pub code: String,
    /// 400 to 499; nothing: what goes with the code.
    pub status: Option<u16>,
    /// What the client reads, at most 1 KiB.
    pub message: String,
}

impl Ruling {
    /// Yes.
    #[must_use]
    pub const fn allow() -> Self {
        Self::Allow(Vec::new())
    }

    /// No: `DENIED`, 403, with this message.
    #[must_use]
    pub fn deny(message: impl Into<String>) -> Self {
        Self::Deny(Denial { code: "DENIED".to_owned(), status: None, message: message.into() })
    }
}

/// [`StoragePolicy::check`] on a new policy, as the host calls it.
///
/// # Errors
/// What the policy says against its settings or files.
pub fn check_storage<P: StoragePolicy>(host: &dyn Host) -> Result<Vec<String>, Failed> {
    P::new(settings(host)?)?.check(host)
}

/// [`StoragePolicy::concerns`] of a new policy, as the host calls it.
///
/// # Errors
/// What the policy says against its settings.
pub fn concerns<P: StoragePolicy>(host: &dyn Host) -> Result<Vec<Concern>, Failed> {
    Ok(P::new(settings(host)?)?.concerns())
}

/// [`StoragePolicy::admit`] on a new policy, as the host calls it. What it is
/// not concerned with is allowed, unasked.
///
/// # Errors
/// The policy has no answer.
pub fn admit<P: StoragePolicy>(
    host: &dyn Host,
    principal: Option<&Principal>,
    event: &Event,
) -> Result<Ruling, Failed> {
    let policy = P::new(settings(host)?)?;
    if !policy.concerns().contains(&event.action.concern()) {
        return Ok(Ruling::allow());
    }
    policy.admit(host, principal, event)
}

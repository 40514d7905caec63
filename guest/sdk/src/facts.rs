//! What a storage policy may ask of the registry: all of it about the
//! repository of the event that is decided on.

use std::fmt;

/// What the registry holds.
///
/// An auth policy, and a storage policy that is checked when it is loaded, are
/// told of nothing: [`FactFailure::NotFound`].
pub trait Facts {
    /// What a tree of repositories holds, without the event itself: the
    /// event's repository, a prefix of its name by whole segments, or the
    /// whole registry by the empty text. Any other tree ends the policy.
    ///
    /// # Errors
    /// See [`FactFailure`].
    fn usage(&self, tree: &str) -> Result<Usage, FactFailure>;

    /// What the event adds to each of these trees.
    ///
    /// # Errors
    /// See [`FactFailure`].
    fn adds(&self) -> Result<Usage, FactFailure>;

    /// A page of tags that come after `after`, at most 1,000.
    ///
    /// # Errors
    /// See [`FactFailure`].
    fn tags(&self, after: Option<&str>, limit: u32) -> Result<TagPage, FactFailure>;

    /// Manifests whose subject is this digest, of one artifact type if it is
    /// given; the first 1,000 at most.
    ///
    /// # Errors
    /// See [`FactFailure`].
    fn referrers(&self, subject: &str, artifact_type: Option<&str>) -> Result<Vec<Referrer>, FactFailure>;

    /// A manifest, by a tag or its digest.
    ///
    /// # Errors
    /// See [`FactFailure`].
    fn manifest(&self, reference: &str) -> Result<StoredManifest, FactFailure>;

    /// The bytes of a blob, if it has at most `limit` and 4 MiB.
    ///
    /// # Errors
    /// See [`FactFailure`].
    fn blob(&self, digest: &str, limit: u64) -> Result<Vec<u8>, FactFailure>;
}

/// What a tree of repositories holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the distinct blobs and manifests of each repository.
    pub bytes: u64,
    /// Blobs, each in each repository.
    pub blobs: u64,
    /// Manifests, likewise.
    pub manifests: u64,
    /// Tags.
    pub tags: u64,
    /// Repositories.
    pub repositories: u64,
}

/// A page of tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagPage {
    /// In the order of their bytes.
    pub tags: Vec<Tag>,
    /// Whether there are more after the last of these.
    pub more: bool,
}

/// A tag, and what it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The tag.
    pub name: String,
    /// Where it leads.
    pub digest: String,
}

/// A manifest whose subject is another one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Referrer {
    /// Its digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Its artifact type.
    pub artifact_type: Option<String>,
    /// Its length in bytes.
    pub size: u64,
    /// Its annotations, as far as the list of referrers shows them.
    pub annotations: Vec<(String, String)>,
}

/// A manifest that is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredManifest {
    /// Its digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// The manifest itself.
    pub content: Vec<u8>,
}

/// Why something was not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactFailure {
    /// Nothing of that name is there.
    NotFound,
    /// More bytes than the limit.
    TooLarge,
    /// Anything else. What happened, for the log.
    Other(String),
}

impl fmt::Display for FactFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("the registry tells of no such thing"),
            Self::TooLarge => f.write_str("what the registry holds is larger than the limit"),
            Self::Other(what) => write!(f, "the registry does not tell: {what}"),
        }
    }
}

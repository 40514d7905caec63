//! Every key that this module reads or writes. The layout is distribution's,
//! so that a volume of registry 2.8 or 3 is served as it is, and the other way
//! round.
//!
//! ```text
//! docker/registry/v2/
//!   blobs/<alg>/<first two hex digits>/<hex>/data
//!                               bytes of a blob or a manifest, for all repositories
//!   repositories/<name>/
//!     _layers/<alg>/<hex>/link            the blob is in this repository
//!     _manifests/revisions/<alg>/<hex>/link
//!                                         the manifest is in this repository
//!     _manifests/tags/<tag>/current/link  what the tag names now
//!     _manifests/tags/<tag>/index/<alg>/<hex>/link
//!                                         what the tag named at any time
//!     _uploads/<uuid>/data                bytes received so far
//!     _uploads/<uuid>/startedat           RFC 3339
//!     _uploads/<uuid>/owner               ours: who began it; distribution passes
//!                                         over it, and removes it with the rest
//!     _skerry/referrers/<alg>/<hex>/<alg>-<hex>
//!                                         ours: the second is a manifest whose
//!                                         subject is the first; its descriptor
//! ```
//!
//! A link holds the text of a digest, and what it says is followed: a sha512
//! blob of distribution has its data under its sha256 path.
//!
//! What is ours and stays is always a directory that begins with `_`: distribution's
//! walks pass over it, and would stop at a plain file of such a name. Both
//! `_layers` and `_manifests` are made by the first write: registry 2.8 finds
//! repositories by the one only, registry 3 by the other only, and what their
//! collectors do not find they sweep.

use crate::{
    digest::Digest,
    name::{RepositoryName, Tag},
    uploads::UploadId,
};

/// The directory of all repositories.
pub const REPOSITORIES: &str = "docker/registry/v2/repositories";

/// The directory of all data.
pub const BLOBS: &str = "docker/registry/v2/blobs";

/// The bytes of a blob or a manifest.
#[must_use]
pub fn data(digest: &Digest) -> String {
    let hex = digest.hex();
    let fan = hex.get(..2).unwrap_or_default();
    format!("docker/registry/v2/blobs/{}/{fan}/{hex}/data", digest.algorithm().name())
}

/// A directory below the repositories, which need not be one.
#[must_use]
pub fn below_repositories(path: &str) -> String {
    if path.is_empty() { REPOSITORIES.to_owned() } else { format!("{REPOSITORIES}/{path}") }
}

/// The directory of blob links of what may be a repository.
#[must_use]
pub fn layers(name: &str) -> String {
    format!("{REPOSITORIES}/{name}/_layers")
}

/// The directory of manifests and tags of what may be a repository.
#[must_use]
pub fn manifests(name: &str) -> String {
    format!("{REPOSITORIES}/{name}/_manifests")
}

/// The directory of uploads of what may be a repository.
#[must_use]
pub fn uploads(name: &str) -> String {
    format!("{REPOSITORIES}/{name}/_uploads")
}

/// The link of a blob.
#[must_use]
pub fn layer_link(name: &RepositoryName, digest: &Digest) -> String {
    format!("{REPOSITORIES}/{name}/_layers/{}/{}/link", digest.algorithm().name(), digest.hex())
}

/// The link of a manifest.
#[must_use]
pub fn revision_link(name: &RepositoryName, digest: &Digest) -> String {
    format!("{REPOSITORIES}/{name}/_manifests/revisions/{}/{}/link", digest.algorithm().name(), digest.hex())
}

/// The directory of revisions of what may be a repository.
#[must_use]
pub fn revisions(name: &RepositoryName) -> String {
    format!("{REPOSITORIES}/{name}/_manifests/revisions")
}

/// The directory of tags.
#[must_use]
pub fn tags(name: &RepositoryName) -> String {
    format!("{REPOSITORIES}/{name}/_manifests/tags")
}

/// The directory of a tag.
#[must_use]
pub fn tag(name: &RepositoryName, tag: &Tag) -> String {
    format!("{REPOSITORIES}/{name}/_manifests/tags/{tag}")
}

/// What a tag names now.
#[must_use]
pub fn tag_current(name: &RepositoryName, tag: &Tag) -> String {
    format!("{REPOSITORIES}/{name}/_manifests/tags/{tag}/current/link")
}

/// That a tag names or named a manifest.
#[must_use]
pub fn tag_index(name: &RepositoryName, tag: &Tag, digest: &Digest) -> String {
    let (algorithm, hex) = (digest.algorithm().name(), digest.hex());
    format!("{REPOSITORIES}/{name}/_manifests/tags/{tag}/index/{algorithm}/{hex}/link")
}

/// The directory of an upload.
#[must_use]
pub fn upload(name: &str, id: &UploadId) -> String {
    format!("{REPOSITORIES}/{name}/_uploads/{id}")
}

/// The bytes of an upload.
#[must_use]
pub fn upload_data(name: &str, id: &UploadId) -> String {
    format!("{REPOSITORIES}/{name}/_uploads/{id}/data")
}

/// When an upload began.
#[must_use]
pub fn upload_started(name: &str, id: &UploadId) -> String {
    format!("{REPOSITORIES}/{name}/_uploads/{id}/startedat")
}

/// Who began an upload.
#[must_use]
pub fn upload_owner(name: &RepositoryName, id: &UploadId) -> String {
    format!("{REPOSITORIES}/{name}/_uploads/{id}/owner")
}

/// The directory of a manifest's referrers.
#[must_use]
pub fn referrers(name: &RepositoryName, subject: &Digest) -> String {
    format!("{REPOSITORIES}/{name}/_skerry/referrers/{}/{}", subject.algorithm().name(), subject.hex())
}

/// The directory of all of a repository's referrers.
#[must_use]
pub fn all_referrers(name: &RepositoryName) -> String {
    format!("{REPOSITORIES}/{name}/_skerry/referrers")
}

/// That a manifest refers to another.
#[must_use]
pub fn referrer(name: &RepositoryName, subject: &Digest, digest: &Digest) -> String {
    format!("{}/{}", referrers(name, subject), referrer_entry(digest))
}

/// The last segment of `referrer`.
#[must_use]
pub fn referrer_entry(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().name(), digest.hex())
}

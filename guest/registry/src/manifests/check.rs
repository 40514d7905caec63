//! What must be true of a manifest before it is stored: what it names is here.
//!
//! The rules and their settings are distribution's, but for two: an index
//! whose children are not here is accepted unless a setting asks for them, and
//! so are URLs of layers unless a setting restricts them.

use std::collections::BTreeSet;

use regex_lite::Regex;

use super::{
    parse::{Descriptor, List, Manifest, Platform, invalid},
    shape,
};
use crate::{
    digest::{Digest, InvalidDigest},
    error::{Code, Error},
    host::{Failure, Host},
    links,
    name::RepositoryName,
    settings,
};

/// Distinct blobs that one manifest may name.
const REFERENCES: usize = 4_096;
/// Missing ones that an answer lists.
const MISSING: usize = 32;

/// Layers that are fetched from elsewhere.
const FOREIGN: [&str; 4] = [
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
];

/// Checks a manifest of a known kind; nothing is known of others.
pub fn check(host: &dyn Host, name: &RepositoryName, manifest: &Manifest<'_>, media_type: &str) -> Result<(), Error> {
    match media_type {
        shape::OCI_MANIFEST | shape::DOCKER_MANIFEST => {
            let blobs: Vec<_> = manifest.config.iter().chain(entries(manifest.layers.as_ref())).collect();
            blobs_are_here(host, name, &blobs)
        }
        shape::OCI_ARTIFACT => {
            let blobs: Vec<_> = entries(manifest.blobs.as_ref()).iter().collect();
            blobs_are_here(host, name, &blobs)
        }
        shape::OCI_INDEX | shape::DOCKER_LIST => {
            let children = entries(manifest.manifests.as_ref());
            for child in children {
                digest(child)?;
            }
            children_are_here(host, name, children)
        }
        _ => Ok(()),
    }
}

/// What a manifest of a known kind needs to be whole, as far as it can be here.
#[derive(Debug, Default)]
pub struct Needs {
    /// Its config and layers, but for those that may be elsewhere.
    pub blobs: BTreeSet<Digest>,
    /// What an index names, which need not be here.
    pub children: BTreeSet<Digest>,
}

/// What a manifest needs; nothing of other kinds, as nothing is known of them.
pub fn needs(manifest: &Manifest<'_>, media_type: &str) -> Needs {
    let blobs: Vec<_> = match media_type {
        shape::OCI_MANIFEST | shape::DOCKER_MANIFEST => {
            manifest.config.iter().chain(entries(manifest.layers.as_ref())).collect()
        }
        shape::OCI_ARTIFACT => entries(manifest.blobs.as_ref()).iter().collect(),
        _ => Vec::new(),
    };
    let elsewhere = |blob: &Descriptor<'_>| {
        FOREIGN.contains(&blob.media_type.as_str()) && blob.urls().is_ok_and(|urls| !urls.is_empty())
    };
    let children = match media_type {
        shape::OCI_INDEX | shape::DOCKER_LIST => entries(manifest.manifests.as_ref()),
        _ => &[],
    };
    let known = |blob: &Descriptor<'_>| Digest::parse(&blob.digest).ok();
    Needs {
        blobs: blobs.into_iter().filter(|blob| !elsewhere(blob)).filter_map(known).collect(),
        children: children.iter().filter_map(known).collect(),
    }
}

fn entries<'m, 'a>(list: Option<&'m List<Descriptor<'a>>>) -> &'m [Descriptor<'a>] {
    list.map_or(&[], |list| list.0.as_slice())
}

/// A blob or manifest that must be here, by its digest if it can be.
type Needed<'m, 'a> = (Option<Digest>, &'m Descriptor<'a>);

fn blobs_are_here(host: &dyn Host, name: &RepositoryName, blobs: &[&Descriptor<'_>]) -> Result<(), Error> {
    let sparse = settings::flag(host, "validation.manifests.sparse");
    let mut rules = None;
    let mut needed: Vec<Needed<'_, '_>> = Vec::new();
    for blob in blobs {
        let urls = blob.urls()?;
        if !urls.is_empty() {
            let rules = match &rules {
                Some(rules) => rules,
                None => rules.insert(Urls::ask(host)?),
            };
            rules.allow(blob, &urls)?;
        }
        let digest = digest(blob)?;
        let elsewhere = FOREIGN.contains(&blob.media_type.as_str()) && !urls.is_empty();
        if !sparse && !elsewhere {
            needed.push((digest, blob));
        }
    }
    needed.sort_by(|(_, one), (_, other)| one.digest.cmp(&other.digest));
    needed.dedup_by(|(_, one), (_, other)| one.digest == other.digest);
    if needed.len() > REFERENCES {
        return Err(invalid("the manifest names too many blobs").detail("limit", REFERENCES.to_string()));
    }
    all(&needed, |(digest, blob)| match digest {
        None => Ok(false),
        Some(digest) => Ok(links::layer(host, name, digest)?.is_some()
            || is_manifest(&blob.media_type) && links::revision(host, name, digest)?.is_some()),
    })
}

fn children_are_here(host: &dyn Host, name: &RepositoryName, children: &[Descriptor<'_>]) -> Result<(), Error> {
    let platforms = settings::get::<String>(host, "validation.manifests.indexes.platforms");
    let listed = match platforms.map(|text| text.to_ascii_lowercase()).as_deref() {
        Some("all") => None,
        Some("list") => {
            let platforms = settings::get::<Vec<Platform>>(host, "validation.manifests.indexes.platformlist");
            // An empty list restricts nothing, as in distribution.
            platforms.filter(|platforms| !platforms.is_empty())
        }
        _ => return Ok(()),
    };
    if !validates(host) {
        return Ok(());
    }
    let mut needed = Vec::new();
    for child in children {
        let counts = match &listed {
            None => true,
            Some(platforms) => child.platform.as_ref().is_some_and(|platform| platforms.contains(platform)),
        };
        if counts {
            needed.push((digest(child)?, child));
        }
    }
    all(&needed, |(digest, _)| match digest {
        None => Ok(false),
        Some(digest) => Ok(links::revision(host, name, digest)?.is_some()),
    })
}

/// Names each one that is not here, up to a bound, in one error.
fn all(needed: &[Needed<'_, '_>], here: impl Fn(&Needed<'_, '_>) -> Result<bool, Failure>) -> Result<(), Error> {
    let mut missing: Option<Error> = None;
    let mut count = 0;
    for one in needed {
        if here(one)? {
            continue;
        }
        let error = Error::new(Code::ManifestBlobUnknown).detail("digest", one.1.digest.as_str());
        missing = Some(match missing {
            None => error,
            Some(others) => others.and(error),
        });
        count += 1;
        if count == MISSING {
            break;
        }
    }
    missing.map_or(Ok(()), Err)
}

/// The digest of a descriptor; nothing for one that cannot be here.
fn digest(descriptor: &Descriptor<'_>) -> Result<Option<Digest>, Error> {
    match Digest::parse(&descriptor.digest) {
        Ok(digest) => Ok(Some(digest)),
        Err(InvalidDigest::UnknownAlgorithm) => Ok(None),
        Err(InvalidDigest::Malformed) => {
            Err(invalid("a digest in the manifest is not valid").detail("digest", descriptor.digest.as_str()))
        }
    }
}

fn is_manifest(media_type: &str) -> bool {
    matches!(media_type, shape::OCI_MANIFEST | shape::OCI_INDEX | shape::DOCKER_MANIFEST | shape::DOCKER_LIST)
}

/// Whether distribution's optional checks are on: they are, unless disabled.
fn validates(host: &dyn Host) -> bool {
    settings::flag(host, "validation.enabled") || !settings::flag(host, "validation.disabled")
}

/// Where layers may say that they are.
struct Urls {
    allow: Vec<Regex>,
    deny: Vec<Regex>,
}

impl Urls {
    fn ask(host: &dyn Host) -> Result<Self, Error> {
        if !validates(host) {
            return Ok(Self { allow: Vec::new(), deny: Vec::new() });
        }
        let patterns = |path: &str| -> Result<Vec<Regex>, Error> {
            let patterns = settings::get::<Vec<String>>(host, path).unwrap_or_default();
            let compiled: Result<_, _> = patterns.iter().map(|pattern| Regex::new(pattern)).collect();
            // A rule that cannot be read forbids: it was meant to restrict.
            compiled.map_err(|error| Error::new(Code::Unknown).cause(format!("{path}: {error}")))
        };
        Ok(Self {
            allow: patterns("validation.manifests.urls.allow")?,
            deny: patterns("validation.manifests.urls.deny")?,
        })
    }

    fn allow(&self, descriptor: &Descriptor<'_>, urls: &[String]) -> Result<(), Error> {
        for url in urls {
            let web = ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme))
                && !url.contains('#')
                && !url.chars().any(|character| character.is_control() || character == ' ');
            let allowed = self.allow.is_empty() || self.allow.iter().any(|pattern| pattern.is_match(url));
            let denied = self.deny.iter().any(|pattern| pattern.is_match(url));
            if !web || !allowed || denied {
                return Err(invalid("a URL of a layer is not allowed")
                    .detail("digest", descriptor.digest.as_str())
                    .detail("url", url.as_str()));
            }
        }
        Ok(())
    }
}

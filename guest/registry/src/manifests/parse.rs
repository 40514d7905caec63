//! Manifests that are pushed, read once and strictly.
//!
//! What is read has a fixed depth, so that no input makes this recurse. Lists
//! are bounded, and what only some need stays text until they do, so that no
//! small body becomes a large memory.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use memchr::memchr2;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::shape;
use crate::{
    digest::Digest,
    error::{Code, Error},
};

/// Objects and arrays in each other, at most.
const DEPTH: u32 = 64;
/// Entries of one list.
const ENTRIES: usize = 16_384;
/// Bytes of annotations that a list of referrers repeats.
const ANNOTATIONS: usize = 64 * 1024;

/// Whether JSON is nested too deeply to be read. It need not be JSON.
#[must_use]
pub fn too_deep(bytes: &[u8]) -> bool {
    let (mut depth, mut rest) = (0_u32, bytes);
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'"' => rest = behind_string(after),
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH {
            return true;
        }
    }
    false
}

/// What follows a string whose first quote is behind: a manifest is little
/// else than strings, so they are not looked at byte by byte.
fn behind_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr2(b'"', b'\\', rest) {
        let escapes = rest.get(at) == Some(&b'\\');
        rest = rest.get(at + 1 + usize::from(escapes)..).unwrap_or_default();
        if !escapes {
            return rest;
        }
    }
    &[]
}

/// What this registry needs to know of a manifest of any kind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest<'a> {
    /// 2, in all kinds that have it but Docker's first.
    #[serde(default)]
    pub schema_version: Option<i64>,
    // Not read: so that one that comes twice is refused.
    #[serde(default, rename = "mediaType")]
    _media_type: Option<String>,
    #[serde(default)]
    artifact_type: Option<String>,
    /// Of an image.
    #[serde(borrow, default)]
    pub config: Option<Descriptor<'a>>,
    /// Of an image.
    #[serde(borrow, default)]
    pub layers: Option<List<Descriptor<'a>>>,
    /// Of an artifact manifest.
    #[serde(borrow, default)]
    pub blobs: Option<List<Descriptor<'a>>>,
    /// Of an index or list.
    #[serde(borrow, default)]
    pub manifests: Option<List<Descriptor<'a>>>,
    #[serde(borrow, default)]
    subject: Option<Descriptor<'a>>,
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
}

/// What one manifest says of another thing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor<'a> {
    /// Its media type.
    #[serde(default)]
    pub media_type: String,
    /// Its digest, not checked yet.
    pub digest: String,
    /// What it runs on.
    #[serde(default)]
    pub platform: Option<Platform>,
    #[serde(borrow, default)]
    urls: Option<&'a RawValue>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
}

impl Descriptor<'_> {
    /// Where else it is.
    ///
    /// # Errors
    /// 400 for what is no list of texts.
    pub fn urls(&self) -> Result<Vec<String>, Error> {
        let Some(raw) = self.urls else {
            return Ok(Vec::new());
        };
        let List(urls) = serde_json::from_str(raw.get()).map_err(|_| invalid("the URLs of a layer are not valid"))?;
        Ok(urls)
    }

    /// How a list of referrers describes it, if this says all that it needs.
    pub fn describe(self, size: u64) -> Option<Referrer> {
        let artifact_type = Some(self.artifact_type.filter(|text| !text.is_empty())?);
        let annotations = self.annotations.and_then(annotations);
        (!self.media_type.is_empty()).then_some(Referrer {
            media_type: self.media_type,
            digest: self.digest,
            size,
            artifact_type,
            annotations,
        })
    }
}

/// What a list of referrers says of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Referrer {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: String,
    /// Its bytes.
    pub size: u64,
    /// What kind of artifact it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What its author says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// Annotations, as far as a list of referrers repeats them.
fn annotations(raw: &RawValue) -> Option<BTreeMap<String, String>> {
    if raw.get().len() > ANNOTATIONS {
        return None;
    }
    serde_json::from_str(raw.get()).ok()
}

/// What an image runs on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// As in Go's `GOARCH`.
    #[serde(default)]
    pub architecture: String,
    /// As in Go's `GOOS`.
    #[serde(default)]
    pub os: String,
}

impl<'a> Manifest<'a> {
    /// Reads a manifest.
    ///
    /// # Errors
    /// 400 for what is no JSON object, or has a known field of another type.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        if too_deep(bytes) {
            return Err(invalid("the manifest is nested too deeply"));
        }
        serde_json::from_slice(bytes)
            .map_err(|error| invalid("the manifest is not valid JSON of its kind").detail("reason", error.to_string()))
    }

    /// The digest of the manifest to which this one refers.
    ///
    /// # Errors
    /// 400 for a subject whose digest is none.
    pub fn subject(&self) -> Result<Option<Digest>, Error> {
        let Some(subject) = &self.subject else {
            return Ok(None);
        };
        let digest = Digest::parse(&subject.digest)
            .map_err(|_| invalid("the digest of the subject is not valid").detail("digest", subject.digest.as_str()))?;
        Ok(Some(digest))
    }

    /// How a list of referrers describes this manifest.
    #[must_use]
    pub fn describe(&self, media_type: String, digest: &Digest, size: u64) -> Referrer {
        let stated = self.artifact_type.clone().filter(|text| !text.is_empty());
        // Of an image that states none, the type of its config (distribution-
        // spec, "Listing Referrers").
        let config = || self.config.as_ref().map(|config| config.media_type.clone()).filter(|text| !text.is_empty());
        Referrer {
            media_type,
            digest: digest.as_str().to_owned(),
            size,
            artifact_type: stated.or_else(config),
            annotations: self.annotations.and_then(annotations),
        }
    }

    /// Whether the fields are those of the media type. One that could be read
    /// as an image by some and as an index by others is neither.
    ///
    /// # Errors
    /// 400 where they are not.
    pub fn agree_with(&self, media_type: &str) -> Result<(), Error> {
        let image = self.config.is_some() || self.layers.is_some();
        let list = self.manifests.is_some();
        let agrees = match media_type {
            shape::OCI_MANIFEST | shape::DOCKER_MANIFEST => self.config.is_some() && !list,
            shape::OCI_INDEX | shape::DOCKER_LIST => list && !image,
            shape::DOCKER_SCHEMA_1 | shape::DOCKER_SIGNED => {
                return Err(invalid("manifests of schema 1 are not taken any more"));
            }
            _ => return Ok(()),
        };
        if !agrees {
            return Err(invalid("the manifest does not have the fields of its media type"));
        }
        if self.schema_version != Some(2) {
            return Err(invalid("the schema version of the manifest is not 2"));
        }
        Ok(())
    }
}

/// The refusal of a manifest.
pub fn invalid(message: &'static str) -> Error {
    Error::new(Code::ManifestInvalid).message(message)
}

/// A list of bounded length.
#[derive(Debug)]
pub struct List<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = List<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = list.next_element()? {
                    if entries.len() == ENTRIES {
                        return Err(de::Error::custom("a list has too many entries"));
                    }
                    entries.push(entry);
                }
                Ok(List(entries))
            }
        }
        deserializer.deserialize_seq(Entries(PhantomData))
    }
}

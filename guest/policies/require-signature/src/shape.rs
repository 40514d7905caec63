//! Manifests, as far as signatures are concerned.

use serde::{Deserialize, de::IgnoredAny};
use skerry_sdk::{FactFailure, Failed, Host};

use crate::cose;

/// Bytes of the largest signature: one with its chain and its proofs.
pub const LARGEST: u64 = 64 * 1024;
/// Parts of a manifest that are looked at.
pub const MOST: usize = 32;

/// cosign's payload, whose signature is an annotation.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// A manifest of such payloads, as a referrer.
pub const COSIGN: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// A bundle, and a manifest of one.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// A manifest of a signature of notation's.
pub const NOTATION: &str = "application/vnd.cncf.notary.signature";
/// Such a signature.
pub const JWS: &str = "application/jose+json";
/// Another.
pub const COSE: &str = "application/cose";
/// An older attestation of cosign's.
const DSSE: &str = "application/vnd.dsse.envelope.v1+json";

/// A manifest of signatures, or a list of such manifests. Go reads `Layers` as
/// `layers`, and so do most clients: one with any other field, or with one
/// that comes twice, is not read at all.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "they are the fields that it may have")]
pub struct Manifest {
    schema_version: Option<IgnoredAny>,
    media_type: Option<IgnoredAny>,
    artifact_type: Option<IgnoredAny>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<IgnoredAny>,
}

/// What it is made of, or refers to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "likewise")]
pub struct Descriptor {
    /// Its media type.
    #[serde(default)]
    pub media_type: String,
    /// Its digest.
    pub digest: String,
    size: Option<IgnoredAny>,
    artifact_type: Option<String>,
    annotations: Option<Annotations>,
    platform: Option<IgnoredAny>,
    data: Option<IgnoredAny>,
}

/// What an index lists: of one that is signed, whatever else it has.
#[derive(Debug, Deserialize)]
struct Index {
    manifests: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
struct Listed {
    digest: String,
}

/// Whether a manifest is an index that lists this one.
pub fn lists(manifest: &[u8], digest: &str) -> bool {
    // Most have no such text at all.
    String::from_utf8_lossy(manifest).contains(digest)
        && serde_json::from_slice::<Index>(manifest)
            .is_ok_and(|index| index.manifests.iter().any(|listed| listed.digest == digest))
}

#[derive(Debug, Deserialize)]
struct Annotations {
    #[serde(rename = "dev.cosignproject.cosign/signature")]
    signature: Option<String>,
}

impl Manifest {
    /// Reads one; nothing where it cannot be read.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Its blobs.
    pub fn layers(&self) -> &[Descriptor] {
        self.layers.as_deref().unwrap_or_default()
    }
}

impl Descriptor {
    /// The signature of a payload of cosign's.
    pub fn signature(&self) -> Option<&str> {
        self.annotations.as_ref()?.signature.as_deref()
    }
}

/// Whether a manifest is nothing but signatures or attestations, or an index
/// that lists nothing but such manifests.
///
/// What a manifest says of itself is not believed: somebody would call their
/// image a signature. Each of its blobs is read, and is to be JSON or COSE,
/// which no client unpacks.
pub fn is_signature(host: &dyn Host, manifest: &[u8]) -> Result<bool, Failed> {
    let Some(manifest) = Manifest::parse(manifest) else { return Ok(false) };
    let (layers, manifests) = (manifest.layers(), manifest.manifests.as_deref().unwrap_or_default());
    if layers.is_empty() {
        // What it lists is asked about by itself.
        let listed = |one: &Descriptor| {
            one.data.is_none() && [COSIGN, BUNDLE, NOTATION].map(Some).contains(&one.artifact_type.as_deref())
        };
        return Ok(!manifests.is_empty() && manifests.iter().all(listed));
    }
    let known = |one: &Descriptor| [SIMPLE_SIGNING, BUNDLE, JWS, COSE, DSSE].contains(&one.media_type.as_str());
    if !manifests.is_empty() || layers.len() > MOST || !layers.iter().all(known) {
        return Ok(false);
    }
    for layer in layers {
        let Some(bytes) = blob(host, &layer.digest)? else { return Ok(false) };
        let is_one = match layer.media_type.as_str() {
            COSE => cose::Envelope::parse(&bytes).is_ok(),
            _ => serde_json::from_slice::<IgnoredAny>(&bytes).is_ok(),
        };
        if !is_one {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A blob, unless it is not here or too large for a signature.
pub fn blob(host: &dyn Host, digest: &str) -> Result<Option<Vec<u8>>, Failed> {
    // Anybody may have written it into a manifest of a kind that no registry
    // reads.
    if is_digest(digest) { there(host.blob(digest, LARGEST)) } else { Ok(None) }
}

/// A manifest likewise.
pub fn manifest(host: &dyn Host, reference: &str) -> Result<Option<Vec<u8>>, Failed> {
    Ok(there(host.manifest(reference))?.map(|manifest| manifest.content))
}

fn there<T>(told: Result<T, FactFailure>) -> Result<Option<T>, Failed> {
    match told {
        Ok(found) => Ok(Some(found)),
        Err(FactFailure::NotFound | FactFailure::TooLarge) => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

/// The tag of cosign's signatures of a digest; of a longer one, it would be no
/// tag.
pub fn signature_tag(digest: &str) -> Option<String> {
    digest.strip_prefix("sha256:").map(|hex| format!("sha256-{hex}.sig"))
}

/// The digest to which the tags of its signatures and referrers belong.
pub fn subject_of(tag: &str) -> Option<String> {
    let name = [".sig", ".att"].into_iter().find_map(|end| tag.strip_suffix(end)).unwrap_or(tag);
    let hex = name.strip_prefix("sha256-")?;
    (hex.len() == 64 && is_hex(hex)).then(|| format!("sha256:{hex}"))
}

fn is_digest(text: &str) -> bool {
    let of = |name: &str, length: usize| text.strip_prefix(name).is_some_and(|hex| hex.len() == length && is_hex(hex));
    of("sha256:", 64) || of("sha512:", 128)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

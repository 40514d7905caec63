//! `require-signature`: a manifest is served, or gets a tag, only once a
//! trusted key has signed it.
//!
//! ```yaml
//! policies:
//! - name: signed
//!   module: require-signature
//!   directory: /etc/skerry/keys    # it may read these files, and nothing else
//!   settings:
//!     repositories: ["team/**"]    # all of them where it is not set
//!     keys: ["cosign.pub", "notation-ca.pem"]
//!     exempt: {subjects: ["ci"], groups: ["signers"]}
//!     on: [pull, tag]              # both where it is not set
//! ```
//!
//! A key is a PEM file of public keys (RSA of 2048 to 4096 bits, P-256, P-384,
//! P-521, Ed25519) or certificates. What is signed with it counts:
//!
//! - cosign's signatures with a key: in the tag `sha256-….sig`, as referrers,
//!   and as bundles, which are what cosign 3 makes. Of a certificate, its own
//!   key counts. Transparency logs and keyless signatures are not looked at, an
//!   attestation is no signature, and Ed25519ph, which is what cosign 3 makes
//!   with Ed25519 keys, is not taken.
//! - notation's signatures (JWS and COSE): the signer's certificate is trusted
//!   itself, leads to one that is, or has a trusted key. It must be in force
//!   now and, if it says what it is for, be for signing code; a signature that
//!   expired counts no longer. Revocation, time stamps and plugins are not
//!   looked at: a signature that needs a plugin is refused.
//!
//! A signature says that a key's owner signed this digest: not for which
//! repository or tag.
//!
//! So that there can be signatures, whoever signs is `exempt`: they push, by
//! digest, read what they are to sign, and tag it then or before. Signatures
//! and attestations themselves can be pushed and pulled by everybody who may
//! push and pull: manifests of which each part is one, lists of such referrers,
//! and their tags `sha256-…`. Other referrers, an SBOM say, are to be signed
//! like images.
//!
//! An index that is signed is enough for what it lists. Clients pull that by
//! digest and say nothing of the index, so it is looked for among what has a
//! tag or a cosign tag in the repository: up to 256 manifests, by the order of
//! their tags. Where there are more, sign the parts too (`cosign sign
//! --recursive`).
//!
//! Blobs are not asked about: who knows the digest of a layer can read it.
//! Of one digest, 32 signatures are looked at.

mod cose;
mod cosign;
mod notation;
mod parents;
mod search;
mod shape;
mod time;
mod trust;

use serde::Deserialize;
use skerry_libc as _;
use skerry_sdk::{Concern, Event, Failed, Glob, Happening, Host, Manifest, Principal, Ruling, StoragePolicy};

use self::{search::Search, trust::Trust};

/// The policy.
#[derive(Debug)]
pub struct RequireSignature(Settings);

/// What the operator may set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    repositories: Option<Vec<Glob>>,
    keys: Vec<String>,
    #[serde(default)]
    exempt: Exempt,
    #[serde(default = "always")]
    on: Vec<Moment>,
}

/// Who need not wait for a signature.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exempt {
    #[serde(default)]
    subjects: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
}

/// What takes a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Moment {
    Pull,
    Tag,
}

fn always() -> Vec<Moment> {
    vec![Moment::Pull, Moment::Tag]
}

impl StoragePolicy for RequireSignature {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Failed> {
        let empty = [
            ("repositories", settings.repositories.as_ref().is_some_and(Vec::is_empty)),
            ("keys", settings.keys.is_empty()),
            ("on", settings.on.is_empty()),
        ];
        match empty.into_iter().find(|(_, empty)| *empty) {
            Some((name, _)) => Err(format!("settings: `{name}` is an empty list, by which nothing could be").into()),
            None => Ok(Self(settings)),
        }
    }

    fn check(&self, host: &dyn Host) -> Result<Vec<String>, Failed> {
        let mut warnings = Trust::load(host, &self.0.keys)?.warnings;
        if self.0.exempt.subjects.is_empty() && self.0.exempt.groups.is_empty() && self.0.on.contains(&Moment::Pull) {
            warnings.push(
                "nobody is exempt: who signs has to read what is to be signed, which is not signed yet".to_owned(),
            );
        }
        Ok(warnings)
    }

    fn concerns(&self) -> Vec<Concern> {
        let one = |moment: &Moment| match moment {
            Moment::Pull => Concern::Pull,
            Moment::Tag => Concern::ManifestPush,
        };
        self.0.on.iter().map(one).collect()
    }

    fn admit(&self, host: &dyn Host, principal: Option<&Principal>, event: &Event) -> Result<Ruling, Failed> {
        let repository = &event.repository;
        let concerned =
            self.0.repositories.as_ref().is_none_or(|globs| globs.iter().any(|glob| glob.matches(repository)));
        if !concerned || principal.is_some_and(|principal| self.is_exempt(principal)) {
            return Ok(Ruling::allow());
        }
        match &event.action {
            Happening::Pull(manifest) => self.pull(host, repository, manifest),
            Happening::ManifestPush(manifest) => self.push(host, repository, manifest),
            _ => Ok(Ruling::allow()),
        }
    }
}

impl RequireSignature {
    fn is_exempt(&self, principal: &Principal) -> bool {
        let Exempt { subjects, groups } = &self.0.exempt;
        subjects.contains(&principal.subject) || principal.groups.iter().any(|group| groups.contains(group))
    }

    fn pull(&self, host: &dyn Host, repository: &str, manifest: &Manifest) -> Result<Ruling, Failed> {
        if shape::is_signature(host, &manifest.content)? {
            return Ok(Ruling::allow());
        }
        let trust = Trust::load(host, &self.0.keys)?;
        let mut search = Search::new(host, &trust);
        if search.is_signed(&manifest.digest)? || parents::is_signed(host, &mut search, &manifest.digest)? {
            return Ok(Ruling::allow());
        }
        Ok(Ruling::deny(format!(
            "{repository} is served signed only, and no trusted signature refers to {}{}",
            manifest.digest,
            search.because()
        )))
    }

    fn push(&self, host: &dyn Host, repository: &str, manifest: &Manifest) -> Result<Ruling, Failed> {
        let mut tags = manifest.tags.iter().filter(|tag| shape::subject_of(tag).is_none()).peekable();
        let signs =
            tags.peek().is_none() && (manifest.tags.is_empty() || shape::is_signature(host, &manifest.content)?);
        if signs {
            return Ok(Ruling::allow());
        }
        let trust = Trust::load(host, &self.0.keys)?;
        let mut search = Search::new(host, &trust);
        if search.is_signed(&manifest.digest)? {
            return Ok(Ruling::allow());
        }
        Ok(Ruling::deny(format!(
            "{repository} has tags for what is signed only, and no trusted signature refers to {}{}: push it by its \
             digest, have it signed, and tag it then",
            manifest.digest,
            search.because()
        )))
    }
}

skerry_sdk::storage_policy!(RequireSignature);

//! The signatures of a digest, until one is trusted.

use std::time::Duration;

use skerry_sdk::{Failed, Host};

use crate::{
    cose, cosign, notation,
    shape::{self, BUNDLE, COSE, COSIGN, Descriptor, JWS, MOST, Manifest, NOTATION, SIMPLE_SIGNING},
    trust::Trust,
};

/// Signatures that are looked at for one question.
const SIGNATURES: usize = 32;

/// A search, and what it may still look at.
pub struct Search<'a> {
    host: &'a dyn Host,
    trust: &'a Trust,
    now: Duration,
    left: usize,
    refused: Option<String>,
}

impl<'a> Search<'a> {
    /// Begins.
    pub fn new(host: &'a dyn Host, trust: &'a Trust) -> Self {
        Self { host, trust, now: host.now(), left: SIGNATURES, refused: None }
    }

    /// Whether somebody trusted signed it.
    pub fn is_signed(&mut self, digest: &str) -> Result<bool, Failed> {
        if let Some(tag) = shape::signature_tag(digest)
            && self.has(&tag, digest)?
        {
            return Ok(true);
        }
        for kind in [BUNDLE, NOTATION, COSIGN] {
            for referrer in self.host.referrers(digest, Some(kind)).or_else(nothing)? {
                if self.left == 0 {
                    break;
                }
                if self.has(&referrer.digest, digest)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Why the last signature was refused, for whoever was.
    pub fn because(&self) -> String {
        self.refused.as_ref().map(|why| format!(" ({why})")).unwrap_or_default()
    }

    /// Whether one of the signatures in a manifest is trusted.
    fn has(&mut self, reference: &str, digest: &str) -> Result<bool, Failed> {
        let Some(bytes) = shape::manifest(self.host, reference)? else { return Ok(false) };
        let Some(manifest) = Manifest::parse(&bytes) else { return Ok(false) };
        for layer in manifest.layers().iter().take(MOST) {
            match self.left.checked_sub(1) {
                Some(left) => self.left = left,
                None => return Ok(false),
            }
            match self.verify(layer, digest)? {
                Ok(()) => return Ok(true),
                Err(why) => {
                    self.host.log(&format!("{digest}: the signature {} is refused: {why}", layer.digest));
                    self.refused = Some(format!("one was refused: {why}"));
                }
            }
        }
        Ok(false)
    }

    fn verify(&self, layer: &Descriptor, digest: &str) -> Result<Result<(), String>, Failed> {
        let Some(bytes) = shape::blob(self.host, &layer.digest)? else {
            return Ok(Err("it is not here, or too large".to_owned()));
        };
        let (trust, now) = (self.trust, self.now);
        Ok(match layer.media_type.as_str() {
            SIMPLE_SIGNING => cosign::payload(&bytes, layer.signature(), digest, trust, now),
            BUNDLE => cosign::bundle(&bytes, digest, trust, now),
            JWS => notation::jws(&bytes, digest, trust, now),
            COSE => cose::verify(&bytes, digest, trust, now),
            _ => Err("it is of a kind that is not known".to_owned()),
        })
    }
}

/// A registry that lists no referrers of it has none.
fn nothing<T: Default>(failure: skerry_sdk::FactFailure) -> Result<T, Failed> {
    match failure {
        skerry_sdk::FactFailure::NotFound => Ok(T::default()),
        other => Err(other.into()),
    }
}

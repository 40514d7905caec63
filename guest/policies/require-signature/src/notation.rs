//! What notation signs: the claims of an envelope, and JWS. See `cose` for the
//! other envelope.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use skerry_keys::{Hash, Kind, Scheme, chain};

use crate::{time, trust::Trust};

/// What is signed.
pub const PAYLOAD: &str = "application/vnd.cncf.notary.payload.v1+json";
/// Names of header fields.
pub const SCHEME: &str = "io.cncf.notary.signingScheme";
pub const EXPIRY: &str = "io.cncf.notary.expiry";
/// What may be demanded to be understood.
const CRITICAL: [&str; 2] = [SCHEME, EXPIRY];
/// Trust by certificates, in force when it is looked at.
const X509: &str = "notary.x509";

/// How it is signed; both kinds of envelopes know these.
const ALGORITHMS: [(&str, Scheme, Hash, Kind); 6] = [
    ("PS256", Scheme::Pss, Hash::Sha256, Kind::Rsa),
    ("PS384", Scheme::Pss, Hash::Sha384, Kind::Rsa),
    ("PS512", Scheme::Pss, Hash::Sha512, Kind::Rsa),
    ("ES256", Scheme::Ecdsa, Hash::Sha256, Kind::P256),
    ("ES384", Scheme::Ecdsa, Hash::Sha384, Kind::P384),
    ("ES512", Scheme::Ecdsa, Hash::Sha512, Kind::P521),
];

/// What an envelope holds, of either kind.
pub struct Signature<'a> {
    /// `PS256` and the like.
    pub algorithm: &'a str,
    /// Names of the fields that are to be understood.
    pub critical: Vec<&'a str>,
    /// Of what kind the payload is.
    pub content_type: &'a str,
    /// By what it is trusted.
    pub scheme: &'a str,
    /// When it ends.
    pub expiry: Option<Duration>,
    /// The signer's, and those of who vouches for it.
    pub certificates: Vec<CertificateDer<'static>>,
    /// What says what was signed.
    pub payload: &'a [u8],
    /// The bytes that were signed.
    pub signed: &'a [u8],
    /// The signature of these.
    pub signature: &'a [u8],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    target_artifact: Target,
}

#[derive(Deserialize)]
struct Target {
    digest: String,
}

impl Signature<'_> {
    /// Whether somebody trusted signed this digest.
    pub fn verify(&self, digest: &str, trust: &Trust, now: Duration) -> Result<(), String> {
        let payload: Payload =
            serde_json::from_slice(self.payload).map_err(|error| format!("its payload cannot be read: {error}"))?;
        if self.content_type != PAYLOAD || payload.target_artifact.digest != digest {
            return Err("it is of something else".to_owned());
        }
        if self.scheme != X509 {
            return Err(format!("its scheme is {:.40?}, and only {X509:?} is taken", self.scheme));
        }
        if let Some(unknown) = self.critical.iter().find(|name| !CRITICAL.contains(name)) {
            return Err(format!("it demands what is not known here: {unknown:.60?}"));
        }
        if self.expiry.is_some_and(|expiry| expiry <= now) {
            return Err("it has expired".to_owned());
        }
        let (_, scheme, hash, kind) = ALGORITHMS
            .iter()
            .find(|(name, ..)| *name == self.algorithm)
            .ok_or_else(|| format!("it is signed by {:.20?}, which is not taken", self.algorithm))?;
        let key = trust.holder(&self.certificates, now)?;
        if key.kind() != *kind || !key.verify(*scheme, *hash, self.signed, self.signature) {
            return Err("it is not what its certificate's key signed".to_owned());
        }
        Ok(())
    }
}

/// A JWS in JSON (RFC 7515, 7.2.2).
#[derive(Deserialize)]
struct Jws {
    payload: String,
    protected: String,
    header: Unprotected,
    signature: String,
}

#[derive(Deserialize)]
struct Unprotected {
    x5c: Vec<String>,
}

#[derive(Deserialize)]
struct Protected {
    alg: String,
    #[serde(default)]
    crit: Vec<String>,
    cty: String,
    #[serde(rename = "io.cncf.notary.signingScheme")]
    scheme: String,
    #[serde(rename = "io.cncf.notary.expiry")]
    expiry: Option<String>,
}

/// The envelope `application/jose+json`.
pub fn jws(envelope: &[u8], digest: &str, trust: &Trust, now: Duration) -> Result<(), String> {
    let jws: Jws = serde_json::from_slice(envelope).map_err(|error| format!("it cannot be read: {error}"))?;
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| "a part of it is not base64".to_owned());
    let (payload, protected, signature) = (decode(&jws.payload)?, decode(&jws.protected)?, decode(&jws.signature)?);
    let protected: Protected =
        serde_json::from_slice(&protected).map_err(|error| format!("its header cannot be read: {error}"))?;
    let expiry = protected.expiry.as_deref().map(|text| time::parse(text).ok_or("its time of expiry is none"));
    Signature {
        algorithm: &protected.alg,
        critical: protected.crit.iter().map(String::as_str).collect(),
        content_type: &protected.cty,
        scheme: &protected.scheme,
        expiry: expiry.transpose()?,
        certificates: chain::x5c(&jws.header.x5c)?,
        payload: &payload,
        signed: format!("{}.{}", jws.protected, jws.payload).as_bytes(),
        signature: &signature,
    }
    .verify(digest, trust, now)
}

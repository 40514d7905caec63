//! The signature of a token (RFC 7515, compact).

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};

use skerry_keys::{Hash, Key, Kind, Scheme, chain};

use crate::{jwk::Jwk, trust::Trust};

/// The longest token, in bytes.
const LONGEST: usize = 64 * 1024;

/// How a token is signed (RFC 7518, 3.1, and RFC 8037): all of them with
/// another key than they are checked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Algorithm {
    name: &'static str,
    scheme: Scheme,
    hash: Hash,
    /// The kinds of keys that it is for.
    kind: Kind,
}

impl Algorithm {
    /// All that are known.
    pub const ALL: [Self; 10] = [
        Self::new("EdDSA", Scheme::EdDsa, Hash::Sha512, Kind::Ed25519),
        Self::new("ES256", Scheme::Ecdsa, Hash::Sha256, Kind::P256),
        Self::new("ES384", Scheme::Ecdsa, Hash::Sha384, Kind::P384),
        Self::new("ES512", Scheme::Ecdsa, Hash::Sha512, Kind::P521),
        Self::new("RS256", Scheme::Pkcs1, Hash::Sha256, Kind::Rsa),
        Self::new("RS384", Scheme::Pkcs1, Hash::Sha384, Kind::Rsa),
        Self::new("RS512", Scheme::Pkcs1, Hash::Sha512, Kind::Rsa),
        Self::new("PS256", Scheme::Pss, Hash::Sha256, Kind::Rsa),
        Self::new("PS384", Scheme::Pss, Hash::Sha384, Kind::Rsa),
        Self::new("PS512", Scheme::Pss, Hash::Sha512, Kind::Rsa),
    ];

    const fn new(name: &'static str, scheme: Scheme, hash: Hash, kind: Kind) -> Self {
        Self { name, scheme, hash, kind }
    }

    /// By its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name == name)
    }
}

/// What matters of a header. Where a key could be fetched from (`jku`, `x5u`)
/// does not.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    jwk: Option<Jwk>,
    x5c: Option<Vec<String>>,
    crit: Option<IgnoredAny>,
}

/// The payload of a token that somebody trusted signed, or why it is refused.
pub fn verify(token: &str, algorithms: &[Algorithm], trust: &Trust, now: Duration) -> Result<Vec<u8>, String> {
    if token.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    let parts = || {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        // A dot in the payload is no base64.
        let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        Some((signed, decode(header)?, decode(payload)?, decode(signature)?))
    };
    let (signed, header, payload, signature) = parts().ok_or("it is not a token of three parts")?;
    let header: Header =
        serde_json::from_slice(&header).map_err(|error| format!("its header cannot be read: {error}"))?;
    let algorithm = algorithms
        .iter()
        .find(|algorithm| algorithm.name == header.alg)
        .ok_or_else(|| format!("it is signed by {:?}, which is not taken", header.alg))?;
    if header.crit.is_some() {
        return Err("it demands an extension (`crit`)".into());
    }
    let (key, required) = key(&header, trust, now)?;
    if key.kind() != algorithm.kind || required.is_some_and(|required| required != algorithm.name) {
        return Err(format!("its key is not one for {}", algorithm.name));
    }
    if !key.verify(algorithm.scheme, algorithm.hash, signed.as_bytes(), &signature) {
        return Err("its signature is wrong".into());
    }
    Ok(payload)
}

/// The key, and the algorithm that it alone is for, if any.
fn key(header: &Header, trust: &Trust, now: Duration) -> Result<(Key, Option<String>), String> {
    if let Some(certificates) = &header.x5c {
        return Ok((certified(certificates, trust, now)?, None));
    }
    if let Some(jwk) = &header.jwk {
        let key = jwk.key().ok_or("its embedded key cannot be used")?;
        let Some(certificates) = &jwk.x5c else {
            // The trusted one, for what is known of it.
            return trust.equal(&key).ok_or_else(|| "its embedded key is not trusted".to_owned());
        };
        let certified = certified(certificates, trust, now)?;
        if certified.thumbprint() != key.thumbprint() {
            return Err("its embedded key is not the one of its certificate".into());
        }
        return Ok((certified, None));
    }
    let kid = header.kid.as_deref().filter(|kid| !kid.is_empty()).ok_or("it names no key")?;
    trust.named(kid).ok_or_else(|| format!("it is signed by a key that is not trusted: {:?}", short(kid)))
}

/// The key of a chain. Certificates of token servers say anything about what
/// they are for, and distribution takes them all.
fn certified(certificates: &[String], trust: &Trust, now: Duration) -> Result<Key, String> {
    chain::verify(&chain::x5c(certificates)?, &trust.certificates, now, chain::Purpose::Any)
}

/// For the log.
fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

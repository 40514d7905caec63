//! One certificate, as text.

use sha2::{Digest, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use x509_parser::{
    prelude::{FromDer, X509Certificate},
    public_key::PublicKey,
    x509::SubjectPublicKeyInfo,
};

use super::{
    report::{Link, Role},
    text::plain,
};
use crate::tls::{client::distinguished, load::names};

const DAY: i64 = 24 * 60 * 60;

/// A key, as far as it matters.
pub(super) struct Key {
    pub(super) text: String,
    /// Whether clients refuse it for its size.
    pub(super) weak: bool,
}

/// Parses one.
pub(super) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    let (rest, parsed) = X509Certificate::from_der(der).ok()?;
    rest.is_empty().then_some(parsed)
}

/// What there is to tell of a certificate.
pub(super) fn link(der: &[u8], parsed: &X509Certificate<'_>, role: Role, now: i64) -> Link {
    let validity = parsed.validity();
    let end = validity.not_after.timestamp();
    Link {
        role,
        subject: plain(&distinguished(parsed.subject())),
        issuer: plain(&distinguished(parsed.issuer())),
        names: names(parsed).iter().map(|name| plain(name)).collect(),
        not_before: date(validity.not_before.timestamp()),
        not_after: date(end),
        days_left: end.saturating_sub(now).div_euclid(DAY),
        key: key(parsed.public_key()).text,
        signature: signature(parsed).0,
        sha256: Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// Seconds since 1970 by RFC 3339.
pub(super) fn date(seconds: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(seconds).ok().and_then(|at| at.format(&Rfc3339).ok());
    at.unwrap_or_else(|| format!("{seconds} s after 1970"))
}

/// Kind and size of a key.
pub(super) fn key(info: &SubjectPublicKeyInfo<'_>) -> Key {
    let strong = |text: &str| Key { text: text.to_owned(), weak: false };
    match info.algorithm.algorithm.to_id_string().as_str() {
        "1.3.101.112" => return strong("Ed25519"),
        "1.3.101.113" => return strong("Ed448"),
        "1.2.840.10045.2.1" => {
            let curve = info.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
            let curve = curve.map(|curve| curve.to_id_string()).unwrap_or_default();
            return match curve.as_str() {
                "1.2.840.10045.3.1.7" => strong("ECDSA P-256"),
                "1.3.132.0.34" => strong("ECDSA P-384"),
                "1.3.132.0.35" => strong("ECDSA P-521"),
                _ => Key { text: format!("ECDSA on the curve {}", plain(&curve)), weak: true },
            };
        }
        _ => {}
    }
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => {
            let modulus: Vec<u8> = key.modulus.iter().copied().skip_while(|byte| *byte == 0).collect();
            let leading = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
            let bits = modulus.len() * 8 - leading;
            Key { text: format!("RSA {bits}"), weak: bits < 2048 }
        }
        _ => Key { text: format!("of the kind {}", info.algorithm.algorithm.to_id_string()), weak: true },
    }
}

/// How a certificate was signed, and whether clients refuse that.
pub(super) fn signature(parsed: &X509Certificate<'_>) -> (String, bool) {
    let id = parsed.signature_algorithm.algorithm.to_id_string();
    let (text, weak) = match id.as_str() {
        "1.2.840.113549.1.1.11" => ("RSA with SHA-256", false),
        "1.2.840.113549.1.1.12" => ("RSA with SHA-384", false),
        "1.2.840.113549.1.1.13" => ("RSA with SHA-512", false),
        "1.2.840.113549.1.1.10" => ("RSA-PSS", false),
        "1.2.840.10045.4.3.2" => ("ECDSA with SHA-256", false),
        "1.2.840.10045.4.3.3" => ("ECDSA with SHA-384", false),
        "1.2.840.10045.4.3.4" => ("ECDSA with SHA-512", false),
        "1.3.101.112" => ("Ed25519", false),
        "1.3.101.113" => ("Ed448", false),
        "1.2.840.113549.1.1.5" => ("RSA with SHA-1", true),
        "1.2.840.10045.4.1" => ("ECDSA with SHA-1", true),
        "1.2.840.113549.1.1.4" => ("RSA with MD5", true),
        _ => return (plain(&id), false),
    };
    (text.to_owned(), weak)
}

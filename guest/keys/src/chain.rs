//! Chains of certificates, to one that is trusted (RFC 5280).

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, UnixTime, alg_id,
};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage, anchor_from_trusted_cert};
use x509_cert::{
    Certificate,
    der::{Decode, asn1::ObjectIdentifier},
    spki::SubjectPublicKeyInfoOwned,
};

use crate::key::{Hash, Key, Kind, Scheme};

/// Certificates in a chain.
pub const MOST: usize = 8;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ON_CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The key of a certificate; nothing where it is of a kind that is not known.
///
/// # Errors
/// It is no certificate.
pub fn key(certificate: &[u8]) -> Result<Option<Key>, String> {
    let parsed = parse(certificate)?;
    Ok(key_of(parsed.tbs_certificate().subject_public_key_info()))
}

/// The key of a `SubjectPublicKeyInfo`, which is what a PEM file of a public
/// key holds; nothing where it is none, or of a kind that is not known.
#[must_use]
pub fn public_key(info: &[u8]) -> Option<Key> {
    key_of(&SubjectPublicKeyInfoOwned::from_der(info).ok()?)
}

/// Certificates as JSON has them, each base64 of DER (`x5c`).
///
/// # Errors
/// They are not.
pub fn x5c(certificates: &[String]) -> Result<Vec<CertificateDer<'static>>, String> {
    let decode = |text: &String| BASE64_STANDARD.decode(text).ok().map(CertificateDer::from);
    let decoded: Option<_> = certificates.iter().take(MOST + 1).map(decode).collect();
    decoded.ok_or_else(|| "its certificates are not base64".to_owned())
}

/// What the holders of certificates are to be entitled to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Whatever the certificates say.
    Any,
    /// To sign code: a certificate that says what it is for has to say that.
    CodeSigning,
}

/// The key of the first certificate, for which the others vouch, up to one
/// that is trusted; all of them in force.
///
/// # Errors
/// Why it is not trusted.
pub fn verify(
    chain: &[CertificateDer<'_>],
    trusted: &[CertificateDer<'_>],
    now: Duration,
    purpose: Purpose,
) -> Result<Key, String> {
    if chain.is_empty() || chain.len() > MOST {
        return Err(format!("it has {} certificates, and 1 to {MOST} are taken", chain.len()));
    }
    let (leaf, others) = chain.split_first().ok_or("it has no certificate")?;
    let trusted: Vec<&CertificateDer<'_>> = trusted.iter().filter(|certificate| in_force(certificate, now)).collect();
    // Trusted itself, as where somebody signed their own.
    if !trusted.contains(&leaf) {
        let anchors: Vec<_> =
            trusted.iter().filter_map(|certificate| anchor_from_trusted_cert(certificate).ok()).collect();
        let time = UnixTime::since_unix_epoch(now);
        EndEntityCert::try_from(leaf)
            .and_then(|end| end.verify_for_usage(&ALGORITHMS, &anchors, others, time, purpose, None, None).map(drop))
            .map_err(|error| format!("its certificate is not trusted: {error}"))?;
    }
    key(leaf)?.ok_or_else(|| "the key of its certificate is of a kind that is not known".to_owned())
}

fn parse(certificate: &[u8]) -> Result<Certificate, String> {
    Certificate::from_der(certificate).map_err(|error| format!("the certificate cannot be read: {error}"))
}

/// Whether a certificate has begun and not ended.
#[must_use]
pub fn in_force(certificate: &[u8], now: Duration) -> bool {
    parse(certificate).is_ok_and(|parsed| {
        let validity = parsed.tbs_certificate().validity();
        validity.not_before.to_unix_duration() <= now && now <= validity.not_after.to_unix_duration()
    })
}

fn key_of(info: &SubjectPublicKeyInfoOwned) -> Option<Key> {
    let kind = match info.algorithm.oid {
        RSA => Kind::Rsa,
        ED25519 => Kind::Ed25519,
        ON_CURVE => match info.algorithm.parameters.as_ref()?.decode_as::<ObjectIdentifier>().ok()? {
            P256 => Kind::P256,
            P384 => Kind::P384,
            P521 => Kind::P521,
            _ => return None,
        },
        _ => return None,
    };
    Key::parse(kind, info.subject_public_key.as_bytes()?)
}

/// `id-kp-codeSigning` (RFC 5280, 4.2.1.12).
const CODE_SIGNING: &[u8] = &[43, 6, 1, 5, 5, 7, 3, 3];

impl ExtendedKeyUsageValidator for Purpose {
    fn validate(&self, usages: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        match self {
            Self::Any => usages.into_iter().try_for_each(|usage| usage.map(drop)),
            Self::CodeSigning => KeyUsage::required_if_present(CODE_SIGNING).validate(usages),
        }
    }
}

/// How a certificate may be signed.
#[derive(Debug)]
struct Signed {
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    kind: Kind,
    scheme: Scheme,
    hash: Hash,
}

impl SignatureVerificationAlgorithm for Signed {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = Key::parse(self.kind, key).ok_or(InvalidSignature)?;
        key.verify(self.scheme, self.hash, message, signature).then_some(()).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

const fn rsa(signature: AlgorithmIdentifier, scheme: Scheme, hash: Hash) -> Signed {
    Signed { key: alg_id::RSA_ENCRYPTION, signature, kind: Kind::Rsa, scheme, hash }
}

const fn ecdsa(key: AlgorithmIdentifier, kind: Kind, signature: AlgorithmIdentifier, hash: Hash) -> Signed {
    Signed { key, signature, kind, scheme: Scheme::EcdsaDer, hash }
}

static ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 14] = [
    &ecdsa(alg_id::ECDSA_P256, Kind::P256, alg_id::ECDSA_SHA256, Hash::Sha256),
    &ecdsa(alg_id::ECDSA_P256, Kind::P256, alg_id::ECDSA_SHA384, Hash::Sha384),
    &ecdsa(alg_id::ECDSA_P256, Kind::P256, alg_id::ECDSA_SHA512, Hash::Sha512),
    &ecdsa(alg_id::ECDSA_P384, Kind::P384, alg_id::ECDSA_SHA256, Hash::Sha256),
    &ecdsa(alg_id::ECDSA_P384, Kind::P384, alg_id::ECDSA_SHA384, Hash::Sha384),
    &ecdsa(alg_id::ECDSA_P384, Kind::P384, alg_id::ECDSA_SHA512, Hash::Sha512),
    &ecdsa(alg_id::ECDSA_P521, Kind::P521, alg_id::ECDSA_SHA512, Hash::Sha512),
    &rsa(alg_id::RSA_PKCS1_SHA256, Scheme::Pkcs1, Hash::Sha256),
    &rsa(alg_id::RSA_PKCS1_SHA384, Scheme::Pkcs1, Hash::Sha384),
    &rsa(alg_id::RSA_PKCS1_SHA512, Scheme::Pkcs1, Hash::Sha512),
    &rsa(alg_id::RSA_PSS_SHA256, Scheme::Pss, Hash::Sha256),
    &rsa(alg_id::RSA_PSS_SHA384, Scheme::Pss, Hash::Sha384),
    &rsa(alg_id::RSA_PSS_SHA512, Scheme::Pss, Hash::Sha512),
    &Signed {
        key: alg_id::ED25519,
        signature: alg_id::ED25519,
        kind: Kind::Ed25519,
        scheme: Scheme::EdDsa,
        hash: Hash::Sha512,
    },
];

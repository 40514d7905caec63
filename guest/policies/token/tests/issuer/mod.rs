//! A token server: keys of all kinds, certificates for them, and tokens that
//! are signed by ring (P-521 alone is not).

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use p521::ecdsa::signature::Signer as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair},
};
use serde_json::{Value, json};

/// The time at which tests take place: 2026-01-01.
pub const NOW: u64 = 1_767_225_600;
/// An RSA key with 2048 bits.
pub const RSA_KEY: &str = include_str!("testdata/rsa.key");
/// A certificate of it, by itself, in force from late 2026 on.
pub const RSA_CERTIFICATE: &str = include_str!("testdata/rsa.crt");

/// A private key.
pub enum Key {
    Rsa(Vec<u8>),
    Ring(Box<KeyPair>),
    P521(Box<p521::ecdsa::SigningKey>),
}

pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub fn rsa() -> Key {
    Key::Rsa(pem::parse(RSA_KEY).unwrap().into_contents())
}

pub fn p256() -> Key {
    Key::Ring(Box::new(KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()))
}

pub fn p384() -> Key {
    Key::Ring(Box::new(KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap()))
}

pub fn p521() -> Key {
    Key::P521(Box::new(p521::ecdsa::SigningKey::from_slice(&[1; 66]).unwrap()))
}

pub fn ed25519() -> Key {
    Key::Ring(Box::new(KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()))
}

impl Key {
    /// Its public half as JSON, with nothing that need not be there.
    pub fn jwk(&self) -> Value {
        let on_curve = |curve: &str, point: &[u8]| {
            let (x, y) = point[1..].split_at(point.len() / 2);
            json!({"kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y)})
        };
        match self {
            Self::Rsa(der) => {
                let pair = RsaKeyPair::from_pkcs8(der).unwrap();
                let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "n": base64url(public.n), "e": base64url(public.e)})
            }
            Self::Ring(pair) => match pair.public_key_raw() {
                point if point.len() == 65 => on_curve("P-256", point),
                point if point.len() == 97 => on_curve("P-384", point),
                bytes => json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(bytes)}),
            },
            Self::P521(key) => on_curve("P-521", key.verifying_key().to_sec1_point(false).as_bytes()),
        }
    }

    /// The same, with a name.
    pub fn named(&self, kid: &str) -> Value {
        let mut jwk = self.jwk();
        jwk["kid"] = kid.into();
        jwk
    }

    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(der) => {
                let padding: &dyn signature::RsaEncoding = match algorithm {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let pair = RsaKeyPair::from_pkcs8(der).unwrap();
                let mut bytes = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, message, &mut bytes).unwrap();
                bytes
            }
            Self::Ring(pair) => {
                let der = pair.serialize_der();
                let (fixed, asn1) = match pair.public_key_raw().len() {
                    65 => (&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &signature::ECDSA_P256_SHA256_ASN1_SIGNING),
                    97 => (&signature::ECDSA_P384_SHA384_FIXED_SIGNING, &signature::ECDSA_P384_SHA384_ASN1_SIGNING),
                    _ => {
                        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).unwrap();
                        return pair.sign(message).as_ref().to_vec();
                    }
                };
                let form = if algorithm == "DER" { asn1 } else { fixed };
                EcdsaKeyPair::from_pkcs8(form, &der, &random).unwrap().sign(&random, message).unwrap().as_ref().to_vec()
            }
            Self::P521(key) => {
                let signature: p521::ecdsa::Signature = key.sign(message);
                signature.to_bytes().to_vec()
            }
        }
    }

    /// A token with this header and these claims.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        let algorithm = header["alg"].as_str().unwrap_or_default();
        let signed = format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string()));
        let signature = self.sign(algorithm, signed.as_bytes());
        format!("{signed}.{}", base64url(signature))
    }
}

/// A token that a shared secret signs.
pub fn shared(algorithm: &str, secret: &[u8], header: &Value, claims: &Value) -> String {
    let hash = match algorithm {
        "HS384" => hmac::HMAC_SHA384,
        "HS512" => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    let signed = format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hash, secret), signed.as_bytes());
    format!("{signed}.{}", base64url(tag))
}

/// Claims that are right, for pulling and pushing `team/app`.
pub fn claims() -> Value {
    json!({
        "iss": "Example", "sub": "ann", "aud": "registry.example.com", "exp": NOW + 300, "nbf": NOW - 10, "iat": NOW,
        "access": [{"type": "repository", "name": "team/app", "actions": ["pull", "push"]}],
    })
}

/// With one of them changed; taken away by null.
pub fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

/// Somebody who signs certificates.
pub struct Authority {
    pub pem: String,
    pub der: String,
    issuer: Issuer<'static, KeyPair>,
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(2025, 1, 1), date_time_ymd(2027, 1, 1));
    params
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = authority_params(name);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            der: BASE64_STANDARD.encode(certificate.der()),
            issuer: Issuer::new(params, key),
        }
    }

    /// An authority below it.
    pub fn intermediate(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = authority_params(name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Self {
            pem: certificate.pem(),
            der: BASE64_STANDARD.encode(certificate.der()),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for a key, as base64 of DER, in force for these years.
    pub fn certify(&self, key: &KeyPair, years: (i32, i32)) -> String {
        let mut params = named("token server");
        (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        BASE64_STANDARD.encode(params.signed_by(key, &self.issuer).unwrap().der())
    }

    /// An authority that is none: a certificate for a key signs others.
    pub fn usurper(&self) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = named("token server");
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Self {
            pem: certificate.pem(),
            der: BASE64_STANDARD.encode(certificate.der()),
            issuer: Issuer::new(params, key),
        }
    }
}

/// A certificate by itself: PEM, and base64 of DER.
pub fn self_signed(key: &KeyPair) -> (String, String) {
    let certificate = authority_params("token server").self_signed(key).unwrap();
    (certificate.pem(), BASE64_STANDARD.encode(certificate.der()))
}

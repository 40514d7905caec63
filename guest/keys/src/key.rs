//! Public keys, and what is signed with their other halves.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::{BoxedUint, Pkcs1v15Sign, Pss, pkcs1::der::Decode, pkcs8::EncodePublicKey, traits::PublicKeyParts};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// Bits of RSA keys: RFC 7518 forbids shorter ones, and longer ones take long.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// What a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// RSA.
    Rsa,
    /// On the curve P-256.
    P256,
    /// On the curve P-384.
    P384,
    /// On the curve P-521.
    P521,
    /// On Edwards' curve 25519.
    Ed25519,
}

impl Kind {
    /// The curve, as JSON keys name it.
    pub const fn curve(self) -> &'static str {
        match self {
            Self::Rsa => "",
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::Ed25519 => "Ed25519",
        }
    }
}

/// How something is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// RSASSA-PKCS1-v1_5.
    Pkcs1,
    /// RSASSA-PSS, with salt as long as the hash.
    Pss,
    /// ECDSA; both numbers one after the other, of full length.
    Ecdsa,
    /// ECDSA; both numbers in DER, as certificates have them.
    EcdsaDer,
    /// Ed25519.
    EdDsa,
}

/// What is signed of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    fn of(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}

/// A public key.
#[derive(Debug, Clone)]
pub enum Key {
    /// RSA.
    Rsa(rsa::PublicKey),
    /// On the curve P-256.
    P256(p256::ecdsa::VerifyingKey),
    /// On the curve P-384.
    P384(p384::ecdsa::VerifyingKey),
    /// On the curve P-521.
    P521(p521::ecdsa::VerifyingKey),
    /// On Edwards' curve 25519.
    Ed25519(ed25519_compact::PublicKey),
}

impl Key {
    /// By modulus and exponent, big-endian.
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let number = |bytes: &[u8]| {
            let bits = u32::try_from(bytes.len()).ok()?.checked_mul(8)?;
            BoxedUint::from_be_slice(bytes, bits).ok()
        };
        // Nothing of a length that the check of bits would refuse.
        let fits = modulus.len() <= RSA_BITS.end() / 8 + 1 && (1..=8).contains(&exponent.len());
        let (modulus, exponent) = fits.then(|| Some((number(modulus)?, number(exponent)?)))??;
        rsa::PublicKey::new_with_size_limits(modulus, exponent, RSA_BITS).ok().map(Self::Rsa)
    }

    /// As certificates have it (`subjectPublicKey`).
    pub fn parse(kind: Kind, bits: &[u8]) -> Option<Self> {
        match kind {
            Kind::Rsa => {
                let key = rsa::pkcs1::RsaPublicKeyRef::from_der(bits).ok()?;
                Self::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes())
            }
            Kind::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(bits).ok().map(Self::P256),
            Kind::P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(bits).ok().map(Self::P384),
            Kind::P521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(bits).ok().map(Self::P521),
            Kind::Ed25519 => ed25519_compact::PublicKey::from_slice(bits).ok().map(Self::Ed25519),
        }
    }

    /// What it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Rsa(_) => Kind::Rsa,
            Self::P256(_) => Kind::P256,
            Self::P384(_) => Kind::P384,
            Self::P521(_) => Kind::P521,
            Self::Ed25519(_) => Kind::Ed25519,
        }
    }

    /// The bits of an RSA key.
    #[must_use]
    pub fn rsa_bits(&self) -> Option<usize> {
        match self {
            Self::Rsa(key) => Some(key.size() * 8),
            Self::P256(_) | Self::P384(_) | Self::P521(_) | Self::Ed25519(_) => None,
        }
    }

    /// Whether its owner signed this message in this way.
    pub fn verify(&self, scheme: Scheme, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        /// For each curve, the same.
        macro_rules! ecdsa {
            ($curve:ident, $key:expr) => {{
                let read = match scheme {
                    Scheme::Ecdsa => $curve::ecdsa::Signature::from_slice(signature),
                    Scheme::EcdsaDer => $curve::ecdsa::Signature::from_der(signature),
                    Scheme::Pkcs1 | Scheme::Pss | Scheme::EdDsa => return false,
                };
                read.is_ok_and(|signature| $key.verify_prehash(&hash.of(message), &signature).is_ok())
            }};
        }
        match (self, scheme) {
            (Self::Rsa(key), Scheme::Pkcs1) => {
                let padding = match hash {
                    Hash::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
                    Hash::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
                    Hash::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
                };
                key.verify(padding, &hash.of(message), signature).is_ok()
            }
            (Self::Rsa(key), Scheme::Pss) => {
                let hashed = hash.of(message);
                let verified = match hash {
                    Hash::Sha256 => key.verify(Pss::<Sha256>::new(), &hashed, signature),
                    Hash::Sha384 => key.verify(Pss::<Sha384>::new(), &hashed, signature),
                    Hash::Sha512 => key.verify(Pss::<Sha512>::new(), &hashed, signature),
                };
                verified.is_ok()
            }
            (Self::P256(key), _) => ecdsa!(p256, key),
            (Self::P384(key), _) => ecdsa!(p384, key),
            (Self::P521(key), _) => ecdsa!(p521, key),
            (Self::Ed25519(key), Scheme::EdDsa) => ed25519_compact::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            (Self::Rsa(_) | Self::Ed25519(_), _) => false,
        }
    }

    /// The thumbprint of RFC 7638.
    pub fn thumbprint(&self) -> String {
        thumbprint(&self.members(|number| number))
    }

    /// All names that a token may call it by: the thumbprint; that of
    /// distribution, which cuts the zeros that a coordinate begins with; and
    /// the fingerprint of libtrust.
    pub fn names(&self) -> Vec<String> {
        let cut = self.members(|number| match number.iter().position(|byte| *byte != 0) {
            Some(first) => number.get(first..).unwrap_or_default(),
            None => &[],
        });
        let mut names = vec![self.thumbprint(), thumbprint(&cut)];
        names.extend(self.fingerprint());
        names
    }

    /// The members of its JSON that RFC 7638 takes, in order.
    fn members(&self, coordinate: impl Fn(&[u8]) -> &[u8]) -> String {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let on_curve = |point: &[u8]| {
            // Behind the byte that says that both coordinates follow.
            let numbers = point.get(1..).unwrap_or_default();
            let (x, y) = numbers.split_at(numbers.len() / 2);
            let (x, y) = (encode(coordinate(x)), encode(coordinate(y)));
            format!(r#"{{"crv":"{}","kty":"EC","x":"{x}","y":"{y}"}}"#, self.kind().curve())
        };
        match self {
            Self::Rsa(key) => {
                let (e, n) = (key.e().to_be_bytes_trimmed_vartime(), key.n().to_be_bytes_trimmed_vartime());
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(&e), encode(&n))
            }
            Self::P256(key) => on_curve(key.to_sec1_point(false).as_bytes()),
            Self::P384(key) => on_curve(key.to_sec1_point(false).as_bytes()),
            Self::P521(key) => on_curve(key.to_sec1_point(false).as_bytes()),
            Self::Ed25519(key) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(key.as_ref())),
        }
    }

    /// What libtrust calls it: 30 bytes of a SHA-256 in base32, four letters
    /// at a time. It knows no Ed25519.
    fn fingerprint(&self) -> Option<String> {
        const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let document = match self {
            Self::Rsa(key) => key.to_public_key_der(),
            Self::P256(key) => key.to_public_key_der(),
            Self::P384(key) => key.to_public_key_der(),
            Self::P521(key) => key.to_public_key_der(),
            Self::Ed25519(_) => return None,
        };
        let hash = Sha256::digest(document.ok()?.as_bytes());
        let mut text = String::new();
        for (index, bytes) in hash.chunks_exact(5).take(6).enumerate() {
            let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            for letter in 0..8 {
                if letter % 4 == 0 && (index, letter) != (0, 0) {
                    text.push(':');
                }
                let value = usize::try_from(number >> (35 - 5 * letter) & 31).ok()?;
                text.push(char::from(*LETTERS.get(value)?));
            }
        }
        Some(text)
    }
}

fn thumbprint(members: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}

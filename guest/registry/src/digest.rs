//! Digests, as the OCI image specification writes them.

use std::fmt;

use sha2::{Digest as _, Sha256, Sha512};

/// The algorithms that this registry computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// `sha256`
    Sha256,
    /// `sha512`
    Sha512,
}

impl Algorithm {
    /// Its name in a digest.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Hexadecimal digits of one of its digests.
    #[must_use]
    pub const fn digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    /// The algorithm of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "sha256" => Some(Self::Sha256),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }
}

/// A digest of a known algorithm: its text is safe in keys and header fields.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    text: String,
}

/// Why a text is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidDigest {
    /// It does not follow the grammar, or has a wrong length or case.
    Malformed,
    /// It follows the grammar, but nobody here computes its algorithm.
    UnknownAlgorithm,
}

impl Digest {
    /// Parses `algorithm:hex`.
    ///
    /// # Errors
    /// When it is none, or of an algorithm that is not known here.
    pub fn parse(text: &str) -> Result<Self, InvalidDigest> {
        let (name, encoded) = text.split_once(':').ok_or(InvalidDigest::Malformed)?;
        let Some(algorithm) = Algorithm::parse(name) else {
            return Err(if is_algorithm(name) && is_encoded(encoded) {
                InvalidDigest::UnknownAlgorithm
            } else {
                InvalidDigest::Malformed
            });
        };
        let hex = encoded.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if hex && encoded.len() == algorithm.digits() {
            Ok(Self { algorithm, text: text.to_owned() })
        } else {
            Err(InvalidDigest::Malformed)
        }
    }

    /// The digest of bytes.
    #[must_use]
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut text = String::with_capacity(7 + algorithm.digits());
        text.push_str(algorithm.name());
        text.push(':');
        match algorithm {
            Algorithm::Sha256 => push_hex(&mut text, &Sha256::digest(bytes)),
            Algorithm::Sha512 => push_hex(&mut text, &Sha512::digest(bytes)),
        }
        Self { algorithm, text }
    }

    /// Its algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The part after the colon.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.text.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// `algorithm:hex`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is the digest of no bytes at all: the one blob that is
    /// rightly empty.
    #[must_use]
    pub fn is_of_nothing(&self) -> bool {
        self.text == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            || self.text
                == concat!(
                    "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce",
                    "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
                )
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
}

/// `[a-z0-9]+([+._-][a-z0-9]+)*`, at most 64 bytes.
fn is_algorithm(text: &str) -> bool {
    text.len() <= 64
        && text
            .split(['+', '.', '_', '-'])
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

/// `[a-zA-Z0-9=_-]+`, at most 512 bytes.
fn is_encoded(text: &str) -> bool {
    (1..=512).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'_' | b'-'))
}

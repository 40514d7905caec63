//! Digests of content, and hashers whose state can be kept.

use std::fmt;

use sha2::{
    Digest as _, Sha256, Sha512,
    digest::common::hazmat::{SerializableState, SerializedState},
};

use super::Failure;

/// The algorithms of the OCI image specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `sha256`
    Sha256,
    /// `sha512`
    Sha512,
}

impl Algorithm {
    /// The algorithm of this name, if it is one of them.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "sha256" => Some(Self::Sha256),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Its name, as it stands before the colon.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Bytes of its digests.
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A digest of content. Its text is `sha256:` and 64, or `sha512:` and 128,
/// lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

impl Digest {
    /// Reads a digest's text.
    ///
    /// # Errors
    /// [`Failure::Other`] if it is none.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        Self::read(text).ok_or_else(|| Failure::Other(String::from("not a digest of sha256 or sha512")))
    }

    fn read(text: &str) -> Option<Self> {
        let (name, hex) = text.split_once(':')?;
        let algorithm = Algorithm::parse(name)?;
        let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
        if pairs.len() != algorithm.length() || !rest.is_empty() {
            return None;
        }
        let bytes = pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?));
        Some(Self { algorithm, bytes: bytes.collect::<Option<_>>()? })
    }

    /// The digest of bytes that are at hand.
    #[must_use]
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.digest()
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What follows the colon.
    #[must_use]
    pub fn hex(&self) -> String {
        to_hex(&self.bytes)
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Digest {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        Self::parse(text)
    }
}

/// A digest in the making. Clone it to see the digest so far and go on.
#[derive(Clone)]
pub enum Hasher {
    /// sha256
    Sha256(Sha256),
    /// sha512
    Sha512(Sha512),
}

impl Hasher {
    /// Nothing hashed yet.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Hashes on.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of all so far.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let bytes = match self.clone() {
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
        };
        Digest { algorithm: self.algorithm(), bytes }
    }

    /// The state between two updates, to go on from later. Whoever can write
    /// it can choose the digest: keep it where only the host writes.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        match self {
            Self::Sha256(hasher) => hasher.serialize().to_vec(),
            Self::Sha512(hasher) => hasher.serialize().to_vec(),
        }
    }

    /// The hasher that [`save`](Self::save) wrote down, if `state` is one.
    #[must_use]
    pub fn restore(algorithm: Algorithm, state: &[u8]) -> Option<Self> {
        fn read<H: SerializableState>(state: &[u8]) -> Option<H> {
            H::deserialize(&SerializedState::<H>::try_from(state).ok()?).ok()
        }
        match algorithm {
            Algorithm::Sha256 => read(state).map(Self::Sha256),
            Algorithm::Sha512 => read(state).map(Self::Sha512),
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hasher({})", self.algorithm())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn digests_are_strict() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(Algorithm::Sha256, b"").to_string(), empty);
        assert_eq!(Digest::parse(empty).unwrap(), Digest::of(Algorithm::Sha256, b""));
        let long = Digest::of(Algorithm::Sha512, b"abc").to_string();
        assert_eq!(Digest::parse(&long).unwrap().to_string(), long);
        let upper = empty.to_uppercase();
        let short = &empty[..70];
        let mixed = empty.replace("sha256", "sha512");
        for wrong in
            ["", "sha256:", "sha256", "md5:00", &upper, short, &mixed, &format!("{empty}0"), &format!("{empty} ")]
        {
            assert!(Digest::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_saved_hasher_goes_on() {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            for cut in [0, 1, 63, 64, 65, 127, 128, 300] {
                let bytes: Vec<u8> = (0..400_u32).map(|n| (n % 251) as u8).collect();
                let (before, after) = bytes.split_at(cut);
                let mut hasher = Hasher::new(algorithm);
                hasher.update(before);
                let mut again = Hasher::restore(algorithm, &hasher.save()).unwrap();
                again.update(after);
                assert_eq!(again.digest(), Digest::of(algorithm, &bytes));
            }
            assert!(Hasher::restore(algorithm, &[0; 7]).is_none());
        }
    }
}

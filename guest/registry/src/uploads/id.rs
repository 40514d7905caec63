//! The names of uploads.

use std::fmt;

/// A UUID in lower case, as distribution makes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadId(String);

impl UploadId {
    /// A random UUID (RFC 9562, version 4).
    #[must_use]
    pub fn from_random(bytes: [u8; 16]) -> Self {
        let number = u128::from_be_bytes(bytes);
        let number = number & !(0xf << 76) | (0x4 << 76);
        let number = number & !(0x3 << 62) | (0x2 << 62);
        let mut text = format!("{number:032x}");
        for at in [20, 16, 12, 8] {
            text.insert(at, '-');
        }
        Self(text)
    }

    /// Parses a UUID of any version.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            });
        valid.then(|| Self(text.to_owned()))
    }

    /// The UUID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

//! Text from strangers, made fit for a log.

use std::{borrow::Cow, fmt};

/// Bytes that print on one line, with nothing that a terminal obeys: control
/// bytes, backslashes, quotes and all that is not ASCII become `\xNN`; what is
/// beyond the first 1,024 bytes is left out.
pub fn escaped(bytes: &[u8]) -> Escaped<'_> {
    Escaped(bytes)
}

/// See [`escaped`].
#[derive(Clone, Copy)]
pub struct Escaped<'a>(&'a [u8]);

impl<'a> Escaped<'a> {
    /// The text, which nearly always is what it was made of.
    pub(super) fn text(self) -> Cow<'a, str> {
        // To the end, whatever comes: several bytes are looked at at once.
        if self.0.len() <= SHOWN
            && self.0.iter().fold(true, |all, byte| all & plain(*byte))
            && let Ok(text) = std::str::from_utf8(self.0)
        {
            return Cow::Borrowed(text);
        }
        Cow::Owned(self.to_string())
    }
}

/// ASCII that prints and means nothing.
const fn plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') & !matches!(byte, b'\\' | b'"')
}

/// Bytes of one field that are shown.
const SHOWN: usize = 1024;

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..SHOWN).unwrap_or(self.0);
        for run in shown.chunk_by(|one, other| plain(*one) && plain(*other)) {
            match (run, std::str::from_utf8(run)) {
                ([byte], _) if !plain(*byte) => write!(f, "\\x{byte:02x}")?,
                (_, Ok(text)) => f.write_str(text)?,
                (_, Err(_)) => {}
            }
        }
        if self.0.len() > SHOWN { f.write_str("…") } else { Ok(()) }
    }
}

impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn escapes() {
        for bytes in [b"".as_slice(), b"a b~", b"a\tb", b"\"", b"\\", b"\xff", &[b'x'; 1024], &[b'x'; 1025]] {
            let text = escaped(bytes).text();
            assert_eq!(text, escaped(bytes).to_string());
            assert_eq!(matches!(text, std::borrow::Cow::Borrowed(_)), text.as_bytes() == bytes);
        }
        assert_eq!(escaped(b"a b\x1b[31m\r\n\"\\\xff").to_string(), r"a b\x1b[31m\x0d\x0a\x22\x5c\xff");
        assert_eq!(escaped(&[b'x'; 2000]).to_string().chars().count(), 1025);
    }
}

//! Text from strangers, made fit for a log.

use std::fmt::{self, Write as _};

/// Bytes that print on one line, with nothing that a terminal obeys: control
/// bytes, backslashes, quotes and all that is not ASCII become `\xNN`; what is
/// beyond the first 1,024 bytes is left out.
pub fn escaped(bytes: &[u8]) -> Escaped<'_> {
    Escaped(bytes)
}

/// See [`escaped`].
#[derive(Clone, Copy)]
pub struct Escaped<'a>(&'a [u8]);

/// Bytes of one field that are shown.
const SHOWN: usize = 1024;

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.iter().take(SHOWN) {
            match byte {
                b'\\' | b'"' | 0..0x20 | 0x7f.. => write!(f, "\\x{byte:02x}")?,
                byte => f.write_char(char::from(*byte))?,
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
        assert_eq!(escaped(b"a b\x1b[31m\r\n\"\\\xff").to_string(), r"a b\x1b[31m\x0d\x0a\x22\x5c\xff");
        assert_eq!(escaped(&[b'x'; 2000]).to_string().chars().count(), 1025);
    }
}

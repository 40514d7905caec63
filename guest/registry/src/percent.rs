//! Percent-encoding (RFC 3986, 2.1).

use std::borrow::Cow;

/// Decodes a segment of a path, once.
///
/// Nothing where an escape is broken, or where what it stands for could be
/// taken for something else: no UTF-8, a control character, `/`, `\`, or a
/// segment that is empty, `.` or `..`.
#[must_use]
pub fn segment(raw: &str) -> Option<Cow<'_, str>> {
    let decoded = if raw.contains('%') { Cow::Owned(decode(raw)?) } else { Cow::Borrowed(raw) };
    let odd = decoded.chars().any(|character| character.is_control() || matches!(character, '/' | '\\'));
    (!odd && !matches!(decoded.as_ref(), "" | "." | "..")).then_some(decoded)
}

/// Decodes a text; nothing where an escape is broken or it is no UTF-8 then.
#[must_use]
pub fn decode(raw: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Encodes the value of a query parameter. `/` may stay as it is there.
#[must_use]
pub fn query(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/' | b':') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

//! The name of a client, from its certificate.

use serde::Deserialize;
use skerry_sdk::Certificate;

/// Which part of a certificate names its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The CN of the subject.
    CommonName,
    /// The DNS name.
    Dns,
    /// The mail address.
    Email,
    /// The URI, such as a SPIFFE ID.
    Uri,
}

impl Source {
    /// The name; nothing where there is none, or more than one: then nobody
    /// can say which of them is meant.
    #[must_use]
    pub fn of(self, certificate: &Certificate) -> Option<String> {
        let names = match self {
            Self::CommonName => &common_names(&certificate.subject)?,
            Self::Dns => &certificate.dns_names,
            Self::Email => &certificate.emails,
            Self::Uri => &certificate.uris,
        };
        match names.as_slice() {
            [name] => Some(name.clone()),
            _ => None,
        }
    }
}

/// The values of all CNs of a subject as RFC 4514 writes it; nothing where it
/// is not written so, or a value is not text.
fn common_names(subject: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for attribute in attributes(subject) {
        let (kind, value) = attribute.split_once('=')?;
        if kind.eq_ignore_ascii_case("CN") {
            names.push(unescaped(value)?);
        }
    }
    Some(names)
}

/// The attributes, still escaped: `,` and `+` end one unless `\` stands before.
fn attributes(subject: &str) -> Vec<&str> {
    let (mut found, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, byte) in subject.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' | b'+' => {
                found.extend(subject.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    found.extend(subject.get(start..));
    found
}

fn unescaped(value: &str) -> Option<String> {
    if value.starts_with('#') {
        return None;
    }
    let (mut bytes, mut rest) = (Vec::new(), value.bytes());
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let first = rest.next()?;
        match char::from(first).to_digit(16) {
            Some(high) => {
                let low = char::from(rest.next()?).to_digit(16)?;
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            None => bytes.push(first),
        }
    }
    // A name with such a character in it was made to look like another.
    String::from_utf8(bytes).ok().filter(|name| !name.contains(char::is_control))
}

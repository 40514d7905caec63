//! What a client's certificate says, as text.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use x509_parser::{
    asn1_rs::{Any, Tag},
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
    x509::{AttributeTypeAndValue, X509Name},
};

use super::load::address;

/// Names of one certificate that are told.
const MOST: usize = 256;

/// A certificate that a client showed, with proof that it has the key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientCertificate {
    /// The subject by RFC 4514; empty where it has none, or cannot be parsed.
    pub subject: String,
    /// DNS names of the subjectAltName, in lower case.
    pub dns_names: Vec<String>,
    /// Mail addresses of it.
    pub emails: Vec<String>,
    /// URIs of it.
    pub uris: Vec<String>,
    /// IP addresses of it.
    pub addresses: Vec<String>,
    /// SHA-256 of the certificate's DER, in lower-case hexadecimal.
    pub fingerprint: String,
    /// Whether an authority of `http.tls.clientcas` vouches for it. If not,
    /// anybody can have made it, with any names.
    pub verified: bool,
}

impl ClientCertificate {
    /// Reads one.
    pub fn of(der: &[u8], verified: bool) -> Self {
        let mut fingerprint = String::with_capacity(64);
        hexadecimal(&mut fingerprint, &Sha256::digest(der));
        let mut told = Self { fingerprint, verified, ..Self::default() };
        let Ok((_, parsed)) = X509Certificate::from_der(der) else { return told };
        told.subject = distinguished(parsed.subject());
        let Ok(Some(names)) = parsed.subject_alternative_name() else { return told };
        for name in names.value.general_names.iter().take(MOST) {
            match name {
                GeneralName::DNSName(name) => told.dns_names.push(name.to_ascii_lowercase()),
                GeneralName::RFC822Name(name) => told.emails.push((*name).to_owned()),
                GeneralName::URI(uri) => told.uris.push((*uri).to_owned()),
                GeneralName::IPAddress(bytes) => told.addresses.extend(address(bytes)),
                _ => {}
            }
        }
        told
    }

    /// Bytes of text in it.
    pub fn size(&self) -> usize {
        let lists = [&self.dns_names, &self.emails, &self.uris, &self.addresses];
        let listed: usize = lists.into_iter().flatten().map(String::len).sum();
        self.subject.len() + self.fingerprint.len() + listed
    }
}

/// RFC 4514: the most particular first.
pub(super) fn distinguished(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    let parts: Vec<_> = name.iter().collect();
    for (index, part) in parts.iter().rev().enumerate() {
        for (inner, attribute) in part.iter().enumerate() {
            match (index, inner) {
                (0, 0) => {}
                (_, 0) => text.push(','),
                _ => text.push('+'),
            }
            write_attribute(&mut text, attribute);
        }
    }
    text
}

fn write_attribute(text: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let oid = attribute.attr_type().to_id_string();
    let short = match oid.as_str() {
        "2.5.4.3" => Some("CN"),
        "2.5.4.7" => Some("L"),
        "2.5.4.8" => Some("ST"),
        "2.5.4.10" => Some("O"),
        "2.5.4.11" => Some("OU"),
        "2.5.4.6" => Some("C"),
        "2.5.4.9" => Some("STREET"),
        "0.9.2342.19200300.100.1.25" => Some("DC"),
        "0.9.2342.19200300.100.1.1" => Some("UID"),
        _ => None,
    };
    match (short, attribute.as_str()) {
        (Some(short), Ok(value)) => {
            text.push_str(short);
            text.push('=');
            write_value(text, value);
        }
        // A type or a string of a kind that few know: as DER.
        (short, _) => {
            text.push_str(short.unwrap_or(&oid));
            text.push_str("=#");
            write_der(text, attribute.attr_value());
        }
    }
}

/// Escaped, so that a value cannot look like another attribute; control
/// characters too, for logs.
fn write_value(text: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => {
                text.push('\\');
                text.push(character);
            }
            '#' if index == 0 => text.push_str("\\#"),
            ' ' if index == 0 || index == last => text.push_str("\\ "),
            character if character.is_control() => {
                for byte in character.to_string().bytes() {
                    let _ = write!(text, "\\{byte:02x}");
                }
            }
            character => text.push(character),
        }
    }
}

fn write_der(text: &mut String, value: &Any<'_>) {
    let Tag(tag) = value.tag();
    let constructed = if value.header.is_constructed() { 0x20 } else { 0 };
    let tag = (u8::try_from(tag).unwrap_or_default() & 0x1f) | constructed;
    let length = value.data.len().to_be_bytes();
    let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    hexadecimal(text, &[tag]);
    match length.as_slice() {
        [] => hexadecimal(text, &[0]),
        [short] if *short < 0x80 => hexadecimal(text, &[*short]),
        long => {
            hexadecimal(text, &[0x80 | u8::try_from(long.len()).unwrap_or_default()]);
            hexadecimal(text, long);
        }
    }
    hexadecimal(text, value.data);
}

fn hexadecimal(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // A write to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType, string::Ia5String};

    use super::*;

    #[test]
    fn subjects_and_names() {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CountryName, "DE");
        params.distinguished_name.push(DnType::OrganizationName, "Café, Söhne + Co");
        params.distinguished_name.push(DnType::CommonName, "#a=b,CN=admin\n ");
        params.distinguished_name.push(DnType::CustomDnType(vec![1, 2, 3, 4]), "x");
        let ia5 = |text: &str| Ia5String::try_from(text).unwrap();
        params.subject_alt_names = vec![
            SanType::DnsName(ia5("Edge.example.com")),
            SanType::Rfc822Name(ia5("a@example.com")),
            SanType::URI(ia5("spiffe://example.com/edge")),
            SanType::IpAddress("::1".parse().unwrap()),
        ];
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let told = ClientCertificate::of(made.der(), true);
        assert_eq!(told.subject, "1.2.3.4=#0c0178,CN=\\#a\\=b\\,CN\\=admin\\0a\\ ,O=Café\\, Söhne \\+ Co,C=DE");
        assert_eq!(told.dns_names, ["edge.example.com"]);
        assert_eq!(told.emails, ["a@example.com"]);
        assert_eq!(told.uris, ["spiffe://example.com/edge"]);
        assert_eq!(told.addresses, ["::1"]);
        assert!(told.verified && told.fingerprint.len() == 64);
        // Nothing that can be parsed: no subject that a policy could take.
        let told = ClientCertificate::of(b"rubbish", false);
        assert!(told.subject.is_empty() && !told.fingerprint.is_empty());
    }
}

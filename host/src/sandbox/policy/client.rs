//! What a request shows of who makes it: its credential, decoded; its verified
//! certificate; its address; and a keyed hash of them all.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderValue, uri::Authority};
use sha2::Sha256;

use super::{super::bindings::auth, said::Mask};
use crate::server::Facts;

/// Stands for everything that a client showed; nobody finds out what that was.
pub type Fingerprint = [u8; 32];

/// Bytes of a credential that are shown to policies.
const LONGEST: usize = 64 << 10;

/// What is shown to policies; `authorization` are the fields of that name.
pub fn of(authorization: &[HeaderValue], facts: &Facts) -> auth::Client {
    let verified = facts.tls.as_ref().and_then(|tls| tls.client.as_ref()).filter(|client| client.verified);
    auth::Client {
        credential: credential(authorization),
        address: facts.client.to_string(),
        certificate: verified.map(|client| auth::Certificate {
            subject: client.subject.clone(),
            dns_names: client.dns_names.clone(),
            emails: client.emails.clone(),
            uris: client.uris.clone(),
            sha256: client.fingerprint.clone(),
        }),
    }
}

/// Its hash, with a key of this process.
pub fn fingerprint(secret: &[u8; 32], authorization: &[HeaderValue], facts: &Facts) -> Fingerprint {
    let mut mac = keyed(secret);
    let mut part = |bytes: &[u8]| {
        mac.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        mac.update(bytes);
    };
    part(&u64::try_from(authorization.len()).unwrap_or(u64::MAX).to_le_bytes());
    authorization.iter().for_each(|value| part(value.as_bytes()));
    let verified = facts.tls.as_ref().and_then(|tls| tls.client.as_ref()).filter(|client| client.verified);
    part(verified.map_or(b"", |client| client.fingerprint.as_bytes()));
    match facts.client {
        std::net::IpAddr::V4(address) => part(&address.octets()),
        std::net::IpAddr::V6(address) => part(&address.octets()),
    }
    mac.finalize().into_bytes().into()
}

/// What the client calls this registry, by the one field `Host`; nothing where
/// the certificate that it was shown is not for that.
pub fn authority<'a>(host: &'a HeaderValue, facts: &Facts) -> Option<&'a str> {
    let text = host.to_str().ok().filter(|text| !text.contains('@'))?;
    let authority: Authority = text.parse().ok()?;
    facts.tls.as_ref()?.vouches_for(authority.host()).then_some(text)
}

/// A hash with a key.
pub fn keyed(secret: &[u8; 32]) -> Hmac<Sha256> {
    // A key may have any length; HMAC takes each.
    #[expect(clippy::expect_used, reason = "never fails: see above")]
    Hmac::new_from_slice(secret).expect("any length")
}

/// What of it is not for people.
pub fn mask(client: &auth::Client) -> Mask {
    match &client.credential {
        auth::Credential::Basic((_, password)) => Mask::new([password.as_str()]),
        auth::Credential::Bearer(token) => Mask::new([token.as_str()]),
        auth::Credential::None | auth::Credential::Unknown => Mask::default(),
    }
}

/// The field `Authorization`. User and password that are both empty are what
/// some clients send that have neither.
fn credential(fields: &[HeaderValue]) -> auth::Credential {
    let [field, more @ ..] = fields else { return auth::Credential::None };
    let text = field.to_str().ok().filter(|text| more.is_empty() && text.len() <= LONGEST);
    let Some((scheme, rest)) = text.and_then(|text| text.split_once(' ')) else { return auth::Credential::Unknown };
    let rest = rest.trim();
    let parsed = match scheme.to_ascii_lowercase().as_str() {
        "basic" => base64(rest).and_then(|pair| match pair.split_once(':')? {
            ("", "") => Some(auth::Credential::None),
            (user, password) => Some(auth::Credential::Basic((user.to_owned(), password.to_owned()))),
        }),
        "bearer" if is_token68(rest) => Some(auth::Credential::Bearer(rest.to_owned())),
        _ => None,
    };
    parsed.unwrap_or(auth::Credential::Unknown)
}

/// RFC 9110, 11.2.
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

/// RFC 4648, 4, with or without padding; UTF-8 within, and no control
/// character.
fn base64(text: &str) -> Option<String> {
    const ANY: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(&alphabet::STANDARD, ANY).decode(text).ok()?;
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use auth::Credential;
    use http::HeaderValue;

    use super::*;
    use crate::server::RequestId;

    fn shown(fields: &[&str]) -> String {
        let fields: Vec<_> = fields.iter().map(|field| HeaderValue::from_str(field).unwrap()).collect();
        match credential(&fields) {
            Credential::None => "none".to_owned(),
            Credential::Unknown => "unknown".to_owned(),
            Credential::Basic((user, password)) => format!("basic {user} {password}"),
            Credential::Bearer(token) => format!("bearer {token}"),
        }
    }

    #[test]
    fn credentials() {
        for (field, expected) in [
            // RFC 7617, 2 and 2.1.
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "basic Aladdin open sesame"),
            ("basic dGVzdDoxMjPCow==", "basic test 123£"),
            ("BASIC  dTpwOnE", "basic u p:q"),
            ("Basic Og==", "none"),
            ("Basic dTo=", "basic u "),
            // `nocolon`, not base64, one letter too many, not UTF-8, a NUL.
            ("Basic bm9jb2xvbg==", "unknown"),
            ("Basic !!!", "unknown"),
            ("Basic dTpwA", "unknown"),
            ("Basic /zr/", "unknown"),
            ("Basic dQA6cA==", "unknown"),
            ("Basic", "unknown"),
            ("Bearer a.b-c_d~e+f/g==", "bearer a.b-c_d~e+f/g=="),
            ("bearer ", "unknown"),
            ("Bearer a b", "unknown"),
            ("Digest username=\"u\"", "unknown"),
            ("", "unknown"),
        ] {
            assert_eq!(shown(&[field]), expected, "{field}");
        }
        assert_eq!(shown(&[]), "none");
        assert_eq!(shown(&["Basic dTpw", "Basic dTpw"]), "unknown");
    }

    #[test]
    fn a_fingerprint_tells_clients_apart() {
        let facts = |address: &str| Facts {
            request_id: RequestId::next(),
            client: address.parse().unwrap(),
            tls: None,
            repeats: false,
        };
        let of = |secret: u8, fields: &[&str], address: &str| {
            let fields: Vec<_> = fields.iter().map(|field| HeaderValue::from_str(field).unwrap()).collect();
            fingerprint(&[secret; 32], &fields, &facts(address))
        };
        let one = of(1, &["Basic dTpw"], "10.0.0.1");
        assert_eq!(one, of(1, &["Basic dTpw"], "10.0.0.1"));
        let others = [
            of(2, &["Basic dTpw"], "10.0.0.1"),
            of(1, &["Basic dTpx"], "10.0.0.1"),
            of(1, &[], "10.0.0.1"),
            of(1, &["Basic ", "dTpw"], "10.0.0.1"),
            of(1, &["Basic dTpw"], "10.0.0.2"),
        ];
        for other in others {
            assert_ne!(one, other);
        }
    }
}

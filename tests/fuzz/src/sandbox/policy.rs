//! What policies are shown, and what they say.

#[path = "../../../../host/src/sandbox/policy/challenge.rs"]
#[allow(dead_code, missing_docs, reason = "it is public there")]
mod challenge;
#[path = "../../../../host/src/sandbox/policy/client.rs"]
#[allow(dead_code, missing_docs, reason = "it is public there")]
mod client;
#[path = "../../../../host/src/sandbox/policy/said.rs"]
#[allow(dead_code, missing_docs, reason = "it is public there")]
mod said;

use std::net::{IpAddr, Ipv4Addr};

use http::HeaderValue;

use self::said::Mask;
use super::{
    bindings::auth::{Challenge, Credential},
    fields,
};
use crate::server::Facts;

const SECRET: &str = "hunter2-hunter2";

/// A challenge is one value of one field, and tells no secret.
pub fn challenges(bytes: &[u8]) {
    let text = crate::text(bytes);
    let mut challenges = Vec::new();
    for part in text.split("\n\n\n") {
        let (scheme, parameters) = part.split_once('\n').unwrap_or((part, ""));
        challenges.push(Challenge { scheme: scheme.to_owned(), parameters: fields(parameters).0 });
    }
    let Ok(values) = challenge::values(&challenges, &Mask::new([SECRET])) else { return };
    for value in values {
        assert!(value.len() <= 8192 && value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{value:?}");
        assert!(HeaderValue::from_str(&value).is_ok());
        assert!(!value.contains(SECRET), "{value:?}");
        // Outside of quotes there is no second challenge.
        let mut quoted = false;
        let mut bytes = value.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => quoted = !quoted,
                b'\\' if quoted => {
                    bytes.next();
                }
                b',' if !quoted => assert_ne!(bytes.clone().next(), Some(b' '), "{value:?}"),
                _ => {}
            }
        }
        assert!(!quoted, "{value:?}");
    }
}

/// Fields `Authorization`, one a line. What they show is text, and a mask
/// takes it out of whatever is said.
pub fn credentials(bytes: &[u8]) {
    let fields: Vec<_> =
        bytes.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let facts = Facts { client: IpAddr::V4(Ipv4Addr::LOCALHOST), tls: None };
    let shown = client::of(&fields, &facts);
    let mask = client::mask(&shown);
    match &shown.credential {
        Credential::Basic((user, password)) => {
            assert!(!user.contains(':') && !user.chars().chain(password.chars()).any(char::is_control));
            let trimmed = password.trim();
            if !trimmed.is_empty() && !"***".contains(trimmed) && !trimmed.contains('*') {
                assert!(!mask.over(&format!("it is {password}!")).contains(trimmed), "{password:?}");
            }
        }
        Credential::Bearer(token) => assert!(token.bytes().all(|byte| byte.is_ascii_graphic())),
        Credential::None | Credential::Unknown => {}
    }
    assert_eq!(client::fingerprint(&[1; 32], &fields, &facts), client::fingerprint(&[1; 32], &fields, &facts));
}

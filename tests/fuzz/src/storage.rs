//! Keys and digests of the host.

#[path = "../../../host/src/storage/digest.rs"]
#[allow(dead_code, missing_docs, reason = "it is public there")]
mod digest;
#[path = "../../../host/src/storage/failure.rs"]
#[allow(dead_code, missing_docs, reason = "it is public there")]
mod failure;
#[path = "../../../host/src/storage/key.rs"]
#[allow(dead_code, missing_docs, reason = "it is public there")]
mod key;

use self::{digest::Digest, failure::Failure};
pub use key::Key;

use crate::text;

/// A key leads to one place below the root, and to nothing of the host's.
pub fn keys(bytes: &[u8]) {
    let text = text(bytes);
    let Ok(key) = Key::parse(&text) else { return };
    assert_eq!(key.as_str(), text);
    assert!(text.len() <= 1024 && !text.starts_with('/') && !text.ends_with('/'));
    for (n, segment) in text.split('/').enumerate() {
        assert!(!["", ".", ".."].contains(&segment) && segment.len() <= 255, "{text:?}");
        assert!(!segment.chars().any(|c| c.is_control()), "{text:?}");
        assert!(n > 0 || segment != ".skerry", "{text:?}");
    }
}

/// Host and guest read digests alike, and what they read is one.
pub fn digests(bytes: &[u8]) {
    let text = text(bytes);
    let hosts = Digest::parse(&text);
    let guests = skerry_registry::digest::Digest::parse(&text);
    assert_eq!(hosts.is_ok(), guests.is_ok(), "{text:?}");
    if let (Ok(hosts), Ok(guests)) = (hosts, guests) {
        assert_eq!((hosts.to_string(), hosts.hex()), (guests.as_str().to_owned(), guests.hex().to_owned()));
        assert_eq!(hosts.to_string(), text);
        assert!(guests.hex().bytes().all(|digit| digit.is_ascii_hexdigit() && !digit.is_ascii_uppercase()));
    }
}

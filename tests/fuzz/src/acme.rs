//! What the host finds in the directory of ordered certificates: its own files,
//! those that distribution left, and whatever else somebody put there.

#[path = "../../../host/src/acme/cache.rs"]
#[allow(dead_code, missing_docs, clippy::disallowed_methods, reason = "it is the host's")]
mod cache;
#[path = "../../../host/src/acme/challenge.rs"]
#[allow(dead_code, missing_docs, reason = "it is public there")]
mod challenge;
#[path = "../../../host/src/acme/key.rs"]
#[allow(dead_code, missing_docs, reason = "it is public there")]
mod key;
#[path = "../../../host/src/acme/schedule.rs"]
#[allow(dead_code, missing_docs, reason = "it is public there")]
mod schedule;

use std::{path::Path, time::SystemTime};

use crate::{text, tls};

const HOST: &str = "registry.example.org";
/// Letters of a line of base64 that no message may repeat.
const LINE: usize = 32;

/// A file of the directory, read as each of those that are there.
pub fn acme(bytes: &[u8]) {
    account(bytes);
    certificate(bytes);
    // What proves is shown or is not.
    if let Some(config) = challenge::handshake(bytes) {
        assert_eq!(config.alpn_protocols, [b"acme-tls/1"]);
    }
}

/// What is read of a key is written as Go reads it, and is the same key.
fn account(bytes: &[u8]) {
    let Some(found) = key::from_pem(bytes) else { return };
    let text = key::to_pem(found.secret_pkcs8_der()).expect("what was read can be written");
    assert!(text.starts_with("-----BEGIN EC PRIVATE KEY-----\n") && !text.contains('\r'), "{text}");
    assert_eq!(key::from_pem(text.as_bytes()).as_ref(), Some(&found));
    // The number may be no key; that is then said.
    let _ = instant_acme::Key::from_pkcs8_der(found);
}

/// A certificate is for its name, and there is a time to renew it; what is
/// none is refused with a sentence that tells nothing of a key.
fn certificate(bytes: &[u8]) {
    let leaf = match tls::examine(Path::new(HOST), bytes, HOST) {
        Ok(leaf) => leaf,
        Err(error) => {
            let said = error.to_string();
            let given = text(bytes);
            let letters = given.split(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c));
            for line in letters.filter(|line| line.len() >= LINE) {
                assert!(!said.contains(line), "{said}");
            }
            return;
        }
    };
    assert!(leaf.names.iter().any(|name| name == HOST || name == "*.example.org"), "{:?}", leaf.names);
    let now = SystemTime::now();
    let _ = (leaf.out_of_time(now), tls::shown(leaf.not_before), tls::shown(leaf.not_after));
    for chance in [0.0, 0.5, 1.0] {
        let at = schedule::renewal(leaf.not_before, leaf.not_after, chance);
        // A life that is none is over at once.
        assert!(at <= leaf.not_after.max(leaf.not_before), "{leaf:?}");
        let life = (leaf.not_before, leaf.not_after);
        for window in [life, (leaf.not_after, leaf.not_before), (now, leaf.not_after)] {
            let _ = schedule::suggested(window, life, chance);
        }
    }
}

//! Cipher suites by the names that Go, and so distribution, gives them.

use rustls::{CipherSuite, SupportedCipherSuite, crypto::CryptoProvider};

/// The suites that a list of names leaves, and a warning for each name that
/// names none. As in Go, TLS 1.3 has all of its three, whatever the list says.
pub(super) fn choose(provider: &CryptoProvider, names: &[String]) -> (Vec<SupportedCipherSuite>, Vec<String>) {
    let all = &provider.cipher_suites;
    if names.is_empty() {
        return (all.clone(), Vec::new());
    }
    let mut warnings = Vec::new();
    let mut wanted: Vec<CipherSuite> = Vec::new();
    for name in names {
        match all.iter().find(|suite| go_name(suite.suite()) == *name) {
            Some(suite) => wanted.push(suite.suite()),
            None => warnings
                .push(format!("`http.tls.ciphersuites`: {} is not supported, and is left out", name.escape_debug())),
        }
    }
    // The operator's order does not count, as in Go: the fastest safe one is
    // chosen.
    let chosen = all.iter().filter(|suite| suite.tls13().is_some() || wanted.contains(&suite.suite())).copied();
    (chosen.collect(), warnings)
}

/// Go and IANA write `TLS_AES_128_GCM_SHA256` where rustls writes `TLS13_…`,
/// and Go ends its ChaCha20 names in `_SHA256`, as rustls does.
fn go_name(suite: CipherSuite) -> String {
    let name = suite.as_str().unwrap_or_default();
    match name.strip_prefix("TLS13_") {
        Some(rest) => format!("TLS_{rest}"),
        None => name.to_owned(),
    }
}

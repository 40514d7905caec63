//! What built-in policies read: tokens, keys, files of users, patterns.

use skerry_policy_htpasswd::Htpasswd;
use skerry_policy_token::Token;
use skerry_sdk::{Client, Credential, Glob, Identity, authenticate, check_auth, memory::Memory};

use crate::text;

/// A key of the P-256 curve, whose other half nobody has.
const JWKS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"k","use":"sig","alg":"ES256",
    "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

fn host(jwks: &[u8], bundle: Option<&[u8]>) -> Memory {
    let bundled = if bundle.is_some() { r#","rootcertbundle":"bundle.pem""# } else { "" };
    let settings =
        format!(r#"{{"realm":"https://a/token","service":"r","issuer":"Example","jwks":"jwks.json"{bundled}}}"#);
    let host = Memory::new(&settings).with_file("jwks.json", jwks);
    host.set_now(1_700_000_000);
    match bundle {
        Some(bundle) => host.with_file("bundle.pem", bundle),
        None => host,
    }
}

fn bearer(token: String) -> Client {
    Client { credential: Credential::Bearer(token), address: "192.0.2.1".to_owned(), certificate: None }
}

/// A token: none of these is signed, so none of them is right.
pub fn tokens(bytes: &[u8]) {
    let outcome = authenticate::<Token>(&host(JWKS.as_bytes(), None), &bearer(text(bytes)), &[]);
    assert!(!matches!(outcome, Ok(Identity::Known(..))), "{outcome:?}");
}

/// A set of keys, and certificates behind an empty line.
pub fn jwks(bytes: &[u8]) {
    let at = bytes.windows(2).position(|two| two == b"\n\n");
    let (keys, bundle) = at.map_or((bytes, None), |at| (&bytes[..at], Some(&bytes[at + 2..])));
    let host = host(keys, bundle);
    let _ = check_auth::<Token>(&host);
    let token = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ.eyJpc3MiOiJFeGFtcGxlIn0.AAAA".to_owned();
    let outcome = authenticate::<Token>(&host, &bearer(token), &[]);
    assert!(!matches!(outcome, Ok(Identity::Known(..))), "{outcome:?}");
}

/// A file of users and passwords: who is warned of it reads no hash.
pub fn htpasswd(bytes: &[u8]) {
    let host = Memory::new(r#"{"realm":"R","file":"users"}"#).with_file("users", bytes);
    let Ok(warnings) = check_auth::<Htpasswd>(&host) else { return };
    let text = text(bytes);
    let lines: Vec<_> = text.lines().filter_map(|line| line.trim().split_once(':')).collect();
    for (_, hash) in lines.iter().filter(|(_, hash)| hash.len() > 16 && hash.contains('$')) {
        // Unless somebody is called so.
        if !lines.iter().any(|(user, _)| user.contains(hash)) {
            assert!(!warnings.iter().any(|warning| warning.contains(hash)), "{warnings:?}");
        }
    }
}

/// A pattern, and names one a line. It comes to an end, whatever it is.
pub fn patterns(bytes: &[u8]) {
    let text = text(bytes);
    let (pattern, names) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(glob) = Glob::parse(pattern) else { return };
    for name in names.split('\n') {
        let _ = glob.matches(name);
    }
    if !pattern.contains('*') {
        assert!(glob.matches(pattern), "{pattern:?}");
    }
}

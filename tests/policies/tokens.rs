//! Tokens of a token server, as distribution's `auth.token` takes them.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData, SigningKey};
use serde_json::{Value, json};
use skerry_tests::{Client, Options, Registry, push};

use super::host::Host;

/// A token server: its key, and the registry that trusts it.
struct Issuer {
    key: KeyPair,
    host: Host,
    _directory: tempfile::TempDir,
}

impl Issuer {
    fn new(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let x = URL_SAFE_NO_PAD.encode(key.der_bytes());
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": "one", "x": x}]});
        let file = directory.path().join("jwks.json");
        fs::write(&file, keys.to_string()).unwrap();
        let host = Host::start(&format!(
            "auth:\n  token:\n    realm: https://auth.example/token\n    service: registry.example\n    issuer: Example\n    jwks: {}\n{more}",
            file.display()
        ));
        Self { key, host, _directory: directory }
    }

    /// A client with a token that grants this, for so many seconds.
    fn client(&self, access: &Value, seconds: i64) -> Client {
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let header = json!({"typ": "JWT", "alg": "EdDSA", "kid": "one"});
        let claims = json!({"iss": "Example", "sub": "ann", "aud": "registry.example", "iat": now - 60,
            "nbf": now - 60, "exp": now + seconds, "jti": "1", "access": access});
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()).unwrap());
        self.host.nobody().bearer(&format!("{signed}.{signature}"))
    }
}

fn repository(name: &str, actions: &[&str]) -> Value {
    json!([{"type": "repository", "name": name, "actions": actions}])
}

#[test]
fn a_token_says_what_its_holder_may_do() {
    let mut issuer = Issuer::new("");
    let nobody = issuer.host.nobody();
    let begin = r#"Bearer realm="https://auth.example/token",service="registry.example""#;
    let asked = nobody.get("/v2/").expect(401);
    assert!(asked.header("www-authenticate").starts_with(begin), "{}", asked.header("www-authenticate"));
    let asked = nobody.request("POST", "/v2/app/blobs/uploads/").send().expect(401);
    let challenge = asked.header("www-authenticate");
    assert!(challenge.starts_with(begin) && challenge.contains("repository:app:pull,push"), "{challenge}");

    let pushing = issuer.client(&repository("app", &["pull", "push"]), 300);
    pushing.get("/v2/").expect(200);
    let image = push::image(&pushing, "app", Some("v1"), 1);
    let pulling = issuer.client(&repository("app", &["pull"]), 300);
    assert_eq!(pulling.get("/v2/app/manifests/v1").expect(200).body, image);
    // As docker does: the token of a pull is not enough to push.
    let more = pulling.request("POST", "/v2/app/blobs/uploads/").send().expect(401);
    let challenge = more.header("www-authenticate");
    assert!(challenge.contains(r#"error="insufficient_scope""#), "{challenge}");
    assert!(challenge.contains("repository:app:pull,push"), "{challenge}");
    pulling.get("/v2/other/manifests/v1").expect(401);
    pushing.delete("/v2/app/manifests/v1").expect(401);
    // One that has ended, one that is another's.
    issuer.client(&repository("app", &["pull"]), -120).get("/v2/app/manifests/v1").expect(401);
    let other = Issuer { key: KeyPair::generate_for(&PKCS_ED25519).unwrap(), ..issuer };
    other.client(&repository("app", &["pull"]), 300).get("/v2/app/manifests/v1").expect(401);
    issuer = other;
    issuer.host.logged(&["/v2/app/manifests/v1", "\"user\":\"ann\""]);
}

#[test]
fn an_answer_is_remembered_until_the_token_ends() {
    let issuer = Issuer::new("");
    let image = push::image(&issuer.client(&repository("app", &["pull", "push"]), 300), "app", Some("v1"), 1);
    let pulling = issuer.client(&repository("app", &["pull"]), 300);
    let text = issuer.host.until_remembered(&pulling, "/v2/app/manifests/v1", 200);
    assert_eq!(text.as_bytes(), &image[..]);
    let asked = issuer.host.asked("token");
    pulling.get("/v2/app/manifests/v1").expect(200);
    assert_eq!(issuer.host.asked("token"), asked);
    issuer.client(&repository("other", &["pull"]), 300).get("/v2/app/manifests/v1").expect(401);
}

/// By the keys that say what is trusted.
#[test]
fn only_what_is_configured_is_trusted() {
    for (algorithms, status) in [("[EdDSA]", 200), ("[ES256, RS256]", 401)] {
        let issuer = Issuer::new(&format!("    signingalgorithms: {algorithms}\n"));
        issuer.client(&json!([]), 300).get("/v2/").expect(status);
    }
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("bundle.pem");
    fs::write(&bundle, "no certificate").unwrap();
    for (key, sentence) in [
        (format!("rootcertbundle: {}", bundle.display()), "there is no key to trust"),
        ("jwks: /no/such.json".to_owned(), "the file /no/such.json cannot be used"),
        ("jwks: /no/such.json\n    autoredirect: true".to_owned(), "write the address of the token server as `realm`"),
    ] {
        let more = format!("auth:\n  token:\n    realm: https://a\n    service: b\n    issuer: c\n    {key}\n");
        let said = Registry::refused(Options { more, ..Options::default() });
        assert!(said.contains(sentence), "{key}: {said}");
    }
}

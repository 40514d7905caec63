//! Tokens of a token server, as distribution's `auth.token` takes them.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData, SigningKey};
use serde_json::{Value, json};
use skerry_tests::{Client, Options, Peer, Registry, peer::Release, push};

use super::host::Host;

/// A token server: its key, and the registry that trusts it.
struct Issuer {
    key: KeyPair,
    host: Host,
    /// The section `auth`.
    keys: String,
    directory: tempfile::TempDir,
}

impl Issuer {
    fn new(more: &str) -> Self {
        Self::with(more, Options::default())
    }

    fn with(more: &str, options: Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let x = URL_SAFE_NO_PAD.encode(key.der_bytes());
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": "one", "x": x}]});
        let file = directory.path().join("jwks.json");
        fs::write(&file, keys.to_string()).unwrap();
        let keys = format!(
            "auth:\n  token:\n    realm: https://auth.example/token\n    service: registry.example\n    issuer: Example\n    jwks: {}\n{more}",
            file.display()
        );
        let host = Host::start_with(&keys, options);
        Self { key, host, keys, directory }
    }

    /// A client with a token that grants this, for so many seconds.
    fn client(&self, access: &Value, seconds: i64) -> Client {
        self.host.nobody().bearer(&self.token(access, seconds, &json!({})))
    }

    /// Such a token, with other claims.
    fn token(&self, access: &Value, seconds: i64, other: &Value) -> String {
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let header = json!({"typ": "JWT", "alg": "EdDSA", "kid": "one"});
        let mut claims = json!({"iss": "Example", "sub": "ann", "aud": "registry.example", "iat": now - 60,
            "nbf": now - 60, "exp": now + seconds, "jti": "1", "access": access});
        for (name, value) in other.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()).unwrap());
        format!("{signed}.{signature}")
    }
}

/// What is shown, and how a challenge for it ends.
fn shown(issuer: &Issuer) -> Vec<(&'static str, Option<String>, &'static str)> {
    let access = repository("app", &["pull"]);
    let with = |seconds, other: Value| Some(format!("Bearer {}", issuer.token(&access, seconds, &other)));
    let invalid = r#",error="invalid_token""#;
    vec![
        ("nothing", None, ""),
        ("a password", Some("Basic YW5uOnNlY3JldA==".to_owned()), ""),
        ("no token", Some("Bearer ".to_owned()), ""),
        ("rubbish", Some("Bearer a.b.c".to_owned()), invalid),
        ("an expired one", with(-120, json!({})), invalid),
        ("one that is not in force yet", with(600, json!({"nbf": 4_000_000_000_u64})), invalid),
        ("one for another", with(300, json!({"aud": "other.example"})), invalid),
        ("one by another", with(300, json!({"iss": "Other"})), invalid),
        ("too little", with(300, json!({})), r#",error="insufficient_scope""#),
    ]
}

/// The challenge for a push into `app`.
fn asked(client: &Client, shown: Option<&str>, host: Option<&str>) -> String {
    let mut request = client.request("POST", "/v2/app/blobs/uploads/");
    for (name, value) in [("authorization", shown), ("host", host)] {
        request = value.into_iter().fold(request, |request, value| request.header(name, value));
    }
    request.send().expect(401).header("www-authenticate").to_owned()
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
        ("jwks: /no/such.json\n    autoredirect: true".to_owned(), "the file /no/such.json cannot be used"),
    ] {
        let more = format!("auth:\n  token:\n    realm: https://a\n    service: b\n    issuer: c\n    {key}\n");
        let said = Registry::refused(Options { more, ..Options::default() });
        assert!(said.contains(sentence), "{key}: {said}");
    }
}

#[test]
fn a_client_learns_what_is_wrong_with_its_token() {
    let issuer = Issuer::new("");
    let nobody = issuer.host.nobody();
    let begin =
        r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:app:pull,push""#;
    for (what, shown, end) in shown(&issuer) {
        assert_eq!(asked(&nobody, shown.as_deref(), None), format!("{begin}{end}"), "{what}");
    }
    let access = repository("app", &["pull", "push"]);
    let other = Issuer { key: KeyPair::generate_for(&PKCS_ED25519).unwrap(), ..issuer };
    let forged = format!("Bearer {}", other.token(&access, 300, &json!({})));
    assert_eq!(asked(&nobody, Some(&forged), None), format!("{begin},error=\"invalid_token\""));
}

/// The realm is a name that the certificate has, or the configured one.
#[test]
fn a_realm_on_the_host_that_was_called() {
    let names = vec!["*.example.com".to_owned()];
    let issuer = Issuer::with("    autoredirect: true\n", Options { names, ..Options::default() });
    let (registry, nobody) = (&issuer.host.registry, issuer.host.nobody());
    let realm = |client: &Client, host: Option<&str>| {
        let text = asked(client, None, host);
        text.split('"').nth(1).unwrap().to_owned()
    };
    let (own, configured) = (format!("https://{}/auth/token", registry.address()), "https://auth.example/token");
    assert_eq!(realm(&nobody, None), own);
    assert_eq!(realm(&registry.http2(), None), own);
    let local = Client::new(&registry.localhost(), registry.trust());
    let here = format!("https://{}/auth/token", registry.localhost());
    assert_eq!(realm(&local, None), here);
    assert_eq!(realm(&local, Some("LOCALHOST:1")), "https://LOCALHOST:1/auth/token");
    for host in
        ["evil.example", "evil.example:443", "127.0.0.2", "localhost.evil.example", "127.0.0.1", "a.example.com"]
    {
        assert_eq!(realm(&local, Some(host)), configured, "{host}");
    }
    for host in ["localhost", "evil.example", "[::1]"] {
        assert_eq!(realm(&nobody, Some(host)), configured, "{host}");
    }
    // A header of who is no proxy says nothing, nor does what was asked before.
    let push = nobody.request("POST", "/v2/app/blobs/uploads/");
    let forwarded = push.header("x-forwarded-host", "evil.example").header("x-forwarded-proto", "http");
    assert!(forwarded.send().expect(401).header("www-authenticate").contains(&own));
    // What is remembered for a client is so by whatever name it comes.
    let access = repository("app", &["pull", "push"]);
    let image = push::image(&issuer.client(&access, 300), "app", Some("v1"), 1);
    let token = issuer.token(&access, 300, &json!({}));
    let (near, far) = (nobody.bearer(&token), local.bearer(&token));
    issuer.host.until_remembered(&near, "/v2/app/manifests/v1", 200);
    let decided = issuer.host.asked("token");
    assert_eq!(far.accepting().get("/v2/app/manifests/v1").expect(200).body, image);
    assert_eq!(issuer.host.asked("token"), decided);
    for (client, realm) in [(&nobody, &own), (&local, &here)] {
        let answer = client.get("/v2/app/manifests/v1").expect(401);
        assert!(answer.header("www-authenticate").contains(realm.as_str()), "{}", answer.header("www-authenticate"));
    }

    let plain = Issuer::with("    autoredirect: true\n", Options { tls: false, ..Options::default() });
    assert_eq!(realm(&plain.host.nobody(), None), configured);
}

#[test]
#[ignore = "needs registry 3.1.2: run by .ci/run"]
fn challenges_as_distribution_sends_them() {
    for more in ["", "    autoredirect: true\n", "    autoredirect: true\n    autoredirectpath: /t/a\n"] {
        let issuer = Issuer::new(more);
        let peer = Peer::start_with(Release::Three, &issuer.directory.path().join("volume"), &issuer.keys);
        let ours = (issuer.host.nobody(), issuer.host.registry.port().to_owned());
        let theirs = (peer.client(), peer.address().rsplit_once(':').unwrap().1.to_owned());
        for (what, shown, _) in shown(&issuer) {
            // It has actions in any order.
            let [ours, theirs] = [&ours, &theirs].map(|(client, port)| {
                asked(client, shown.as_deref(), None)
                    .replace(&format!(":{port}/"), ":PORT/")
                    .replace("push,pull", "pull,push")
            });
            assert_eq!(ours, theirs, "{what} {more}");
        }
        peer.stop();
    }
}

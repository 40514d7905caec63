//! Which tokens are taken, and what they allow.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod issuer;

use std::time::Duration;

use issuer::{Authority, Key, NOW, claims, claims_with};
use serde_json::{Value, json};
use skerry_policy_token::Token;
use skerry_sdk::{
    Access, Action, Client, Credential, Identity, Outcome, Principal, Refusal, authenticate, authorize, challenges,
    check_auth, memory::Memory,
};

fn settings() -> Value {
    json!({"realm": "https://auth.example.com/token", "service": "registry.example.com", "issuer": "Example"})
}

fn settings_with(name: &str, value: Value) -> Value {
    let mut settings = settings();
    settings[name] = value;
    settings
}

/// A registry that trusts a set of keys.
fn trusting(keys: &[Value]) -> Memory {
    with_jwks(settings_with("jwks", "jwks".into()), keys)
}

fn with_jwks(settings: Value, keys: &[Value]) -> Memory {
    let host = Memory::new(&settings.to_string()).with_file("jwks", json!({ "keys": keys }).to_string());
    host.set_now(NOW);
    host
}

/// A registry that trusts certificates.
fn trusting_bundle(pem: &str) -> Memory {
    let host = Memory::new(&settings_with("rootcertbundle", "bundle".into()).to_string()).with_file("bundle", pem);
    host.set_now(NOW);
    host
}

fn bearer(token: &str) -> Client {
    Client { credential: Credential::Bearer(token.into()), ..Client::default() }
}

/// Who it is, or why it is refused.
fn known(host: &Memory, token: &str) -> Result<(Principal, Duration), String> {
    let identity = authenticate::<Token>(host, &bearer(token), &[]).unwrap();
    let log = host.take_log();
    match identity {
        Identity::Known(principal, Some(rest)) => {
            assert!(log.is_empty(), "{log:?}");
            Ok((principal, rest))
        }
        Identity::Challenge => Err(log.join("\n")),
        other => panic!("{other:?}"),
    }
}

fn refused(host: &Memory, token: &str, says: &str) {
    let found = known(host, token);
    assert!(found.as_ref().is_err_and(|why| why.contains(says)), "{says}: {found:?}");
}

fn all_keys() -> [(Key, &'static [&'static str]); 5] {
    [
        (issuer::rsa(), &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
        (issuer::p256(), &["ES256"]),
        (issuer::p384(), &["ES384"]),
        (issuer::p521(), &["ES512"]),
        (issuer::ed25519(), &["EdDSA"]),
    ]
}

#[test]
fn every_algorithm_by_every_other() {
    let algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
    for (key, own) in all_keys() {
        let host = trusting(&[key.named("one")]);
        assert_eq!(check_auth::<Token>(&host), Ok(vec![]));
        for algorithm in own {
            let token = key.token(&json!({"alg": algorithm, "kid": "one", "typ": "JWT"}), &claims());
            let (principal, rest) = known(&host, &token).unwrap();
            assert_eq!((principal.subject.as_str(), rest), ("ann", Duration::from_secs(360)), "{algorithm}");
            assert!(principal.groups.is_empty());
            // The same signature under another name is not one.
            let (_, rest) = token.split_once('.').unwrap();
            for other in algorithms.iter().filter(|other| *other != algorithm) {
                let header = issuer::base64url(json!({"alg": other, "kid": "one", "typ": "JWT"}).to_string());
                assert!(known(&host, &format!("{header}.{rest}")).is_err(), "{algorithm} as {other}");
            }
        }
        let foreign = algorithms.iter().find(|algorithm| !own.contains(algorithm)).unwrap();
        refused(&host, &key.token(&json!({"alg": foreign, "kid": "one"}), &claims()), "its key is not one for");
    }
}

#[test]
fn names_of_keys() {
    // The example of RFC 7638, 3.1: only its name is known, not its owner.
    let example = json!({
        "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    });
    let rsa = issuer::rsa();
    // Computed by openssl and Python: SHA-256 of the DER, 30 bytes, base32.
    let libtrust = "EGVP:2O7X:M4MZ:FRLM:OLHV:AETR:LYNU:WVMR:3JA2:WUOI:7RNH:56DH";
    let host = trusting(&[example, rsa.jwk()]);
    for kid in ["2011-04-29", "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"] {
        refused(&host, &rsa.token(&json!({"alg": "RS256", "kid": kid}), &claims()), "its signature is wrong");
    }
    assert!(known(&host, &rsa.token(&json!({"alg": "RS256", "kid": libtrust}), &claims())).is_ok());
    for kid in ["", "2011", "nzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "../jwks", "egvp:2o7x", &libtrust[..54]] {
        assert!(known(&host, &rsa.token(&json!({"alg": "RS256", "kid": kid}), &claims())).is_err(), "{kid}");
    }
    // A certificate of the bundle by its key.
    let host = trusting_bundle(issuer::RSA_CERTIFICATE);
    assert!(known(&host, &rsa.token(&json!({"alg": "PS512", "kid": libtrust}), &claims())).is_ok());
    // A name that the set gives outranks what follows from another key.
    let other = issuer::p256();
    let host = trusting(&[rsa.jwk(), other.named(libtrust)]);
    refused(&host, &rsa.token(&json!({"alg": "RS256", "kid": libtrust}), &claims()), "not one for RS256");
    assert!(known(&host, &other.token(&json!({"alg": "ES256", "kid": libtrust}), &claims())).is_ok());
}

/// Signed by go-jose, with the names that distribution's `GetJWKThumbprint` and
/// libtrust's `KeyID` give the keys, or with the key embedded where there is
/// none. The P-256 key's x begins with a zero, which distribution cuts off.
#[test]
fn tokens_of_others() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("issuer/testdata/go-jose.json")).unwrap();
    assert_eq!(vectors.len(), 19);
    for vector in vectors {
        let host = trusting(&[vector["jwk"].clone()]);
        let token = vector["token"].as_str().unwrap();
        let (principal, rest) = known(&host, token).unwrap_or_else(|why| panic!("{vector}: {why}"));
        assert_eq!((principal.subject.as_str(), rest.as_secs()), ("ann", 4_102_444_800 + 60 - NOW));
        let decision =
            authorize::<Token>(&host, Some(&principal), &Client::default(), &[access(Action::Push, "team/app")]);
        assert_eq!(decision.unwrap().outcome, Outcome::Allow);
        let kid = vector["kid"].as_str().unwrap();
        let other = trusting(&[issuer::ed25519().jwk()]);
        refused(&other, token, if kid.is_empty() { "its embedded key is not trusted" } else { "is not trusted" });
    }
}

#[test]
fn claims_that_do_not_hold() {
    let key = issuer::p256();
    let host = trusting(&[key.named("one")]);
    let ask = |claims: &Value| known(&host, &key.token(&json!({"alg": "ES256", "kid": "one"}), claims));
    for (name, value, says) in [
        ("iss", json!("example"), "it is of another issuer"),
        ("iss", json!(""), "it is of another issuer"),
        ("iss", Value::Null, "it is of another issuer"),
        ("iss", json!(["Example"]), "its claims cannot be read"),
        ("aud", json!("other.example.com"), "it is for another service"),
        ("aud", json!("registry.example.com.evil"), "it is for another service"),
        ("aud", json!([]), "it is for another service"),
        ("aud", json!(["a", "b"]), "it is for another service"),
        ("aud", Value::Null, "it is for another service"),
        ("exp", json!(NOW - 61), "it has expired"),
        ("exp", json!(0), "it has expired"),
        ("exp", json!(-1), "it has expired"),
        ("exp", Value::Null, "it has no end"),
        ("exp", json!("4102444800"), "its claims cannot be read"),
        ("nbf", json!(NOW + 61), "it is not in force yet"),
        ("nbf", json!("soon"), "its claims cannot be read"),
        ("access", json!({"type": "repository"}), "its claims cannot be read"),
        ("access", json!([{"type": "repository", "actions": ["pull"]}]), "its claims cannot be read"),
        ("sub", json!("x".repeat(257)), "its subject is too long"),
        ("sub", json!("ann\r\n"), "its subject has control characters"),
        ("sub", json!(1), "its claims cannot be read"),
    ] {
        let found = ask(&claims_with(name, value.clone()));
        assert!(found.as_ref().is_err_and(|why| why.contains(says)), "{name} {value}: {found:?}");
    }
    for (name, value, rest) in [
        ("aud", json!(["other.example.com", "registry.example.com"]), 360),
        ("exp", json!(NOW - 60), 0),
        ("exp", json!(NOW - 59), 1),
        ("exp", json!(f64::from(u32::try_from(NOW).unwrap()) + 0.5), 60),
        ("nbf", json!(NOW + 60), 360),
        ("nbf", Value::Null, 360),
        ("iat", json!(NOW + 10_000), 360),
        ("access", Value::Null, 360),
        ("jti", json!("x"), 360),
    ] {
        assert_eq!(ask(&claims_with(name, value.clone())).unwrap().1.as_secs(), rest, "{name} {value}");
    }
    for nobody in [Value::Null, json!("")] {
        assert_eq!(ask(&claims_with("sub", nobody)).unwrap().0.subject, "anonymous");
    }
    let much: Vec<Value> = (0..400)
        .map(|n| json!({"type": "repository", "name": format!("repository-number-{n}"), "actions": ["pull"]}))
        .collect();
    let found = ask(&claims_with("access", much.into()));
    assert!(found.as_ref().is_err_and(|why| why.contains("bytes, and 16128 are taken")), "{found:?}");
}

#[test]
fn forgeries() {
    let (ours, theirs) = (issuer::p256(), issuer::p256());
    let rsa = issuer::rsa();
    let host = trusting(&[ours.named("one"), rsa.named("rsa")]);
    let header = json!({"alg": "ES256", "kid": "one"});
    let good = ours.token(&header, &claims());
    assert!(known(&host, &good).is_ok());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (head, payload) = signed.split_once('.').unwrap();

    // Nobody signed.
    for name in ["none", "None", "NONE", ""] {
        let header = issuer::base64url(json!({"alg": name, "kid": "one"}).to_string());
        for signature in ["", signature] {
            refused(&host, &format!("{header}.{payload}.{signature}"), "which is not taken");
        }
    }
    // The public key as a shared secret, in whatever form one might take it.
    let public = rsa.jwk();
    let secrets = [
        issuer::RSA_CERTIFICATE.as_bytes().to_vec(),
        public.to_string().into_bytes(),
        public["n"].as_str().unwrap().into(),
        vec![],
    ];
    for algorithm in ["HS256", "HS384", "HS512"] {
        for secret in &secrets {
            let token = issuer::shared(algorithm, secret, &json!({"alg": algorithm, "kid": "rsa"}), &claims());
            refused(&host, &token, "which is not taken");
        }
    }
    // Somebody else signed, under any name.
    refused(&host, &theirs.token(&header, &claims()), "its signature is wrong");
    refused(&host, &theirs.token(&json!({"alg": "ES256", "kid": "two"}), &claims()), "a key that is not trusted");
    refused(&host, &theirs.token(&json!({"alg": "ES256"}), &claims()), "it names no key");
    refused(&host, &theirs.token(&json!({"alg": "ES256", "kid": ""}), &claims()), "it names no key");
    refused(&host, &theirs.token(&json!({"alg": "ES256", "kid": "rsa"}), &claims()), "not one for ES256");
    refused(&host, &theirs.token(&json!({"alg": "ES256", "kid": ["one"]}), &claims()), "its header cannot be read");
    // What was signed was changed, or not all of it is there.
    let more = issuer::base64url(claims_with("sub", "admin".into()).to_string());
    refused(&host, &format!("{head}.{more}.{signature}"), "its signature is wrong");
    let other = issuer::base64url(json!({"alg": "ES256", "kid": "one", "typ": "x"}).to_string());
    refused(&host, &format!("{other}.{payload}.{signature}"), "its signature is wrong");
    for signature in
        [String::new(), issuer::base64url([0; 64]), issuer::base64url([0xff; 64]), signature[..84].to_owned()]
    {
        refused(&host, &format!("{signed}.{signature}"), "its signature is wrong");
    }
    let der = ours.sign("DER", signed.as_bytes());
    refused(&host, &format!("{signed}.{}", issuer::base64url(der)), "its signature is wrong");
    // Things that others might read otherwise.
    for token in [
        String::new(),
        ".".into(),
        "..".into(),
        signed.into(),
        format!("{good}."),
        format!("{good}.{payload}"),
        format!(".{good}"),
        format!("{head}..{payload}.{signature}"),
        format!(" {good}"),
        format!("{good}="),
        format!("{good}\n"),
        format!("{head}=.{payload}.{signature}"),
        format!("{head}.{payload}.{}+", &signature[..85]),
        good.replace('.', "%2E"),
    ] {
        assert!(known(&host, &token).is_err(), "{token}");
    }
    let twice = issuer::base64url(r#"{"alg": "ES256", "alg": "none", "kid": "one"}"#);
    refused(&host, &format!("{twice}.{payload}.{signature}"), "duplicate field");
    let demanding = json!({"alg": "ES256", "kid": "one", "crit": ["exp"], "exp": 1});
    refused(&host, &ours.token(&demanding, &claims()), "it demands an extension");
    let long = ours.token(&header, &claims_with("x", "x".repeat(70_000).into()));
    refused(&host, &long, "it is longer than");
    // The order of the curve's group is zero in disguise.
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&order[2 * at..2 * at + 2], 16).unwrap()).collect();
    let numbers = issuer::base64url([order.as_slice(), order.as_slice()].concat());
    refused(&host, &format!("{signed}.{numbers}"), "its signature is wrong");
}

#[test]
fn embedded_keys() {
    let (ours, theirs) = (issuer::p256(), issuer::p256());
    let host = trusting(&[ours.named("one")]);
    let with = |key: &Key, jwk: Value| key.token(&json!({"alg": "ES256", "jwk": jwk}), &claims());
    assert!(known(&host, &with(&ours, ours.jwk())).is_ok());
    assert!(known(&host, &with(&ours, ours.named("whatever"))).is_ok(), "its name does not matter");
    refused(&host, &with(&theirs, theirs.jwk()), "its embedded key is not trusted");
    // Their key by our name.
    refused(&host, &with(&theirs, theirs.named("one")), "its embedded key is not trusted");
    refused(&host, &with(&theirs, ours.jwk()), "its signature is wrong");
    let header = json!({"alg": "ES256", "kid": "one", "jwk": theirs.jwk()});
    refused(&host, &theirs.token(&header, &claims()), "its embedded key is not trusted");
    for broken in [
        json!({"kty": "EC"}),
        json!({"kty": "oct", "k": "AAAA"}),
        json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
    ] {
        refused(&host, &with(&theirs, broken), "its embedded key cannot be used");
    }
    refused(&host, &with(&theirs, json!("one")), "its header cannot be read");
    // Where to fetch a key is nothing that a token decides.
    let header = json!({"alg": "ES256", "jku": "https://evil.example/jwks", "x5u": "https://evil.example/crt"});
    refused(&host, &theirs.token(&header, &claims()), "it names no key");
}

#[test]
fn certificates() {
    let (root, stranger) = (Authority::new("root"), Authority::new("root"));
    let (below, usurper) = (root.intermediate("below"), root.usurper());
    let host = trusting_bundle(&root.pem);
    let pair = |key: &Key| match key {
        Key::Ring(pair) => rcgen::KeyPair::try_from(pair.serialize_der()).unwrap(),
        _ => panic!("not one of ring's"),
    };
    let (ours, theirs) = (issuer::p256(), issuer::p256());
    let years = (2025, 2027);
    let direct = root.certify(&pair(&ours), years);
    let indirect = below.certify(&pair(&ours), years);
    let with = |key: &Key, chain: &[&String]| key.token(&json!({"alg": "ES256", "x5c": chain}), &claims());
    for chain in [
        vec![&direct],
        vec![&indirect, &below.der],
        vec![&indirect, &below.der, &root.der],
        vec![&direct, &stranger.der],
    ] {
        assert!(known(&host, &with(&ours, &chain)).is_ok(), "{}", chain.len());
    }
    let foreign = stranger.certify(&pair(&theirs), years);
    let usurped = usurper.certify(&pair(&theirs), years);
    let expired = root.certify(&pair(&ours), (2024, 2025));
    let early = root.certify(&pair(&ours), (2027, 2028));
    let (nothing, rubbish) = ("!".to_owned(), "AAAA".to_owned());
    let many: Vec<&String> = std::iter::repeat_n(&direct, 9).collect();
    for (key, chain, says) in [
        (&theirs, vec![&foreign], "its certificate is not trusted"),
        // To show a trusted certificate as well proves nothing.
        (&theirs, vec![&foreign, &root.der], "its certificate is not trusted"),
        (&theirs, vec![&foreign, &stranger.der, &root.der], "its certificate is not trusted"),
        (&theirs, vec![&usurped, &usurper.der], "its certificate is not trusted"),
        (&theirs, vec![&direct], "its signature is wrong"),
        (&theirs, vec![&root.der], "its signature is wrong"),
        (&ours, vec![&indirect], "its certificate is not trusted"),
        (&ours, vec![&below.der, &indirect], "its certificate is not trusted"),
        (&ours, vec![&expired], "its certificate is not trusted"),
        (&ours, vec![&early], "its certificate is not trusted"),
        (&ours, vec![], "it has 0 certificates"),
        (&ours, many, "it has 9 certificates"),
        (&ours, vec![&nothing], "not base64"),
        (&ours, vec![&rubbish], "its certificate is not trusted"),
    ] {
        refused(&host, &with(key, &chain), says);
    }
    // A chain outranks a name and a key, so that it cannot be left unchecked.
    let header = json!({"alg": "ES256", "x5c": [foreign], "jwk": ours.jwk(), "kid": "one"});
    refused(&host, &theirs.token(&header, &claims()), "its certificate is not trusted");
    // An embedded key with a chain of its own.
    let embedded = |key: &Key, jwk: &Key, chain: &[&String]| {
        let mut jwk = jwk.jwk();
        jwk["x5c"] = json!(chain);
        key.token(&json!({"alg": "ES256", "jwk": jwk}), &claims())
    };
    assert!(known(&host, &embedded(&ours, &ours, &[&indirect, &below.der])).is_ok());
    refused(&host, &embedded(&theirs, &theirs, &[&foreign]), "its certificate is not trusted");
    refused(&host, &embedded(&theirs, &theirs, &[&direct]), "not the one of its certificate");
    refused(&host, &embedded(&theirs, &ours, &[&direct]), "its signature is wrong");
    // A trusted one that has ended vouches for nothing more.
    host.set_now(1_830_384_000);
    refused(&host, &with(&ours, &[&root.certify(&pair(&ours), (2025, 2030))]), "its certificate is not trusted");
}

#[test]
fn a_server_that_signed_its_own_certificate() {
    for key in [issuer::p256(), issuer::p384(), issuer::ed25519()] {
        let Key::Ring(pair) = &key else { panic!("not one of ring's") };
        let algorithm = match pair.public_key_raw().len() {
            65 => "ES256",
            97 => "ES384",
            _ => "EdDSA",
        };
        let (pem, der) = issuer::self_signed(pair);
        let host = trusting_bundle(&pem);
        assert!(known(&host, &key.token(&json!({"alg": algorithm, "x5c": [der]}), &claims())).is_ok());
        host.set_now(1_830_384_000);
        let late = claims_with("exp", 1_830_384_100.into());
        refused(&host, &key.token(&json!({"alg": algorithm, "x5c": [der]}), &late), "not trusted");
    }
    // openssl's, which is in force later.
    let rsa = issuer::rsa();
    let der: String = issuer::RSA_CERTIFICATE.lines().filter(|line| !line.starts_with('-')).collect();
    let host = trusting_bundle(issuer::RSA_CERTIFICATE);
    let now = 1_796_000_000;
    host.set_now(now);
    let claims = claims_with("exp", now.into());
    assert!(known(&host, &rsa.token(&json!({"alg": "RS256", "x5c": [der]}), &claims)).is_ok());
}

#[test]
fn what_a_key_is_for() {
    let (rsa, p256) = (issuer::rsa(), issuer::p256());
    let with = |mut jwk: Value, name: &str, value: Value| {
        jwk[name] = value;
        jwk
    };
    let host = trusting(&[
        with(rsa.named("rs256"), "alg", "RS256".into()),
        with(p256.named("enc"), "use", "enc".into()),
        with(p256.named("ops"), "key_ops", json!(["sign"])),
        with(p256.named("sig"), "use", "sig".into()),
        json!({"kty": "oct", "kid": "oct", "k": "AAAA"}),
        json!({"kty": "RSA", "kid": "short", "n": issuer::base64url([0xff; 128]), "e": "AQAB"}),
        json!({"kty": "RSA", "kid": "even", "n": issuer::base64url([0xfe; 256]), "e": "AQAB"}),
        json!({"kty": "RSA", "kid": "one", "n": issuer::base64url([0xff; 256]), "e": "AQ"}),
        json!("rubbish"),
    ]);
    let ask = |key: &Key, algorithm: &str, kid: &str| {
        known(&host, &key.token(&json!({"alg": algorithm, "kid": kid}), &claims()))
    };
    assert!(ask(&rsa, "RS256", "rs256").is_ok() && ask(&p256, "ES256", "sig").is_ok());
    for (key, algorithm, kid) in [
        (&rsa, "PS256", "rs256"),
        (&rsa, "RS512", "rs256"),
        (&p256, "ES256", "enc"),
        (&p256, "ES256", "ops"),
        (&rsa, "RS256", "short"),
        (&rsa, "RS256", "even"),
        (&rsa, "RS256", "one"),
    ] {
        assert!(ask(key, algorithm, kid).is_err(), "{algorithm} {kid}");
    }
    let warnings = check_auth::<Token>(&host).unwrap();
    assert_eq!(warnings.len(), 7, "{warnings:#?}");
    assert!(warnings.iter().any(|line| line.contains("key 5 is a shared secret")), "{warnings:#?}");

    let narrow = with_jwks(
        settings_with("jwks", "jwks".into())
            .as_object()
            .map(|map| {
                let mut map = map.clone();
                map.insert("signingalgorithms".into(), json!(["HS256", "PS256", "ES512"]));
                map.into()
            })
            .unwrap(),
        &[rsa.named("one")],
    );
    assert!(known(&narrow, &rsa.token(&json!({"alg": "PS256", "kid": "one"}), &claims())).is_ok());
    refused(&narrow, &rsa.token(&json!({"alg": "RS256", "kid": "one"}), &claims()), "\"RS256\", which is not taken");
    let warnings = check_auth::<Token>(&narrow).unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("HS256"), "{warnings:?}");
}

fn access(action: Action, repository: &str) -> Access {
    Access { repository: (!repository.is_empty()).then(|| repository.to_owned()), action, reference: None }
}

#[test]
fn what_a_token_allows() {
    use Action::{Catalog, Delete, Pull, Push};
    let key = issuer::ed25519();
    let host = trusting(&[key.named("one")]);
    let principal = |access: Value| {
        known(&host, &key.token(&json!({"alg": "EdDSA", "kid": "one"}), &claims_with("access", access))).unwrap().0
    };
    let some = principal(json!([
        {"type": "repository", "name": "team/app", "actions": ["pull", "push"]},
        {"type": "repository", "name": "team/all", "actions": ["*"]},
        {"type": "repository", "name": "team/none", "actions": []},
        {"type": "repository", "name": "team/null", "actions": null},
        {"type": "repository(plugin)", "name": "team/plugin", "actions": ["pull"]},
        {"type": "registry", "name": "catalog", "actions": ["pull"]},
        {"type": "repository", "name": "team/parts", "actions": ["pull"]},
        {"type": "repository", "name": "team/parts", "actions": ["delete"]},
        {"type": "repository", "name": "catalog", "actions": ["*"]},
    ]));
    let lister = principal(json!([{"type": "registry", "name": "catalog", "actions": ["*"]}]));
    let nothing = principal(Value::Null);
    for (who, accesses, allowed) in [
        (&some, vec![], true),
        (&nothing, vec![], true),
        (&some, vec![access(Pull, "team/app")], true),
        (&some, vec![access(Pull, "team/app"), access(Push, "team/app")], true),
        (&some, vec![access(Push, "team/app"), access(Pull, "team/other")], false),
        (&some, vec![access(Delete, "team/app")], false),
        (&some, vec![access(Pull, "team")], false),
        (&some, vec![access(Pull, "team/app/part")], false),
        (&some, vec![access(Pull, "Team/app")], false),
        (&some, vec![access(Delete, "team/all"), access(Push, "team/all")], true),
        (&some, vec![access(Pull, "team/none")], false),
        (&some, vec![access(Pull, "team/null")], false),
        (&some, vec![access(Pull, "team/plugin")], false),
        (&some, vec![access(Pull, "team/parts"), access(Delete, "team/parts")], true),
        (&some, vec![access(Push, "team/parts")], false),
        // To pull the catalog is not to see it, nor is a repository of that name.
        (&some, vec![access(Catalog, "")], false),
        (&some, vec![access(Catalog, "catalog")], false),
        (&some, vec![access(Pull, "")], false),
        (&lister, vec![access(Catalog, "")], true),
        (&lister, vec![access(Pull, "team/app")], false),
        (&nothing, vec![access(Pull, "team/app")], false),
    ] {
        let decision = authorize::<Token>(&host, Some(who), &Client::default(), &accesses).unwrap();
        let wanted = if allowed { Outcome::Allow } else { Outcome::Challenge };
        assert_eq!(decision.outcome, wanted, "{accesses:?}");
        assert!(decision.lifetime.is_some());
    }
    // Somebody else's business.
    for who in [None, Some(Principal::named("ann"))] {
        let decision =
            authorize::<Token>(&host, who.as_ref(), &Client::default(), &[access(Pull, "team/app")]).unwrap();
        assert_eq!(decision.outcome, Outcome::Pass);
    }
}

#[test]
fn what_was_shown() {
    let key = issuer::ed25519();
    let open = with_jwks(
        json!({"realm": "https://a", "service": "b", "issuer": "c", "jwks": "jwks", "anonymous": true}),
        &[key.jwk()],
    );
    let closed = trusting(&[key.jwk()]);
    let anonymous = Identity::Anonymous(Some(Duration::from_secs(3600)));
    for (credential, when_closed, when_open) in [
        (Credential::None, Identity::Challenge, anonymous.clone()),
        (Credential::Basic(String::new(), String::new()), Identity::Challenge, anonymous),
        (Credential::Basic("ann".into(), "secret".into()), Identity::Pass, Identity::Pass),
        (Credential::Bearer(String::new()), Identity::Challenge, Identity::Challenge),
        (Credential::Bearer("rubbish".into()), Identity::Challenge, Identity::Challenge),
        (Credential::Unknown, Identity::Pass, Identity::Pass),
    ] {
        let client = Client { credential, ..Client::default() };
        assert_eq!(authenticate::<Token>(&closed, &client, &[]).unwrap(), when_closed, "{client:?}");
        assert_eq!(authenticate::<Token>(&open, &client, &[]).unwrap(), when_open, "{client:?}");
    }
}

#[test]
fn challenges_as_docker_expects_them() {
    use Action::{Catalog, Delete, Pull, Push};
    let host = trusting(&[issuer::ed25519().jwk()]);
    for (accesses, insufficient, scope) in [
        (vec![], false, None),
        (vec![access(Pull, "a/b")], false, Some("repository:a/b:pull")),
        (vec![access(Pull, "a/b"), access(Push, "a/b")], false, Some("repository:a/b:pull,push")),
        (vec![access(Push, "a/b")], true, Some("repository:a/b:pull,push")),
        (vec![access(Push, "a/b"), access(Pull, "a/b")], true, Some("repository:a/b:pull,push")),
        (vec![access(Delete, "a/b")], true, Some("repository:a/b:delete")),
        (
            vec![access(Pull, "a/b"), access(Push, "a/b"), access(Pull, "base")],
            false,
            Some("repository:a/b:pull,push repository:base:pull"),
        ),
        (vec![access(Catalog, "")], true, Some("registry:catalog:*")),
    ] {
        for (credential, wrong) in [
            (Credential::None, None),
            (Credential::Basic("ann".into(), "secret".into()), None),
            (Credential::Unknown, None),
            (Credential::Bearer("rubbish".into()), Some("invalid_token")),
        ] {
            let error = if insufficient { Some("insufficient_scope") } else { wrong };
            let mut wanted = vec![("realm", "https://auth.example.com/token"), ("service", "registry.example.com")];
            wanted.extend(scope.map(|scope| ("scope", scope)));
            wanted.extend(error.map(|error| ("error", error)));
            // It is not asked to go by the client's name for it.
            let refusal = Refusal { accesses: &accesses, insufficient, authority: Some("evil.example") };
            let client = Client { credential, ..Client::default() };
            let found = challenge(&host, &client, &refusal);
            assert!(
                found.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(wanted),
                "{client:?} {found:?}"
            );
        }
    }
}

/// The parameters of the one challenge.
fn challenge(host: &Memory, client: &Client, refusal: &Refusal<'_>) -> Vec<(String, String)> {
    let mut challenges = challenges::<Token>(host, client, refusal).unwrap();
    assert_eq!((challenges.len(), challenges[0].scheme.as_str()), (1, "Bearer"));
    challenges.remove(0).parameters
}

#[test]
fn a_token_server_on_the_same_host() {
    for (path, authority, realm) in [
        (None, Some("r.example"), "https://r.example/auth/token"),
        (Some(""), Some("r.example:5000"), "https://r.example:5000/auth/token"),
        (Some("/t"), Some("[::1]:5000"), "https://[::1]:5000/t"),
        (Some("a/b;c"), Some("r.example"), "https://r.example/a/b;c"),
        (Some("//evil.example/t"), Some("r.example"), "https://r.example/evil.example/t"),
        // A name that nobody vouches for is not told.
        (Some("/t"), None, "https://auth.example.com/token"),
    ] {
        let mut settings = settings_with("autoredirect", true.into());
        settings["jwks"] = "jwks".into();
        if let Some(path) = path {
            settings["autoredirectpath"] = path.into();
        }
        let host = with_jwks(settings, &[issuer::ed25519().jwk()]);
        assert_eq!(check_auth::<Token>(&host), Ok(vec![]));
        let refusal = Refusal { authority, ..Refusal::default() };
        let found = challenge(&host, &Client::default(), &refusal);
        assert_eq!(found[0], ("realm".to_owned(), realm.to_owned()), "{path:?} {authority:?}");
    }
}

#[test]
fn settings_and_files_that_cannot_be_used() {
    let key = issuer::p256();
    let jwks = json!({"keys": [key.jwk()]}).to_string();
    let many = json!({"keys": vec![key.jwk(); 101]}).to_string();
    for (settings, bundle, jwks, says) in [
        (settings(), "", jwks.as_str(), "there is no key to trust"),
        (settings_with("jwks", "jwks".into()), "", "{\"keys\": []}", "there is no key to trust"),
        (settings_with("jwks", "jwks".into()), "", "{}", "jwks: missing field `keys`"),
        (settings_with("jwks", "jwks".into()), "", many.as_str(), "jwks: more than 100 keys"),
        (settings_with("jwks", "other".into()), "", jwks.as_str(), "the file \"other\" is not there"),
        (settings_with("rootcertbundle", "bundle".into()), "", "", "there is no key to trust"),
        (
            settings_with("rootcertbundle", "bundle".into()),
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "",
            "bundle: certificate 1: the certificate cannot be read",
        ),
        (settings_with("autoredirectpath", "/t?a".into()), "", jwks.as_str(), "is to be the path of a URL"),
        (settings_with("autoredirectpath", "/t\"".into()), "", jwks.as_str(), "is to be the path of a URL"),
        (settings_with("autoredirectpath", "/%2e".into()), "", jwks.as_str(), "is to be the path of a URL"),
        (settings_with("signingalgorithms", json!(["HS256"])), "", jwks.as_str(), "none is taken"),
        (settings_with("signingalgorithms", json!(["none"])), "", jwks.as_str(), "\"none\" is not known"),
        (settings_with("realms", "x".into()), "", jwks.as_str(), "unknown field `realms`"),
        (json!({"realm": "https://a", "service": "b"}), "", jwks.as_str(), "missing field `issuer`"),
    ] {
        let host = Memory::new(&settings.to_string()).with_file("bundle", bundle).with_file("jwks", jwks);
        let said = check_auth::<Token>(&host).unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
        // What cannot be read is no reason to say that a token is wrong.
        assert!(authenticate::<Token>(&host, &bearer("a.b.c"), &[]).is_err());
    }
    let vague = Memory::new(&json!({"realm": "auth", "service": "b", "issuer": "c", "jwks": "jwks"}).to_string())
        .with_file("jwks", jwks);
    let warnings = check_auth::<Token>(&vague).unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("\"auth\" is no URL"), "{warnings:?}");
}

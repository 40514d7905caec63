#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::{
    artifact::{Artifact, Layer, MANIFEST},
    client::Challenge,
    credentials::Credentials,
    reference::Reference,
};
use crate::storage::{Algorithm, Digest};

#[test]
fn references() {
    let hex = "a".repeat(64);
    let full = format!("oci://registry.example:5000/policies/sizes:1.0@sha256:{hex}");
    let reference = Reference::parse(&full).unwrap();
    assert_eq!(reference.to_string(), full);
    assert_eq!(
        (reference.registry.as_str(), reference.repository.as_str(), reference.tag.as_deref()),
        ("registry.example:5000", "policies/sizes", Some("1.0"))
    );
    assert_eq!(reference.name(), format!("sha256:{hex}"));
    assert!(reference.pin().is_some());
    for (text, name) in [("localhost:5000/a", "latest"), ("[::1]:5000/a/b__c:x", "x"), ("docker.io/library/a-b:1", "1")]
    {
        let reference = Reference::parse(text).unwrap();
        assert_eq!((reference.name(), reference.to_string()), (name.to_owned(), format!("oci://{text}")));
        assert!(reference.pin().is_none(), "{text}");
    }
    let sha512 = format!("a.b/c@sha512:{}", "a".repeat(128));
    assert!(Reference::parse(&sha512).unwrap().pin().is_none());
    let long = format!("a.b/{}", "c".repeat(256));
    for text in [
        "",
        "a",
        "a.b",
        "/a",
        "a.b/",
        "a.b//c",
        "a.b/C",
        "a.b/c:",
        "a.b/c:-x",
        "a.b/c@",
        "a.b/c@sha256:00",
        "a.b/-c",
        "a.b/c-",
        "a.b/c..d",
        "a.b/c___d",
        "u@a.b/c",
        "a.b:x/c",
        "a.b:/c",
        "A.b/c",
        "a b/c",
        "a.b/c?d",
        "a.b/../c",
        "https://a.b/c",
        &long,
    ] {
        assert!(Reference::parse(text).is_err(), "{text}");
    }
}

#[test]
fn challenges() {
    let parse = |text| Challenge::parse(text).unwrap();
    let bearer = parse(r#"Bearer realm="https://a.example/token?x=\"1\"",service=reg, scope="repository:a:pull,push""#);
    assert_eq!(bearer.scheme, "Bearer");
    assert_eq!(bearer.value("realm"), Some(r#"https://a.example/token?x="1""#));
    assert_eq!(bearer.value("service"), Some("reg"));
    assert_eq!(bearer.value("scope"), Some("repository:a:pull,push"));
    assert_eq!(parse("Basic realm=\"x\"").scheme, "Basic");
    assert_eq!(parse("Negotiate").value("realm"), None);
    // What follows belongs to another scheme.
    assert_eq!(parse(r#"Basic realm="x", Bearer realm="y""#).value("realm"), Some("x"));
    assert!(Challenge::parse("").is_none() && Challenge::parse(r#"Bearer realm="x"#).is_none());
}

#[test]
fn credentials_are_those_of_docker() {
    let of = |config: Value, registry: &str| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        std::fs::write(&path, config.to_string()).unwrap();
        Credentials::read(&path).unwrap().of(registry)
    };
    // amy:secret
    let auths = json!({"auths": {"a.example:5000": {"auth": "YW15OnNlY3JldA=="}, "https://b.example": {"username": "amy",
        "password": "secret"}, "https://index.docker.io/v1/": {"auth": "YW15OnNlY3JldA=="}, "c.example": {"auth": "eA=="}}});
    for registry in ["a.example:5000", "b.example", "docker.io"] {
        assert_eq!(of(auths.clone(), registry).unwrap().unwrap().field(), "Basic YW15OnNlY3JldA==", "{registry}");
    }
    assert_eq!(of(auths.clone(), "a.example").unwrap(), None);
    assert!(of(auths, "c.example").unwrap_err().contains("c.example"));
    let elsewhere = json!({"auths": {"a.example": {}}, "credsStore": "desktop", "credHelpers": {"b.example": "gcr"}});
    assert!(of(elsewhere.clone(), "a.example").is_err() && of(elsewhere.clone(), "b.example").is_err());
    assert_eq!(of(elsewhere, "d.example").unwrap(), None);
    for odd in [json!(null), json!([]), json!({"auths": []}), json!({"auths": {"a.example": 1}})] {
        assert_eq!(of(odd.clone(), "a.example").unwrap(), None, "{odd}");
    }
}

/// The smallest component.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

#[test]
fn an_artifact_is_made_and_read() {
    let artifact = Artifact::of(EMPTY, "a.wasm", &[], &[]).unwrap();
    assert_eq!(Artifact::of(EMPTY, "a.wasm", &[], &[]).unwrap().digest, artifact.digest);
    let layer = Layer::of(&artifact.manifest).unwrap();
    assert_eq!((layer.size, &layer.digest), (8, &artifact.layer));
    layer.verify(EMPTY).unwrap();
    assert!(layer.verify(b"\0asm\x0d\0\x01\x01").is_err() && layer.verify(b"").is_err());
    assert!(Artifact::of(b"\0asm\x01\0\0\0", "a.wasm", &[], &[]).unwrap_err().contains("component"));
    assert!(Artifact::of(b"(component)", "a.wat", &[], &[]).unwrap_err().contains("binary"));
    for end in 0..EMPTY.len() {
        assert!(Artifact::of(EMPTY.get(..end).unwrap(), "a.wasm", &[], &[]).is_err(), "{end}");
    }
}

#[test]
fn what_is_no_module_is_refused() {
    let digest = Digest::of(Algorithm::Sha256, EMPTY).to_string();
    let good = json!({"schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": digest, "size": 2},
        "layers": [{"mediaType": "application/wasm", "digest": digest, "size": 8}]});
    Layer::of(good.to_string().as_bytes()).unwrap();
    let layer = good["layers"][0].clone();
    let changed = |pointer: &str, value: Value| {
        let mut manifest = good.clone();
        *manifest.pointer_mut(pointer).unwrap() = value;
        Layer::of(manifest.to_string().as_bytes()).unwrap_err()
    };
    for (pointer, value, says) in [
        ("/config/mediaType", json!("application/vnd.oci.image.config.v1+json"), "configuration"),
        ("/config", json!(null), "configuration"),
        ("/layers", json!([]), "0 layers"),
        ("/layers", json!([layer, layer]), "2 layers"),
        ("/layers/0/mediaType", json!("application/vnd.oci.image.layer.v1.tar"), "layer is of the type"),
        ("/layers/0/digest", json!("sha256:00"), "digest"),
        ("/layers/0/size", json!(0), "0 bytes"),
        ("/layers/0/size", json!(u64::MAX), "bytes"),
        ("/layers/0/size", json!("8"), "no size"),
        ("/mediaType", json!("application/vnd.oci.image.index.v1+json"), "index"),
    ] {
        let said = changed(pointer, value);
        assert!(said.contains(says), "{pointer}: {said}");
    }
    assert!(Layer::of(b"{").unwrap_err().contains("JSON"));
}

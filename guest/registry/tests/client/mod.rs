//! What the tests send and look at.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part of it, and may fail where it likes")]

use skerry_registry::{
    digest::{Algorithm, Digest},
    memory::{Answer, Memory},
};

pub const NOW: u64 = 1_800_000_000;
pub const ROOT: &str = "docker/registry/v2";
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A registry in which deleting is enabled.
pub fn registry() -> Memory {
    let memory = Memory::new(NOW);
    memory.set("storage.delete.enabled", "true");
    memory
}

pub fn sha256(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

pub fn sha512(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha512, bytes)
}

pub fn data_key(digest: &Digest) -> String {
    format!("{ROOT}/blobs/{}/{}/{}/data", digest.algorithm().name(), &digest.hex()[..2], digest.hex())
}

pub fn layer_key(name: &str, digest: &Digest) -> String {
    format!("{ROOT}/repositories/{name}/_layers/{}/{}/link", digest.algorithm().name(), digest.hex())
}

pub fn revision_key(name: &str, digest: &Digest) -> String {
    let hex = digest.hex();
    format!("{ROOT}/repositories/{name}/_manifests/revisions/{}/{hex}/link", digest.algorithm().name())
}

pub fn tag_key(name: &str, tag: &str) -> String {
    format!("{ROOT}/repositories/{name}/_manifests/tags/{tag}/current/link")
}

/// Pushes a blob in one request.
pub fn push_blob(memory: &Memory, name: &str, bytes: &[u8]) -> Digest {
    let digest = sha256(bytes);
    let answer = memory.send("POST", &format!("/v2/{name}/blobs/uploads/?digest={digest}"), &[], bytes);
    assert_eq!(answer.status, 201, "{}", answer.text());
    digest
}

/// An image manifest of a config and layers that are pushed with it.
pub fn image(memory: &Memory, name: &str, layers: &[&[u8]]) -> Vec<u8> {
    let config = push_blob(memory, name, b"{}");
    let layers: Vec<_> = layers
        .iter()
        .map(|bytes| {
            let digest = push_blob(memory, name, bytes);
            format!(
                r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{digest}","size":{}}}"#,
                bytes.len()
            )
        })
        .collect();
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"layers":[{}]}}"#,
        layers.join(",")
    )
    .into_bytes()
}

pub fn push_manifest(memory: &Memory, name: &str, reference: &str, media_type: &str, bytes: &[u8]) -> Answer {
    memory.send("PUT", &format!("/v2/{name}/manifests/{reference}"), &[("Content-Type", media_type)], bytes)
}

/// Checks an answer's status and the codes of its errors; each has a message
/// and a detail.
#[track_caller]
pub fn assert_error(answer: &Answer, status: u16, codes: &[&str]) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let errors = body["errors"].as_array().unwrap();
    let found: Vec<_> = errors.iter().map(|error| error["code"].as_str().unwrap()).collect();
    assert_eq!(found, codes);
    for error in errors {
        assert!(!error["message"].as_str().unwrap().is_empty());
        assert!(error["detail"].is_object());
    }
}

#[track_caller]
pub fn json(answer: &Answer) -> serde_json::Value {
    serde_json::from_slice(&answer.body).unwrap()
}

//! Pushes, the way that clients push, and looks at what came of them.

use crate::{
    client::{Answer, Client, Failure, with},
    content::{self, EMPTY, IMAGE, sha256},
};

/// Pushes a blob by POST and PUT; returns its digest.
#[track_caller]
pub fn blob(client: &Client, name: &str, bytes: &[u8]) -> String {
    try_blob(client, name, bytes).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The same, where failure is one of the things that may happen.
pub fn try_blob(client: &Client, name: &str, bytes: &[u8]) -> Result<String, Failure> {
    let digest = sha256(bytes);
    let begun = demand(client.request("POST", &format!("/v2/{name}/blobs/uploads/")).try_send()?, 202)?;
    let target = with(&begun.location(), &format!("digest={digest}"));
    let put = client.request("PUT", &target).header("content-type", "application/octet-stream");
    demand(put.body(bytes.to_vec()).try_send()?, 201)?;
    Ok(digest)
}

/// Pushes a blob in pieces, by a PATCH each; returns its digest.
pub fn try_pieces(client: &Client, name: &str, pieces: &[&[u8]]) -> Result<String, Failure> {
    let begun = demand(client.request("POST", &format!("/v2/{name}/blobs/uploads/")).try_send()?, 202)?;
    let mut target = begun.location();
    let mut offset = 0;
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        let end = offset + piece.len();
        let patch = client.request("PATCH", &target).header("content-range", &format!("{offset}-{}", end - 1));
        target = demand(patch.body(piece.to_vec()).try_send()?, 202)?.location();
        offset = end;
    }
    let digest = sha256(pieces.concat());
    demand(client.request("PUT", &with(&target, &format!("digest={digest}"))).try_send()?, 201)?;
    Ok(digest)
}

/// Pushes a manifest; returns its digest.
#[track_caller]
pub fn manifest(client: &Client, name: &str, reference: &str, media_type: &str, bytes: &[u8]) -> String {
    try_manifest(client, name, reference, media_type, bytes)
        .unwrap_or_else(|error| panic!("{name}:{reference}: {error}"))
}

/// The same, where failure is one of the things that may happen.
pub fn try_manifest(
    client: &Client,
    name: &str,
    reference: &str,
    media_type: &str,
    bytes: &[u8],
) -> Result<String, Failure> {
    let put = client.request("PUT", &format!("/v2/{name}/manifests/{reference}")).header("content-type", media_type);
    demand(put.body(bytes.to_vec()).try_send()?, 201)?;
    Ok(sha256(bytes))
}

/// Pushes an image of two small layers that `seed` determines, under a tag or
/// by its digest; returns its manifest.
#[track_caller]
pub fn image(client: &Client, name: &str, tag: Option<&str>, seed: u64) -> Vec<u8> {
    let config =
        format!(r#"{{"architecture":"amd64","os":"linux","seed":{seed},"rootfs":{{"type":"layers","diff_ids":[]}}}}"#);
    let layers = [content::Noise::new(seed).bytes(3000), content::Noise::new(seed + 1).bytes(5000)];
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    blob(client, name, config.as_bytes());
    for layer in &layers {
        blob(client, name, layer);
    }
    let bytes = content::image(config.as_bytes(), &layers);
    let digest = sha256(&bytes);
    manifest(client, name, tag.unwrap_or(&digest), IMAGE, &bytes);
    bytes
}

/// Pushes an artifact that refers to `subject`, by its digest; returns it.
#[track_caller]
pub fn referrer(client: &Client, name: &str, subject: &[u8], artifact_type: &str, note: &str) -> Vec<u8> {
    blob(client, name, b"{}");
    let bytes = content::artifact(subject, artifact_type, note);
    manifest(client, name, &sha256(&bytes), IMAGE, &bytes);
    debug_assert!(String::from_utf8_lossy(&bytes).contains(EMPTY));
    bytes
}

/// Pulls a manifest and all that it names, children and layers, and checks
/// every digest; returns what is wrong.
pub fn whole(client: &Client, name: &str, reference: &str) -> Result<(), Failure> {
    let answer = demand(client.request("GET", &format!("/v2/{name}/manifests/{reference}")).try_send()?, 200)?;
    let digest = answer.header("docker-content-digest");
    if sha256(&answer.body) != digest {
        return Err(format!("{name}:{reference} is said to be {digest}, and is {}", sha256(&answer.body)).into());
    }
    if reference.contains(':') && reference != digest {
        return Err(format!("{name}@{reference} gave {digest}").into());
    }
    let manifest = answer.json();
    for child in manifest["manifests"].as_array().into_iter().flatten() {
        whole(client, name, child["digest"].as_str().ok_or("a child has a digest")?)?;
    }
    let layers = manifest["layers"].as_array().into_iter().flatten();
    for blob in layers.chain(manifest.get("config")) {
        let digest = blob["digest"].as_str().ok_or("a blob has a digest")?;
        whole_blob(client, name, digest)?;
    }
    Ok(())
}

/// Pulls a blob and checks its digest.
pub fn whole_blob(client: &Client, name: &str, digest: &str) -> Result<(), Failure> {
    let answer = demand(client.request("GET", &format!("/v2/{name}/blobs/{digest}")).try_send()?, 200)?;
    if sha256(&answer.body) != digest {
        return Err(
            format!("{name}'s blob {digest} has {} bytes of {}", answer.body.len(), sha256(&answer.body)).into()
        );
    }
    Ok(())
}

/// An answer, but not the one that is due: never the work of a crash.
#[derive(Debug)]
pub struct Unexpected(String);

impl std::fmt::Display for Unexpected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unexpected {}

/// The answer, if it has this status.
pub fn demand(answer: Answer, status: u16) -> Result<Answer, Failure> {
    if answer.status == status {
        return Ok(answer);
    }
    Err(Box::new(Unexpected(format!("{}: {}, not {status}: {}", answer.what(), answer.status, answer.text()))))
}

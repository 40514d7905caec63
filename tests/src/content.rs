//! Content: digests, bytes that are never the same twice, manifests.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};

/// Media type of an OCI image's manifest.
pub const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an OCI index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of a Docker image's manifest.
pub const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Media type of a Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Media type of an OCI image's configuration.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Media type of a layer that is a plain tar.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Media type of the empty JSON object.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// The digest of nothing.
pub const NOTHING: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// `sha256:` and the digest of `bytes`.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

/// `sha512:` and the digest of `bytes`.
pub fn sha512(bytes: impl AsRef<[u8]>) -> String {
    format!("sha512:{}", hex(&Sha512::digest(bytes)))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A generator of bytes that look random: the same for the same seed
/// (xorshift64*; nothing here is secret).
#[derive(Debug, Clone)]
pub struct Noise(u64);

impl Noise {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        // One step of splitmix64, so that small seeds differ at once.
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((z ^ (z >> 31)) | 1)
    }

    /// Different in every call of every run.
    pub fn fresh() -> Self {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Self::new(now.as_nanos() as u64 ^ (u64::from(std::process::id()) << 32) ^ call.rotate_left(17))
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// That many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}

/// A descriptor.
pub fn descriptor(media_type: &str, digest: &str, size: usize) -> Value {
    json!({ "mediaType": media_type, "digest": digest, "size": size })
}

/// An OCI image's manifest over a configuration and layers of these bytes.
pub fn image(config: &[u8], layers: &[&[u8]]) -> Vec<u8> {
    let layers: Vec<Value> = layers.iter().map(|layer| descriptor(LAYER, &sha256(layer), layer.len())).collect();
    serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": descriptor(CONFIG, &sha256(config), config.len()),
        "layers": layers,
    }))
    .unwrap()
}

/// An OCI index over manifests of these bytes.
pub fn index(children: &[&[u8]]) -> Vec<u8> {
    let children: Vec<Value> = children.iter().map(|child| descriptor(IMAGE, &sha256(child), child.len())).collect();
    serde_json::to_vec(&json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": children })).unwrap()
}

/// An artifact that refers to a manifest of these bytes.
pub fn artifact(subject: &[u8], artifact_type: &str, note: &str) -> Vec<u8> {
    serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "artifactType": artifact_type,
        "config": descriptor(EMPTY, &sha256("{}"), 2),
        "layers": [descriptor(EMPTY, &sha256("{}"), 2)],
        "subject": descriptor(IMAGE, &sha256(subject), subject.len()),
        "annotations": { "note": note },
    }))
    .unwrap()
}

//! The layout: an image manifest with a configuration of
//! `application/vnd.wasm.config.v0+json` and one layer of `application/wasm`
//! (CNCF TAG Runtime, "Wasm OCI Artifact layout").

use serde_json::{Value, json};

use crate::storage::{Algorithm, Digest};

/// Bytes of the largest manifest that is read.
pub const LARGEST_MANIFEST: u64 = 1 << 20;
/// Bytes of the largest module.
pub const LARGEST_MODULE: u64 = 256 << 20;

/// Media types.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";

/// How a component begins.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// A module's artifact, ready to be pushed.
#[derive(Debug)]
pub struct Artifact {
    /// The manifest's bytes.
    pub manifest: Vec<u8>,
    /// The configuration's bytes.
    pub config: Vec<u8>,
    /// The digest of the manifest.
    pub digest: Digest,
    /// The digest of the configuration.
    pub config_digest: Digest,
    /// The digest of the module.
    pub layer: Digest,
}

/// Where a module's bytes are.
#[derive(Debug, PartialEq, Eq)]
pub struct Layer {
    /// Their digest.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
}

impl Artifact {
    /// That of a module, with what it imports and exports. It has no time
    /// stamp, so that the same module has the same digest whenever it is
    /// pushed.
    ///
    /// # Errors
    /// That it is no component, or too large.
    pub fn of(module: &[u8], title: &str, imports: &[String], exports: &[String]) -> Result<Self, String> {
        if !module.starts_with(COMPONENT) {
            return Err("it is no WebAssembly component in its binary form".to_owned());
        }
        let size = u64::try_from(module.len()).unwrap_or(u64::MAX);
        if size > LARGEST_MODULE {
            return Err(format!("it is larger than {} MiB", LARGEST_MODULE >> 20));
        }
        let sha256 = |bytes: &[u8]| Digest::of(Algorithm::Sha256, bytes);
        let layer = sha256(module);
        let config = json!({
            "created": "1970-01-01T00:00:00Z",
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [layer.to_string()],
            "component": {"exports": exports, "imports": imports, "target": null},
        })
        .to_string()
        .into_bytes();
        let config_digest = sha256(&config);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": config_digest.to_string(), "size": config.len()},
            "layers": [{
                "mediaType": LAYER,
                "digest": layer.to_string(),
                "size": size,
                "annotations": {"org.opencontainers.image.title": title},
            }],
        })
        .to_string()
        .into_bytes();
        Ok(Self { digest: sha256(&manifest), manifest, config, config_digest, layer })
    }
}

impl Layer {
    /// The one of a manifest.
    ///
    /// # Errors
    /// A sentence on why it is no module's.
    pub fn of(manifest: &[u8]) -> Result<Self, String> {
        let manifest: Value =
            serde_json::from_slice(manifest).map_err(|cause| format!("its manifest is no JSON: {cause}"))?;
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let shown = |text: &str| text.chars().take(128).collect::<String>().escape_debug().to_string();
        if text(&manifest, "mediaType").contains("index") || manifest.get("manifests").is_some() {
            return Err("it is an index of artifacts, and not the artifact of a module".to_owned());
        }
        let config = text(manifest.get("config").unwrap_or(&Value::Null), "mediaType");
        if config != CONFIG {
            return Err(format!("its configuration is of the type `{}` and not {CONFIG}", shown(&config)));
        }
        let layers = manifest.get("layers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let [layer] = layers else {
            return Err(format!("it has {} layers, and a module is one", layers.len()));
        };
        let kind = text(layer, "mediaType");
        if kind != LAYER {
            return Err(format!("its layer is of the type `{}` and not {LAYER}", shown(&kind)));
        }
        let digest = Digest::parse(&text(layer, "digest")).map_err(|_| "its layer's digest is none".to_owned())?;
        match layer.get("size").and_then(Value::as_u64) {
            Some(size @ 1..=LARGEST_MODULE) => Ok(Self { digest, size }),
            Some(size) => Err(format!("its layer has {size} bytes; a module has 1 to {LARGEST_MODULE}")),
            None => Err("its layer has no size".to_owned()),
        }
    }

    /// Whether these are the bytes.
    ///
    /// # Errors
    /// That they are not.
    pub fn verify(&self, module: &[u8]) -> Result<(), String> {
        if u64::try_from(module.len()).ok() != Some(self.size) {
            return Err(format!("{} bytes came where the manifest says {}", module.len(), self.size));
        }
        match Digest::of(self.digest.algorithm(), module) == self.digest {
            true => Ok(()),
            false => Err(format!("its bytes are not those of {}", self.digest)),
        }
    }
}

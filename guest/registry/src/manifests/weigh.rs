//! How much a manifest stands for, by what it says of itself.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{List, too_deep};

/// What a manifest names, with sizes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Digests of blobs, with their bytes.
    pub blobs: BTreeMap<String, u64>,
    /// Digests of manifests, with theirs.
    pub manifests: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Part {
    digest: String,
    #[serde(default)]
    size: u64,
}

#[derive(Deserialize)]
struct Whole {
    #[serde(default)]
    config: Option<Part>,
    #[serde(default)]
    layers: Option<List<Part>>,
    #[serde(default)]
    blobs: Option<List<Part>>,
    #[serde(default)]
    manifests: Option<List<Part>>,
}

/// What a manifest names; nothing for what cannot be read.
pub fn weigh(bytes: &[u8]) -> Weight {
    if too_deep(bytes) {
        return Weight::default();
    }
    let Ok(whole) = serde_json::from_slice::<Whole>(bytes) else { return Weight::default() };
    let list = |list: Option<List<Part>>| list.map(|List(parts)| parts).unwrap_or_default();
    let sized = |part: Part| (part.digest, part.size);
    Weight {
        blobs: whole.config.into_iter().chain(list(whole.layers)).chain(list(whole.blobs)).map(sized).collect(),
        manifests: list(whole.manifests).into_iter().map(sized).collect(),
    }
}

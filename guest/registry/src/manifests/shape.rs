//! The media type of a manifest, which is stored nowhere but in its JSON.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

/// An OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An OCI artifact manifest, of a release candidate of image-spec 1.1.
pub const OCI_ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
/// A Docker image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// A Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// A Docker image manifest, schema 1.
pub const DOCKER_SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+json";
/// The same with its signatures.
pub const DOCKER_SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// The media type of a manifest, if there is a way to tell. What lies deeper
/// than the first object is skipped, which takes no stack.
#[must_use]
pub fn media_type(bytes: &[u8]) -> Option<String> {
    serde_json::from_slice::<Shape>(bytes).ok()?.media_type()
}

/// Whether a text is a media type without parameters (RFC 6838, 4.2).
pub fn is_media_type(text: &str) -> bool {
    let restricted = |part: &str| {
        part.len() <= 127
            && part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    text.split_once('/').is_some_and(|(kind, subtype)| restricted(kind) && restricted(subtype))
}

/// The fields by which manifests differ. Of a field that comes twice the last
/// counts, as in Go: volumes hold what Go's JSON let in.
#[derive(Debug, Default)]
struct Shape {
    media_type: Option<String>,
    schema_version: i64,
    image: bool,
    list: bool,
    signed: bool,
}

impl Shape {
    fn media_type(self) -> Option<String> {
        match self.media_type {
            Some(text) if !text.is_empty() => return is_media_type(&text).then_some(text),
            _ => {}
        }
        let inferred = match (self.schema_version, self.image, self.list) {
            (1, ..) if self.signed => DOCKER_SIGNED,
            (1, ..) => DOCKER_SCHEMA_1,
            (_, true, false) => OCI_MANIFEST,
            (_, false, true) => OCI_INDEX,
            _ => return None,
        };
        Some(inferred.to_owned())
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Shape;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
                let mut shape = Shape::default();
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "mediaType" => shape.media_type = map.next_value()?,
                        "schemaVersion" => shape.schema_version = map.next_value()?,
                        other => {
                            shape.image |= matches!(other, "config" | "layers");
                            shape.list |= other == "manifests";
                            shape.signed |= other == "signatures";
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(shape)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

//! What a manifest of any kind names, for a collection: better too much than
//! too little.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::too_deep;
use crate::digest::Digest;

/// What a manifest names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct References {
    /// What it is made of: its config, layers, children. Every text that is a
    /// digest counts, in fields of any name but `annotations`.
    pub parts: Vec<Digest>,
    /// What it refers to, and can do without.
    pub subjects: Vec<Digest>,
}

/// The references of a manifest; nothing for what is no JSON object.
#[must_use]
pub fn references(bytes: &[u8]) -> Option<References> {
    if too_deep(bytes) {
        return None;
    }
    let mut references = References::default();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    json.deserialize_map(Top(&mut references)).ok()?;
    json.end().ok()?;
    Some(references)
}

struct Top<'a>(&'a mut References);

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "annotations" => drop(map.next_value::<IgnoredAny>()?),
                "subject" => map.next_value_seed(Digests(&mut self.0.subjects))?,
                _ => map.next_value_seed(Digests(&mut self.0.parts))?,
            }
        }
        Ok(())
    }
}

/// Gathers the digests in any value.
struct Digests<'a>(&'a mut Vec<Digest>);

impl<'de> DeserializeSeed<'de> for Digests<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Digests<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.extend(Digest::parse(text));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Digests(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "annotations" => drop(map.next_value::<IgnoredAny>()?),
                _ => map.next_value_seed(Digests(self.0))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        let d = |digit: &str| format!("sha256:{}", digit.repeat(64));
        let (a, b, c, x) = (d("a"), d("b"), d("c"), d("f"));
        for (manifest, parts, subjects) in [
            (
                format!(
                    r#"{{"config":{{"digest":"{a}","size":2}},"layers":[{{"digest":"{b}","annotations":{{"x":"{x}"}}}}],"subject":{{"digest":"{c}"}},"annotations":{{"base":"{x}"}}}}"#
                ),
                vec![&a, &b],
                vec![&c],
            ),
            (
                format!(r#"{{"manifests":[{{"digest":"{a}","platform":{{"os":"linux"}}}},{{"digest":"{b}"}}]}}"#),
                vec![&a, &b],
                vec![],
            ),
            (
                format!(
                    r#"{{"schemaVersion":1,"fsLayers":[{{"blobSum":"{a}"}}],"history":[{{"v1Compatibility":"{{}}"}}]}}"#
                ),
                vec![&a],
                vec![],
            ),
            (format!(r#"{{"mediaType":"x/y","things":{{"deep":[null,1,-1,1.5,true,"{c}"]}}}}"#), vec![&c], vec![]),
            (r#"{"layers":null,"config":"sha256:short"}"#.to_owned(), vec![], vec![]),
        ] {
            let found = references(manifest.as_bytes()).unwrap();
            assert_eq!(found.parts.iter().map(Digest::as_str).collect::<Vec<_>>(), parts, "{manifest}");
            assert_eq!(found.subjects.iter().map(Digest::as_str).collect::<Vec<_>>(), subjects, "{manifest}");
        }
        for nonsense in ["", "[]", "null", "\"x\"", "{", "{}{}", &format!("{{\"a\":{}1", "[".repeat(70))] {
            assert_eq!(references(nonsense.as_bytes()), None, "{nonsense}");
        }
    }
}

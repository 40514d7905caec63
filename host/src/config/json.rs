//! Parts of the configuration as JSON: what guests see.

use serde_json::{Map, Number, Value as Json};

use super::{
    check::kind_of,
    model::Config,
    node::{Node, Value},
    scalar,
    schema::{Kind, ROOT},
};

/// What guests may see, and all below; nothing else, secrets least of all.
const SHOWN: &[&str] =
    &["catalog", "validation", "storage.delete", "storage.maintenance", "storage.tag", "limits", "sandbox.settings"];

impl Config {
    /// A part of the effective configuration as JSON text, by a dotted path;
    /// nothing where it is not set, and for all that guests may not see.
    ///
    /// Sizes are numbers of bytes, durations numbers of seconds.
    pub fn guest_setting(&self, path: &str) -> Option<String> {
        let shown = SHOWN
            .iter()
            .any(|part| path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
        if !shown {
            return None;
        }
        let mut kind = &ROOT;
        let mut node = &self.effective;
        for name in path.split('.') {
            node = node.get(name)?;
            kind = kind_of(kind, name);
        }
        match value(node, kind) {
            Json::Null => None,
            json => Some(json.to_string()),
        }
    }
}

/// A node as JSON, read as its kind says.
pub(super) fn value(node: &Node, kind: &'static Kind) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar { text, plain } => scalar_value(text, *plain, kind),
        Value::List(items) => Json::Array(items.iter().map(|item| value(item, kind_of(kind, ""))).collect()),
        Value::Map(entries) => {
            let pairs =
                entries.iter().map(|entry| (entry.name.clone(), value(&entry.node, kind_of(kind, &entry.name))));
            Json::Object(pairs.collect::<Map<_, _>>())
        }
    }
}

fn scalar_value(text: &str, plain: bool, kind: &Kind) -> Json {
    let as_text = || Json::String(text.to_owned());
    let known = match kind {
        Kind::Flag => scalar::flag(text).map(Json::Bool),
        Kind::Integer => scalar::integer(text).map(Json::from),
        Kind::Size => scalar::size(text).ok().map(Json::from),
        Kind::Duration => scalar::duration(text).ok().map(|duration| match duration.subsec_nanos() {
            0 => Json::from(duration.as_secs()),
            _ => Json::from(duration.as_secs_f64()),
        }),
        Kind::Choice(_) => Some(Json::String(text.to_lowercase())),
        // YAML 1.2: only `true` and `false`, so that `n` and `no` stay words.
        Kind::Any if plain => match text {
            "true" => Some(Json::Bool(true)),
            "false" => Some(Json::Bool(false)),
            _ => scalar::integer(text).map(Json::from).or_else(|| float(text)),
        },
        _ => None,
    };
    known.unwrap_or_else(as_text)
}

fn float(text: &str) -> Option<Json> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return None;
    }
    Number::from_f64(text.parse().ok()?).map(Json::Number)
}

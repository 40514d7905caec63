//! `REGISTRY_*` variables over what the file says, by distribution's rules.
//!
//! A variable's name is `REGISTRY` and the names of Go's fields, in capitals,
//! joined by `_`; its value is YAML; variables apply in the order of their
//! names. Where distribution's parser ignores or trips over what was plainly
//! meant (a nested name below a map that the file has, an item of a list of
//! texts), it is done here.

use super::{
    near,
    node::{Entry, Node, Value},
    report::{Origin, Problem, Report, Shown},
    schema::{Field, Kind, ROOT, fields},
    yaml::{self, Text},
};

/// Names the file of the configuration; no setting of its own.
pub const CONFIGURATION_PATH: &str = "REGISTRY_CONFIGURATION_PATH";

const PREFIX: &str = "REGISTRY_";
/// Where distribution 3 is told to send traces.
const TRACES: [&str; 3] = ["OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
/// Variables that are looked at, and names in one.
const MOST: usize = 10_000;
const DEEPEST: usize = 32;

/// Applies all variables.
pub(super) fn apply(root: &mut Node, env: impl Iterator<Item = (String, String)>, report: &mut Report) {
    let ours = |name: &str| name.starts_with(PREFIX) && name != CONFIGURATION_PATH || TRACES.contains(&name);
    let mut variables: Vec<_> = env.filter(|(name, _)| ours(name)).take(MOST).collect();
    variables.sort();
    for (name, value) in variables {
        let at = Origin::Environment(name.as_str().into());
        if TRACES.contains(&name.as_str()) {
            if !matches!(value.as_str(), "" | "none") {
                report.warn(&at, "has no effect: nothing is traced");
            }
            continue;
        }
        let path: Vec<&str> = name.split('_').skip(1).collect();
        let setting = Setting { at: &at, value: &value };
        let outcome = if path.len() > DEEPEST { Ok(false) } else { setting.put(root, &ROOT, &path) };
        match outcome {
            Ok(true) => {}
            Ok(false) => report.warn(&at, unknown(&path)),
            Err(problem) => report.problems.push(problem),
        }
    }
}

fn unknown(path: &[&str]) -> String {
    let by_kubernetes = match path {
        ["PORT"] | ["SERVICE", ..] => true,
        ["PORT", port, ..] => port.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    if by_kubernetes {
        return "no setting; ignored (Kubernetes makes such variables for a service named registry)".to_owned();
    }
    // Known names as far as they go, then the one that may be misspelt.
    let mut kind = &ROOT;
    let mut known = PREFIX.trim_end_matches('_').to_owned();
    for name in path {
        let Some((field, _)) = named(fields(kind), std::slice::from_ref(name)) else {
            return match near::field(name, fields(kind)) {
                Some(field) => format!("no setting; ignored (did you mean {known}_{}?)", field.go.to_uppercase()),
                None => "no setting; ignored".to_owned(),
            };
        };
        known = format!("{known}_{}", field.go.to_uppercase());
        kind = &field.kind;
    }
    "no setting; ignored".to_owned()
}

/// The field that a path begins with, and the rest of the path. Names of ours
/// that have a `_` take up several parts.
fn named<'a, 'p>(among: &'static [Field], path: &'a [&'p str]) -> Option<(&'static Field, &'a [&'p str])> {
    // First, as `connections_per_address` begins with `connections`.
    let joined = among.iter().filter(|field| field.joined()).find_map(|field| {
        let parts = field.name.split('_').count();
        let (head, rest) = path.split_at_checked(parts)?;
        (head.join("_") == field.name.to_uppercase()).then_some((field, rest))
    });
    let (first, rest) = path.split_first()?;
    joined.or_else(|| Some((among.iter().find(|field| field.go.to_uppercase() == *first)?, rest)))
}

struct Setting<'a> {
    at: &'a Origin,
    value: &'a str,
}

impl Setting<'_> {
    /// Puts the value below `node`; false where no setting has that name.
    fn put(&self, node: &mut Node, kind: &'static Kind, path: &[&str]) -> Result<bool, Problem> {
        let Some((first, rest)) = path.split_first() else {
            *node = yaml::parse(self.value, Text::Piece(self.at))?;
            return Ok(true);
        };
        match kind {
            Kind::Section(_) | Kind::Granted => match named(fields(kind), path) {
                Some((field, rest)) => self.below(node, field.name, &field.kind, rest),
                None => Ok(false),
            },
            Kind::Drivers(known) | Kind::Ways(known) => {
                super::name_driver(node);
                match named(known, path) {
                    Some((field, rest)) => self.below(node, field.name, &field.kind, rest),
                    None => self.mapped(node, first, &Kind::Any, rest),
                }
            }
            Kind::Map(inner) => self.mapped(node, first, inner, rest),
            Kind::List(inner) => self.item(node, first, inner, rest),
            Kind::Any => match node.value {
                Value::List(_) => self.item(node, first, kind, rest),
                Value::Scalar { .. } => Ok(false),
                Value::Null | Value::Map(_) => self.mapped(node, first, kind, rest),
            },
            Kind::Flag | Kind::Integer | Kind::Text | Kind::Secret | Kind::Duration | Kind::Size | Kind::Choice(_) => {
                Ok(false)
            }
        }
    }

    fn below(&self, node: &mut Node, name: &str, kind: &'static Kind, rest: &[&str]) -> Result<bool, Problem> {
        let mut inner = node.get(name).cloned().unwrap_or_else(|| Node::null(self.at.clone()));
        let done = self.put(&mut inner, kind, rest)?;
        if done {
            let slot = node.entry_mut(name, self.at);
            *slot = inner;
        }
        Ok(done)
    }

    /// A name of the operator's own: one that is there, whatever its case,
    /// or else in lower case.
    fn mapped(&self, node: &mut Node, name: &str, kind: &'static Kind, rest: &[&str]) -> Result<bool, Problem> {
        let there = node.entries().iter().find(|Entry { name: there, .. }| there.eq_ignore_ascii_case(name));
        let name = there.map_or_else(|| name.to_lowercase(), |entry| entry.name.clone());
        if name.is_empty() {
            return Ok(false);
        }
        self.below(node, &name, kind, rest)
    }

    fn item(&self, node: &mut Node, index: &str, kind: &'static Kind, rest: &[&str]) -> Result<bool, Problem> {
        let problem = |message: String| Problem { at: self.at.clone(), message };
        let index: usize =
            index.parse().map_err(|_| problem(format!("`{}` is to be the index of a list", Shown(index))))?;
        if !matches!(node.value, Value::List(_)) {
            *node = Node { at: self.at.clone(), value: Value::List(Vec::new()) };
        }
        let Value::List(items) = &mut node.value else { return Ok(false) };
        let length = items.len();
        if index == length {
            items.push(Node::null(self.at.clone()));
        }
        match items.get_mut(index) {
            Some(item) => self.put(item, kind, rest),
            None => Err(problem(format!("index {index} of a list that has {length} items: the next one is {length}"))),
        }
    }
}

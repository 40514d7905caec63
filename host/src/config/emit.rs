//! The effective configuration as YAML, with secrets masked.

use std::fmt::Write;

use super::{
    check::kind_of,
    model::Config,
    node::{Node, Value},
    scalar,
    schema::{Kind, ROOT, fields},
};

/// What stands in place of a secret.
const MASK: &str = "<secret>";

impl Config {
    /// The whole configuration with defaults filled in; it can be read again,
    /// but for secrets.
    pub fn effective_yaml(&self) -> String {
        let mut out = String::new();
        block(&mut out, &self.effective, &ROOT, 0);
        out
    }
}

fn block(out: &mut String, node: &Node, kind: &'static Kind, depth: usize) {
    // In the order of the schema, whoever set what first.
    let known = fields(kind);
    let place = |name: &str| known.iter().position(|field| field.name == name).unwrap_or(known.len());
    let mut entries: Vec<_> = node.entries().iter().collect();
    entries.sort_by_key(|entry| place(&entry.name));
    for entry in entries {
        let inner = kind_of(kind, &entry.name);
        indent(out, depth);
        out.push_str(&scalar_text(&entry.name, false));
        out.push(':');
        let masked = matches!(inner, Kind::Secret)
            || (matches!(inner, Kind::Granted) && !matches!(entry.node.value, Value::Map(_)))
            || (matches!(kind, Kind::Any | Kind::Map(_)) && is_secret_name(&entry.name));
        if masked && !entry.node.is_empty() {
            out.push(' ');
            out.push_str(MASK);
            out.push('\n');
        } else {
            after(out, &entry.node, inner, depth);
        }
    }
}

/// What comes after a name and its colon, or after a dash.
fn after(out: &mut String, node: &Node, kind: &'static Kind, depth: usize) {
    match &node.value {
        Value::Null => out.push_str(" null\n"),
        Value::Scalar { text, plain } => {
            let text = without_password(text);
            let shown =
                if matches!(kind, Kind::Secret | Kind::Granted) { MASK.to_owned() } else { scalar_text(&text, *plain) };
            out.push(' ');
            out.push_str(&shown);
            out.push('\n');
        }
        Value::List(items) if items.is_empty() => out.push_str(" []\n"),
        Value::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
        Value::List(items) => {
            out.push('\n');
            for item in items {
                indent(out, depth + 1);
                out.push('-');
                after(out, item, kind_of(kind, ""), depth + 1);
            }
        }
        Value::Map(_) => {
            out.push('\n');
            block(out, node, kind, depth + 1);
        }
    }
}

fn indent(out: &mut String, depth: usize) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

/// A scalar that reads back as it is: plain where that is safe, else as JSON,
/// which is YAML.
fn scalar_text(text: &str, plain: bool) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_./+".contains(c);
    let inner = |c: char| harmless(c) || matches!(c, ':' | ' ' | '@' | ',' | '=' | '~');
    let simple = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '_')
        && text.ends_with(harmless)
        && text.chars().all(inner)
        && !text.contains(": ");
    // A quoted text that plain would be something else stays quoted.
    let means_more = scalar::is_null(text)
        || scalar::flag(text).is_some()
        || text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let number = plain && scalar::integer(text).is_some();
    if number || (simple && (plain || !means_more)) {
        text.to_owned()
    } else {
        let mut quoted = String::with_capacity(text.len() + 2);
        quoted.push('"');
        for c in text.chars() {
            match c {
                '"' => quoted.push_str("\\\""),
                '\\' => quoted.push_str("\\\\"),
                '\n' => quoted.push_str("\\n"),
                '\t' => quoted.push_str("\\t"),
                // C0, C1, and what YAML does not print.
                c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') => {
                    let _ = write!(quoted, "\\U{:08x}", u32::from(c));
                }
                c => quoted.push(c),
            }
        }
        quoted.push('"');
        quoted
    }
}

/// Names in free parts whose values are secrets.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase();
    [
        "password",
        "passwd",
        "secret",
        "token",
        "credential",
        "accesskey",
        "apikey",
        "api_key",
        "api-key",
        "privatekey",
        "private_key",
        "authorization",
        "cookie",
        "accountkey",
        "licensekey",
    ]
    .iter()
    .any(|part| name.contains(part))
        || name == "key"
}

/// `https://user:password@host` without the password.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{MASK}@{host}{path}"),
        None => text.to_owned(),
    }
}

//! A tree against the schema: names and kinds.

use super::{
    near,
    node::{Node, Value},
    report::{Report, Shown},
    scalar,
    schema::{Field, Kind, ROOT, Support, fields},
};

/// Notes every unknown name, wrong kind, and key that does nothing here.
pub(super) fn check(root: &Node, report: &mut Report) {
    Checker { path: Vec::new(), report }.node(root, &ROOT);
}

struct Checker<'a> {
    path: Vec<String>,
    report: &'a mut Report,
}

impl Checker<'_> {
    fn node(&mut self, node: &Node, kind: &'static Kind) {
        match kind {
            Kind::Any => {}
            Kind::Flag => self.scalar(node, "true or false", |text, plain| plain && scalar::flag(text).is_some()),
            Kind::Integer => self.scalar(node, "a whole number", |text, _| scalar::integer(text).is_some()),
            Kind::Text => self.scalar(node, "text", |_, _| true),
            Kind::Secret => self.secret(node),
            Kind::Duration => {
                let error = node.text().and_then(|text| scalar::duration(text).err());
                self.scalar(node, error.as_deref().unwrap_or("a duration such as 30s"), |text, _| {
                    scalar::duration(text).is_ok()
                });
            }
            Kind::Size => {
                self.scalar(node, "a size such as 65536, 64KiB or 4MiB", |text, _| scalar::size(text).is_ok())
            }
            Kind::Choice(words) => {
                let error = format!("one of {}", words.join(", "));
                self.scalar(node, &error, |text, _| words.contains(&text.to_lowercase().as_str()));
            }
            Kind::List(inner) => match &node.value {
                Value::List(items) => {
                    for (index, item) in items.iter().enumerate() {
                        self.inside(index.to_string(), item, inner);
                    }
                }
                Value::Scalar { text, .. } if !text.is_empty() => {
                    let message = format!("{} is to be a list: [ … ]", self.here());
                    self.report.problem(&node.at, message);
                }
                Value::Null | Value::Scalar { .. } => {}
                Value::Map(_) => self.wrong(node, "a list"),
            },
            Kind::Map(inner) => {
                if self.is_map(node) {
                    for entry in node.entries() {
                        self.inside(entry.name.clone(), &entry.node, inner);
                    }
                }
            }
            Kind::Section(known) => {
                if self.is_map(node) {
                    self.section(node, known);
                }
            }
            Kind::Drivers(known) => {
                if self.is_map(node) {
                    self.drivers(node, known);
                }
            }
            Kind::Ways(known) => {
                if self.is_map(node) {
                    self.ways(node, known);
                }
            }
            Kind::Granted => match &node.value {
                Value::Map(_) => self.section(node, fields(kind)),
                Value::List(_) => self.wrong(node, "text, or a section with a `file`"),
                Value::Null | Value::Scalar { .. } => {}
            },
        }
    }

    fn section(&mut self, node: &Node, known: &'static [Field]) {
        for entry in node.entries() {
            match known.iter().find(|field| field.name == entry.name) {
                Some(field) => self.field(&entry.node, field),
                None => {
                    let name = Shown(&entry.name);
                    let hint = match near::field(&entry.name, known) {
                        Some(field) => format!("; did you mean `{}`?", self.path_to(field.name)),
                        None => match near::elsewhere(&entry.name) {
                            Some(path) => format!("; there is a `{path}`"),
                            None => String::new(),
                        },
                    };
                    let message =
                        format!("`{}` is no known key, and is ignored{hint}", self.path_to(&name.to_string()));
                    self.report.warn(&entry.at, message);
                }
            }
        }
    }

    fn field(&mut self, node: &Node, field: &'static Field) {
        self.path.push(field.name.to_owned());
        match &field.support {
            Support::Yes => self.node(node, &field.kind),
            Support::Ignored(why) => {
                if node.asks() {
                    let message = format!("{} has no effect: {why}", self.here());
                    self.report.warn(&node.at, message);
                }
                self.node(node, &field.kind);
            }
            Support::Refused(why, asks) => {
                if asks(node) {
                    let message = format!("{}: {why}", self.here());
                    self.report.problem(&node.at, message);
                } else {
                    self.node(node, &field.kind);
                }
            }
        }
        self.path.pop();
    }

    /// One driver at most, and it is `filesystem`.
    fn drivers(&mut self, node: &Node, known: &'static [Field]) {
        let mut first: Option<(&str, &super::report::Origin)> = None;
        for entry in node.entries() {
            let field = known.iter().find(|field| field.name == entry.name);
            if let Some(field) = field {
                self.field(&entry.node, field);
                if field.name != "filesystem" {
                    continue;
                }
            }
            if let Some((other, at)) = first {
                let message = format!(
                    "`storage` names two drivers, `{}` here and `{}` at {at}: there can be one",
                    Shown(&entry.name),
                    Shown(other)
                );
                self.report.problem(&entry.at, message);
                continue;
            }
            first = Some((&entry.name, &entry.at));
            if field.is_some() {
                continue;
            }
            let message = match (entry.name.as_str(), near::field(&entry.name, known)) {
                ("inmemory", _) => "`storage.inmemory` is not supported: it would forget everything at the end; use `storage.filesystem`".to_owned(),
                (name, Some(field)) => format!("`storage.{}` is no storage driver; did you mean `storage.{}`?", Shown(name), field.name),
                (name, None) => format!("`storage.{}` is not supported: the one storage driver is `filesystem`", Shown(name)),
            };
            self.report.problem(&entry.at, message);
        }
    }

    /// An unknown one is no key to ignore: whoever wrote it counts on it.
    fn ways(&mut self, node: &Node, known: &'static [Field]) {
        for entry in node.entries() {
            if let Some(field) = known.iter().find(|field| field.name == entry.name) {
                self.field(&entry.node, field);
                continue;
            }
            let hint = near::field(&entry.name, known).map(|field| format!("; did you mean `auth.{}`?", field.name));
            let message = format!(
                "`auth.{}` is not supported, and without it everybody could pull, push and delete: there are \
                 `auth.htpasswd`, `auth.token` and `policies`{}",
                Shown(&entry.name),
                hint.unwrap_or_default()
            );
            self.report.problem(&entry.at, message);
        }
    }

    fn inside(&mut self, name: String, node: &Node, kind: &'static Kind) {
        self.path.push(name);
        self.node(node, kind);
        self.path.pop();
    }

    fn is_map(&mut self, node: &Node) -> bool {
        match &node.value {
            Value::Map(_) => true,
            Value::Null => false,
            Value::Scalar { text, .. } if text.is_empty() => false,
            _ => {
                self.wrong(node, "a section with keys of its own");
                false
            }
        }
    }

    fn scalar(&mut self, node: &Node, wanted: &str, good: impl Fn(&str, bool) -> bool) {
        match &node.value {
            Value::Null => {}
            // As in Go, an empty text is not set.
            Value::Scalar { text, .. } if text.is_empty() => {}
            Value::Scalar { text, plain } => {
                if !good(text, *plain) {
                    let quotes = if *plain { "" } else { " in quotes" };
                    let message = format!("{} is to be {wanted}, not `{}`{quotes}", self.here(), Shown(text));
                    self.report.problem(&node.at, message);
                }
            }
            _ => self.wrong(node, wanted),
        }
    }

    fn secret(&mut self, node: &Node) {
        if matches!(node.value, Value::List(_) | Value::Map(_)) {
            self.wrong(node, "text");
        }
    }

    fn wrong(&mut self, node: &Node, wanted: &str) {
        let is = match node.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a section",
            _ => "text",
        };
        let message = format!("{} is to be {wanted}, not {is}", self.here());
        self.report.problem(&node.at, message);
    }

    fn here(&self) -> String {
        if self.path.is_empty() { "the configuration".to_owned() } else { format!("`{}`", Shown(&self.path.join("."))) }
    }

    fn path_to(&self, name: &str) -> String {
        match self.path.is_empty() {
            true => name.to_owned(),
            false => format!("{}.{name}", Shown(&self.path.join("."))),
        }
    }
}

/// The kind at a path of known names, for `guest_setting` and output.
pub(super) fn kind_of(kind: &'static Kind, name: &str) -> &'static Kind {
    match kind {
        Kind::Map(inner) | Kind::List(inner) => inner,
        _ => fields(kind).iter().find(|field| field.name == name).map_or(&Kind::Any, |field| &field.kind),
    }
}

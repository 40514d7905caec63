//! distribution's `config.yml`, our own sections, and `REGISTRY_*` variables
//! over both.
//!
//! A configuration passes through here once: text → tree with places
//! (`yaml`) → variables over it (`environment`) → names and kinds (`check`,
//! by the table in `schema`) → defaults below it (`defaults.yml`) → typed
//! values (`read`). Everything that is wrong is found in one go, with file and
//! line. The tree is kept: guests see parts of it (`json`), and people all but
//! its secrets (`emit`).

mod address;
mod admin;
mod bounds;
mod check;
mod differs;
mod emit;
mod environment;
mod json;
mod keys;
mod letsencrypt;
mod model;
mod near;
mod node;
mod policies;
mod read;
mod report;
mod scalar;
mod schema;
mod tls;
mod yaml;

#[cfg(test)]
mod tests;

use std::{io::Read, path::Path, sync::Arc};

pub use self::{
    address::{Family, Listen},
    environment::CONFIGURATION_PATH,
    keys::keys,
    model::{
        Admin, Certificates, ClientAuth, Config, Debug, FileCheck, Grant, Health, Http, LetsEncrypt, Level, Limits,
        Log, LogFormat, ModuleAt, Oci, Period, Policy, PolicyModule, Preopen, Purge, Remember, Remote, Retention,
        Sandbox, Secret, Storage, SyncWhole, TcpCheck, Tls, TlsVersion, World,
    },
    policies::BUILT_IN as BUILT_IN_POLICIES,
    report::{ConfigError, Origin, Problem, Warning},
};
use self::{
    node::{Node, Value},
    report::Report,
    yaml::Text,
};

/// Every default, as the YAML that it is read from, with comments.
pub const DEFAULTS: &str = include_str!("defaults.yml");

/// What to read a configuration from, beside the environment.
#[derive(Clone, Default)]
pub struct Source {
    document: Option<(Arc<str>, String)>,
    flags: Vec<(&'static str, String, Arc<str>)>,
}

impl Source {
    /// No file: defaults, the environment, and flags.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// A text; `name` is how messages call it.
    pub fn text(name: &str, text: impl Into<String>) -> Self {
        Self { document: Some((name.into(), text.into())), flags: Vec::new() }
    }

    /// A file of at most 1 MiB.
    pub fn file(path: &Path) -> Result<Self, ConfigError> {
        let name: Arc<str> = path.display().to_string().into();
        let fail = |message: String| Problem { at: Origin::File(name.clone(), 0), message };
        let read = || {
            let mut text = Vec::new();
            std::fs::File::open(path)?.take(yaml::LARGEST_FILE + 1).read_to_end(&mut text)?;
            Ok::<_, std::io::Error>(text)
        };
        let text = read().map_err(|error| fail(format!("cannot be read: {error}")))?;
        let text = String::from_utf8(text).map_err(|_| fail("is no UTF-8 text".to_owned()))?;
        Ok(Self { document: Some((name.clone(), text)), flags: Vec::new() })
    }

    /// Sets a key, over file and environment; `by` is how messages call it.
    pub fn set(mut self, path: &'static str, value: impl Into<String>, by: &str) -> Self {
        self.flags.push((path, value.into(), by.into()));
        self
    }
}

/// Reads, checks and completes a configuration.
pub fn load(
    source: Source,
    env: impl Iterator<Item = (String, String)>,
) -> Result<(Config, Vec<Warning>), ConfigError> {
    let mut report = Report::default();
    let mut tree = match &source.document {
        Some((name, text)) => {
            let tree = yaml::parse(text.trim_start_matches('\u{feff}'), Text::File(name))?;
            version(&tree, name)?;
            tree
        }
        None => Node::map(Origin::Default),
    };
    if !matches!(tree.value, Value::Map(_)) {
        return Err(Problem { at: tree.at, message: "a configuration is to be a section with keys".to_owned() }.into());
    }
    name_drivers(&mut tree);
    environment::apply(&mut tree, env, &mut report);
    name_drivers(&mut tree);
    for (path, value, by) in source.flags {
        tree.set(path, Node::quoted_or_plain(Origin::Flag(by), value));
    }
    check::check(&tree, &mut report);
    let unsound = !report.problems.is_empty();
    read::derive(&mut tree);
    let defaults = yaml::parse(DEFAULTS, Text::Piece(&Origin::Default))?;
    tree.fill(&defaults);
    let fallback = Node::plain(Origin::Default, "4MiB");
    for path in ["limits.body_in_memory", "limits.object_in_memory"] {
        if tree.find(path).is_none_or(Node::is_empty) {
            tree.set(path, fallback.clone());
        }
    }
    let mut contradictions = Report::default();
    let config = read::config(tree, &mut contradictions);
    if unsound {
        // Go on to say what else is wrong, but not what only follows from
        // what was said already.
        let known: Vec<Origin> = report.problems.iter().map(|problem| problem.at.clone()).collect();
        contradictions.problems.retain(|problem| problem.at != Origin::Default && !known.contains(&problem.at));
    }
    report.problems.append(&mut contradictions.problems);
    report.warnings.append(&mut contradictions.warnings);
    match report.problems.is_empty() {
        true => Ok((config, report.warnings)),
        false => Err(ConfigError { problems: report.problems, warnings: report.warnings }),
    }
}

/// A text of YAML as JSON, for files that are no configuration.
///
/// # Errors
/// Where it is not YAML.
pub fn yaml(name: &str, text: &str) -> Result<serde_json::Value, ConfigError> {
    let name: Arc<str> = name.into();
    let tree = yaml::parse(text.trim_start_matches('\u{feff}'), Text::File(&name))?;
    Ok(json::value(&tree, &schema::Kind::Any))
}

impl Config {
    /// Whether anything at or below a dotted path was set by anybody: a file,
    /// the environment or a flag.
    pub fn was_set(&self, path: &str) -> bool {
        self.effective.find(path).is_some_and(Node::was_set)
    }
}

impl Config {
    /// Where the setting at a dotted path was made.
    pub fn origin(&self, path: &str) -> Origin {
        self.effective.find(path).map_or(Origin::Default, |node| node.at.clone())
    }
}

impl Node {
    /// What a flag says: as YAML would take it.
    fn quoted_or_plain(at: Origin, text: String) -> Self {
        match scalar::flag(&text) {
            Some(_) => Self::plain(at, text),
            None => Self::quoted(at, text),
        }
    }
}

/// distribution demands it, and reads nothing of another version.
fn version(tree: &Node, name: &Arc<str>) -> Result<(), Problem> {
    match tree.get("version").filter(|node| !node.is_empty()) {
        Some(node) if node.text() == Some("0.1") => Ok(()),
        Some(node) => Err(Problem { at: node.at.clone(), message: "`version` is to be 0.1".to_owned() }),
        None => {
            let message = "`version: 0.1` is missing; the file is to begin with it".to_owned();
            Err(Problem { at: Origin::File(name.clone(), 1), message })
        }
    }
}

/// `storage: filesystem` is short for an empty section of that name; `auth`
/// likewise.
fn name_drivers(tree: &mut Node) {
    for name in ["storage", "auth"] {
        if tree.get(name).and_then(Node::text).is_some_and(|text| !text.is_empty()) {
            let at = tree.at.clone();
            name_driver(tree.entry_mut(name, &at));
        }
    }
}

/// A driver's name alone is short for an empty section of it.
fn name_driver(node: &mut Node) {
    if let Some(driver) = node.text().filter(|text| !text.is_empty()).map(str::to_owned) {
        let at = node.at.clone();
        let mut section = Node::map(at.clone());
        section.set(&driver.replace('.', "_"), Node::map(at));
        *node = section;
    }
}

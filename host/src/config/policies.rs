//! `policies`, and `auth` as distribution has it: who may do what, and what
//! may be stored.

use std::{path::PathBuf, time::Duration};

use serde_json::{Map, Value as Json, json};

use super::{
    check::kind_of,
    model::{Grant, Policy, PolicyModule, Preopen, Secret, World},
    near,
    node::{Node, Value},
    read::{MIB, Reader},
    report::Shown,
    scalar,
    schema::{Kind, ROOT},
};

/// The policies that are built in.
pub const BUILT_IN: [&str; 8] =
    ["access", "htpasswd", "immutable-tags", "name-rules", "quota", "require-signature", "retention", "token"];

/// How a module's name begins that comes from a registry.
pub(super) const ARTIFACT: &str = "oci://";

/// More are a mistake.
const MOST: usize = 16;

/// What one question may take, where nothing is said.
const TIME: Duration = Duration::from_secs(5);
const MEMORY: u64 = 64 * MIB;

impl Reader<'_> {
    /// What `auth` asks for comes first.
    pub(super) fn policies(&mut self) -> Vec<Policy> {
        let mut policies = Vec::new();
        policies.extend(self.htpasswd());
        policies.extend(self.token());
        if policies.len() > 1 {
            self.problem(
                "auth",
                "`auth` names two ways, `htpasswd` and `token`: there can be one; `policies` takes more",
            );
        }
        let items = self.root.find("policies").map(Node::items).unwrap_or_default();
        if items.len() > MOST {
            self.problem("policies", format!("`policies` has more than {MOST} items"));
        }
        for item in items.iter().take(MOST) {
            policies.extend(self.policy(item));
        }
        self.told_apart(&policies);
        self.cleartext(&policies);
        policies
    }

    fn htpasswd(&mut self) -> Option<Policy> {
        let node = self.root.find("auth.htpasswd")?;
        let needed = [
            ("realm", "what clients are told that they log in to"),
            ("path", "the file of users and their bcrypt hashes"),
        ];
        self.needed(node, "auth.htpasswd", &needed);
        let text = |name: &str| node.get(name).and_then(Node::text).unwrap_or_default();
        let (realm, path) = (text("realm"), text("path"));
        // Who shows nothing is refused all the same where no other policy lets
        // everybody in.
        let settings = json!({"realm": realm, "file": "htpasswd", "anonymous": true});
        Some(Policy {
            grant: Grant::Files(vec![("htpasswd".to_owned(), PathBuf::from(path))]),
            ..built_in("htpasswd", settings)
        })
    }

    /// The settings are named as the keys; files by the keys that name them.
    fn token(&mut self) -> Option<Policy> {
        let node = self.root.find("auth.token")?;
        let mut needed = vec![
            ("realm", "the URL where clients get tokens"),
            ("service", "what tokens are to be for"),
            ("issuer", "who is to have made them"),
        ];
        if node.get("jwks").is_none_or(Node::is_empty) {
            needed.push(("rootcertbundle", "what tokens are verified against; or `jwks`"));
        }
        self.needed(node, "auth.token", &needed);
        if node.get("autoredirect").is_some_and(Node::asks) && !self.has_certificate() {
            self.warn(
                "auth.token.autoredirect",
                "without `http.tls`, no certificate says that this host has the name that a client calls it: clients are sent to `realm`",
            );
        }
        let mut settings = Map::new();
        let mut files = Vec::new();
        for entry in node.entries() {
            if entry.node.is_empty() {
                continue;
            }
            let kind = ["auth", "token", &entry.name].into_iter().fold(&ROOT, kind_of);
            if matches!(entry.name.as_str(), "rootcertbundle" | "jwks") {
                files.push((entry.name.clone(), PathBuf::from(entry.node.text().unwrap_or_default())));
                settings.insert(entry.name.clone(), Json::from(entry.name.as_str()));
            } else {
                settings.insert(entry.name.clone(), super::json::value(&entry.node, kind));
            }
        }
        Some(Policy { grant: Grant::Files(files), ..built_in("token", Json::Object(settings)) })
    }

    fn needed(&mut self, node: &Node, path: &str, needed: &[(&str, &str)]) {
        let missing = needed.iter().filter(|(name, _)| node.get(name).is_none_or(Node::is_empty));
        let missing: Vec<_> = missing.map(|(name, what)| format!("`{path}.{name}` ({what})")).collect();
        match missing.as_slice() {
            [] => {}
            [one] => self.report.problem(&node.at, format!("{one} is missing")),
            more => self.report.problem(&node.at, format!("{} are missing", more.join(", "))),
        }
    }

    fn policy(&mut self, item: &Node) -> Option<Policy> {
        let text = |name: &str| item.get(name).and_then(Node::text).unwrap_or_default();
        let module = self.module(item, text("module"))?;
        let name = match (text("name"), &module) {
            ("", PolicyModule::BuiltIn(name)) => name.clone(),
            ("", PolicyModule::File(path)) => {
                path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
            }
            ("", PolicyModule::Artifact(name)) => {
                let repository = name.split('@').next().unwrap_or_default();
                let last = repository.rsplit('/').next().unwrap_or_default();
                last.split(':').next().unwrap_or_default().to_owned()
            }
            (name, _) => name.to_owned(),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !(1..=64).contains(&name.len()) || !name.chars().all(plain) {
            let message = format!("`{}` is no name of a policy: letters, digits, `-`, `_` and `.`", Shown(&name));
            self.report.problem(&item.at, message);
        }
        let world = match text("world").to_lowercase().as_str() {
            "auth" => Some(World::Auth),
            "storage" => Some(World::Storage),
            _ => None,
        };
        let grant = match text("directory") {
            "" => Grant::Nothing,
            path => Grant::Directory(PathBuf::from(path)),
        };
        let preopen = preopen(text("preopen"));
        if preopen.is_some() && grant == Grant::Nothing {
            self.report
                .problem(&item.at, "`preopen` of a policy says how it may use its `directory`, which is not set");
        }
        let settings = item.get("settings").map_or(Json::Null, |node| super::json::value(node, &Kind::Any));
        let (time, memory) = self.policy_limits(item);
        Some(Policy {
            name,
            module,
            world,
            settings,
            grant,
            preopen,
            secrets: self.secrets(item),
            lenient: text("on_failure").eq_ignore_ascii_case("allow"),
            lifetime: item.get("lifetime").and_then(Node::text).and_then(|text| scalar::duration(text).ok()),
            time,
            memory,
        })
    }

    /// A word is one that is built in, a path a file.
    fn module(&mut self, item: &Node, text: &str) -> Option<PolicyModule> {
        if BUILT_IN.contains(&text) {
            return Some(PolicyModule::BuiltIn(text.to_owned()));
        }
        if text.starts_with(ARTIFACT) {
            return Some(PolicyModule::Artifact(self.artifact("policies", text)));
        }
        let known = BUILT_IN.join(", ");
        let message = match text {
            "" => format!(
                "an item of `policies` has no `module`: one of {known}, the path of a .wasm file, or oci://registry/repository@sha256:…"
            ),
            path if path.contains('/') || path.ends_with(".wasm") => {
                return Some(PolicyModule::File(PathBuf::from(path)));
            }
            word => {
                let hint = near::word(word, &BUILT_IN).map(|near| format!("; did you mean {near}?"));
                format!(
                    "`policies`: `module: {}` is none that is built in ({known}), and no path of a .wasm file{}",
                    Shown(word),
                    hint.unwrap_or_default()
                )
            }
        };
        let at = item.get("module").map_or(&item.at, |node| &node.at);
        self.report.problem(at, message);
        None
    }

    fn secrets(&mut self, item: &Node) -> Vec<(String, Secret)> {
        let entries = item.get("secrets").map(Node::entries).unwrap_or_default();
        let mut secrets = Vec::new();
        for entry in entries.iter().take(super::read::MOST) {
            let file = entry.node.get("file").and_then(Node::text).unwrap_or_default();
            let secret = match &entry.node.value {
                Value::Scalar { text, .. } if !text.is_empty() => Secret::Value(text.clone()),
                Value::Map(_) if !file.is_empty() => Secret::File(PathBuf::from(file)),
                _ => {
                    let message = format!("the secret `{}` has neither a value nor a `file`", Shown(&entry.name));
                    self.report.problem(&entry.at, message);
                    continue;
                }
            };
            secrets.push((entry.name.clone(), secret));
        }
        secrets
    }

    fn policy_limits(&mut self, item: &Node) -> (Duration, u64) {
        let text = |name: &str| item.find(&format!("limits.{name}")).and_then(Node::text).unwrap_or_default();
        let time = match text("time") {
            "" => TIME,
            text => scalar::duration(text).unwrap_or_default(),
        };
        let memory = match text("memory") {
            "" => MEMORY,
            text => scalar::size(text).unwrap_or_default(),
        };
        if !(Duration::from_millis(10)..=Duration::from_secs(600)).contains(&time) {
            self.report.problem(&item.at, format!("`limits.time` of a policy is to be 10ms to 10m, not {time:?}"));
        }
        if !(MIB..=4096 * MIB).contains(&memory) {
            self.report.problem(&item.at, format!("`limits.memory` of a policy is to be 1MiB to 4GiB, not {memory}"));
        }
        (time, memory)
    }

    fn has_certificate(&self) -> bool {
        ["certificate", "letsencrypt.cachefile"].iter().any(|key| !self.text(&format!("http.tls.{key}")).is_empty())
    }

    fn told_apart(&mut self, policies: &[Policy]) {
        for (index, policy) in policies.iter().enumerate() {
            if policies.iter().take(index).any(|other| other.name == policy.name) {
                let message = format!("two policies have the name `{}`: give one of them another `name`", policy.name);
                self.problem("policies", message);
            }
        }
    }

    /// Passwords and tokens are for anybody to read on the way.
    fn cleartext(&mut self, policies: &[Policy]) {
        let local = super::address::Listen::parse(&self.text("http.net").to_lowercase(), self.text("http.addr"))
            .is_ok_and(|listen| listen.is_local());
        let shows = |policy: &Policy| matches!(&policy.module, PolicyModule::BuiltIn(name) if matches!(name.as_str(), "htpasswd" | "token"));
        let tls = self.has_certificate();
        let proxied = self.root.find("http.trustedproxies").is_some_and(Node::asks);
        if policies.iter().any(shows) && !tls && !local && !proxied {
            let at = if self.root.find("auth").is_some_and(|node| !node.is_empty()) { "auth" } else { "policies" };
            self.warn(at, "without `http.tls`, whoever sees the connection reads passwords and tokens");
        }
    }
}

pub(super) fn preopen(word: &str) -> Option<Preopen> {
    match word.to_lowercase().as_str() {
        "ro" => Some(Preopen::ReadOnly),
        "rw" => Some(Preopen::ReadWrite),
        _ => None,
    }
}

fn built_in(name: &str, settings: Json) -> Policy {
    Policy {
        name: name.to_owned(),
        module: PolicyModule::BuiltIn(name.to_owned()),
        world: None,
        settings,
        grant: Grant::Nothing,
        preopen: None,
        secrets: Vec::new(),
        lenient: false,
        lifetime: None,
        time: TIME,
        memory: MEMORY,
    }
}

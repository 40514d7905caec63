//! A checked tree into the typed configuration; contradictions are found here.

use std::{path::PathBuf, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::{
    address::Listen,
    model::*,
    node::{Node, Value},
    report::{Origin, Report, Shown},
    scalar,
};

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub(super) const MIB: u64 = 1 << 20;
/// As in distribution, where nothing is said.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// Checks, headers, networks: more are a mistake.
pub(super) const MOST: usize = 256;

/// Reads everything; problems go to the report, and what is returned counts
/// only if there are none.
pub(super) fn config(effective: Node, report: &mut Report) -> Config {
    let mut reader = Reader { root: &effective, report };
    let log = reader.log();
    let http = reader.http();
    let storage = reader.storage();
    let health = reader.health();
    let limits = reader.limits();
    let sandbox = reader.sandbox();
    let remember = reader.remember();
    let policies = reader.policies();
    let admin = reader.admin();
    Config { log, http, storage, health, limits, sandbox, remember, policies, admin, effective }
}

pub(super) struct Reader<'a> {
    pub(super) root: &'a Node,
    pub(super) report: &'a mut Report,
}

impl<'a> Reader<'a> {
    pub(super) fn text(&self, path: &str) -> &'a str {
        self.root.find(path).and_then(Node::text).unwrap_or_default()
    }

    pub(super) fn flag(&self, path: &str) -> bool {
        scalar::flag(self.text(path)).unwrap_or_default()
    }

    pub(super) fn at(&self, path: &str) -> Origin {
        self.root.find(path).map_or(Origin::Default, |node| node.at.clone())
    }

    pub(super) fn problem(&mut self, path: &str, message: impl Into<String>) {
        let at = self.at(path);
        self.report.problem(&at, message);
    }

    pub(super) fn warn(&mut self, path: &str, message: impl Into<String>) {
        let at = self.at(path);
        self.report.warn(&at, message);
    }

    /// A whole number in a range.
    pub(super) fn number(&mut self, path: &str, least: u64, most: u64) -> u64 {
        let value = scalar::integer(self.text(path)).unwrap_or_default();
        match u64::try_from(value) {
            Ok(value) if (least..=most).contains(&value) => value,
            _ => {
                self.problem(path, format!("`{path}` is to be {least} to {most}, not {value}"));
                least
            }
        }
    }

    pub(super) fn time(&mut self, path: &str, least: Duration, most: Duration) -> Duration {
        let value = scalar::duration(self.text(path)).unwrap_or_default();
        if !(least..=most).contains(&value) {
            self.problem(path, format!("`{path}` is to be {least:?} to {most:?}, not {value:?}"));
        }
        value
    }

    pub(super) fn size(&mut self, path: &str, least: u64, most: u64) -> u64 {
        let value = scalar::size(self.text(path)).unwrap_or_default();
        if !(least..=most).contains(&value) {
            self.problem(path, format!("`{path}` is to be {least} to {most} bytes, not {value}"));
        }
        value
    }

    fn log(&mut self) -> Log {
        let level = match self.text("log.level").to_lowercase().as_str() {
            "error" => Level::Error,
            "warn" => Level::Warn,
            "debug" => Level::Debug,
            _ => Level::Info,
        };
        let format = match self.text("log.formatter").to_lowercase().as_str() {
            "json" | "logstash" => LogFormat::Json,
            _ => LogFormat::Text,
        };
        let fields = self.root.find("log.fields").map(Node::entries).unwrap_or_default();
        let fields = fields.iter().take(MOST).map(|entry| {
            let value = match entry.node.text() {
                Some(text) => text.to_owned(),
                None => super::json::value(&entry.node, &super::schema::Kind::Any).to_string(),
            };
            (entry.name.clone(), value)
        });
        Log { level, format, access: !self.flag("log.accesslog.disabled"), fields: fields.collect() }
    }

    pub(super) fn listen(&mut self, net: &str, path: &str) -> Listen {
        let addr = self.text(path);
        Listen::parse(net, addr).unwrap_or_else(|error| {
            let message = format!("`{path}` is to be {error}, not `{}`", Shown(addr));
            self.problem(path, message);
            Listen { host: String::new(), port: 0, family: None }
        })
    }

    fn http(&mut self) -> Http {
        let net = self.text("http.net").to_lowercase();
        let listen = self.listen(&net, "http.addr");
        let host = self.host();
        let prefix = self.prefix();
        let relative_urls = scalar::flag(self.text("http.relativeurls"));
        let tls = self.tls();
        let h2c = self.flag("http.h2c.enabled");
        let http2 = !self.flag("http.http2.disabled");
        if h2c && !http2 {
            self.problem("http.h2c.enabled", "`http.h2c.enabled` and `http.http2.disabled` contradict each other");
        }
        Http {
            listen,
            host,
            prefix,
            relative_urls,
            headers: self.headers(),
            drain: self.time("http.draintimeout", Duration::ZERO, DAY),
            tls,
            debug: self.debug(),
            http2,
            h2c,
            trusted_proxies: self.networks("http.trustedproxies"),
            proxy_protocol: self.networks("http.proxyprotocol"),
        }
    }

    fn host(&mut self) -> Option<String> {
        const LIKE: &str = "`http.host` is to be a URL such as https://registry.example.com";
        let text = self.text("http.host").trim_end_matches('/').to_owned();
        if text.is_empty() {
            return None;
        }
        let good = text.parse::<http::Uri>().ok().is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
                && uri.query().is_none()
        });
        if !good {
            self.problem("http.host", LIKE);
        }
        Some(text)
    }

    fn prefix(&mut self) -> String {
        let text = self.text("http.prefix");
        let inner = text.trim_matches('/').to_owned();
        if inner.is_empty() {
            return inner;
        }
        let segment = |part: &str| {
            !matches!(part, "" | "." | "..")
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
        };
        if !text.starts_with('/') || !inner.split('/').all(segment) {
            let message = format!("`http.prefix` is to be a path such as /registry/, not `{}`", Shown(text));
            self.problem("http.prefix", message);
        }
        format!("/{inner}")
    }

    fn headers(&mut self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let entries = self.root.find("http.headers").map(Node::entries).unwrap_or_default();
        for entry in entries.iter().take(MOST) {
            let Ok(name) = HeaderName::from_bytes(entry.name.as_bytes()) else {
                self.report.problem(&entry.at, format!("`{}` is no name of a header field", Shown(&entry.name)));
                continue;
            };
            if FRAMING.contains(&name.as_str()) {
                self.report.problem(&entry.at, format!("`http.headers.{name}` frames the answer and cannot be set"));
                continue;
            }
            for item in entry.node.items().iter().take(MOST) {
                match HeaderValue::from_str(item.text().unwrap_or_default()) {
                    Ok(value) => {
                        headers.append(name.clone(), value);
                    }
                    Err(_) => {
                        self.report.problem(&item.at, format!("`http.headers.{name}`: no value of a header field"))
                    }
                }
            }
        }
        headers
    }

    fn debug(&mut self) -> Option<Debug> {
        let enabled = self.flag("http.debug.prometheus.enabled");
        if self.text("http.debug.addr").is_empty() {
            if enabled {
                self.warn(
                    "http.debug.prometheus.enabled",
                    "`http.debug.prometheus.enabled` has no effect without `http.debug.addr`",
                );
            }
            return None;
        }
        let listen = self.listen("tcp", "http.debug.addr");
        if !listen.is_local() {
            self.warn(
                "http.debug.addr",
                format!("`http.debug.addr`: whoever reaches {listen} can read metrics and health"),
            );
        }
        let same = self.text("http.addr") == self.text("http.debug.addr") && listen.port != 0;
        if same {
            self.problem("http.debug.addr", "`http.debug.addr` and `http.addr` are the same");
        }
        let path = match self.text("http.debug.prometheus.path") {
            "" => "/metrics".to_owned(),
            path => format!("/{}", path.trim_start_matches('/')),
        };
        Some(Debug { listen, metrics: enabled.then_some(path) })
    }

    fn networks(&mut self, path: &str) -> Vec<IpNet> {
        let items = self.root.find(path).map(Node::items).unwrap_or_default();
        let mut networks = Vec::new();
        for item in items.iter().take(MOST) {
            let text = item.text().unwrap_or_default();
            match super::address::network(text) {
                Ok(network) => networks.push(network),
                Err(error) => {
                    self.report.problem(&item.at, format!("`{path}`: `{}` is to be {error}", Shown(text)));
                }
            }
        }
        networks
    }

    fn storage(&mut self) -> Storage {
        const PURGE: &str = "storage.maintenance.uploadpurging";
        const RETENTION: &str = "storage.maintenance.retention";
        let root = PathBuf::from(self.text("storage.filesystem.rootdirectory"));
        if self.text("storage.filesystem.rootdirectory").contains('\0') {
            self.problem("storage.filesystem.rootdirectory", "`storage.filesystem.rootdirectory` is no path");
        }
        let symlinks = self.root.find("storage.filesystem.symlinks").map(Node::items).unwrap_or_default();
        let symlinks =
            symlinks.iter().filter_map(Node::text).map(|key| key.trim_matches('/').to_owned()).take(MOST).collect();
        let threads = scalar::integer(self.text("storage.filesystem.maxthreads")).unwrap_or_default();
        let purge = self.flag(&format!("{PURGE}.enabled")).then(|| Purge {
            age: self.time(&format!("{PURGE}.age"), Duration::from_secs(1), DAY * 36_500),
            interval: self.time(&format!("{PURGE}.interval"), Duration::from_secs(1), DAY * 36_500),
            dry_run: self.flag(&format!("{PURGE}.dryrun")),
        });
        let retention = self.flag(&format!("{RETENTION}.enabled")).then(|| Retention {
            interval: self.time(&format!("{RETENTION}.interval"), Duration::from_secs(1), DAY * 36_500),
            dry_run: self.flag(&format!("{RETENTION}.dryrun")),
        });
        Storage {
            root,
            // The bounds that distribution silently puts on it, and one above.
            symlinks,
            exclusive: self.flag("storage.filesystem.exclusive"),
            reserve: self.size("storage.filesystem.reserve", 0, 1 << 50),
            sync_whole: match self.text("storage.filesystem.syncfs").to_lowercase().as_str() {
                "never" => SyncWhole::Never,
                "always" => SyncWhole::Always,
                _ => SyncWhole::Auto,
            },
            max_threads: usize::try_from(threads.clamp(25, 4096)).unwrap_or(25),
            delete: self.flag("storage.delete.enabled"),
            read_only: self.flag("storage.maintenance.readonly.enabled"),
            purge,
            retention,
        }
    }

    fn health(&mut self) -> Health {
        let root = self.root;
        let items = |path: &str| root.find(path).map(Node::items).unwrap_or_default().iter().take(MOST);
        let mut files = Vec::new();
        for item in items("health.file") {
            let file = PathBuf::from(item.get("file").and_then(Node::text).unwrap_or_default());
            if file.as_os_str().is_empty() {
                self.report.problem(&item.at, "an item of `health.file` has no `file`");
            }
            files.push(FileCheck { file, period: self.period(item, "health.file") });
        }
        let mut tcp = Vec::new();
        for item in items("health.tcp") {
            let addr = item.get("addr").and_then(Node::text).unwrap_or_default().to_owned();
            if !Listen::parse("tcp", &addr).is_ok_and(|address| !address.host.is_empty() && address.port != 0) {
                self.report.problem(&item.at, "an item of `health.tcp` has no `addr` such as db.example:5432");
            }
            let timeout = duration(item, "timeout").unwrap_or(CHECK_TIMEOUT);
            tcp.push(TcpCheck { addr, timeout, period: self.period(item, "health.tcp") });
        }
        let storage = self.flag("health.storagedriver.enabled").then(|| match root.find("health.storagedriver") {
            Some(node) => self.period(node, "health.storagedriver"),
            None => Period { interval: CHECK_INTERVAL, threshold: 1 },
        });
        Health { storage, files, tcp }
    }

    fn period(&mut self, node: &Node, path: &str) -> Period {
        let interval = duration(node, "interval").unwrap_or(CHECK_INTERVAL);
        if interval < Duration::from_millis(100) {
            self.report
                .problem(&node.at, format!("`{path}`: an interval of {interval:?} is too short; 100ms is the least"));
        }
        let threshold = node.get("threshold").and_then(Node::text).and_then(scalar::integer).unwrap_or_default();
        Period { interval, threshold: u32::try_from(threshold.clamp(1, 1_000_000)).unwrap_or(1) }
    }
}

/// Fields that the server alone sets.
const FRAMING: [&str; 9] = [
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "trailer",
    "te",
    "date",
    "content-range",
];

/// A duration below a node; not set where it is zero, as in Go.
fn duration(node: &Node, name: &str) -> Option<Duration> {
    let text = node.get(name)?.text()?;
    scalar::duration(text).ok().filter(|duration| !duration.is_zero())
}

/// What depends on other settings: done before defaults are filled in.
pub(super) fn derive(tree: &mut Node) {
    // A body in memory must hold a manifest.
    let manifest = tree.find("limits.manifest").filter(|node| !node.is_empty()).cloned();
    if let Some(mut manifest) = manifest {
        let bytes = manifest.text().and_then(|text| scalar::size(text).ok()).unwrap_or_default();
        if bytes <= 4 * MIB {
            manifest.value = Value::Scalar { text: "4MiB".to_owned(), plain: true };
        }
        for name in ["limits.body_in_memory", "limits.object_in_memory"] {
            if tree.find(name).is_none_or(Node::is_empty) {
                tree.set(name, manifest.clone());
            }
        }
    }
    // The old place of the level.
    if tree.find("log.level").is_none_or(Node::is_empty)
        && let Some(level) = tree.get("loglevel").filter(|node| !node.is_empty()).cloned()
    {
        tree.set("log.level", level);
    }
    // Zeros that Go takes for "not set".
    let zero = |node: &Node| match node.text() {
        Some(text) => {
            scalar::integer(text).is_some_and(|value| value <= 0)
                || scalar::duration(text).is_ok_and(|value| value.is_zero())
        }
        None => false,
    };
    for path in ["http.draintimeout", "catalog.maxentries", "storage.filesystem.maxthreads"] {
        if tree.find(path).is_some_and(zero) {
            tree.set(path, Node::null(Origin::Default));
        }
    }
}

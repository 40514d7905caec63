//! `http.tls.letsencrypt`: certificates that are ordered.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use super::{
    address::Listen,
    model::LetsEncrypt,
    node::Node,
    read::{DAY, MOST, Reader},
    report::Shown,
};

const SECTION: &str = "http.tls.letsencrypt";
/// As in distribution, where nothing is said.
const PRODUCTION: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// From a first failure to the next try, where nothing is said.
const RETRY: Duration = Duration::from_secs(60);
/// Let's Encrypt allows five failures an hour, for an account and a name.
const POLITE: Duration = Duration::from_secs(60);

impl Reader<'_> {
    pub(super) fn letsencrypt(&mut self) -> Option<LetsEncrypt> {
        if !self.root.find(SECTION).is_some_and(Node::asks) {
            return None;
        }
        let text = |name: &str| self.text(&format!("{SECTION}.{name}")).to_owned();
        let (cache, email, directory) = (text("cachefile"), text("email"), text("directoryurl"));
        let (authority, http) = (text("ca"), text("http"));
        if cache.is_empty() {
            self.problem(
                &self.deepest("cachefile"),
                "`http.tls.letsencrypt.cachefile` is not set: name a directory to keep the account and the certificates in",
            );
        }
        let hosts = self.hosts();
        if !email.is_empty() && (!email.contains('@') || email.contains(|c: char| c.is_whitespace() || c.is_control()))
        {
            let message =
                format!("`{SECTION}.email` is to be an address such as me@example.com, not `{}`", Shown(&email));
            self.problem(&format!("{SECTION}.email"), message);
        }
        let directory = if directory.is_empty() { PRODUCTION.to_owned() } else { directory };
        let https = directory
            .parse::<http::Uri>()
            .is_ok_and(|uri| uri.scheme_str() == Some("https") && uri.host().is_some_and(|host| !host.is_empty()));
        if !https {
            let message = format!(
                "`{SECTION}.directoryurl` is to be a URL such as {PRODUCTION}, with https, not `{}`",
                Shown(&directory)
            );
            self.problem(&format!("{SECTION}.directoryurl"), message);
        }
        let http = (!http.is_empty()).then(|| self.listener(&http));
        Some(LetsEncrypt {
            cache: PathBuf::from(cache),
            email: (!email.is_empty()).then_some(email),
            hosts,
            directory,
            authority: (!authority.is_empty()).then(|| PathBuf::from(authority)),
            http,
            retry: self.retry(),
        })
    }

    /// A listener for HTTP-01 beside the one of the registry.
    fn listener(&mut self, addr: &str) -> Listen {
        let path = format!("{SECTION}.http");
        let listen = Listen::parse("tcp", addr).unwrap_or_else(|error| {
            self.problem(&path, format!("`{path}` is to be {error}, not `{}`", Shown(addr)));
            Listen { host: String::new(), port: 0, family: None }
        });
        for other in ["http.addr", "http.debug.addr"] {
            if self.text(other) == addr && listen.port != 0 {
                self.problem(&path, format!("`{path}` and `{other}` are the same"));
            }
        }
        listen
    }

    fn retry(&mut self) -> Duration {
        let path = format!("{SECTION}.retry");
        if self.text(&path).is_empty() {
            return RETRY;
        }
        let retry = self.time(&path, Duration::from_millis(10), DAY);
        if retry < POLITE {
            self.warn(
                &path,
                format!("`{path}: {retry:?}` is for tests: after a few failures in an hour, Let's Encrypt takes no more orders"),
            );
        }
        retry
    }

    /// In distribution, no hosts means that every handshake fails.
    fn hosts(&mut self) -> Vec<String> {
        let path = format!("{SECTION}.hosts");
        let items = self.root.find(&path).map(Node::items).unwrap_or_default();
        let mut hosts: Vec<String> = Vec::new();
        for item in items.iter().filter(|item| !item.is_empty()).take(MOST) {
            let text = item.text().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
            match wrong(&text) {
                Some(why) => {
                    self.report.problem(&item.at, format!("`{path}`: `{}` {why}", Shown(&text)));
                }
                None if hosts.contains(&text) => {}
                None => hosts.push(text),
            }
        }
        if items.len() > MOST {
            self.problem(&path, format!("`{path}` has more than {MOST} items"));
        }
        if !items.iter().any(Node::asks) {
            self.problem(
                &self.deepest("hosts"),
                format!(
                    "`{path}` is empty: list the names to order certificates for (for any name that is asked for, whoever \
                     connects could use up what the authority allows)"
                ),
            );
        }
        hosts
    }

    pub(super) fn nothing_beside_letsencrypt(&mut self) {
        for name in ["certificate", "key", "certificates"] {
            let path = format!("http.tls.{name}");
            if self.root.find(&path).is_some_and(Node::asks) {
                let other = self.at(SECTION);
                let message = format!(
                    "`{path}` and `{SECTION}` ({other}) are both set: certificates are read from files or ordered, not both"
                );
                self.problem(&path, message);
            }
        }
    }

    /// A key of the section, if it is there, else the section: where to say
    /// that the key is missing.
    fn deepest(&self, name: &str) -> String {
        let path = format!("{SECTION}.{name}");
        if self.root.find(&path).is_some() { path } else { SECTION.to_owned() }
    }
}

/// Why no certificate can be ordered for a name, as a sentence's end.
fn wrong(name: &str) -> Option<&'static str> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    match name {
        _ if name.parse::<IpAddr>().is_ok() || name.starts_with('[') => {
            Some("is an address; only names can be ordered")
        }
        _ if name.starts_with("*.") => Some("is a wildcard, which takes a challenge by DNS; list each name"),
        _ if !name.is_ascii() => Some("is not ASCII; write it as DNS has it, with xn--"),
        _ if name.len() > 253 || !name.split('.').all(label) => Some("is no name of a host"),
        _ if !name.contains('.') => Some("has no domain; name the host as everybody does, with its domain"),
        _ => None,
    }
}

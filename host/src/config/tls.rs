//! `http.tls`: certificates, and what is wanted of clients.

use std::path::PathBuf;

use super::{
    model::{Certificates, ClientAuth, Tls, TlsVersion},
    node::Node,
    read::{MOST, Reader},
};

impl Reader<'_> {
    pub(super) fn tls(&mut self) -> Option<Tls> {
        let ordered = self.letsencrypt();
        let (certificate, key) = (self.text("http.tls.certificate"), self.text("http.tls.key"));
        match (certificate.is_empty(), key.is_empty()) {
            (true, true) if ordered.is_none() => {
                // Without TLS everybody could connect, and by any name.
                for name in ["clientcas", "clientauth", "certificates", "strictsni"] {
                    let path = format!("http.tls.{name}");
                    if self.root.find(&path).is_some_and(Node::asks) {
                        let message = format!("`{path}` is set, and `http.tls.certificate` and `http.tls.key` are not");
                        self.problem(&path, message);
                    }
                }
                return None;
            }
            _ if ordered.is_some() => self.nothing_beside_letsencrypt(),
            (false, true) => {
                self.problem("http.tls.certificate", "`http.tls.certificate` is set and `http.tls.key` is not")
            }
            (true, false) => self.problem("http.tls.key", "`http.tls.key` is set and `http.tls.certificate` is not"),
            _ => {}
        }
        let files = (PathBuf::from(certificate), PathBuf::from(key));
        let minimum = match self.text("http.tls.minimumtls").to_lowercase().as_str() {
            "tls1.3" => TlsVersion::V13,
            old @ ("tls1.0" | "tls1.1") => {
                let message = format!("`http.tls.minimumtls: {old}` is not safe; 1.2 is the least");
                self.warn("http.tls.minimumtls", message);
                TlsVersion::V12
            }
            _ => TlsVersion::V12,
        };
        let suites = self.root.find("http.tls.ciphersuites").map(Node::items).unwrap_or_default();
        let suites = suites.iter().filter_map(Node::text).map(str::to_owned).take(MOST).collect();
        let certificates = match ordered {
            Some(ordered) => Certificates::Ordered(ordered),
            None => Certificates::Files { certificate: files.0, key: files.1, others: self.more_certificates() },
        };
        let (client_auth, client_cas) = self.client_auth();
        let strict = self.flag("http.tls.strictsni");
        Some(Tls { certificates, minimum, suites, strict, client_auth, client_cas })
    }

    fn more_certificates(&mut self) -> Vec<(PathBuf, PathBuf)> {
        let items = self.root.find("http.tls.certificates").map(Node::items).unwrap_or_default();
        if items.len() > MOST {
            self.problem("http.tls.certificates", format!("`http.tls.certificates` has more than {MOST} items"));
        }
        let mut pairs = Vec::new();
        for item in items.iter().take(MOST) {
            let text = |name: &str| item.get(name).and_then(Node::text).unwrap_or_default();
            for (name, other) in [("certificate", "key"), ("key", "certificate")] {
                if text(name).is_empty() {
                    let message = match text(other) {
                        "" => format!("an item of `http.tls.certificates` has no `{name}`"),
                        path => {
                            format!("an item of `http.tls.certificates` has no `{name}` beside its `{other}` {path}")
                        }
                    };
                    self.report.problem(&item.at, message);
                }
            }
            pairs.push((PathBuf::from(text("certificate")), PathBuf::from(text("key"))));
        }
        pairs
    }

    /// As in distribution, authorities alone mean the strictest mode. There a
    /// mode alone means nothing, which would let everybody in.
    fn client_auth(&mut self) -> (ClientAuth, Vec<PathBuf>) {
        let items = self.root.find("http.tls.clientcas").map(Node::items).unwrap_or_default();
        if items.len() > MOST {
            self.problem("http.tls.clientcas", format!("`http.tls.clientcas` has more than {MOST} items"));
        }
        let files: Vec<PathBuf> =
            items.iter().filter_map(Node::text).filter(|text| !text.is_empty()).map(PathBuf::from).take(MOST).collect();
        let word = self.text("http.tls.clientauth").to_lowercase();
        let mode = match word.as_str() {
            "request-client-cert" => ClientAuth::Request,
            "require-any-client-cert" => ClientAuth::RequireAny,
            "verify-client-cert-if-given" => ClientAuth::VerifyIfGiven,
            "" if files.is_empty() => ClientAuth::None,
            _ => ClientAuth::RequireAndVerify,
        };
        if mode.verifies() && files.is_empty() {
            self.problem(
                "http.tls.clientauth",
                format!(
                    "`http.tls.clientauth: {word}` verifies certificates against `http.tls.clientcas`, which is not set"
                ),
            );
        }
        if matches!(mode, ClientAuth::Request | ClientAuth::RequireAny) {
            self.warn(
                "http.tls.clientauth",
                format!("`http.tls.clientauth: {word}` verifies nothing: whoever makes a certificate gets in with it"),
            );
        }
        (mode, files)
    }
}

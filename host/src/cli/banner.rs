//! What a first run says: a screenful.

use std::{fmt::Write, net::SocketAddr};

use super::plan::{FirstRun, Plan};
use crate::tls::trust::quoted;

impl Plan {
    /// How to reach what listens on `bound`: `https://localhost:5000`.
    pub fn url(&self, bound: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.authority(bound))
    }

    /// On a first run, a screenful for whoever started it: what is served,
    /// how to trust it, what to try. Made once the address is known.
    pub fn banner(&self, bound: SocketAddr) -> Option<String> {
        let first = self.first_run.as_ref()?;
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_banner(&mut text, first, bound);
        Some(text)
    }

    fn write_banner(&self, text: &mut String, first: &FirstRun, bound: SocketAddr) -> std::fmt::Result {
        let (url, authority) = (self.url(bound), self.authority(bound));
        let who = match bound.ip().to_canonical().is_loopback() {
            true => "from this machine only; anyone on it may pull, push and delete",
            false => "ANYONE WHO REACHES THIS MACHINE may pull, push and delete",
        };
        let root = std::path::absolute(&self.config.storage.root).unwrap_or_else(|_| self.config.storage.root.clone());
        writeln!(text)?;
        writeln!(text, "  Skerry {} serves a registry at {url}", env!("CARGO_PKG_VERSION"))?;
        writeln!(text, "    access  {who}")?;
        writeln!(text, "    data    {}", root.display())?;
        if let Some(ca) = &first.ca {
            let quoted = quoted(ca);
            writeln!(text, "    CA      {}   (made here; it can vouch for this machine only)", ca.display())?;
            writeln!(text)?;
            writeln!(text, "  Let your tools trust it, once:")?;
            writeln!(text, "    docker  sudo install -Dm644 {quoted} /etc/docker/certs.d/{authority}/ca.crt")?;
            writeln!(text, "    podman  install -Dm644 {quoted} ~/.config/containers/certs.d/{authority}/ca.crt")?;
            writeln!(text, "    curl    curl --cacert {quoted} {url}/v2/_catalog")?;
        }
        writeln!(text)?;
        writeln!(text, "  Then push something (podman does the same):")?;
        writeln!(text, "    docker pull busybox")?;
        writeln!(text, "    docker tag busybox {authority}/busybox")?;
        writeln!(text, "    docker push {authority}/busybox")?;
        writeln!(text)?;
        writeln!(text, "  Ctrl-C stops it. To go on: `skerry serve --help`, `skerry config defaults`.")?;
        writeln!(text)
    }

    /// Host and port, as clients write them.
    fn authority(&self, bound: SocketAddr) -> String {
        let named = self.config.http.listen.host.as_str();
        let port = bound.port();
        let address = bound.ip().to_canonical();
        if address.is_loopback() || named.eq_ignore_ascii_case("localhost") {
            return format!("localhost:{port}");
        }
        if address.is_unspecified() {
            // The machine's own name, if the certificate has it.
            let host = self
                .first_run
                .as_ref()
                .map(|first| first.host_name.to_ascii_lowercase())
                .filter(|host| !host.is_empty());
            let known = |host: &String| self.tls.as_ref().is_none_or(|tls| tls.loaded.names(host));
            return format!("{}:{port}", host.filter(known).unwrap_or_else(|| "localhost".to_owned()));
        }
        match named.is_empty() || named.contains(':') {
            true => SocketAddr::new(address, port).to_string(),
            false => format!("{named}:{port}"),
        }
    }
}

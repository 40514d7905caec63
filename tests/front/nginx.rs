//! nginx with a configuration that is shipped: only addresses and the places
//! of files are the test's.

use std::{fmt::Write as _, fs};

use skerry_tests::{
    Client, Options, Registry, authority::Authority, binary::workspace, children, ports::Port, service::Service, tools,
};
use tempfile::TempDir;

/// What it does with what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// TLS ends at nginx; plain HTTP behind.
    Proxy,
    /// Bytes are passed on, with the PROXY protocol.
    Passthrough,
}

pub const BOTH: [Front; 2] = [Front::Proxy, Front::Passthrough];

impl Front {
    /// A registry to put behind it, which logs what is asked for.
    pub fn options(self) -> Options {
        let http = match self {
            Self::Proxy => "trustedproxies: [127.0.0.1]\n",
            Self::Passthrough => "proxyprotocol: [127.0.0.1]\n",
        };
        Options { tls: self == Self::Passthrough, http: http.to_owned(), ..Options::default() }
    }
}

/// A running nginx.
pub struct Nginx {
    // Before the directory, so that it has ended when that is removed.
    service: Service,
    directory: TempDir,
    port: Port,
    trust: Authority,
}

impl Nginx {
    /// Puts it in front of these.
    pub fn before(front: Front, registries: &[&Registry]) -> Self {
        let directory = tempfile::Builder::new().prefix("skerry-nginx-").tempdir().unwrap();
        let port = Port::free();
        let addresses: Vec<&str> = registries.iter().map(|registry| registry.address()).collect();
        let (file, trust) = match front {
            Front::Proxy => ("proxy.conf", Authority::new(directory.path(), &["localhost", "127.0.0.1"])),
            // Those behind it share one in these tests.
            Front::Passthrough => ("passthrough.conf", registries[0].trust().clone()),
        };
        let shipped = fs::read_to_string(workspace().join("host/package/nginx").join(file)).unwrap();
        let mut text = String::from("daemon off;\nmaster_process off;\npid nginx.pid;\n");
        if front == Front::Passthrough {
            text.push_str("load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n");
        }
        let mut changed = shipped;
        let mut replace = |what: &str, with: &str| {
            assert!(changed.contains(what), "{file} has no {what}");
            changed = changed.replace(what, with);
        };
        replace("listen 443", &format!("listen 127.0.0.1:{}", port.number()));
        replace("error_log stderr warn", "error_log stderr notice");
        let mut servers = String::new();
        for address in addresses {
            writeln!(servers, "server {address} max_fails=0;").unwrap();
        }
        replace("server registry:5000 max_fails=0;", &servers);
        if front == Front::Proxy {
            replace("access_log off;", "log_format asked '$request_uri'; access_log asked.log asked;");
            replace("/etc/nginx/tls/fullchain.pem", &trust.certificate.display().to_string());
            replace("/etc/nginx/tls/privkey.pem", &trust.key.display().to_string());
        }
        text.push_str(&changed);
        fs::write(directory.path().join("nginx.conf"), text).unwrap();
        let mut command = children::command(tools::find("nginx"));
        command.arg("-p").arg(directory.path()).args(["-e", "stderr", "-c", "nginx.conf"]);
        let service = Service::start("nginx", command);
        service.wait_for("that it runs", |line| line.contains("event method").then_some(()));
        Self { service, directory, port, trust }
    }

    /// `localhost:port`.
    pub fn localhost(&self) -> String {
        format!("localhost:{}", self.port.number())
    }

    /// What a client has to trust.
    pub fn trust(&self) -> &Authority {
        &self.trust
    }

    /// A client by HTTP/1.1.
    pub fn client(&self) -> Client {
        Client::new(&self.localhost(), &self.trust)
    }

    /// What was asked of a proxy, as it read it: a target each, of requests that
    /// are over.
    pub fn asked(&self) -> Vec<String> {
        let text = fs::read_to_string(self.directory.path().join("asked.log")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// What it complained of.
    pub fn complaints(&self) -> Vec<String> {
        let mut lines = self.service.lines();
        lines.retain(|line| line.contains("[error]") || line.contains("[crit]") || line.contains("[alert]"));
        lines
    }
}

//! Pebble, the authority that Let's Encrypt made for tests.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use skerry_tests::{Client, authority::Authority, children, service::Service, tools};
use tempfile::TempDir;

use crate::dns;

/// Debian's, which is old and knows no renewal information.
pub fn debian() -> PathBuf {
    let path = PathBuf::from("/usr/bin/pebble");
    assert!(path.exists(), "Debian's package pebble is not installed: see .ci/run");
    path
}

/// A newer one, that `.ci/run` builds.
pub fn newer() -> PathBuf {
    let path = tools::find("pebble");
    assert_ne!(path, debian(), "a newer pebble is needed: see .ci/run");
    path
}

/// A port that was free just now, for programs that do not choose one.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where an authority is to be, and what clients of it trust: known before it
/// runs.
pub struct Place {
    directory: TempDir,
    trust: Authority,
    port: u16,
    management: u16,
}

impl Place {
    /// A new one.
    pub fn new() -> Self {
        let directory = TempDir::with_prefix("skerry-pebble-").unwrap();
        let trust = Authority::new(directory.path(), &["localhost", "127.0.0.1"]);
        Self { directory, trust, port: free_port(), management: free_port() }
    }

    /// `directoryurl`.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port)
    }

    /// What its server is verified against.
    pub fn ca(&self) -> &Path {
        &self.trust.ca
    }

    /// The port that it will have.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// How it is to behave.
pub struct Options {
    /// The program.
    pub program: PathBuf,
    /// Where it looks for proofs: by TLS, and by HTTP.
    pub ports: (u16, u16),
    /// For how many seconds its certificates are valid.
    pub validity: Option<u64>,
    /// Of its faults, and others.
    pub environment: Vec<(&'static str, &'static str)>,
}

impl Default for Options {
    fn default() -> Self {
        // Nobody is there, at port 1.
        Self { program: debian(), ports: (1, 1), validity: None, environment: Vec::new() }
    }
}

/// It runs.
pub struct Pebble {
    /// The process.
    pub service: Service,
    management: Client,
}

impl Pebble {
    /// Starts one at a place.
    pub fn start(place: &Place, options: Options) -> Self {
        let mut section = serde_json::json!({
            "listenAddress": format!("127.0.0.1:{}", place.port),
            "managementListenAddress": format!("127.0.0.1:{}", place.management),
            "certificate": place.trust.certificate,
            "privateKey": place.trust.key,
            "tlsPort": options.ports.0,
            "httpPort": options.ports.1,
        });
        if let Some(seconds) = options.validity {
            section["certificateValidityPeriod"] = seconds.into();
        }
        let file = place.directory.path().join("pebble.json");
        fs::write(&file, serde_json::json!({ "pebble": section }).to_string()).unwrap();
        let mut command = children::command(&options.program);
        command.arg("-config").arg(&file).args(["-dnsserver", &dns::start()]);
        command.env("PEBBLE_VA_NOSLEEP", "1").envs(options.environment);
        let service = Service::start("pebble", command);
        service.wait_for("where it listens", |line| line.contains("ACME directory available").then_some(()));
        let management = Client::new(&format!("127.0.0.1:{}", place.management), &place.trust);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while management.request("GET", "/roots/0").try_send().is_err() {
            assert!(std::time::Instant::now() < deadline, "its management interface is not there");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Self { service, management }
    }

    /// What clients of those that it vouches for have to trust.
    pub fn roots(&self) -> RootCertStore {
        let text = self.management.get("/roots/0").expect(200).text();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(text.as_bytes()).unwrap()).unwrap();
        roots
    }

    /// Its own interface for tests.
    pub fn management(&self) -> &Client {
        &self.management
    }
}

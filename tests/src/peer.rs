//! Other registries, to compare with and to share volumes with.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{authority::Authority, children, client::Client, namespaces::Namespace, service::Service, tools};

/// Which of distribution's releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Debian's `docker-registry`, 2.8.
    Two,
    /// `registry` 3.1.
    Three,
}

impl Release {
    fn program(self) -> PathBuf {
        tools::find(match self {
            Self::Two => "docker-registry",
            Self::Three => "registry",
        })
    }
}

/// A running registry of distribution's.
pub struct Peer {
    // Before the directory, so that it has ended when that is removed.
    service: Service,
    directory: TempDir,
    trust: Authority,
    address: String,
}

impl Peer {
    /// Debian's docker-registry 2.8 on a volume.
    pub fn registry2(volume: &Path) -> Self {
        Self::start(Release::Two, volume)
    }

    /// registry 3.1 on a volume.
    pub fn registry3(volume: &Path) -> Self {
        Self::start(Release::Three, volume)
    }

    /// Either.
    pub fn start(release: Release, volume: &Path) -> Self {
        Self::start_with(release, volume, "")
    }

    /// Either, with more sections.
    pub fn start_with(release: Release, volume: &Path, more: &str) -> Self {
        Self::launch(volume, "127.0.0.1", more, children::command(release.program()))
    }

    /// Either, on a network of its own.
    pub fn start_in(release: Release, volume: &Path, network: &Namespace, address: &str) -> Self {
        Self::launch(volume, address, "", network.command(release.program()))
    }

    fn launch(volume: &Path, bind: &str, more: &str, mut command: Command) -> Self {
        let directory = tempfile::Builder::new().prefix("skerry-peer-").tempdir().unwrap();
        let trust = Authority::new(directory.path(), &["localhost", "127.0.0.1", bind]);
        let text = config(volume, &trust, bind) + more;
        fs::write(directory.path().join("config.yml"), text).unwrap();
        quiet(command.args(["serve", "config.yml"]).current_dir(directory.path()));
        let service = Service::start("distribution", command);
        let address = service.address();
        Self { service, directory, trust, address }
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `localhost:port`.
    pub fn localhost(&self) -> String {
        format!("localhost:{}", self.address.rsplit_once(':').unwrap().1)
    }

    /// What a client has to trust.
    pub fn trust(&self) -> &Authority {
        &self.trust
    }

    /// A directory for the test's own files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A client by HTTP/1.1.
    pub fn client(&self) -> Client {
        Client::new(&self.address, &self.trust).accepting()
    }

    /// A client by HTTP/2.
    pub fn http2(&self) -> Client {
        Client::http2(&self.address, &self.trust).accepting()
    }

    /// Ends it at once.
    pub fn kill9(&mut self) {
        self.service.kill9();
    }

    /// Ends it.
    pub fn stop(mut self) {
        self.service.terminate();
    }
}

/// Runs its offline garbage collection over a volume; returns what it said.
pub fn collect(release: Release, volume: &Path, arguments: &[&str]) -> String {
    let directory = tempfile::Builder::new().prefix("skerry-peer-").tempdir().unwrap();
    let trust = Authority::new(directory.path(), &["localhost"]);
    let file = directory.path().join("config.yml");
    fs::write(&file, config(volume, &trust, "127.0.0.1")).unwrap();
    let mut command = Command::new(release.program());
    quiet(command.arg("garbage-collect").args(arguments).arg(&file));
    tools::succeed(command)
}

fn quiet(command: &mut Command) {
    command.env("OTEL_TRACES_EXPORTER", "none");
}

fn config(volume: &Path, trust: &Authority, bind: &str) -> String {
    format!(
        "version: 0.1\nlog:\n  level: info\n  formatter: json\nstorage:\n  filesystem:\n    rootdirectory: {}\n  \
         delete:\n    enabled: true\nhttp:\n  addr: {bind}:0\n  secret: not-a-secret\n  tls:\n    certificate: {}\n    \
         key: {}\n",
        volume.display(),
        trust.certificate.display(),
        trust.key.display()
    )
}

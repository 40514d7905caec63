//! The registry under test.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{
    authority::Authority, binary, children, client::Client, command::ended, namespaces::Namespace, raw::Raw,
    service::Service,
};

/// How a registry is to run.
pub struct Options {
    /// Serve this volume rather than a new one.
    pub volume: Option<PathBuf>,
    /// `storage.filesystem.exclusive`.
    pub exclusive: bool,
    /// `storage.filesystem.syncfs`.
    pub syncfs: &'static str,
    /// `storage.delete.enabled`.
    pub delete: bool,
    /// `storage.maintenance.readonly.enabled`.
    pub readonly: bool,
    /// `validation.manifests.sparse`.
    pub sparse: bool,
    /// Whether it has a certificate.
    pub tls: bool,
    /// Another certificate and key than the test's own, made before.
    pub pair: Option<(PathBuf, PathBuf)>,
    /// More lines of the section `http.tls`.
    pub tls_keys: String,
    /// The port, where it is to be the same after a restart.
    pub port: Option<u16>,
    /// More lines of the section `http`, in YAML with no indentation.
    pub http: String,
    /// More lines of the section `storage`.
    pub storage: String,
    /// More sections.
    pub more: String,
    /// Names and addresses for the certificate, beside those of loopback.
    pub names: Vec<String>,
    /// The network that it lives in, and its own address there.
    pub network: Option<(Namespace, String)>,
    /// What starts it: a program and its arguments, which come before the
    /// registry's own.
    pub through: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            volume: None,
            exclusive: false,
            syncfs: "auto",
            delete: true,
            readonly: false,
            sparse: false,
            tls: true,
            pair: None,
            tls_keys: String::new(),
            port: None,
            http: String::new(),
            storage: String::new(),
            more: String::new(),
            names: Vec::new(),
            network: None,
            through: Vec::new(),
        }
    }
}

/// A running registry, and the directory that is its own.
pub struct Registry {
    // Before the directory, so that it has ended when that is removed.
    service: Service,
    directory: TempDir,
    volume: PathBuf,
    trust: Authority,
    tls: bool,
    network: Option<(Namespace, String)>,
    through: Vec<String>,
    address: String,
}

impl Registry {
    /// Starts one with what a test mostly wants.
    pub fn new() -> Self {
        Self::start(Options::default())
    }

    /// Starts one.
    pub fn start(options: Options) -> Self {
        let directory = tempfile::Builder::new().prefix("skerry-test-").tempdir().unwrap();
        let volume = options.volume.clone().unwrap_or_else(|| directory.path().join("volume"));
        fs::create_dir_all(&volume).unwrap();
        let mut names = vec!["localhost", "127.0.0.1"];
        names.extend(options.names.iter().map(String::as_str));
        let trust = Authority::new(directory.path(), &names);
        fs::write(directory.path().join("config.yml"), config(&options, &volume, &trust)).unwrap();
        let service = launch(directory.path(), options.network.as_ref(), &options.through);
        let address = service.address();
        let Options { tls, network, through, .. } = options;
        Self { directory, volume, trust, tls, network, through, service, address }
    }

    /// Starts one that is to refuse to start; returns what it says.
    #[track_caller]
    pub fn refused(options: Options) -> String {
        let directory = tempfile::Builder::new().prefix("skerry-test-").tempdir().unwrap();
        let volume = directory.path().join("volume");
        fs::create_dir_all(&volume).unwrap();
        let trust = Authority::new(directory.path(), &["localhost", "127.0.0.1"]);
        fs::write(directory.path().join("config.yml"), config(&options, &volume, &trust)).unwrap();
        let mut command = children::command(binary::skerry());
        command.arg("serve").arg("config.yml").current_dir(directory.path());
        let ended = ended(&mut command);
        assert_ne!(ended.code, 0, "it started and ended: {}", ended.err);
        format!("{}{}", ended.out, ended.err)
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `localhost:port`, as people write it.
    pub fn localhost(&self) -> String {
        format!("localhost:{}", self.port())
    }

    /// The port.
    pub fn port(&self) -> &str {
        self.address.rsplit_once(':').unwrap().1
    }

    /// What a client has to trust.
    pub fn trust(&self) -> &Authority {
        &self.trust
    }

    /// The directory that it serves.
    pub fn volume(&self) -> &Path {
        &self.volume
    }

    /// A directory for the test's own files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The process.
    pub fn service(&mut self) -> &mut Service {
        &mut self.service
    }

    /// Changes its configuration, for the next start or SIGHUP: this text
    /// wherever it stands.
    #[track_caller]
    pub fn configure(&self, from: &str, to: &str) {
        let file = self.directory.path().join("config.yml");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        fs::write(&file, text.replace(from, to)).unwrap();
    }

    /// Sends the process a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        self.service.signal(signal);
    }

    /// A client by HTTP/1.1.
    pub fn client(&self) -> Client {
        if self.tls { Client::new(&self.address, &self.trust) } else { Client::plain(&self.address) }
    }

    /// A client by HTTP/2.
    pub fn http2(&self) -> Client {
        Client::http2(&self.address, &self.trust)
    }

    /// A connection for bytes.
    pub fn raw(&self) -> Raw {
        if self.tls { Raw::tls(&self.address, &self.trust) } else { Raw::plain(&self.address) }
    }

    /// Ends it at once.
    pub fn kill9(&mut self) {
        self.service.kill9();
    }

    /// Starts it again, at another port, after `kill9` or `stop`.
    pub fn restart(&mut self) {
        assert!(!self.service.running(), "it still runs");
        self.service = launch(self.directory.path(), self.network.as_ref(), &self.through);
        self.address = self.service.address();
    }

    /// Asks it to end, and expects that it does so with success.
    pub fn stop(&mut self) {
        let status = self.service.terminate();
        assert!(status.success(), "it ended with {status}; its log:\n{}", self.service.lines().join("\n"));
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

/// Starts the registry as a first run does, with nothing configured, and its
/// data in this directory.
pub fn first_run(data: &Path) -> Service {
    first_run_through(data, &[])
}

/// The same, started by these words ([`Options::through`]).
pub fn first_run_through(data: &Path, through: &[String]) -> Service {
    let program = through.first().map_or(binary::skerry().as_os_str(), OsStr::new);
    let mut command = children::command(program);
    if !through.is_empty() {
        command.args(&through[1..]).arg(binary::skerry());
    }
    command.args(["serve", "--no-config", "--addr", "127.0.0.1:0", "--data"]).arg(data);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("REGISTRY_")) {
        command.env_remove(name);
    }
    command.env("REGISTRY_LOG_FORMATTER", "json");
    Service::start("skerry", command)
}

fn launch(directory: &Path, network: Option<&(Namespace, String)>, through: &[String]) -> Service {
    let program = through.first().map_or(binary::skerry().as_os_str(), OsStr::new);
    let mut command = match network {
        None => children::command(program),
        Some((namespace, _)) => namespace.command(program),
    };
    if !through.is_empty() {
        command.args(&through[1..]).arg(binary::skerry());
    }
    command.arg("serve").arg("config.yml").current_dir(directory);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("REGISTRY_") {
            command.env_remove(name);
        }
    }
    Service::start("skerry", command)
}

fn config(options: &Options, volume: &Path, trust: &Authority) -> String {
    let bind = options.network.as_ref().map_or("127.0.0.1", |(_, address)| address);
    let mut text = String::from("version: 0.1\nlog:\n  level: info\n  formatter: json\n");
    writeln!(text, "storage:\n  filesystem:\n    rootdirectory: {}", volume.display()).unwrap();
    writeln!(text, "    syncfs: {}", options.syncfs).unwrap();
    if options.exclusive {
        text.push_str("    exclusive: true\n");
    }
    writeln!(text, "  delete:\n    enabled: {}", options.delete).unwrap();
    if options.readonly {
        text.push_str("  maintenance:\n    readonly:\n      enabled: true\n");
    }
    indented(&mut text, &options.storage);
    writeln!(text, "http:\n  addr: {bind}:{}", options.port.unwrap_or(0)).unwrap();
    if options.tls {
        let own = (trust.certificate.clone(), trust.key.clone());
        let (certificate, key) = options.pair.as_ref().unwrap_or(&own);
        writeln!(text, "  tls:\n    certificate: {}\n    key: {}", certificate.display(), key.display()).unwrap();
        for line in options.tls_keys.lines() {
            writeln!(text, "    {line}").unwrap();
        }
    }
    indented(&mut text, &options.http);
    if options.sparse {
        text.push_str("validation:\n  manifests:\n    sparse: true\n");
    }
    text.push_str(&options.more);
    text
}

fn indented(text: &mut String, lines: &str) {
    for line in lines.lines() {
        writeln!(text, "  {line}").unwrap();
    }
}

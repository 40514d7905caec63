//! The configuration as the rest of the host sees it: checked, with defaults.

use std::{fmt, path::PathBuf, time::Duration};

use http::HeaderMap;
use ipnet::IpNet;

use super::{address::Listen, node::Node};

/// Everything that was configured.
#[derive(Clone)]
pub struct Config {
    /// The log.
    pub log: Log,
    /// Listening and answering.
    pub http: Http,
    /// Where objects lie.
    pub storage: Storage,
    /// What `/debug/health` looks at.
    pub health: Health,
    /// What every request is bounded by.
    pub limits: Limits,
    /// The registry module.
    pub sandbox: Sandbox,
    /// Answers that are remembered, if any are.
    pub remember: Option<Remember>,
    /// Who may do what, and what may be stored: asked in this order.
    pub policies: Vec<Policy>,
    /// Where modules can be swapped.
    pub admin: Admin,
    /// All keys with their places, defaults filled in.
    pub(super) effective: Node,
}

/// Without the tree: it holds secrets, and this may end in a log.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("log", &self.log)
            .field("http", &self.http)
            .field("storage", &self.storage)
            .field("health", &self.health)
            .field("limits", &self.limits)
            .field("sandbox", &self.sandbox)
            .field("remember", &self.remember)
            .field("policies", &self.policies)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

/// `log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The least grave lines that are written.
    pub level: Level,
    /// How lines are written.
    pub format: LogFormat,
    /// Whether each request makes a line.
    pub access: bool,
    /// Names and values on every line.
    pub fields: Vec<(String, String)>,
}

/// Gravity of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are their names")]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

/// `log.formatter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// `http`.
#[derive(Debug, Clone)]
pub struct Http {
    /// Where clients connect.
    pub listen: Listen,
    /// `https://name[:port][/path]`, without a slash at the end: how clients
    /// reach this registry.
    pub host: Option<String>,
    /// `/path` that all routes lie below, without a slash at the end; empty
    /// where there is none.
    pub prefix: String,
    /// Whether `Location` and `Link` have neither scheme nor host, where that
    /// is written out; else they have them with `host` alone.
    pub relative_urls: Option<bool>,
    /// On every answer; never one that frames.
    pub headers: HeaderMap,
    /// From the first signal to the end of the last connection.
    pub drain: Duration,
    /// Certificate and key; without, plain HTTP.
    pub tls: Option<Tls>,
    /// The admin listener.
    pub debug: Option<Debug>,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
    /// Whether HTTP/2 is spoken without TLS, to clients that begin with it.
    pub h2c: bool,
    /// Whose `Forwarded` and `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whose connections begin with a PROXY header.
    pub proxy_protocol: Vec<IpNet>,
}

/// `http.tls`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Where certificates come from.
    pub certificates: Certificates,
    /// The lowest version.
    pub minimum: TlsVersion,
    /// Suites by Go's names, for TLS 1.2; all where empty.
    pub suites: Vec<String>,
    /// Whether who asks for a name that no certificate has is refused.
    pub strict: bool,
    /// What is wanted of clients.
    pub client_auth: ClientAuth,
    /// PEM: what client certificates are verified against.
    pub client_cas: Vec<PathBuf>,
}

/// Where certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificates {
    /// Files that somebody else makes and renews.
    Files {
        /// PEM: the leaf, then its chain.
        certificate: PathBuf,
        /// PEM: PKCS#8, SEC1 or PKCS#1.
        key: PathBuf,
        /// Further pairs of certificate and key, chosen by the name that a
        /// client asks for.
        others: Vec<(PathBuf, PathBuf)>,
    },
    /// An authority that they are ordered from.
    Ordered(LetsEncrypt),
}

/// `http.tls.letsencrypt`: certificates by ACME.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetsEncrypt {
    /// The directory of account and certificates.
    pub cache: PathBuf,
    /// Where the authority writes to.
    pub email: Option<String>,
    /// The names, in lower case; at least one.
    pub hosts: Vec<String>,
    /// The URL of the authority's directory.
    pub directory: String,
    /// PEM: what the authority's own server is verified against; the system's
    /// roots where nothing is said.
    pub authority: Option<PathBuf>,
    /// Where HTTP-01 challenges are answered, if they are.
    pub http: Option<Listen>,
    /// From a first failure to the next try.
    pub retry: Duration,
}

/// `http.tls.clientauth`: what is wanted of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate.
    None,
    /// A certificate, if they have one; it is not verified.
    Request,
    /// A certificate; it is not verified.
    RequireAny,
    /// A certificate, if they have one; it is verified.
    VerifyIfGiven,
    /// A certificate, which is verified.
    RequireAndVerify,
}

impl ClientAuth {
    /// Whether every certificate that gets through was verified.
    pub fn verifies(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }

    /// Whether who has no certificate is refused.
    pub fn requires(self) -> bool {
        matches!(self, Self::RequireAny | Self::RequireAndVerify)
    }
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

/// `http.debug`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debug {
    /// Where the admin listener is.
    pub listen: Listen,
    /// The path of the metrics, if they are shown.
    pub metrics: Option<String>,
}

/// Whether filesystems are synced whole: `storage.filesystem.syncfs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncWhole {
    /// While several wait and little else would be written.
    Auto,
    /// Never: each file by itself.
    Never,
    /// For one too.
    Always,
}

/// `storage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// The directory; all keys lie in it.
    pub root: PathBuf,
    /// Reads, and as many commits, that wait for the disk at once.
    pub max_threads: usize,
    /// Keys of directories that may be symbolic links.
    pub symlinks: Vec<String>,
    /// Whether nobody else writes to the directory.
    pub exclusive: bool,
    /// Bytes of the disk that pushes leave alone.
    pub reserve: u64,
    /// Whether filesystems are synced whole, or each file by itself.
    pub sync_whole: SyncWhole,
    /// Whether clients may delete.
    pub delete: bool,
    /// Whether clients may change nothing.
    pub read_only: bool,
    /// How abandoned uploads are removed, if they are.
    pub purge: Option<Purge>,
    /// How often tags go that the policies do not keep, if they do.
    pub retention: Option<Retention>,
}

/// `storage.maintenance.retention`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Between two looks.
    pub interval: Duration,
    /// Only say what would be removed.
    pub dry_run: bool,
}

/// `storage.maintenance.uploadpurging`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Without a sign of life for this long.
    pub age: Duration,
    /// Between two looks.
    pub interval: Duration,
    /// Only say what would be removed.
    pub dry_run: bool,
}

/// `health`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether the storage can be written to.
    pub storage: Option<Period>,
    /// Files whose presence means: take no traffic.
    pub files: Vec<FileCheck>,
    /// Addresses that must accept connections.
    pub tcp: Vec<TcpCheck>,
}

/// How often a check is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// Between two checks.
    pub interval: Duration,
    /// Failures in a row that count; at least one.
    pub threshold: u32,
}

/// One of `health.file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCheck {
    /// Unhealthy while this exists.
    pub file: PathBuf,
    /// How often.
    pub period: Period,
}

/// One of `health.tcp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpCheck {
    /// `host:port`.
    pub addr: String,
    /// To connect within.
    pub timeout: Duration,
    /// How often.
    pub period: Period,
}

/// `limits`; each key with its default is in `defaults.yml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open at once.
    pub connections: usize,
    /// Open at once from one address, or one IPv6 /64.
    pub connections_per_address: usize,
    /// TLS handshakes that compute at once.
    pub handshakes: usize,
    /// From the connection to the end of its handshake.
    pub handshake_time: Duration,
    /// For the head of a request to arrive.
    pub head_time: Duration,
    /// Bytes of the head of a request.
    pub head_bytes: usize,
    /// Header fields of a request.
    pub head_fields: usize,
    /// Bytes of path and query together.
    pub target_bytes: usize,
    /// Of a connection without a request.
    pub keep_alive: Duration,
    /// Without a byte of a body that is waited for.
    pub read_idle: Duration,
    /// Without a byte of an answer taken.
    pub write_idle: Duration,
    /// Listening on to a client that still sends, after the end.
    pub linger: Duration,
    /// Bytes of a pushed manifest.
    pub manifest: u64,
    /// Bytes of a pushed blob.
    pub blob: u64,
    /// Bytes of a body that the module reads whole.
    pub body_in_memory: u64,
    /// Bytes of an object that the module reads whole.
    pub object_in_memory: u64,
    /// Bytes of a body that the module makes.
    pub answer: u64,
    /// Uploads in use at once.
    pub uploads: usize,
    /// Uploads kept open between two requests.
    pub idle_uploads: usize,
    /// How long they are.
    pub idle_upload: Duration,
    /// Bytes of uploads that are not finished, of one principal, or of one
    /// address where nobody says who it is; 0 for any number.
    pub staged_per_principal: u64,
    /// Bytes of names kept of directories that do not change.
    pub listing_cache: u64,
    /// HTTP/1.1: bytes of an answer, read ahead of the client.
    pub h1_buffer: usize,
    /// HTTP/2: requests at once on a connection.
    pub h2_streams: u32,
    /// HTTP/2: bytes sent ahead by a client on one stream.
    pub h2_stream_window: u32,
    /// HTTP/2: bytes sent ahead by a client on one connection.
    pub h2_connection_window: u32,
    /// HTTP/2: bytes of an answer, read ahead of the client.
    pub h2_send_buffer: usize,
    /// HTTP/2: streams that a client opens and resets at once.
    pub h2_pending_resets: usize,
    /// HTTP/2: streams that we reset for a client's mistakes.
    pub h2_local_resets: usize,
    /// HTTP/2: between two looks whether a client lives.
    pub h2_ping: Duration,
}

/// `sandbox`; each key with its default is in `defaults.yml`. The module reads
/// `sandbox.settings` through [`Config::guest_setting`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// A component in place of the built-in one.
    pub registry: Option<ModuleAt>,
    /// How modules come from registries.
    pub oci: Oci,
    /// Digests of compiled modules that may run, as `sha256:` and hexadecimal
    /// digits.
    pub precompiled: Vec<String>,
    /// How the module may use its directory by WASI, if at all.
    pub preopen: Option<Preopen>,
    /// Bytes of one instance's memory.
    pub memory: u64,
    /// Elements of one instance's tables.
    pub table_elements: usize,
    /// Of an instance's own computing for one request.
    pub time: Duration,
    /// Of the host's looks at the storage for one request.
    pub storage_time: Duration,
    /// Calls of the host for one request.
    pub calls: u32,
    /// Bytes handed over by those calls.
    pub bytes: u64,
    /// Instances that compute at once.
    pub instances: u32,
    /// Instances that wait for a body at once, beside those.
    pub parked: u32,
    /// Of those, for one address or IPv6 /64.
    pub parked_per_address: u32,
    /// Of those, for one principal.
    pub parked_per_principal: u32,
    /// Instances that wait for a policy at once, beside all those.
    pub asking: u32,
    /// Of those, for one address or IPv6 /64.
    pub asking_per_address: u32,
    /// Requests that wait for an instance at once.
    pub queue: usize,
    /// How long they wait.
    pub queue_time: Duration,
    /// Of compiling a module, by the clock.
    pub compile_time: Duration,
    /// Bytes of address space of the process that compiles it.
    pub compile_memory: u64,
    /// How long a count of what is stored is relied on.
    pub recount: Duration,
}

/// `remember`; each key with its default is in `defaults.yml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remember {
    /// Answers at once.
    pub entries: usize,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Bytes of one.
    pub answer: u64,
    /// How long what an answer rests on must have been left alone, where
    /// others write too.
    pub age: Duration,
}

/// `admin`: where modules can be looked at and swapped; by default nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admin {
    /// The path of a Unix socket.
    pub socket: Option<PathBuf>,
    /// An address, for those whom an authority vouches for.
    pub remote: Option<Remote>,
}

/// `admin.addr` and `admin.tls`: there is none without certificates of both
/// sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Where it listens.
    pub listen: Listen,
    /// PEM: the leaf, then its chain.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
    /// PEM: what client certificates are verified against; at least one.
    pub client_cas: Vec<PathBuf>,
}

/// One of `policies`, or what `auth` asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// One of its own; for logs and metrics.
    pub name: String,
    /// What it is made of.
    pub module: PolicyModule,
    /// The world that the module is to be of; told from its exports where
    /// nothing is said.
    pub world: Option<World>,
    /// Its settings.
    pub settings: serde_json::Value,
    /// Files that it may read.
    pub grant: Grant,
    /// How it may use that directory by WASI, if at all.
    pub preopen: Option<Preopen>,
    /// Secrets that it is told.
    pub secrets: Vec<(String, Secret)>,
    /// Whether it counts as one with no opinion when it fails.
    pub lenient: bool,
    /// How long what it decided is relied on at the most, and for no other
    /// request where it is zero; as long as it says where nothing is said.
    pub lifetime: Option<Duration>,
    /// Of its own computing for one question.
    pub time: Duration,
    /// Bytes of one instance's memory.
    pub memory: u64,
}

/// `sandbox.preopen`, `policies[].preopen`: what WASI's own calls may do with a
/// directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preopen {
    /// Read.
    ReadOnly,
    /// Write, too.
    ReadWrite,
}

/// `policies[].module`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyModule {
    /// One that is built in.
    BuiltIn(String),
    /// A component.
    File(PathBuf),
    /// `oci://registry/repository@sha256:…`.
    Artifact(String),
}

/// `sandbox.registry`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleAt {
    /// A component.
    File(PathBuf),
    /// `oci://registry/repository@sha256:…`.
    Artifact(String),
}

/// `sandbox.oci`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oci {
    /// The authorities that those registries are trusted by; the system's
    /// where it is not set.
    pub ca: Option<PathBuf>,
    /// A `config.json` of docker.
    pub credentials: Option<PathBuf>,
}

/// `policies[].world`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// Who may do what.
    Auth,
    /// What may be stored.
    Storage,
}

/// Files that a policy may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// None.
    Nothing,
    /// Those below a directory.
    Directory(PathBuf),
    /// Some, by names of their own.
    Files(Vec<(String, PathBuf)>),
}

/// A secret that a policy is told.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// It was written into the configuration.
    Value(String),
    /// The content of a file, without the end of its last line.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Value(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

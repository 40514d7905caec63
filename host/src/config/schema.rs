//! Every key that is known: distribution's (2.8 and 3) and ours, what each
//! takes, and what becomes of those that do nothing here.

use super::node::Node;

/// What a node may be.
#[derive(Debug)]
pub(super) enum Kind {
    Flag,
    Integer,
    Text,
    /// Text that no output shows.
    Secret,
    Duration,
    /// Bytes; a key of ours.
    Size,
    /// One of these words, in any case.
    Choice(&'static [&'static str]),
    List(&'static Kind),
    /// Names of the operator's choice, with one kind of value.
    Map(&'static Kind),
    /// Known names.
    Section(&'static [Field]),
    /// Known names, and beside them drivers with parameters of their own; a
    /// text in its place names a driver.
    Drivers(&'static [Field]),
    /// Known names of ways to authenticate; a text in its place names one, and
    /// an unknown one stops the start.
    Ways(&'static [Field]),
    /// Text that no output shows, or the `file` that it is in.
    Granted,
    /// Anything; secrets in it are known by their names.
    Any,
}

/// A known name.
#[derive(Debug)]
pub(super) struct Field {
    /// As in YAML.
    pub name: &'static str,
    /// The field in distribution's Go, which names the variable of the
    /// environment.
    pub go: &'static str,
    pub kind: Kind,
    pub support: Support,
    /// Whether distribution has no such key.
    pub ours: bool,
}

/// What becomes of a key.
#[derive(Debug)]
pub(super) enum Support {
    Yes,
    /// Nothing, and that harms nobody: why.
    Ignored(&'static str),
    /// The start stops if it asks for anything: why; and whether it does.
    Refused(&'static str, fn(&Node) -> bool),
}

impl Field {
    /// Whether the name is ours: only those have `_`.
    pub fn joined(&self) -> bool {
        self.name.contains('_')
    }
}

const fn key(name: &'static str, go: &'static str, kind: Kind) -> Field {
    Field { name, go, kind, support: Support::Yes, ours: false }
}

/// A key of ours: its variable has the name itself.
const fn ours(name: &'static str, kind: Kind) -> Field {
    Field { ours: true, ..key(name, name, kind) }
}

const fn ignored(name: &'static str, go: &'static str, kind: Kind, why: &'static str) -> Field {
    Field { support: Support::Ignored(why), ..key(name, go, kind) }
}

const fn refused(
    name: &'static str,
    go: &'static str,
    kind: Kind,
    why: &'static str,
    asks: fn(&Node) -> bool,
) -> Field {
    Field { support: Support::Refused(why, asks), ..key(name, go, kind) }
}

/// Whatever is below it.
fn always(_: &Node) -> bool {
    true
}

/// Some item, below any names, that is not disabled.
fn enabled_item(node: &Node) -> bool {
    let enabled = |item: &Node| {
        let disabled = item.get("disabled").and_then(Node::text).and_then(super::scalar::flag);
        !item.is_empty() && disabled != Some(true)
    };
    node.items().iter().any(enabled) || node.entries().iter().any(|entry| enabled_item(&entry.node))
}

/// distribution is a cache only with a `remoteurl`.
fn remote(node: &Node) -> bool {
    node.get("remoteurl").is_some_and(|url| !url.is_empty())
        || !matches!(node.value, super::node::Value::Map(_)) && node.asks()
}

/// The whole configuration.
pub(super) static ROOT: Kind = Kind::Section(&[
    key("version", "Version", Kind::Text),
    key("log", "Log", Kind::Section(LOG)),
    key("loglevel", "Loglevel", Kind::Choice(LEVELS)),
    key("storage", "Storage", Kind::Drivers(STORAGE)),
    key("auth", "Auth", Kind::Ways(AUTH)),
    refused(
        "middleware",
        "Middleware",
        Kind::Any,
        "middleware is not supported: what it would guard or change would not be",
        enabled_item,
    ),
    ignored("reporting", "Reporting", Kind::Any, "errors are reported to the log only"),
    key("http", "HTTP", Kind::Section(HTTP)),
    key("notifications", "Notifications", Kind::Section(NOTIFICATIONS)),
    ignored("redis", "Redis", Kind::Any, "no cache outside of this process is needed"),
    key("health", "Health", Kind::Section(HEALTH)),
    key("catalog", "Catalog", Kind::Section(&[key("maxentries", "MaxEntries", Kind::Integer)])),
    ignored(
        "tags",
        "Tags",
        Kind::Section(&[key("maxtags", "MaxTags", Kind::Integer)]),
        "a page of tags is as long as the client asks",
    ),
    refused(
        "proxy",
        "Proxy",
        Kind::Section(PROXY),
        "pulling through from another registry is not supported yet",
        remote,
    ),
    ignored("compatibility", "Compatibility", Kind::Any, "schema 1 manifests are served as they are, and none is made"),
    key("validation", "Validation", Kind::Section(VALIDATION)),
    refused(
        "policy",
        "Policy",
        Kind::Any,
        "repository classes are not supported: content of every class would be accepted",
        Node::asks,
    ),
    // Ours.
    key("policies", "Policies", Kind::List(&Kind::Section(POLICY))),
    key("limits", "Limits", Kind::Section(LIMITS)),
    key("sandbox", "Sandbox", Kind::Section(SANDBOX)),
    key("remember", "Remember", Kind::Section(REMEMBER)),
    key("admin", "Admin", Kind::Section(ADMIN)),
]);

/// `auth`.
const AUTH: &[Field] = &[
    key("htpasswd", "htpasswd", Kind::Section(&[key("realm", "realm", Kind::Text), key("path", "path", Kind::Text)])),
    key(
        "token",
        "token",
        Kind::Section(&[
            key("realm", "realm", Kind::Text),
            key("service", "service", Kind::Text),
            key("issuer", "issuer", Kind::Text),
            key("rootcertbundle", "rootcertbundle", Kind::Text),
            key("jwks", "jwks", Kind::Text),
            key("signingalgorithms", "signingalgorithms", Kind::List(&Kind::Text)),
            key("autoredirect", "autoredirect", Kind::Flag),
            key("autoredirectpath", "autoredirectpath", Kind::Text),
        ]),
    ),
    refused(
        "silly",
        "silly",
        Kind::Any,
        "it lets everybody in who shows anything at all, and is for tests: use `auth.htpasswd` or `auth.token`",
        always,
    ),
];

/// Said in `defaults.yml`.
const POLICY: &[Field] = &[
    ours("name", Kind::Text),
    ours("module", Kind::Text),
    ours("world", Kind::Choice(&["auth", "storage"])),
    ours("settings", Kind::Any),
    ours("directory", Kind::Text),
    ours("preopen", Kind::Choice(PREOPEN)),
    ours("secrets", Kind::Map(&Kind::Granted)),
    ours("on_failure", Kind::Choice(&["deny", "allow"])),
    ours("lifetime", Kind::Duration),
    ours("limits", Kind::Section(&[ours("time", Kind::Duration), ours("memory", Kind::Size)])),
];

/// What WASI's own calls may do with a directory.
const PREOPEN: &[&str] = &["ro", "rw"];

/// What a secret may be in.
const GRANTED: &[Field] = &[ours("file", Kind::Text)];

/// Levels of the log.
pub(super) const LEVELS: &[&str] = &["error", "warn", "info", "debug"];

/// distribution's words for what is wanted of clients.
const CLIENT_AUTH: &[&str] = &[
    "request-client-cert",
    "require-any-client-cert",
    "verify-client-cert-if-given",
    "require-and-verify-client-cert",
];

const LOG: &[Field] = &[
    key("accesslog", "AccessLog", Kind::Section(&[key("disabled", "Disabled", Kind::Flag)])),
    key("level", "Level", Kind::Choice(LEVELS)),
    key("formatter", "Formatter", Kind::Choice(&["text", "json", "logstash"])),
    key("fields", "Fields", Kind::Map(&Kind::Any)),
    Field {
        name: "hooks",
        go: "Hooks",
        kind: Kind::List(&Kind::Section(&[
            key("disabled", "Disabled", Kind::Flag),
            key("type", "Type", Kind::Text),
            key("levels", "Levels", Kind::List(&Kind::Text)),
            key("options", "MailOptions", Kind::Any),
        ])),
        support: Support::Ignored("no mail is sent; the log goes to standard error"),
        ours: false,
    },
    ignored("reportcaller", "ReportCaller", Kind::Flag, "log lines name the part of the program that wrote them"),
];

const STORAGE: &[Field] = &[
    key(
        "filesystem",
        "filesystem",
        Kind::Section(&[
            key("rootdirectory", "rootdirectory", Kind::Text),
            key("maxthreads", "maxthreads", Kind::Integer),
            ours("symlinks", Kind::List(&Kind::Text)),
            ours("exclusive", Kind::Flag),
            ours("reserve", Kind::Size),
            ours("syncfs", Kind::Choice(&["auto", "never", "always"])),
        ]),
    ),
    key("delete", "delete", Kind::Section(&[key("enabled", "enabled", Kind::Flag)])),
    key(
        "maintenance",
        "maintenance",
        Kind::Section(&[
            key(
                "uploadpurging",
                "uploadpurging",
                Kind::Section(&[
                    key("enabled", "enabled", Kind::Flag),
                    key("age", "age", Kind::Duration),
                    key("interval", "interval", Kind::Duration),
                    key("dryrun", "dryrun", Kind::Flag),
                ]),
            ),
            key("readonly", "readonly", Kind::Section(&[key("enabled", "enabled", Kind::Flag)])),
            ours(
                "retention",
                Kind::Section(&[
                    key("enabled", "enabled", Kind::Flag),
                    key("interval", "interval", Kind::Duration),
                    key("dryrun", "dryrun", Kind::Flag),
                ]),
            ),
        ]),
    ),
    ignored("cache", "cache", Kind::Any, "no cache of blob descriptors is needed"),
    ignored(
        "tag",
        "tag",
        Kind::Section(&[key("concurrencylimit", "concurrencylimit", Kind::Integer)]),
        "looking up tags has the bounds of every request",
    ),
    ignored("redirect", "redirect", Kind::Any, "blobs are always served from here"),
];

const HTTP: &[Field] = &[
    key("addr", "Addr", Kind::Text),
    key("net", "Net", Kind::Choice(&["tcp", "tcp4", "tcp6"])),
    key("host", "Host", Kind::Text),
    key("prefix", "Prefix", Kind::Text),
    // Uploads carry no signed state here, so nothing needs it.
    key("secret", "Secret", Kind::Secret),
    key("relativeurls", "RelativeURLs", Kind::Flag),
    key("draintimeout", "DrainTimeout", Kind::Duration),
    key(
        "tls",
        "TLS",
        Kind::Section(&[
            key("certificate", "Certificate", Kind::Text),
            key("key", "Key", Kind::Text),
            key("clientcas", "ClientCAs", Kind::List(&Kind::Text)),
            key("clientauth", "ClientAuth", Kind::Choice(CLIENT_AUTH)),
            key("minimumtls", "MinimumTLS", Kind::Choice(&["tls1.0", "tls1.1", "tls1.2", "tls1.3"])),
            key("ciphersuites", "CipherSuites", Kind::List(&Kind::Text)),
            // Ours.
            ours(
                "certificates",
                Kind::List(&Kind::Section(&[
                    key("certificate", "Certificate", Kind::Text),
                    key("key", "Key", Kind::Text),
                ])),
            ),
            ours("strictsni", Kind::Flag),
            key(
                "letsencrypt",
                "LetsEncrypt",
                Kind::Section(&[
                    key("cachefile", "CacheFile", Kind::Text),
                    key("email", "Email", Kind::Text),
                    key("hosts", "Hosts", Kind::List(&Kind::Text)),
                    key("directoryurl", "DirectoryURL", Kind::Text),
                    // Ours.
                    ours("http", Kind::Text),
                    ours("ca", Kind::Text),
                    ours("retry", Kind::Duration),
                ]),
            ),
        ]),
    ),
    key("headers", "Headers", Kind::Map(&Kind::List(&Kind::Text))),
    key(
        "debug",
        "Debug",
        Kind::Section(&[
            key("addr", "Addr", Kind::Text),
            key(
                "prometheus",
                "Prometheus",
                Kind::Section(&[key("enabled", "Enabled", Kind::Flag), key("path", "Path", Kind::Text)]),
            ),
        ]),
    ),
    key("http2", "HTTP2", Kind::Section(&[key("disabled", "Disabled", Kind::Flag)])),
    key("h2c", "H2C", Kind::Section(&[key("enabled", "Enabled", Kind::Flag)])),
    // Ours.
    ours("trustedproxies", Kind::List(&Kind::Text)),
    ours("proxyprotocol", Kind::List(&Kind::Text)),
];

const NOTIFICATIONS: &[Field] = &[
    ignored("events", "EventConfig", Kind::Any, "there are no notifications yet"),
    refused(
        "endpoints",
        "Endpoints",
        Kind::Any,
        "notifications are not supported yet: who waits for events would wait in vain",
        enabled_item,
    ),
];

const HEALTH: &[Field] = &[
    key(
        "file",
        "FileCheckers",
        Kind::List(&Kind::Section(&[
            key("interval", "Interval", Kind::Duration),
            key("file", "File", Kind::Text),
            key("threshold", "Threshold", Kind::Integer),
        ])),
    ),
    ignored(
        "http",
        "HTTPCheckers",
        Kind::List(&Kind::Section(&[
            key("timeout", "Timeout", Kind::Duration),
            key("statuscode", "StatusCode", Kind::Integer),
            key("interval", "Interval", Kind::Duration),
            key("uri", "URI", Kind::Text),
            key("headers", "Headers", Kind::Map(&Kind::List(&Kind::Secret))),
            key("threshold", "Threshold", Kind::Integer),
        ])),
        "no other server is asked for its health; `health.tcp` looks whether one listens",
    ),
    key(
        "tcp",
        "TCPCheckers",
        Kind::List(&Kind::Section(&[
            key("timeout", "Timeout", Kind::Duration),
            key("interval", "Interval", Kind::Duration),
            key("addr", "Addr", Kind::Text),
            key("threshold", "Threshold", Kind::Integer),
        ])),
    ),
    key(
        "storagedriver",
        "StorageDriver",
        Kind::Section(&[
            key("enabled", "Enabled", Kind::Flag),
            key("interval", "Interval", Kind::Duration),
            key("threshold", "Threshold", Kind::Integer),
        ]),
    ),
];

const PROXY: &[Field] = &[
    key("remoteurl", "RemoteURL", Kind::Text),
    key("username", "Username", Kind::Secret),
    key("password", "Password", Kind::Secret),
    key("exec", "Exec", Kind::Any),
    key("ttl", "TTL", Kind::Duration),
    key("cachewritetimeout", "CacheWriteTimeout", Kind::Duration),
];

const VALIDATION: &[Field] = &[
    key("enabled", "Enabled", Kind::Flag),
    key("disabled", "Disabled", Kind::Flag),
    key(
        "manifests",
        "Manifests",
        Kind::Section(&[
            key(
                "urls",
                "URLs",
                Kind::Section(&[
                    key("allow", "Allow", Kind::List(&Kind::Text)),
                    key("deny", "Deny", Kind::List(&Kind::Text)),
                ]),
            ),
            key(
                "indexes",
                "Indexes",
                Kind::Section(&[
                    key("platforms", "Platforms", Kind::Choice(&["all", "none", "list"])),
                    key(
                        "platformlist",
                        "PlatformList",
                        Kind::List(&Kind::Section(&[
                            key("architecture", "Architecture", Kind::Text),
                            key("os", "OS", Kind::Text),
                        ])),
                    ),
                ]),
            ),
            // Ours.
            ours("sparse", Kind::Flag),
        ]),
    ),
];

/// Said in `defaults.yml`.
const LIMITS: &[Field] = &[
    ours("connections", Kind::Integer),
    ours("connections_per_address", Kind::Integer),
    ours("handshakes", Kind::Integer),
    ours("handshake_time", Kind::Duration),
    ours("head_time", Kind::Duration),
    ours("head_bytes", Kind::Size),
    ours("head_fields", Kind::Integer),
    ours("target_bytes", Kind::Size),
    ours("keep_alive", Kind::Duration),
    ours("read_idle", Kind::Duration),
    ours("write_idle", Kind::Duration),
    ours("linger", Kind::Duration),
    ours("manifest", Kind::Size),
    ours("blob", Kind::Size),
    ours("body_in_memory", Kind::Size),
    ours("object_in_memory", Kind::Size),
    ours("answer", Kind::Size),
    ours("uploads", Kind::Integer),
    ours("idle_uploads", Kind::Integer),
    ours("idle_upload", Kind::Duration),
    ours("staged_per_principal", Kind::Size),
    ours("listing_cache", Kind::Size),
    ours("h1_buffer", Kind::Size),
    ours("h2_streams", Kind::Integer),
    ours("h2_stream_window", Kind::Size),
    ours("h2_connection_window", Kind::Size),
    ours("h2_send_buffer", Kind::Size),
    ours("h2_pending_resets", Kind::Integer),
    ours("h2_local_resets", Kind::Integer),
    ours("h2_ping", Kind::Duration),
];

/// Said in `defaults.yml`.
const SANDBOX: &[Field] = &[
    ours("registry", Kind::Text),
    ours("precompiled", Kind::List(&Kind::Text)),
    ours("oci", Kind::Section(&[ours("ca", Kind::Text), ours("credentials", Kind::Text)])),
    ours("preopen", Kind::Choice(PREOPEN)),
    ours("memory", Kind::Size),
    ours("table_elements", Kind::Integer),
    ours("time", Kind::Duration),
    ours("storage_time", Kind::Duration),
    ours("calls", Kind::Integer),
    ours("bytes", Kind::Size),
    ours("instances", Kind::Integer),
    ours("parked", Kind::Integer),
    ours("parked_per_address", Kind::Integer),
    ours("parked_per_principal", Kind::Integer),
    ours("asking", Kind::Integer),
    ours("asking_per_address", Kind::Integer),
    ours("queue", Kind::Integer),
    ours("queue_time", Kind::Duration),
    ours("compile_time", Kind::Duration),
    ours("compile_memory", Kind::Size),
    ours("recount", Kind::Duration),
    ours("settings", Kind::Map(&Kind::Any)),
];

/// Said in `defaults.yml`.
const REMEMBER: &[Field] = &[
    ours("enabled", Kind::Flag),
    ours("entries", Kind::Integer),
    ours("bytes", Kind::Size),
    ours("answer", Kind::Size),
    ours("age", Kind::Duration),
];

/// Said in `defaults.yml`.
const ADMIN: &[Field] = &[
    ours("socket", Kind::Text),
    ours("addr", Kind::Text),
    ours(
        "tls",
        Kind::Section(&[
            ours("certificate", Kind::Text),
            ours("key", Kind::Text),
            ours("clientcas", Kind::List(&Kind::Text)),
        ]),
    ),
];

/// The fields of a kind that has known names.
pub(super) fn fields(kind: &Kind) -> &'static [Field] {
    match kind {
        Kind::Section(fields) | Kind::Drivers(fields) | Kind::Ways(fields) => fields,
        Kind::Granted => GRANTED,
        _ => &[],
    }
}

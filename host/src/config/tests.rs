#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{path::Path, time::Duration};

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The file that registry:2 and registry:3 ship.
const SHIPPED: &str = "version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
";

fn try_load(text: &str, env: &[(&str, &str)]) -> Result<(Config, Vec<Warning>), ConfigError> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(Source::text("config.yml", text), env)
}

fn loaded(text: &str, env: &[(&str, &str)]) -> Config {
    try_load(text, env).unwrap().0
}

/// A configuration after `version: 0.1`, which is line 1.
fn with(text: &str) -> String {
    format!("version: 0.1\n{text}")
}

#[test]
fn what_distribution_ships() {
    let (config, warnings) = try_load(SHIPPED, &[]).unwrap();
    assert_eq!(config.http.listen.to_string(), ":5000");
    assert_eq!(config.http.headers["x-content-type-options"], "nosniff");
    assert_eq!(config.storage.root.to_str(), Some("/var/lib/registry"));
    assert_eq!(config.log.fields, [("service".to_owned(), "registry".to_owned())]);
    assert_eq!(config.health.storage, Some(Period { interval: Duration::from_secs(10), threshold: 3 }));
    assert_eq!(warnings.len(), 1);
    assert_eq!(
        warnings[0].to_string(),
        "config.yml:7: `storage.cache` has no effect: no cache of blob descriptors is needed"
    );
}

#[test]
fn defaults() {
    let config = load(Source::nothing(), std::iter::empty()).unwrap().0;
    assert_eq!(config.http.listen.to_string(), ":5000");
    assert_eq!(config.http.drain, Duration::from_secs(8));
    assert!(config.http.relative_urls.is_none() && config.http.http2 && !config.http.h2c && config.http.tls.is_none());
    assert_eq!(config.storage.root.to_str(), Some("/var/lib/registry"));
    assert!(!config.storage.delete && !config.storage.read_only);
    let purge = config.storage.purge.clone().unwrap();
    assert_eq!((purge.age.as_secs(), purge.interval.as_secs(), purge.dry_run), (168 * 3600, 24 * 3600, false));
    assert_eq!(config.storage.retention, None);
    assert_eq!((config.limits.manifest, config.limits.body_in_memory), (4 << 20, 4 << 20));
    assert_eq!(config.guest_setting("catalog.maxentries").as_deref(), Some("1000"));
    assert!(!config.was_set("http") && !config.was_set("storage"));
    // Zero and empty are "not set" in Go.
    let zeros = loaded(&with("http: {draintimeout: 0, addr: ''}\ncatalog: {maxentries: 0}\nlog: {level: ''}\n"), &[]);
    assert_eq!(zeros.http.drain, Duration::from_secs(8));
    assert_eq!(zeros.http.listen.to_string(), ":5000");
    assert_eq!(zeros.guest_setting("catalog.maxentries").as_deref(), Some("1000"));
}

#[test]
fn environment_rules() {
    // Variables, then a path and the JSON or text that must be there.
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);
    let table: &[Case<'_>] = &[
        (&[("REGISTRY_HTTP_ADDR", ":6000")], "http.addr", ":6000"),
        (&[("REGISTRY_HTTP_ADDR", "localhost:6000")], "http.addr", "localhost:6000"),
        (&[("REGISTRY_HTTP_ADDR", "")], "http.addr", ":5000"),
        (&[("REGISTRY_LOG_LEVEL", "debug")], "log.level", "debug"),
        (&[("REGISTRY_LOGLEVEL", "error")], "log.level", "error"),
        (&[("REGISTRY_LOGLEVEL", "error"), ("REGISTRY_LOG_LEVEL", "warn")], "log.level", "warn"),
        (&[("REGISTRY_HTTP", "{addr: ':7000'}")], "http.addr", ":7000"),
        // In the order of names: the section first, then what is in it.
        (&[("REGISTRY_HTTP_ADDR", ":1"), ("REGISTRY_HTTP", "{addr: ':2'}")], "http.addr", ":1"),
        (
            &[("REGISTRY_STORAGE", "filesystem"), ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/x")],
            "storage.filesystem.rootdirectory",
            "/x",
        ),
        (&[("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/tmp")], "storage.filesystem.rootdirectory", "/tmp"),
        (&[("REGISTRY_STORAGE_FILESYSTEM", "{rootdirectory: /y}")], "storage.filesystem.rootdirectory", "/y"),
        (&[("REGISTRY_STORAGE_DELETE_ENABLED", "true")], "storage.delete.enabled", "true"),
        (&[("REGISTRY_STORAGE_DELETE", "{enabled: true}")], "storage.delete.enabled", "true"),
        (
            &[("REGISTRY_STORAGE_MAINTENANCE_READONLY", "{\"enabled\":true}")],
            "storage.maintenance.readonly.enabled",
            "true",
        ),
        (&[("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "true")], "storage.maintenance.readonly.enabled", "true"),
        (&[("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE", "24h")], "storage.maintenance.uploadpurging.age", "24h"),
        (
            &[("REGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin", "['*']")],
            "http.headers.access-control-allow-origin.0",
            "*",
        ),
        (
            &[("REGISTRY_HTTP_HEADERS_X-Content-Type-Options", "[other]")],
            "http.headers.X-Content-Type-Options.0",
            "other",
        ),
        (
            &[("REGISTRY_HTTP_TLS_CIPHERSUITES", "[A, B]"), ("REGISTRY_HTTP_TLS_CIPHERSUITES_1", "C")],
            "http.tls.ciphersuites.1",
            "C",
        ),
        (&[("REGISTRY_HTTP_TRUSTEDPROXIES_0", "10.0.0.0/8")], "http.trustedproxies.0", "10.0.0.0/8"),
        (&[("REGISTRY_HEALTH_FILECHECKERS_0_FILE", "/down")], "health.file.0.file", "/down"),
        (
            &[("REGISTRY_HEALTH_TCPCHECKERS_0_ADDR", "db:5432"), ("REGISTRY_HEALTH_TCPCHECKERS_0_THRESHOLD", "2")],
            "health.tcp.0.threshold",
            "2",
        ),
        (&[("REGISTRY_HEALTH_STORAGEDRIVER_ENABLED", "no")], "health.storagedriver.enabled", "no"),
        (
            &[("REGISTRY_VALIDATION_MANIFESTS_URLS_ALLOW", "['^https://']")],
            "validation.manifests.urls.allow.0",
            "^https://",
        ),
        (&[("REGISTRY_CATALOG_MAXENTRIES", "7")], "catalog.maxentries", "7"),
        (&[("REGISTRY_LOG_FIELDS_SERVICE", "other")], "log.fields.service", "other"),
        (&[("REGISTRY_LOG_FIELDS_ZONE", "eu")], "log.fields.zone", "eu"),
        (&[("REGISTRY_LIMITS_MANIFEST", "1MiB")], "limits.manifest", "1MiB"),
        (&[("REGISTRY_LIMITS_CONNECTIONS_PER_ADDRESS", "9")], "limits.connections_per_address", "9"),
        (&[("REGISTRY_LIMITS_BODY_IN_MEMORY", "5MiB")], "limits.body_in_memory", "5MiB"),
        (&[("REGISTRY_LIMITS_H2_STREAM_WINDOW", "2MiB")], "limits.h2_stream_window", "2MiB"),
        (&[("REGISTRY_STORAGE_FILESYSTEM_SYMLINKS", "[docker]")], "storage.filesystem.symlinks.0", "docker"),
        (&[("REGISTRY_SANDBOX_SETTINGS_TEAM_COLOUR", "red")], "sandbox.settings.team.colour", "red"),
    ];
    for (env, path, value) in table {
        let config = loaded(SHIPPED, env);
        let node = path.split('.').try_fold(&config.effective, |node, name| match name.parse::<usize>() {
            Ok(index) => node.items().get(index),
            Err(_) => node.get(name),
        });
        assert_eq!(node.and_then(Node::text), Some(*value), "{env:?} {path}");
    }
}

#[test]
fn environment_warnings_and_problems() {
    for (name, value, message) in [
        ("REGISTRY_PORT", "tcp://10.0.0.1:5000", "REGISTRY_PORT: no setting; ignored (Kubernetes makes"),
        ("REGISTRY_PORT_5000_TCP_ADDR", "10.0.0.1", "(Kubernetes makes"),
        ("REGISTRY_SERVICE_HOST", "10.0.0.1", "(Kubernetes makes"),
        ("REGISTRY_DUCKS", "quack", "REGISTRY_DUCKS: no setting; ignored"),
        ("REGISTRY_HTTP_ADDRR", ":1", "did you mean REGISTRY_HTTP_ADDR?"),
        ("REGISTRY_http_addr", ":1", "no setting; ignored"),
        ("REGISTRY_HTTP_ADDR_X", ":1", "no setting; ignored"),
        ("REGISTRY_", "x", "no setting; ignored"),
        ("OTEL_TRACES_EXPORTER", "otlp", "OTEL_TRACES_EXPORTER: has no effect: nothing is traced"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318", "has no effect: nothing is traced"),
        // Never parsed: no setting has the name.
        ("REGISTRY_DUCKS_2", "[", "no setting; ignored"),
    ] {
        let (config, warnings) = try_load(SHIPPED, &[(name, value)]).unwrap();
        assert_eq!(config.http.listen.to_string(), ":5000");
        let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        assert!(warnings.iter().any(|warning| warning.contains(message)), "{name}: {warnings:?}");
    }
    assert_eq!(try_load(&with(""), &[("OTEL_TRACES_EXPORTER", "none")]).unwrap().1, []);
    for (name, value, message) in [
        (
            "REGISTRY_AUTH",
            "htpasswd",
            "REGISTRY_AUTH: `auth.htpasswd.realm` (what clients are told that they log in to), `auth.htpasswd.path` (the",
        ),
        ("REGISTRY_AUTH_HTPASSWD_PATH", "/x", "`auth.htpasswd.realm` (what clients are told that they log in to) is"),
        ("REGISTRY_AUTH", "silly", "`auth.silly`: it lets everybody in who shows anything at all"),
        ("REGISTRY_AUTH", "ldap", "REGISTRY_AUTH: `auth.ldap` is not supported, and without it everybody could pull"),
        ("REGISTRY_POLICIES_0_MODULE", "acess", "`module: acess` is none that is built in"),
        ("REGISTRY_STORAGE", "s3", "`storage.s3` is not supported"),
        ("REGISTRY_STORAGE", "inmemory", "`storage.inmemory` is not supported: it would forget"),
        (
            "REGISTRY_STORAGE_S3_BUCKET",
            "b",
            "REGISTRY_STORAGE_S3_BUCKET: `storage` names two drivers, `s3` here and `filesystem` at config.yml:8",
        ),
        ("REGISTRY_STORAGE_SOMEDRIVER", "somestring", "`storage` names two drivers"),
        ("REGISTRY_PROXY_REMOTEURL", "https://registry-1.docker.io", "`proxy`: pulling through"),
        ("REGISTRY_HTTP_TLS_CLIENTCAS", "[/ca.pem]", "`http.tls.clientcas` is set, and `http.tls.certificate` and"),
        ("REGISTRY_HTTP_TLS_CLIENTCAS_0", "/ca.pem", "`http.tls.clientcas` is set, and `http.tls.certificate` and"),
        ("REGISTRY_HTTP_TLS_CLIENTAUTH", "yes", "`http.tls.clientauth` is to be one of request-client-cert, "),
        (
            "REGISTRY_HTTP_TLS",
            "{certificate: /c, key: /k, clientauth: verify-client-cert-if-given}",
            "`http.tls.clientauth: verify-client-cert-if-given` verifies certificates against `http.tls.clientcas`, which",
        ),
        (
            "REGISTRY_HTTP_TLS",
            "{certificate: /c, key: /k, certificates: [{certificate: /d}]}",
            "an item of `http.tls.certificates` has no `key` beside its `certificate` /d",
        ),
        ("REGISTRY_HTTP_TLS_LETSENCRYPT_EMAIL", "a@b.c", "`http.tls.letsencrypt.cachefile` is not set: name a"),
        ("REGISTRY_HTTP_TLS_LETSENCRYPT_CACHEFILE", "/c", "`http.tls.letsencrypt.hosts` is empty: list the names"),
        (
            "REGISTRY_HTTP_TLS",
            "{certificate: /c, key: /k, letsencrypt: {cachefile: /d, hosts: [a.example]}}",
            "`http.tls.certificate` and `http.tls.letsencrypt` (REGISTRY_HTTP_TLS) are both set",
        ),
        ("REGISTRY_NOTIFICATIONS_ENDPOINTS", "[{name: x, url: http://x}]", "`notifications.endpoints`: notifications"),
        ("REGISTRY_MIDDLEWARE_REPOSITORY", "[{name: x}]", "`middleware`: middleware"),
        ("REGISTRY_LOG_HOOKS", "somestring", "`log.hooks` is to be a list"),
        ("REGISTRY_LOG_LEVEL", "derp", "`log.level` is to be one of error, warn, info, debug, not `derp`"),
        ("REGISTRY_HTTP_ADDR", "[", "REGISTRY_HTTP_ADDR: not YAML"),
        ("REGISTRY_HEALTH_FILECHECKERS_2_FILE", "/x", "index 2 of a list that has 0 items: the next one is 0"),
        ("REGISTRY_HEALTH_FILECHECKERS_X_FILE", "/x", "`X` is to be the index of a list"),
        ("REGISTRY_STORAGE_DELETE_ENABLED", "maybe", "`storage.delete.enabled` is to be true or false, not `maybe`"),
    ] {
        let error = try_load(SHIPPED, &[(name, value)]).unwrap_err().to_string();
        assert!(error.contains(message), "{name}: {error}");
    }
}

#[test]
fn warned() {
    for (text, message) in [
        ("htpp: {}", "config.yml:2: `htpp` is no known key, and is ignored; did you mean `http`?"),
        (
            "http:\n  relativeURLs: true",
            "config.yml:3: `http.relativeURLs` is no known key, and is ignored; did you mean `http.relativeurls`?",
        ),
        (
            "http:\n  certificate: /c",
            "config.yml:3: `http.certificate` is no known key, and is ignored; there is a `http.tls.certificate`",
        ),
        ("anything: {}", "config.yml:2: `anything` is no known key, and is ignored"),
        ("redis: {addr: localhost:6379}", "`redis` has no effect"),
        ("storage: {filesystem: {}, tag: {concurrencylimit: 8}}", "`storage.tag` has no effect"),
        ("storage:\n  redirect: {disable: true}", "config.yml:3: `storage.redirect` has no effect"),
        ("log: {hooks: [{type: mail}]}", "`log.hooks` has no effect"),
        ("http: {tls: {certificate: /c, key: /k, minimumtls: tls1.0}}", "`http.tls.minimumtls: tls1.0` is not safe"),
        (
            "http: {tls: {certificate: /c, key: /k, clientauth: require-any-client-cert}}",
            "`http.tls.clientauth: require-any-client-cert` verifies nothing",
        ),
        ("http: {debug: {addr: ':5001'}}", "`http.debug.addr`: whoever reaches :5001"),
        ("http: {debug: {prometheus: {enabled: true}}}", "has no effect without `http.debug.addr`"),
        ("health: {http: [{uri: http://x}]}", "`health.http` has no effect"),
    ] {
        let (_, warnings) = try_load(&with(text), &[]).unwrap();
        let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        assert!(warnings.iter().any(|warning| warning.contains(message)), "{text}: {warnings:?}");
    }
}

#[test]
fn letsencrypt() {
    let section = |keys: &str| with(&format!("http: {{tls: {{letsencrypt: {{cachefile: /cache, {keys}}}}}}}"));
    let read = |keys: &str| match try_load(&section(keys), &[]) {
        Ok((config, warnings)) => match config.http.tls.unwrap().certificates {
            Certificates::Ordered(section) => Ok((section, warnings)),
            other => panic!("{other:?}"),
        },
        Err(error) => Err(error.to_string()),
    };
    let (section, warnings) = read("hosts: [A.Example., a.example, b.a.example], email: me@a.example").unwrap();
    assert_eq!((section.hosts, warnings), (vec!["a.example".to_owned(), "b.a.example".to_owned()], Vec::new()));
    assert_eq!(section.directory, "https://acme-v02.api.letsencrypt.org/directory");
    assert_eq!((section.http, section.authority, section.retry), (None, None, Duration::from_secs(60)));
    let (section, warnings) =
        read("hosts: [a.example], http: ':80', ca: /ca.pem, directoryurl: 'https://ca.example:1/d', retry: 1s")
            .unwrap();
    assert_eq!(section.http.unwrap().to_string(), ":80");
    assert_eq!((section.directory.as_str(), section.authority), ("https://ca.example:1/d", Some("/ca.pem".into())));
    assert!(warnings[0].to_string().contains("`http.tls.letsencrypt.retry: 1s` is for tests"), "{warnings:?}");
    for (keys, message) in [
        ("hosts: []", "`http.tls.letsencrypt.hosts` is empty"),
        ("hosts: ['']", "`http.tls.letsencrypt.hosts` is empty"),
        ("hosts: ['*.a.example']", "`*.a.example` is a wildcard, which takes"),
        ("hosts: [192.0.2.1]", "`192.0.2.1` is an address"),
        ("hosts: ['[::1]']", "`[::1]` is an address"),
        ("hosts: [b\u{fc}cher.example]", "is not ASCII; write it as DNS has it"),
        ("hosts: [registry]", "`registry` has no domain"),
        ("hosts: [a..example]", "`a..example` is no name of a host"),
        ("hosts: [../etc.passwd]", "`../etc.passwd` is no name of a host"),
        ("hosts: [a.example], email: me", "`http.tls.letsencrypt.email` is to be an address"),
        (
            "hosts: [a.example], directoryurl: 'http://ca.example/d'",
            "`http.tls.letsencrypt.directoryurl` is to be a URL",
        ),
        ("hosts: [a.example], http: '80'", "`http.tls.letsencrypt.http` is to be an address such as"),
        ("hosts: [a.example], http: ':5000'", "`http.tls.letsencrypt.http` and `http.addr` are the same"),
        ("hosts: [a.example], retry: 0s", "`http.tls.letsencrypt.retry` is to be 10ms to"),
    ] {
        let error = read(keys).unwrap_err();
        assert!(error.contains(message), "{keys}: {error}");
    }
}

#[test]
fn silent_when_nothing_is_asked() {
    for text in [
        "auth:",
        "auth: {}",
        "proxy: {remoteurl: '', username: x}",
        "middleware: {registry: [{name: x, disabled: true}]}",
        "notifications: {endpoints: []}",
        "notifications: {events: {includereferences: false}, endpoints: [{name: x, disabled: true}]}",
        "http: {tls: {clientcas: [], clientauth: '', letsencrypt: {cachefile: '', email: '', hosts: []}}}",
        "http: {secret: asecret}",
        "policy: {repository: {classes: []}}",
        "redis: {}",
        "log: {hooks: []}",
    ] {
        assert_eq!(try_load(&with(text), &[]).unwrap().1, [], "{text}");
    }
}

#[test]
fn refused() {
    for (text, message) in [
        (
            "auth:\n  htpasswd:\n    realm: r\n",
            "config.yml:4: `auth.htpasswd.path` (the file of users and their bcrypt hashes) is missing",
        ),
        ("auth: htpasswd", "`auth.htpasswd.path` (the file"),
        ("auth: {htpasswd: }", "`auth.htpasswd.path` (the file"),
        ("auth: {silly: {realm: r, service: s}}", "`auth.silly`: it lets everybody in"),
        ("auth: {silly: }", "`auth.silly`: it lets everybody in"),
        (
            "auth: {htpaswd: {realm: r, path: /p}}",
            "`auth.htpaswd` is not supported, and without it everybody could pull, push and delete: there are `auth.htpasswd`, `auth.token` and `policies`; did you mean `auth.htpasswd`?",
        ),
        (
            "auth: {token: {realm: r, service: s}}",
            "`auth.token.issuer` (who is to have made them), `auth.token.rootcertbundle` (what",
        ),
        (
            "auth: {htpasswd: {realm: r, path: /p}, token: {realm: r, service: s, issuer: i, jwks: /j}}",
            "`auth` names two ways, `htpasswd` and `token`: there can be one; `policies` takes more",
        ),
        ("policies: {access: {}}", "`policies` is to be a list, not a section"),
        (
            "policies: [{settings: {}}]",
            "an item of `policies` has no `module`: one of access, htpasswd, immutable-tags",
        ),
        (
            "policies: [{module: htpaswd}]",
            "`module: htpaswd` is none that is built in (access, htpasswd, immutable-tags, name-rules, quota, require-signature, retention, token), and no path of a .wasm file; did you mean htpasswd?",
        ),
        (
            "policies: [{module: access}, {module: access}]",
            "two policies have the name `access`: give one of them another `name`",
        ),
        ("policies: [{module: access, name: 'a b'}]", "`a b` is no name of a policy"),
        (
            "policies: [{module: access, world: registry}]",
            "`policies.0.world` is to be one of auth, storage, not `registry`",
        ),
        (
            "policies: [{module: access, on_failure: ignore}]",
            "`policies.0.on_failure` is to be one of deny, allow, not `ignore`",
        ),
        (
            "policies: [{module: access, limits: {time: 1ms}}]",
            "`limits.time` of a policy is to be 10ms to 10m, not 1ms",
        ),
        (
            "policies: [{module: access, limits: {memory: 1}}]",
            "`limits.memory` of a policy is to be 1MiB to 4GiB, not 1",
        ),
        ("policies: [{module: access, secrets: {a: {fil: /x}}}]", "the secret `a` has neither a value nor a `file`"),
        (
            "policies: [{module: access, secrets: {a: [b]}}]",
            "`policies.0.secrets.a` is to be text, or a section with a `file`, not a list",
        ),
        ("storage: s3", "`storage.s3` is not supported"),
        ("storage:\n  filesystm: {}", "`storage.filesystm` is no storage driver; did you mean `storage.filesystem`?"),
        (
            "storage:\n  filesystem: {}\n  gcs: {}\n",
            "config.yml:4: `storage` names two drivers, `gcs` here and `filesystem` at config.yml:3",
        ),
        ("policy: {repository: {classes: [image]}}", "`policy`: repository classes"),
        (
            "http:\n  tls:\n    certificate: /c\n",
            "config.yml:4: `http.tls.certificate` is set and `http.tls.key` is not",
        ),
        ("http:\n  tls:\n    key: /k\n", "config.yml:4: `http.tls.key` is set and `http.tls.certificate` is not"),
        (
            "http:\n  addr: 5000\n",
            "config.yml:3: `http.addr` is to be an address such as :5000, 127.0.0.1:5000 or [::1]:5000, not `5000`",
        ),
        (
            "http: {draintimeout: 60}",
            "`http.draintimeout` is to be a duration such as 30s, 5m or 1h30m, with a unit, not `60`",
        ),
        ("http: {draintimeout: -1s}", "`http.draintimeout` is to be a duration"),
        ("http: {host: registry.example.com}", "`http.host` is to be a URL"),
        ("http: {host: 'https://u:p@x'}", "`http.host` is to be a URL"),
        ("http: {prefix: 'a b'}", "`http.prefix` is to be a path"),
        ("http: {prefix: /a/../b}", "`http.prefix` is to be a path"),
        ("http: {net: unix, addr: /run/r.sock}", "`http.net` is to be one of tcp, tcp4, tcp6, not `unix`"),
        ("http: {headers: {X-A: text}}", "`http.headers.X-A` is to be a list"),
        ("http: {headers: {'a b': [x]}}", "`a b` is no name of a header field"),
        ("http: {headers: {Content-Length: ['1']}}", "`http.headers.content-length` frames the answer"),
        ("http: {headers: {X-A: [\"a\\nb\"]}}", "no value of a header field"),
        ("http: {h2c: {enabled: true}, http2: {disabled: true}}", "contradict each other"),
        ("http: {addr: ':1', debug: {addr: ':1'}}", "are the same"),
        ("http: {trustedproxies: [10.0.0.1/8]}", "`10.0.0.1/8` is to be 10.0.0.0/8: more bits"),
        ("http: {proxyprotocol: [lb.example]}", "`http.proxyprotocol`: `lb.example` is to be an address or a network"),
        ("http: text", "config.yml:2: `http` is to be a section with keys of its own, not text"),
        ("http: {addr: [a]}", "`http.addr` is to be text, not a list"),
        (
            "storage: {delete: {enabled: 'true'}}",
            "`storage.delete.enabled` is to be true or false, not `true` in quotes",
        ),
        (
            "storage: {maintenance: {retention: {enabled: true, interval: 0s}}}",
            "`storage.maintenance.retention.interval` is to be 1s to",
        ),
        (
            "storage: {maintenance: {uploadpurging: {age: 0s}}}",
            "`storage.maintenance.uploadpurging.age` is to be 1s to",
        ),
        ("storage: {filesystem: {syncfs: yes}}", "`storage.filesystem.syncfs` is to be one of auto, never, always"),
        ("catalog: {maxentries: many}", "`catalog.maxentries` is to be a whole number"),
        ("limits:\n  connections: 0\n", "config.yml:3: `limits.connections` is to be 1 to 1000000, not 0"),
        ("limits: {manifest: 4M}", "`limits.manifest` is to be a size such as"),
        (
            "limits:\n  manifest: 8MiB\n  body_in_memory: 5MiB\n",
            "config.yml:4: `limits.body_in_memory` is less than `limits.manifest` (config.yml:3)",
        ),
        ("sandbox: {memory: 8GiB}", "`sandbox.memory` is to be 1048576 to 4294967296 bytes"),
        ("health: {file: [{interval: 1s}]}", "has no `file`"),
        ("health: {tcp: [{addr: ':1'}]}", "has no `addr`"),
        ("a: 1\na: 2\n", "config.yml:3: `a` is set twice, first at config.yml:2"),
        ("http: [", "not YAML"),
    ] {
        let error = try_load(&with(text), &[]).unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
    for (text, message) in [
        ("", "is to be a section"),
        ("- a", "`version: 0.1` is missing"),
        ("http: {}", "config.yml:1: `version: 0.1` is missing"),
        ("log: {}\nversion: 0.2", "config.yml:2: `version` is to be 0.1"),
    ] {
        let error = try_load(text, &[]).unwrap_err().to_string();
        assert!(error.contains(message) || text.is_empty(), "{text}: {error}");
    }
}

#[test]
fn all_problems_at_once() {
    let error = try_load(&with("auth: token\nstorage: s3\nlog: {level: loud}\n"), &[]).unwrap_err();
    assert_eq!(error.problems.len(), 3, "{error}");
    let error =
        try_load(&with("auth: token\nhttp:\n  addr: 5000\n  draintimeout: 5\n  tls: {key: /k}\nlimit: {}\n"), &[])
            .unwrap_err();
    let lines: Vec<_> = error.problems.iter().map(|problem| problem.at.to_string()).collect();
    assert_eq!(lines, ["config.yml:5", "config.yml:4", "config.yml:6", "config.yml:2"]);
    assert!(error.warnings[0].to_string().contains("did you mean `limits`?"));
}

#[test]
fn typed_values() {
    let config = loaded(
        &with(
            "http: {addr: '[::1]:443', host: 'https://r.example/', prefix: /reg/, relativeurls: false, tls: {certificate: /c, key: /k, minimumtls: tls1.3}, trustedproxies: [10.0.0.0/8], proxyprotocol: ['fd00::/8', 192.0.2.7], debug: {addr: 'localhost:1', prometheus: {enabled: yes, path: m}}}\nlog: {level: WARN, formatter: logstash, accesslog: {disabled: true}}\nstorage: {filesystem: {syncfs: Never}}\nlimits: {manifest: 8MiB}\nsandbox: {registry: /m.wasm}\n",
        ),
        &[],
    );
    assert_eq!(config.http.listen.to_string(), "[::1]:443");
    assert_eq!(config.http.host.as_deref(), Some("https://r.example"));
    assert_eq!(config.http.prefix, "/reg");
    assert_eq!(config.http.relative_urls, Some(false));
    assert_eq!(config.http.tls.as_ref().unwrap().minimum, TlsVersion::V13);
    assert!(config.http.trusted_proxies[0].contains(&"10.2.3.4".parse::<std::net::IpAddr>().unwrap()));
    assert_eq!(config.http.proxy_protocol, ["fd00::/8".parse().unwrap(), "192.0.2.7/32".parse().unwrap()]);
    assert_eq!(config.http.debug.as_ref().unwrap().metrics.as_deref(), Some("/m"));
    assert_eq!((config.log.level, config.log.format, config.log.access), (Level::Warn, LogFormat::Json, false));
    assert_eq!(
        (config.limits.manifest, config.limits.body_in_memory, config.limits.object_in_memory),
        (8 << 20, 8 << 20, 8 << 20)
    );
    assert_eq!(config.storage.sync_whole, SyncWhole::Never);
    let module = config.sandbox.registry.as_ref();
    assert_eq!(module, Some(&super::model::ModuleAt::File("/m.wasm".into())));
}

#[test]
fn guests_see_their_part_only() {
    let config = loaded(
        &with(
            "http: {secret: s, addr: ':1'}\nstorage: {filesystem: {rootdirectory: /x}, tag: {concurrencylimit: 8}}\nvalidation: {manifests: {sparse: true, urls: {allow: [a]}}}\nsandbox: {registry: /m, settings: {team: red, n: no, size: 5, list: [1, '2', 1.5], none: ~}}\n",
        ),
        &[],
    );
    for (path, value) in [
        ("storage.delete.enabled", Some("false")),
        ("storage.delete", Some("{\"enabled\":false}")),
        ("storage.maintenance.uploadpurging.age", Some("604800")),
        ("storage.tag.concurrencylimit", Some("8")),
        ("limits.manifest", Some("4194304")),
        ("limits.handshake_time", Some("10")),
        ("validation.manifests.sparse", Some("true")),
        ("validation.manifests.urls.allow", Some("[\"a\"]")),
        ("sandbox.settings.team", Some("\"red\"")),
        ("sandbox.settings.n", Some("\"no\"")),
        ("sandbox.settings.list", Some("[1,\"2\",1.5]")),
        ("sandbox.settings.none", None),
        ("sandbox.settings.other", None),
        ("sandbox.registry", None),
        ("sandbox", None),
        ("sandbox.settingsx", None),
        ("storage", None),
        ("storage.filesystem.rootdirectory", None),
        ("http.secret", None),
        ("http", None),
        ("", None),
        (".", None),
        ("limits.", None),
        ("limits.manifest.x", None),
    ] {
        assert_eq!(config.guest_setting(path).as_deref(), value, "{path}");
    }
}

#[test]
fn secrets_are_masked() {
    let (config, warnings) = try_load(
        &with("http: {secret: HUSH1}\nredis: {password: HUSH2, addr: 'redis://u:HUSH3@h/0'}\nproxy: {username: HUSH4, password: HUSH5}\nlog: {fields: {apikey: HUSH6, a: b}, hooks: [{options: {smtp: {password: HUSH7}}}]}\nhealth: {http: [{uri: http://x, headers: {Authorization: [HUSH8]}}]}\nsandbox: {settings: {db: {token: HUSH9, secretlist: [HUSH0]}, plain: shown}}\n"),
        &[("REGISTRY_HTTP_SECRETT", "HUSHa")],
    )
    .unwrap();
    let yaml = config.effective_yaml();
    assert!(!yaml.contains("HUSH"), "{yaml}");
    assert!(yaml.contains("plain: shown") && yaml.contains("secret: <secret>"), "{yaml}");
    assert!(!format!("{warnings:?} {config:?}").contains("HUSH1"));
    assert!(!format!("{warnings:?}").contains("HUSH"));
    let error = try_load(&with("http: {secret: [HUSH]}\nproxy: {remoteurl: 'https://u:HUSH@x'}\n"), &[])
        .unwrap_err()
        .to_string();
    assert!(!error.contains("HUSH"), "{error}");
}

#[test]
fn effective_yaml_reads_back() {
    let text = with(
        "log: {fields: {a: 'true', b: '5', c: \"x\\ny\\u0007\", d: '# no', e: 'a: b', f: '', g: '*x', h: ü, i: '-', 'j: k': l}}\nsandbox: {settings: {x: 1.50, y: '1.50', z: [{a: [b]}, []]}}\n",
    );
    let first = loaded(&text, &[]);
    let yaml = first.effective_yaml();
    let second = loaded(&yaml, &[]);
    assert_eq!(yaml, second.effective_yaml());
    assert_eq!(first.log, second.log);
    assert_eq!(first.limits, second.limits);
    assert_eq!(first.guest_setting("sandbox.settings"), second.guest_setting("sandbox.settings"));
}

#[test]
fn flags_win() {
    let source = Source::text("config.yml", SHIPPED).set("http.addr", "127.0.0.1:0", "--addr").set(
        "storage.delete.enabled",
        "true",
        "first run",
    );
    let config = load(source, [("REGISTRY_HTTP_ADDR".to_owned(), ":7".to_owned())].into_iter()).unwrap().0;
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:0");
    assert!(config.storage.delete);
    let error = load(Source::nothing().set("http.addr", "x", "--addr"), std::iter::empty()).unwrap_err();
    assert!(error.to_string().starts_with("--addr: `http.addr` is to be"), "{error}");
}

fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("http"),
        Just("storage"),
        Just("filesystem"),
        Just("log"),
        Just("tls"),
        Just("headers"),
        Just("limits"),
        Just("health"),
        Just("file"),
        Just(": "),
        Just(":\n  "),
        Just("\n"),
        Just("- "),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(", "),
        Just("&a "),
        Just("*a"),
        Just("<<: "),
        Just("true"),
        Just("5s"),
        Just("-1"),
        Just("99999999999999999999"),
        Just("'"),
        Just("\""),
        Just("|\n"),
        Just("!!str "),
        Just("\t"),
        Just("\u{0}"),
        Just("é"),
    ]
    .prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn no_text_panics(parts in proptest::collection::vec(fragment(), 0..40), raw in ".{0,60}") {
        for text in [parts.concat(), raw] {
            if let Ok((config, _)) = try_load(&with(&text), &[]) {
                let yaml = config.effective_yaml();
                prop_assert!(try_load(&yaml, &[]).is_ok(), "{}", yaml);
            }
        }
    }

    #[test]
    fn no_variable_panics(
        path in proptest::collection::vec(prop_oneof![
            Just("HTTP"), Just("STORAGE"), Just("FILESYSTEM"), Just("HEADERS"), Just("TLS"), Just("CLIENTCAS"), Just("HEALTH"), Just("FILECHECKERS"),
            Just("0"), Just("1"), Just("99999999999999999999"), Just(""), Just("LIMITS"), Just("BODY"), Just("LOG"), Just("FIELDS"), Just("é"), Just("a-b"),
        ], 0..6),
        value in prop_oneof![".{0,40}", Just("{a: b}".to_owned()), Just("[1]".to_owned())],
    ) {
        let name = format!("REGISTRY_{}", path.join("_"));
        let _ = try_load(SHIPPED, &[(&name, &value)]);
    }
}

#[test]
fn client_certificates() {
    use ClientAuth::*;
    for (tls, mode, files) in [
        ("", None, 0),
        ("clientcas: []", None, 0),
        ("clientcas: [/a, /b]", RequireAndVerify, 2),
        ("clientauth: request-client-cert", Request, 0),
        ("clientauth: require-any-client-cert, clientcas: [/a]", RequireAny, 1),
        ("clientauth: Verify-Client-Cert-If-Given, clientcas: [/a]", VerifyIfGiven, 1),
        ("clientauth: require-and-verify-client-cert, clientcas: [/a]", RequireAndVerify, 1),
    ] {
        let (config, _) = try_load(&with(&format!("http: {{tls: {{certificate: /c, key: /k, {tls}}}}}")), &[]).unwrap();
        let config = config.http.tls.unwrap();
        assert_eq!((config.client_auth, config.client_cas.len()), (mode, files), "{tls}");
    }
    let env = [
        ("REGISTRY_HTTP_TLS_CERTIFICATES", "[{certificate: /d, key: /e}]"),
        ("REGISTRY_HTTP_TLS_CERTIFICATES_1_CERTIFICATE", "/f"),
        ("REGISTRY_HTTP_TLS_CERTIFICATES_1_KEY", "/g"),
        ("REGISTRY_HTTP_TLS_STRICTSNI", "true"),
    ];
    let (config, _) = try_load(&with("http: {tls: {certificate: /c, key: /k}}"), &env).unwrap();
    let config = config.http.tls.unwrap();
    assert!(config.strict);
    let Certificates::Files { others, .. } = config.certificates else { panic!("{:?}", config.certificates) };
    assert_eq!(others, [("/d".into(), "/e".into()), ("/f".into(), "/g".into())]);
}

#[test]
fn policies() {
    let config = loaded(
        &with(
            "http: {tls: {certificate: /c, key: /k}}\nauth:\n  htpasswd: {realm: The Registry, path: /auth/users}\npolicies:\n  - module: access\n    settings: {rules: [{repositories: ['**'], anonymous: true}], n: 5}\n  - {name: mine, module: ./mine.wasm, world: storage, directory: /grant, on_failure: Allow, lifetime: 2m, secrets: {key: hunter2, other: {file: /run/s}}, limits: {time: 1s, memory: 2MiB}}\n",
        ),
        &[],
    );
    let [users, access, mine] = config.policies.as_slice() else { panic!("{:?}", config.policies) };
    assert_eq!((users.name.as_str(), &users.module), ("htpasswd", &PolicyModule::BuiltIn("htpasswd".into())));
    assert_eq!(users.settings, json!({"realm": "The Registry", "file": "htpasswd", "anonymous": true}));
    assert_eq!(users.grant, Grant::Files(vec![("htpasswd".into(), "/auth/users".into())]));
    assert!(!users.lenient && users.world.is_none());
    assert_eq!(access.settings, json!({"rules": [{"repositories": ["**"], "anonymous": true}], "n": 5}));
    assert_eq!((access.time, access.memory, &access.grant), (Duration::from_secs(5), 64 << 20, &Grant::Nothing));
    assert_eq!((mine.name.as_str(), &mine.module), ("mine", &PolicyModule::File("./mine.wasm".into())));
    assert_eq!((mine.world, mine.lenient), (Some(World::Storage), true));
    assert_eq!((access.lifetime, mine.lifetime), (None, Some(Duration::from_secs(120))));
    assert_eq!((mine.time, mine.memory), (Duration::from_secs(1), 2 << 20));
    let secrets = [("key".into(), Secret::Value("hunter2".into())), ("other".into(), Secret::File("/run/s".into()))];
    assert_eq!(mine.secrets, secrets);
    let yaml = config.effective_yaml();
    assert!(yaml.contains("key: <secret>") && yaml.contains("file: /run/s") && !yaml.contains("hunter2"), "{yaml}");
    assert!(yaml.contains("path: /auth/users") && yaml.contains("realm: The Registry"), "{yaml}");
    assert!(!format!("{config:?}").contains("hunter2"));
    // What a policy is told is not told to the registry module.
    assert_eq!(config.guest_setting("policies"), None);
    assert_eq!(config.guest_setting("auth.htpasswd.path"), None);
}

#[test]
fn authentication_as_in_distribution() {
    let token = loaded(
        &with(
            "http: {tls: {certificate: /c, key: /k}}\nauth: {token: {realm: 'https://a/t', service: s, issuer: i, rootcertbundle: /r.pem, signingalgorithms: [ES256], autoredirect: true, autoredirectpath: /t, jwks: ''}}",
        ),
        &[],
    );
    let settings = json!({"realm": "https://a/t", "service": "s", "issuer": "i", "rootcertbundle": "rootcertbundle",
        "signingalgorithms": ["ES256"], "autoredirect": true, "autoredirectpath": "/t"});
    assert_eq!(token.policies[0].settings, settings);
    assert_eq!(token.policies[0].grant, Grant::Files(vec![("rootcertbundle".into(), "/r.pem".into())]));
    // As the documentation of registry:2 has it.
    let env = [
        ("REGISTRY_AUTH", "htpasswd"),
        ("REGISTRY_AUTH_HTPASSWD_REALM", "Registry Realm"),
        ("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd"),
    ];
    let (config, warnings) = try_load(SHIPPED, &env).unwrap();
    assert_eq!(config.policies.len(), 1);
    assert_eq!(config.policies[0].settings, json!({"realm": "Registry Realm", "file": "htpasswd", "anonymous": true}));
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert!(warnings.iter().any(|warning| warning.contains("reads passwords and tokens")), "{warnings:?}");
    let more = [env[0], env[1], env[2], ("REGISTRY_HTTP_ADDR", "127.0.0.1:5000")];
    let (_, warnings) = try_load(SHIPPED, &more).unwrap();
    assert!(!warnings.iter().any(|warning| warning.to_string().contains("passwords")), "{warnings:?}");
    assert_eq!(loaded(SHIPPED, &[]).policies, []);
    for (keys, warning) in [
        ("auth: {htpasswd: {realm: r, path: /p, pth: /p}}", "`auth.htpasswd.pth` is no known key"),
        (
            "auth: {token: {realm: 'https://a/t', service: s, issuer: i, jwks: /j, autoredirect: true}}",
            "clients are sent to `realm`",
        ),
        ("policies: [{module: access, setings: {}}]", "did you mean `policies.0.settings`?"),
    ] {
        let warnings = try_load(&with(keys), &[]).unwrap().1;
        assert!(warnings.iter().any(|given| given.to_string().contains(warning)), "{keys}: {warnings:?}");
    }
}

#[test]
fn nobody_reaches_the_admin_endpoint_unless_it_is_set() {
    assert_eq!(loaded("version: 0.1\n", &[]).admin, Admin::default());
    let config = loaded(&with("admin: {socket: /run/skerry/admin.sock}\n"), &[]);
    assert_eq!(config.admin.socket.as_deref(), Some(Path::new("/run/skerry/admin.sock")));
    let tls = "tls: {certificate: c, key: k, clientcas: [a]}";
    let remote = loaded(&with(&format!("admin: {{addr: ':5002', {tls}}}\n")), &[]).admin.remote.unwrap();
    assert_eq!((remote.listen.port, remote.client_cas.len()), (5002, 1));
    let needs = "`admin.addr` needs `admin.tls.certificate`, `admin.tls.key` and `admin.tls.clientcas`";
    for (text, says) in [
        ("{addr: ':5002'}", needs),
        ("{addr: '127.0.0.1:5002', tls: {certificate: c, key: k}}", needs),
        ("{addr: ':5002', tls: {clientcas: [a]}}", needs),
        ("{addr: ':5002', tls: {certificate: c, key: k, clientcas: ['']}}", needs),
        ("{tls: {certificate: c}}", "`admin.tls` is set, and `admin.addr` is not"),
        (&format!("{{addr: ':5000', {tls}}}"), "`admin.addr` and `http.addr` are the same"),
        (&format!("{{socket: {}}}", "/x".repeat(60)), "`admin.socket` is to be the path of a socket"),
    ] {
        let error = try_load(&with(&format!("admin: {text}\n")), &[]).unwrap_err();
        assert!(error.problems.iter().any(|problem| problem.message.starts_with(says)), "{text}: {error:?}");
    }
}

//! `skerry tls check` before servers that are wrong in every way, and `skerry
//! tls trust`.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant, SystemTime},
};

use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, date_time_ymd};
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer},
    version::{TLS12, TLS13},
};
use serde_json::Value;
use skerry_tests::{
    Options, Registry, binary,
    chains::{Ca, Leaf, Listener, common, shows, shows_in},
    command::{Ended, called, ended},
    registry::first_run,
};
use tempfile::TempDir;

const GOOD: &str = "HTTP/1.1 200 OK\r\nDocker-Distribution-Api-Version: registry/2.0\r\nContent-Length: 2\r\n\r\n{}";
const NAMES: &[&str] = &["localhost", "127.0.0.1"];

/// A root that clients trust, one below it, and where the first is as a file.
struct Place {
    directory: TempDir,
    root: Ca,
    middle: Ca,
    ca: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::with_prefix("skerry-check-").unwrap();
        let root = Ca::root("the root");
        let middle = root.intermediate("the intermediate");
        let ca = root.write(&directory.path().join("root.pem"));
        Self { directory, root, middle, ca }
    }

    fn leaf(&self, change: impl FnOnce(&mut rcgen::CertificateParams)) -> Leaf {
        self.middle.leaf(NAMES, change)
    }

    /// Before a server with leaf and intermediate.
    fn served(&self, leaf: &Leaf, answer: &str) -> Seen {
        let server = Listener::tls(shows(&[&leaf.certificate, &self.middle.certificate], &leaf.key), answer);
        self.check(&server.localhost(), &[])
    }

    fn check(&self, target: &str, more: &[&str]) -> Seen {
        check(target, &self.ca, more)
    }
}

/// Both forms of one report.
struct Seen {
    json: Value,
    screen: String,
    code: i32,
}

fn check(target: &str, ca: &Path, more: &[&str]) -> Seen {
    let ca = ca.to_str().unwrap();
    let words = [&["tls", "check", target, "--ca", ca], more].concat();
    let json = called("skerry", &[&words[..], &["--json"]].concat());
    let screen = called("skerry", &words);
    assert_eq!(json.code, screen.code, "{json:?}\n{screen:?}");
    assert_eq!((json.err.as_str(), screen.err.as_str()), ("", ""));
    // Nothing that a terminal obeys, and no colours where there is none.
    assert!(screen.out.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", screen.out);
    let parsed: Value = serde_json::from_str(&json.out).unwrap_or_else(|error| panic!("{error}: {json:?}"));
    assert_eq!(parsed["exit_status"], json.code, "{json:?}");
    Seen { json: parsed, screen: screen.out, code: json.code }
}

impl Seen {
    fn codes(&self) -> Vec<&str> {
        let checks =
            self.json["checks"].as_array().unwrap().iter().flat_map(|check| check["findings"].as_array().unwrap());
        let own = self.json["findings"].as_array().unwrap().iter();
        own.chain(checks)
            .map(|finding| finding["code"].as_str().unwrap())
            .filter(|code| *code != "unreachable-address")
            .collect()
    }

    /// Expects an exit status and findings, each of them on the screen too.
    #[track_caller]
    fn is(&self, code: i32, findings: &[&str]) -> &Self {
        assert_eq!((self.code, self.codes()), (code, findings.to_vec()), "{:#}\n{}", self.json, self.screen);
        for finding in findings {
            assert!(self.screen.contains(&format!("  {finding}: ")), "{finding}\n{}", self.screen);
        }
        let verdict = ["clients are served: 0 errors", "clients fail: ", "not reached: "];
        assert!(self.screen.contains(verdict[usize::try_from(code).unwrap()]), "{}", self.screen);
        self
    }

    /// Expects words on the screen.
    #[track_caller]
    fn says(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(self.screen.contains(word), "{word}\n{}", self.screen);
        }
        self
    }

    fn only(&self) -> &Value {
        &self.json["checks"][0]
    }
}

#[test]
fn a_registry_that_is_well() {
    let registry = Registry::new();
    let seen = check(&registry.localhost(), &registry.trust().ca, &[]);
    seen.is(0, &[]).says(&[
        "TLS 1.3, TLS_AES_",
        ", h2\n",
        "TLS 1.2 yes, TLS 1.3 yes",
        "localhost, matches",
        "200, registry/2.0",
    ]);
    let check = seen.only();
    assert_eq!(check["tls"]["version"], "1.3");
    assert_eq!(check["tls"]["alpn"], "h2");
    assert_eq!(check["tls"]["key_exchange"], "X25519MLKEM768");
    assert_eq!(check["registry"]["status"], 200);
    assert_eq!(check["chain"][0]["names"][0], "localhost");
    assert_eq!(check["chain"][0]["key"], "ECDSA P-256");
    assert_eq!(check["chain"][0]["signature"], "ECDSA with SHA-256");
    assert_eq!(check["chain"][0]["not_after"], "2099-01-01T00:00:00Z");
    assert!(check["chain"][0]["days_left"].as_i64().unwrap() > 20_000);
    // By its address, and as people paste it; the system's store can be named
    // by the usual variable.
    super::checks::check(registry.address(), &registry.trust().ca, &[]).is(0, &[]);
    let mut command = Command::new(binary::skerry());
    command.args(["tls", "check", &format!("https://{}/v2/", registry.localhost())]);
    let by_store = ended(command.env("SSL_CERT_FILE", &registry.trust().ca).env("SSL_CERT_DIR", "/nowhere"));
    assert!(by_store.code == 0 && by_store.out.contains("trusted by the system's store (1 authority)"), "{by_store:?}");
}

/// What is wrong, the chain with the leaf's key, whom clients trust; exit
/// status, findings, roles.
type Row<'a> = (
    &'a str,
    &'a [&'a CertificateDer<'static>],
    &'a PrivateKeyDer<'static>,
    &'a Path,
    i32,
    &'a [&'a str],
    &'a [&'a str],
);

#[test]
fn chains() {
    let place = Place::new();
    let Place { root, middle, ca, directory } = &place;
    let leaf = place.leaf(|_| {});
    let lower = middle.intermediate("the lower one");
    let low = lower.leaf(NAMES, |_| {});
    let stranger = Ca::root("a stranger");
    let strange = stranger.leaf(NAMES, |_| {});
    let (alone, alone_pem) = Leaf::by_itself(NAMES, |_| {});
    let (both, both_pem) = Leaf::by_itself(NAMES, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let write = |name: &str, pem: &str| {
        let path = directory.path().join(name);
        fs::write(&path, pem).unwrap();
        path
    };
    let (alone_ca, both_ca) = (write("alone.pem", &alone_pem), write("both.pem", &both_pem));
    let [top, mid, down] = [&root.certificate, &middle.certificate, &lower.certificate];
    let rows: &[Row<'_>] = &[
        ("whole", &[&leaf.certificate, mid], &leaf.key, ca, 0, &[], &["leaf", "intermediate"]),
        ("no intermediate", &[&leaf.certificate], &leaf.key, ca, 1, &["issuer-missing"], &["leaf"]),
        (
            "a root",
            &[&leaf.certificate, mid, top],
            &leaf.key,
            ca,
            0,
            &["needless-root"],
            &["leaf", "intermediate", "root"],
        ),
        (
            "a stranger",
            &[&leaf.certificate, &stranger.certificate, mid],
            &leaf.key,
            ca,
            0,
            &["needless-certificate"],
            &["leaf", "needless", "intermediate"],
        ),
        (
            "the leaf twice",
            &[&leaf.certificate, &leaf.certificate, mid],
            &leaf.key,
            ca,
            0,
            &["needless-certificate"],
            &["leaf", "needless", "intermediate"],
        ),
        (
            "upside down",
            &[&low.certificate, mid, down],
            &low.key,
            ca,
            0,
            &["wrong-order"],
            &["leaf", "intermediate", "intermediate"],
        ),
        (
            "one is missing between",
            &[&low.certificate, down],
            &low.key,
            ca,
            1,
            &["issuer-missing"],
            &["leaf", "intermediate"],
        ),
        (
            "unknown",
            &[&strange.certificate, &stranger.certificate],
            &strange.key,
            ca,
            1,
            &["unknown-authority"],
            &["leaf", "root"],
        ),
        ("unknown, not sent", &[&strange.certificate], &strange.key, ca, 1, &["issuer-missing"], &["leaf"]),
        ("self-signed", &[&alone.certificate], &alone.key, ca, 1, &["self-signed"], &["leaf"]),
        ("self-signed and trusted", &[&alone.certificate], &alone.key, &alone_ca, 0, &[], &["leaf"]),
        ("self-signed authority", &[&both.certificate], &both.key, &both_ca, 0, &["authority-as-server"], &["leaf"]),
        ("another's key", &[&leaf.certificate, mid], &low.key, ca, 1, &["wrong-key"], &["leaf", "intermediate"]),
    ];
    for (what, chain, key, ca, code, findings, roles) in rows {
        let server = Listener::tls(shows(chain, key), GOOD);
        let seen = check(&server.localhost(), ca, &[]);
        eprintln!("{what}");
        seen.is(*code, findings);
        let found: Vec<_> =
            seen.only()["chain"].as_array().unwrap().iter().map(|link| link["role"].as_str().unwrap()).collect();
        assert_eq!(found, *roles, "{what}");
        let trusted =
            !findings.iter().any(|code| ["issuer-missing", "unknown-authority", "self-signed"].contains(code));
        assert_eq!(seen.only()["trusted"], trusted, "{what}");
    }
}

#[test]
fn leaves() {
    let place = Place::new();
    let now = SystemTime::now();
    let day = Duration::from_secs(24 * 60 * 60);
    place.served(&place.leaf(|params| params.not_after = date_time_ymd(2021, 2, 3)), GOOD).is(1, &["expired"]).says(&[
        "2020-01-01 to 2021-02-03, expired",
        "the certificate expired at 2021-02-03T00:00:00Z: renew it",
        "trusted by",
    ]);
    place
        .served(&place.leaf(|params| params.not_before = date_time_ymd(2098, 2, 3)), GOOD)
        .is(1, &["not-yet-valid"])
        .says(&["valid only from 2098-02-03T00:00:00Z"]);
    let lives = |before: u32, after: u32| {
        place.leaf(|params| {
            params.not_before = (now - day * before).into();
            params.not_after = (now + day * after + day / 2).into();
        })
    };
    place.served(&lives(80, 10), GOOD).is(0, &["expires-soon"]).says(&["10 days left", "expires in 10 days, at "]);
    place.served(&lives(60, 31), GOOD).is(0, &[]);
    // One that is renewed every few days is well with a few days left.
    place.served(&lives(3, 3), GOOD).is(0, &[]);
    place.served(&lives(6, 1), GOOD).is(0, &["expires-soon"]).says(&["expires in 3", " hours, at "]);

    let other = place.middle.leaf(&["example.org", "*.example.com"], |_| {});
    let seen = place.served(&other, GOOD);
    seen.is(1, &["wrong-name"]).says(&["is for example.org, *.example.com and not for localhost", "does not match"]);
    assert_eq!(seen.only()["name_matches"], false);
    let server = Listener::tls(shows(&[&other.certificate, &place.middle.certificate], &other.key), GOOD);
    for name in ["example.org", "edge.example.com"] {
        place.check(&server.localhost(), &["--server-name", name]).is(0, &[]);
    }
    place.check(&server.localhost(), &["--server-name", "a.b.example.com"]).is(1, &["wrong-name"]);
    place.served(&place.middle.leaf(&[], |_| {}), GOOD).is(1, &["no-names"]);
    let client = place.leaf(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let seen = place.served(&client, GOOD);
    assert!(seen.code == 1 && seen.codes().contains(&"wrong-purpose"), "{}", seen.screen);
    // What a stranger writes into a certificate does nothing to a screen.
    let hostile = place.leaf(|params| params.distinguished_name = common("\u{1b}[2J\u{202e}café\r\nok"));
    place.served(&hostile, GOOD).is(0, &[]).says(&[r"CN=\1b[2J\u{202e}café\0d\0aok"]);
}

#[test]
fn versions_and_clients() {
    let place = Place::new();
    let leaf = place.leaf(|_| {});
    let chain = [&leaf.certificate, &place.middle.certificate];
    for (versions, version, old, new) in [(&TLS12, "1.2", true, false), (&TLS13, "1.3", false, true)] {
        let server = Listener::tls(shows_in(&chain, &leaf.key, &[versions], None), GOOD);
        let seen = place.check(&server.localhost(), &[]);
        seen.is(0, &[]);
        let tls = &seen.only()["tls"];
        assert_eq!(
            (&tls["version"], &tls["accepts_1_2"], &tls["accepts_1_3"]),
            (&version.into(), &old.into(), &new.into())
        );
        let server = Listener::tls(shows_in(&chain, &leaf.key, &[versions], Some(&place.root)), GOOD);
        let seen = place.check(&server.localhost(), &[]);
        seen.is(0, &["client-certificate"]);
        assert_eq!(seen.only()["trusted"], true);
    }
    let strict = Registry::start(Options { tls_keys: "strictsni: true".into(), ..Options::default() });
    check(&strict.localhost(), &strict.trust().ca, &["--server-name", "example.org"]).is(1, &["unknown-name"]);
}

#[test]
fn answers() {
    let place = Place::new();
    let leaf = place.leaf(|_| {});
    let api = "Docker-Distribution-Api-Version: registry/2.0";
    let rows: &[(String, i32, &[&str])] = &[
        (format!("HTTP/1.1 401 Unauthorized\r\n{api}\r\nWWW-Authenticate: Basic realm=\"a\"\r\n\r\n"), 0, &[]),
        (format!("HTTP/1.1 401 Unauthorized\r\n{api}\r\n\r\n"), 1, &["no-challenge"]),
        ("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}".into(), 0, &["no-api-version"]),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>".into(), 1, &["not-a-registry"]),
        ("HTTP/1.1 404 Not Found\r\n\r\n".into(), 1, &["not-a-registry"]),
        ("HTTP/1.1 302 Found\r\nLocation: https://example.org/\r\n\r\n".into(), 1, &["redirected"]),
        ("HTTP/1.0 503 \x1b[31mno\r\n\r\n".into(), 1, &["registry-fails"]),
        ("220 mail.example.org ESMTP\r\n".into(), 1, &["not-http"]),
        (String::new(), 1, &["no-answer"]),
        (format!("HTTP/1.1 200 OK\r\n{api}\x1b]0;x\x07\u{9b}31m\r\n\r\n"), 0, &[]),
        (format!("HTTP/1.1 200 OK\r\n{api}\r\n{}", "X: y\r\n".repeat(100_000)), 0, &[]),
    ];
    for (answer, code, findings) in rows {
        eprintln!("{:?}", answer.get(..60));
        place.served(&leaf, answer).is(*code, findings);
    }
}

#[test]
fn no_tls_at_all() {
    let place = Place::new();
    let plain = Registry::start(Options { tls: false, ..Options::default() });
    place.check(&plain.localhost(), &[]).is(1, &["plain-http"]).says(&["status 200 to GET /v2/"]);

    let junk = Listener::new(|mut socket| {
        let mut space = [0; 4096];
        let _ = socket.read(&mut space);
        let _ = socket.write_all(&[b'?'; 4096]);
    });
    place.check(&junk.localhost(), &[]).is(1, &["not-tls"]);

    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap().to_string();
    drop(gone);
    place.check(&address, &[]).is(2, &["unreachable"]).says(&[&format!("{address}: connection refused")]);
    let hangs_up = Listener::new(drop);
    place.check(&hangs_up.localhost(), &["--all"]).is(1, &["no-handshake"]);

    // Those that keep a client waiting are not waited for.
    let silent = Listener::new(|mut socket| drop(socket.read_to_end(&mut Vec::new())));
    let leaf = place.leaf(|_| {});
    let mute = Listener::tls(shows(&[&leaf.certificate, &place.middle.certificate], &leaf.key), "");
    let drops = Listener::new(|mut socket| {
        // A record of TLS that never comes to its end.
        for byte in [0x16, 3, 3, 0x40, 0].into_iter().chain(std::iter::repeat(0)) {
            if socket.write_all(&[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    });
    for (server, finding) in [(silent, "silent"), (drops, "silent"), (mute, "no-answer")] {
        let start = Instant::now();
        place.check(&server.localhost(), &["--timeout", "1"]).is(1, &[finding]);
        // Two runs of at most four steps.
        assert!(start.elapsed() < Duration::from_secs(20), "{finding}: {:?}", start.elapsed());
    }
}

#[test]
fn what_is_no_question() {
    let place = Place::new();
    let ca = place.ca.to_str().unwrap();
    for (words, says) in [
        (&["localhost:0"][..], "port"),
        (&["http://localhost"], "only https"),
        (&["a b"], "neither a host's name"),
        (&["localhost:1", "--timeout", "0"], "1..=300"),
        (&["localhost:1", "--ca", "/nowhere/ca.pem"], "/nowhere/ca.pem: there is no such file"),
        (&["localhost:1", "--ca", ca, "--server-name", "\u{1b}"], "neither a host's name"),
        (&["nobody.invalid", "--ca", ca], "nobody.invalid has no address"),
        (&[], "HOST[:PORT]"),
    ] {
        let Ended { code, out, err } = called("skerry", &[&["tls", "check"], words].concat());
        assert!(code == 2 && out.is_empty() && err.contains(says), "{words:?}: {code} {out} {err}");
        assert!(!err.contains('\u{1b}'), "{err:?}");
    }
}

#[test]
fn trust_of_a_first_run() {
    let home = TempDir::with_prefix("skerry-trust-").unwrap();
    let (data, root) = (home.path().join("data"), home.path().join("root"));
    let trust = |more: &[&str]| {
        let words = ["tls", "trust", "--no-config", "--data", data.to_str().unwrap()];
        called("skerry", &[&words[..], more].concat())
    };
    let none = trust(&[]);
    assert!(none.code == 1 && none.err.contains("/tls/ca.pem: there is no authority; `skerry serve`"), "{none:?}");
    let service = first_run(&data);
    let localhost = service.address().replace("127.0.0.1", "localhost");
    let ca = data.join(".skerry/tls/ca.pem");
    let printed = trust(&["--docker"]);
    let line = format!("sudo install -Dm644 {} /etc/docker/certs.d/localhost:5000/ca.crt\n", ca.display());
    assert_eq!((printed.code, printed.out), (0, format!("# docker\n{line}")));
    let below = ["--for", &localhost, "--for", "edge", "--write", "--root", root.to_str().unwrap()];
    let written = trust(&below);
    assert!(written.code == 0 && written.out.contains("to do: run update-ca-certificates in "), "{written:?}");
    for file in [
        format!("etc/docker/certs.d/{localhost}/ca.crt"),
        "etc/docker/certs.d/edge/ca.crt".into(),
        format!("etc/containers/certs.d/{localhost}/ca.crt"),
        "usr/local/share/ca-certificates/skerry-local-authority.crt".into(),
    ] {
        check(&localhost, &root.join(file), &[]).is(0, &[]);
    }
    let Ended { code, err, .. } = trust(&["--root", "/nowhere"]);
    assert!(code == 2 && err.contains("--write"), "{err}");
    let Ended { code, err, .. } = trust(&["--docker", "--write", "--root", ca.to_str().unwrap()]);
    assert!(code == 1 && err.contains("cannot be written"), "{err}");
}

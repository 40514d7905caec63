//! `http.tls`, and HTTP/2, which is offered there.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc, Mutex,
        mpsc::{Sender, channel},
    },
    time::Duration,
};

use rustls::{
    CipherSuite, ClientConfig, ClientConnection, ServerConnection, StreamOwned,
    pki_types::ServerName,
    version::{TLS12, TLS13},
};
use serde_json::Value;
use skerry_tests::{
    Client,
    authority::{Authority, Vouching},
    chains::{Ca, Listener, shows},
};
use tempfile::TempDir;

use super::{Row, Table, Told};

pub const ROWS: &[Row] = &[
    (&["http.tls.certificate", "http.tls.key"], pair),
    (&["http.tls.clientcas", "http.tls.clientauth"], clients),
    (&["http.tls.minimumtls"], version),
    (&["http.tls.ciphersuites"], suites),
    (&["http.http2.disabled"], no_http2),
    (
        &[
            "http.tls.letsencrypt.cachefile",
            "http.tls.letsencrypt.email",
            "http.tls.letsencrypt.hosts",
            "http.tls.letsencrypt.directoryurl",
        ],
        ordered,
    ),
];

const PATIENCE: Duration = Duration::from_secs(60);

/// One with a pair, and more keys.
fn started(table: &Table, set: &[(&str, &str)]) -> (Told, Authority) {
    let directory = TempDir::with_prefix("skerry-told-").unwrap();
    let trust = Authority::new(directory.path(), &["localhost", "127.0.0.1"]);
    let (certificate, key) = (trust.certificate.display().to_string(), trust.key.display().to_string());
    let pair = [("http.tls.certificate", certificate.as_str()), ("http.tls.key", key.as_str())];
    (Told::start_in(table, directory, &[&pair[..], set].concat()), trust)
}

/// Shakes hands by a name.
fn shake(address: &str, name: &str, config: Arc<ClientConfig>) -> Result<ClientConnection, String> {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut session = ClientConnection::new(config, ServerName::try_from(name.to_owned()).unwrap()).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut socket).map_err(|error| error.to_string())?;
    }
    Ok(session)
}

fn pair(table: &Table) {
    let (told, trust) = started(table, &[]);
    Client::new(&told.address(), &trust).get("/v2/").expect(200);
}

fn clients(table: &Table) {
    let directory = TempDir::with_prefix("skerry-told-").unwrap();
    let ca = directory.path().join("clients.pem");
    let known = Vouching::new(&ca).identity("edge");
    let cas = format!("[{}]", ca.display());
    let cas = ("http.tls.clientcas", cas.as_str());
    let lenient = ("http.tls.clientauth", "verify-client-cert-if-given");
    for (set, nobody) in [(&[cas][..], false), (&[cas, lenient], true)] {
        let (told, trust) = started(table, set);
        for (identity, admitted) in [(Some(&known), true), (None, nobody)] {
            let config = trust.client_as(&["http/1.1"], rustls::DEFAULT_VERSIONS, identity);
            let answer = Client::with(&told.address(), config).request("GET", "/v2/").try_send();
            assert_eq!(answer.is_ok_and(|answer| answer.status == 200), admitted, "{set:?}");
        }
    }
}

fn version(table: &Table) {
    for (minimum, old) in [("tls1.2", true), ("tls1.3", false)] {
        let (told, trust) = started(table, &[("http.tls.minimumtls", minimum)]);
        for (version, good) in [(&TLS12, old), (&TLS13, true)] {
            let config = trust.client_as(&["http/1.1"], &[version], None);
            assert_eq!(shake(&told.address(), "localhost", config).is_ok(), good, "{minimum} {version:?}");
        }
    }
}

fn suites(table: &Table) {
    for (name, suite) in [
        ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ] {
        let (told, trust) = started(table, &[("http.tls.ciphersuites", &format!("[{name}]"))]);
        let session = shake(&told.address(), "localhost", trust.client_as(&["http/1.1"], &[&TLS12], None)).unwrap();
        assert_eq!(session.negotiated_cipher_suite().unwrap().suite(), suite);
    }
}

fn no_http2(table: &Table) {
    for (disabled, chosen) in [("false", "h2"), ("true", "http/1.1")] {
        let (told, trust) = started(table, &[("http.http2.disabled", disabled)]);
        let session = shake(&told.address(), "localhost", trust.client(&["h2", "http/1.1"])).unwrap();
        assert_eq!(session.alpn_protocol(), Some(chosen.as_bytes()));
    }
}

/// What is in the cache is served by its name, and for what is not, the
/// authority is asked, with the address.
fn ordered(table: &Table) {
    let directory = TempDir::with_prefix("skerry-told-").unwrap();
    let cache = directory.path().join("cache");
    fs::create_dir(&cache).unwrap();
    let kept = Authority::new(directory.path(), &["a.example"]);
    let text = [fs::read(&kept.key).unwrap(), fs::read(&kept.certificate).unwrap()].concat();
    fs::write(cache.join("a.example"), text).unwrap();

    let root = Ca::root("the authority's own");
    let leaf = root.leaf(&["127.0.0.1"], |_| {});
    let ca = root.write(&directory.path().join("root.pem"));
    let (accounts, asked) = channel();
    let accounts = Mutex::new(accounts);
    let config = Arc::new(shows(&[&leaf.certificate], &leaf.key));
    let authority = Listener::new(move |socket| {
        let session = ServerConnection::new(Arc::clone(&config)).unwrap();
        // Who hangs up asks for nothing.
        let _ = authority(StreamOwned::new(session, socket), &accounts);
    });
    let told = Told::start_in(
        table,
        directory,
        &[
            ("http.tls.letsencrypt.cachefile", cache.to_str().unwrap()),
            ("http.tls.letsencrypt.hosts", "[a.example, b.example]"),
            ("http.tls.letsencrypt.email", "me@a.example"),
            ("http.tls.letsencrypt.directoryurl", &format!("https://{}/directory", authority.address)),
            ("http.tls.letsencrypt.ca", ca.to_str().unwrap()),
        ],
    );
    shake(&told.address(), "a.example", kept.client(&["http/1.1"])).unwrap();
    for name in ["b.example", "c.example"] {
        assert!(shake(&told.address(), name, kept.client(&["http/1.1"])).is_err(), "{name}");
    }
    let account = asked.recv_timeout(PATIENCE).unwrap();
    assert_eq!(account["contact"], serde_json::json!(["mailto:me@a.example"]));
}

/// An authority that tells where it makes accounts, and makes none.
fn authority(
    mut stream: StreamOwned<ServerConnection, TcpStream>,
    accounts: &Mutex<Sender<Value>>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut space = [0; 16 * 1024];
    let body = loop {
        let count = stream.read(&mut space)?;
        request.extend_from_slice(&space[..count]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if count == 0 || body.len() >= length.unwrap_or(0) {
            break body.to_owned();
        }
    };
    let text = String::from_utf8_lossy(&request);
    let place = |line: &str| format!("https://{}/{line}", stream.sock.local_addr().unwrap());
    let answer = if text.starts_with("POST /account ") {
        let signed: Value = serde_json::from_str(&body)?;
        let payload = decoded(signed["payload"].as_str().unwrap_or_default());
        let _ = accounts.lock().unwrap().send(serde_json::from_slice(&payload)?);
        "{\"type\":\"urn:ietf:params:acme:error:serverInternal\"}".to_owned()
    } else {
        serde_json::json!({
            "newNonce": place("nonce"), "newAccount": place("account"), "newOrder": place("order"),
        })
        .to_string()
    };
    let status = if text.starts_with("POST ") { "500 Internal Server Error" } else { "200 OK" };
    let body = if text.starts_with("HEAD ") { "" } else { &answer };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nReplay-Nonce: bm9uY2U\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        answer.len(),
    )?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// What was encoded as base64url.
fn decoded(text: &str) -> Vec<u8> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for character in text.chars() {
        bits = bits << 6 | u32::try_from(ALPHABET.find(character).unwrap()).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    bytes
}

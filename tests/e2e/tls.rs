//! TLS as clients meet it: certificates that change while they are served,
//! certificates by name, and certificates of clients.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::symlink,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use rustls::{
    ClientConfig, ClientConnection, StreamOwned,
    pki_types::ServerName,
    version::{TLS12, TLS13},
};
use skerry_tests::{
    Client, Options, Registry,
    authority::{Authority, Vouching},
    content::Noise,
    push,
    raw::Raw,
    sha256,
};

/// Two seconds, and some for a machine that does other things.
const SOON: Duration = Duration::from_secs(4);

/// An authority with a pair for localhost, in a directory of its own.
fn authority(directory: &Path) -> Authority {
    fs::create_dir_all(directory).unwrap();
    Authority::new(directory, &["localhost", "127.0.0.1"])
}

/// Whether a client that trusts this authority alone is served.
fn serves(address: &str, trust: &Authority) -> bool {
    Client::new(address, trust).request("GET", "/v2/").try_send().is_ok_and(|answer| answer.status == 200)
}

#[track_caller]
fn taken(address: &str, trust: &Authority, how: &str) {
    let start = Instant::now();
    while !serves(address, trust) {
        assert!(start.elapsed() < SOON, "{how}: not taken");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Asks by a name; what went wrong, or the first line of the answer.
fn ask(address: &str, name: &str, config: Arc<ClientConfig>) -> Result<String, String> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(config, name).unwrap(), socket);
    let mut exchange = || {
        stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = exchange().map_err(|error| error.to_string())?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

#[test]
fn changed_files_are_served_while_transfers_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let made: Vec<Authority> = (0..5).map(|index| authority(&at(&format!("archive{index}")))).collect();
    // As certbot has it: links from live/… into archive/….
    fs::create_dir(at("live")).unwrap();
    let (certificate, key) = (at("live/fullchain.pem"), at("live/privkey.pem"));
    symlink("../archive0/certificate.pem", &certificate).unwrap();
    symlink("../archive0/key.pem", &key).unwrap();
    let registry = Registry::start(Options { pair: Some((certificate.clone(), key.clone())), ..Options::default() });
    let address = registry.address();
    assert!(serves(address, &made[0]) && !serves(address, &made[1]));

    // A download that stands still, and an upload that is half done.
    let content = Noise::new(7).bytes(24 << 20);
    let digest = push::blob(&Client::new(address, &made[0]), "a", &content);
    let mut download = Raw::tls(address, &made[0]);
    download.send(format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).unwrap();
    let mut got = download.some().unwrap();
    let half = Noise::new(8).bytes(100_000);
    let whole = [half.clone(), half.clone()].concat();
    let mut upload = Raw::tls(address, &made[0]);
    let head = format!(
        "POST /v2/a/blobs/uploads/?digest={} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        sha256(&whole),
        whole.len()
    );
    upload.send(head).unwrap();
    upload.send(&half).unwrap();

    // A link to another file, by a rename over it.
    for (name, file) in [("fullchain.pem", "certificate.pem"), ("privkey.pem", "key.pem")] {
        symlink(format!("../archive1/{file}"), at("link")).unwrap();
        fs::rename(at("link"), at("live").join(name)).unwrap();
    }
    taken(address, &made[1], "a link that is swapped");
    assert!(!serves(address, &made[0]));

    // The file behind the link, in place.
    fs::copy(&made[2].certificate, &made[1].certificate).unwrap();
    fs::copy(&made[2].key, &made[1].key).unwrap();
    taken(address, &made[2], "a write in place");

    // Another file in the place of the link.
    fs::rename(&made[3].certificate, &certificate).unwrap();
    fs::rename(&made[3].key, &key).unwrap();
    taken(address, &made[3], "a rename");

    // Another directory in the place of the whole.
    fs::create_dir(at("next")).unwrap();
    fs::copy(&made[4].certificate, at("next/fullchain.pem")).unwrap();
    fs::copy(&made[4].key, at("next/privkey.pem")).unwrap();
    fs::rename(at("live"), at("before")).unwrap();
    symlink("next", at("live")).unwrap();
    taken(address, &made[4], "a directory that is swapped");
    // And back, as Kubernetes swaps `..data`.
    symlink("before", at("link")).unwrap();
    fs::rename(at("link"), at("live")).unwrap();
    taken(address, &made[3], "a link to a directory that is swapped");

    upload.send(&half).unwrap();
    let answer = upload.rest();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    loop {
        match download.some().unwrap() {
            some if some.is_empty() => break,
            some => got.extend_from_slice(&some),
        }
    }
    let head = got.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(sha256(&got[head..]), digest);
}

#[test]
fn a_bad_pair_keeps_the_old_one_and_is_said_once() {
    let directory = tempfile::tempdir().unwrap();
    let other = authority(&directory.path().join("other"));
    let mut registry = Registry::new();
    let address = registry.address().to_owned();
    let own = registry.trust().clone();
    let certificate = fs::read(&own.certificate).unwrap();
    let key = fs::read(&own.key).unwrap();
    for (text, sentence) in [
        (fs::read(&other.certificate).unwrap(), "the private key does not belong to the certificate in "),
        (certificate[..certificate.len() / 2].to_vec(), "certificate.pem: not PEM: an -----END----- line is missing"),
        (Vec::new(), "certificate.pem: the file is empty"),
    ] {
        fs::write(&own.certificate, text).unwrap();
        registry.service().wait_for(sentence, |line| line.contains(sentence).then_some(()));
        assert!(serves(&address, &own), "{sentence}");
    }
    // On SIGHUP it looks at once, and says again what is wrong.
    registry.service().signal(Signal::HUP);
    let refused = "the changed certificates cannot be used, the ones before are served: ";
    let times =
        |registry: &mut Registry| registry.service().lines().iter().filter(|line| line.contains(refused)).count();
    let start = Instant::now();
    while times(&mut registry) < 4 {
        assert!(start.elapsed() < SOON, "nothing is said on SIGHUP");
        thread::sleep(Duration::from_millis(20));
    }
    // Put right again.
    fs::write(&own.certificate, fs::read(&other.certificate).unwrap()).unwrap();
    fs::write(&own.key, fs::read(&other.key).unwrap()).unwrap();
    taken(&address, &other, "what was put right");
    fs::write(&own.key, &key).unwrap();
    fs::write(&own.certificate, &certificate).unwrap();
    taken(&address, &own, "what was before");
    registry.service().signal(Signal::HUP);
    let same = "SIGHUP: the certificates are what they were";
    registry.service().wait_for(same, |line| line.contains(same).then_some(()));
    // Each of three bad states once, and the last once more when asked.
    assert_eq!(times(&mut registry), 4);
    registry.stop();
}

#[test]
fn sighup_ends_nothing_without_tls() {
    let mut registry = Registry::start(Options { tls: false, ..Options::default() });
    registry.service().signal(Signal::HUP);
    let said = "SIGHUP: there is no certificate";
    registry.service().wait_for(said, |line| line.contains(said).then_some(()));
    assert_eq!(registry.client().get("/v2/").status, 200);
    registry.stop();
}

#[test]
fn certificates_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let make = |name: &str, names: &[&str]| {
        fs::create_dir(directory.path().join(name)).unwrap();
        Authority::new(&directory.path().join(name), names)
    };
    let (one, wild) = (make("one", &["one.example"]), make("wild", &["*.wild.example"]));
    let keys: String = [&one, &wild]
        .iter()
        .map(|pair| format!("- certificate: {}\n  key: {}\n", pair.certificate.display(), pair.key.display()))
        .collect();
    for strict in [false, true] {
        let tls_keys = format!("strictsni: {strict}\ncertificates:\n{keys}");
        let mut registry = Registry::start(Options { tls_keys, ..Options::default() });
        let main = registry.trust().clone();
        let address = registry.address().to_owned();
        for (name, trust, good) in [
            ("localhost", &main, true),
            ("127.0.0.1", &main, true),
            ("one.example", &one, true),
            ("a.wild.example", &wild, true),
            ("a.b.wild.example", &wild, false),
            ("wild.example", &wild, false),
            ("one.example", &main, false),
        ] {
            let outcome = ask(&address, name, trust.client(&["http/1.1"]));
            assert_eq!(outcome.is_ok_and(|line| line.contains(" 200 ")), good, "{name}, strict: {strict}");
        }
        let error = ask(&address, "other.example", main.client(&["http/1.1"])).unwrap_err();
        let expected = if strict { "received fatal alert" } else { "invalid peer certificate" };
        assert!(error.contains(expected), "{error}");
        // One of several changes.
        let (certificate, key) = (fs::read(&one.certificate).unwrap(), fs::read(&one.key).unwrap());
        let next = make(&format!("next-{strict}"), &["one.example"]);
        fs::copy(&next.certificate, &one.certificate).unwrap();
        fs::copy(&next.key, &one.key).unwrap();
        let start = Instant::now();
        while ask(&address, "one.example", next.client(&["http/1.1"])).is_err() {
            assert!(start.elapsed() < SOON, "not taken");
            thread::sleep(Duration::from_millis(20));
        }
        fs::write(&one.certificate, certificate).unwrap();
        fs::write(&one.key, key).unwrap();
        registry.stop();
    }
}

#[test]
fn certificates_of_clients() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("clients.pem");
    let vouching = Vouching::new(&ca);
    let other = Vouching::new(&directory.path().join("other.pem"));
    let (known, stranger) = (vouching.identity("edge"), other.identity("edge"));
    let cas = format!("clientcas: [{}]\n", ca.display());
    for (keys, admitted) in [
        // With no certificate, with one of the authority, of another.
        (String::new(), [true, true, true]),
        (cas.clone(), [false, true, false]),
        ("clientauth: request-client-cert\n".to_owned(), [true, true, true]),
        ("clientauth: require-any-client-cert\n".to_owned(), [false, true, true]),
        (format!("{cas}clientauth: verify-client-cert-if-given\n"), [true, true, false]),
        (format!("{cas}clientauth: require-and-verify-client-cert\n"), [false, true, false]),
    ] {
        let registry = Registry::start(Options { tls_keys: keys.clone(), ..Options::default() });
        for version in [&TLS12, &TLS13] {
            for (identity, admitted) in [None, Some(&known), Some(&stranger)].into_iter().zip(admitted) {
                let config = registry.trust().client_as(&["http/1.1"], &[version], identity);
                let answer = Client::with(registry.address(), config).request("GET", "/v2/").try_send();
                let shown = identity.is_some();
                assert_eq!(answer.is_ok_and(|answer| answer.status == 200), admitted, "{keys} {version:?} {shown}");
            }
        }
    }
}

#[test]
fn another_authority_for_clients_is_taken_too() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("clients.pem");
    let first = Vouching::new(&ca).identity("edge");
    let tls_keys = format!("clientcas: [{}]\n", ca.display());
    let registry = Registry::start(Options { tls_keys, ..Options::default() });
    for version in [&TLS12, &TLS13] {
        let before = fs::read(&ca).unwrap();
        // One configuration for all its connections: it resumes sessions.
        let config = |identity| registry.trust().client_as(&["http/1.1"], &[version], Some(identity));
        let old = config(&first);
        let good = |config: &Arc<ClientConfig>| ask(registry.address(), "localhost", config.clone()).is_ok();
        assert!(good(&old) && good(&old), "{version:?}");
        let new = config(&Vouching::new(&ca).identity("edge"));
        let start = Instant::now();
        while !good(&new) {
            assert!(start.elapsed() < SOON, "{version:?}: not taken");
            thread::sleep(Duration::from_millis(20));
        }
        assert!(!good(&old), "{version:?}: a session outlived its authority");
        fs::write(&ca, before).unwrap();
        while !good(&old) {
            assert!(start.elapsed() < SOON * 2, "{version:?}: not taken back");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

//! Orders, by both ways of proving who is here.

use std::{
    fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use skerry_tests::Client;

use crate::{
    client::{ask, field, metrics, ordering, says, served, trusting},
    pebble::{Options, Pebble, Place, free_port},
};

fn port(address: &str) -> u16 {
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

#[test]
#[ignore = "needs pebble"]
fn by_tls_from_an_authority_that_comes_late_and_rejects_nonces() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    let place = Place::new();
    let mut registry = ordering(&place, &cache, &["a.example", "b.example"], "");
    let address = registry.address().to_owned();
    let said = says(&mut registry, "the certificate could not be ordered: no connection to 127.0.0.1");
    assert!(said.contains("look whether this machine reaches `http.tls.letsencrypt.directoryurl`"), "{said}");
    let nobody = rustls::RootCertStore::empty();
    let error = ask(&address, "a.example", trusting(&nobody, &["http/1.1"])).unwrap_err();
    assert!(error.contains("received fatal alert"), "{error}");

    let options = Options {
        ports: (port(&address), 1),
        environment: vec![("PEBBLE_WFE_NONCEREJECT", "30")],
        ..Options::default()
    };
    let mut pebble = Pebble::start(&place, options);
    let roots = pebble.roots();
    let first = served(&address, "a.example", &roots, None);
    let second = served(&address, "b.example", &roots, None);
    assert_ne!(first, second);
    // Each name has its own, no other name has any, and no name at all.
    assert!(ask(&address, "c.example", trusting(&roots, &["http/1.1"])).unwrap_err().contains("received fatal alert"));
    assert!(ask(&address, "127.0.0.1", trusting(&roots, &["http/1.1"])).unwrap_err().contains("received fatal alert"));
    // Nothing of the challenge is left, and nobody else speaks its protocol.
    let error = ask(&address, "a.example", trusting(&roots, &["acme-tls/1"])).unwrap_err();
    assert!(error.contains("NoApplicationProtocol"), "{error}");
    ask(&address, "a.example", trusting(&roots, &["acme-tls/1", "http/1.1"])).unwrap();
    let mut files: Vec<_> =
        fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, ["a.example", "acme_account+key", "b.example", "skerry+lock"]);
    for file in files {
        let mode = fs::metadata(cache.join(&file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
    let metrics = metrics(&mut registry);
    assert!(metrics.lines().any(|line| line == "skerry_acme_orders_total{result=\"issued\"} 2"), "{metrics}");
    let end =
        format!("skerry_tls_certificate_not_after_seconds{{certificate=\"{}\"}}", cache.join("a.example").display());
    assert!(metrics.lines().any(|line| line.starts_with(&end) && !line.ends_with(" 0")), "{metrics}");

    // With no authority, what is there is served from the first moment.
    pebble.service.kill9();
    registry.stop();
    registry.restart();
    assert_eq!(ask(registry.address(), "a.example", trusting(&roots, &["http/1.1"])).unwrap(), first);
    assert_eq!(ask(registry.address(), "b.example", trusting(&roots, &["http/1.1"])).unwrap(), second);
    registry.stop();
}

#[test]
#[ignore = "needs pebble"]
fn by_http() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::new();
    let mut registry = ordering(&place, directory.path(), &["a.example"], "    http: 127.0.0.1:0\n");
    let challenges = field(&mut registry, "challenge_address");
    let pebble = Pebble::start(&place, Options { ports: (1, port(&challenges)), ..Options::default() });
    served(registry.address(), "a.example", &pebble.roots(), None);
    assert!(says(&mut registry, "a new certificate").contains("a.example"));

    let plain = Client::plain(&challenges);
    plain.get("/.well-known/acme-challenge/unknown").expect(404);
    plain.get("/.well-known/acme-challenge/..%2facme_account+key").expect(404);
    plain.get("/.well-known/acme-challenge/../acme_account+key").expect(404);
    let to = |host: &str| plain.request("GET", "/v2/?a=b").header("Host", host).send();
    assert_eq!(to("A.example:80").expect(302).header("location"), "https://a.example/v2/?a=b");
    to("evil.example").expect(404);
    plain.request("POST", "/v2/a/blobs/uploads/").header("Host", "a.example").send().expect(400);
    registry.stop();
}

/// Listens, and lets through to the registry only when it is open.
fn gate(to: String) -> (u16, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let open = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&open);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            if !asked.load(Ordering::SeqCst) {
                continue;
            }
            let server = TcpStream::connect(&to).unwrap();
            let (mut from, mut into) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut from, &mut into));
            let (mut from, mut into) = (server, client);
            thread::spawn(move || io::copy(&mut from, &mut into));
        }
    });
    (port, open)
}

#[test]
#[ignore = "needs pebble"]
fn a_proof_that_fails_until_the_port_is_put_right() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::new();
    let mut registry = ordering(&place, directory.path(), &["a.example"], "");
    let (port, open) = gate(registry.address().to_owned());
    let pebble = Pebble::start(&place, Options { ports: (port, 1), ..Options::default() });
    // Pebble says "unauthorized" of a connection that ends too early.
    let said = says(&mut registry, "port 443 of a.example must lead ");
    assert!(said.contains("Failed to connect to 127.0.0.1:"), "{said}");
    assert!(said.contains("\"again\":\""), "{said}");
    open.store(true, Ordering::SeqCst);
    served(registry.address(), "a.example", &pebble.roots(), None);
    let metrics = metrics(&mut registry);
    assert!(metrics.lines().any(|line| line == "skerry_acme_orders_total{result=\"issued\"} 1"), "{metrics}");
    assert!(metrics.lines().any(|line| line.starts_with("skerry_acme_orders_total{result=\"failed\"} ")), "{metrics}");
    registry.stop();
}

#[test]
#[ignore = "needs pebble"]
fn the_other_way_where_one_fails() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::new();
    let mut registry = ordering(&place, directory.path(), &["a.example"], "    http: 127.0.0.1:0\n");
    let ports = (port(registry.address()), free_port());
    let pebble = Pebble::start(&place, Options { ports, ..Options::default() });
    served(registry.address(), "a.example", &pebble.roots(), None);
    says(&mut registry, "port 80 of a.example must lead ");
    registry.stop();
}

#[test]
#[ignore = "needs pebble"]
fn an_authority_that_forgot_the_account() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::new();
    let mut registry = ordering(&place, directory.path(), &["a.example"], "");
    let ports = (port(registry.address()), 1);
    let mut pebble = Pebble::start(&place, Options { ports, validity: Some(8), ..Options::default() });
    let first = served(registry.address(), "a.example", &pebble.roots(), None);
    let key = fs::read(directory.path().join("acme_account+key")).unwrap();
    // Pebble keeps nothing.
    pebble.service.kill9();
    let pebble = Pebble::start(&place, Options { ports, ..Options::default() });
    served(registry.address(), "a.example", &pebble.roots(), Some(&first));
    assert_eq!(fs::read(directory.path().join("acme_account+key")).unwrap(), key);
    registry.stop();
}

/// A CA that talks, and says nothing that is of use.
#[test]
fn an_authority_that_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::new();
    let mut registry = ordering(&place, directory.path(), &["a.example"], "");
    let listener = TcpListener::bind(("127.0.0.1", place.port())).unwrap();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut hello = [0; 1024];
            let _ = client.read(&mut hello);
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    says(&mut registry, "the certificate could not be ordered: no TLS with 127.0.0.1");
    registry.stop();
}

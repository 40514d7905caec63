//! Handshakes by name.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use skerry_tests::{Options, Registry, authority::Authority};

use crate::pebble::Place;

/// For an order, on a machine that does other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// A registry that orders from the authority at a place, even if it is not
/// there yet: for these names, with more keys of the section.
pub fn ordering(place: &Place, cache: &Path, hosts: &[&str], keys: &str) -> Registry {
    let tls = format!(
        "tls:\n  letsencrypt:\n    cachefile: {}\n    email: me@a.example\n    hosts: [{}]\n    directoryurl: {}\n    \
         ca: {}\n    retry: 50ms\n{keys}debug:\n  addr: 127.0.0.1:0\n  prometheus:\n    enabled: true\n",
        cache.display(),
        hosts.join(", "),
        place.url(),
        place.ca().display(),
    );
    Registry::start(Options { tls: false, http: tls, ..Options::default() })
}

/// Who trusts these roots, and speaks these protocols.
pub fn trusting(roots: &RootCertStore, protocols: &[&str]) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// The roots of a test's own authority.
pub fn roots_of(trust: &Authority) -> RootCertStore {
    use rustls::pki_types::pem::PemObject;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&trust.ca).unwrap()).unwrap();
    roots
}

/// Asks by a name for `/v2/`: the certificate that was shown, or what went
/// wrong.
pub fn ask(address: &str, name: &str, config: Arc<ClientConfig>) -> Result<CertificateDer<'static>, String> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let socket = TcpStream::connect(address).map_err(|error| error.to_string())?;
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(config, name).unwrap(), socket);
    let mut answer = String::new();
    let exchange = stream
        .write_all(b"GET /v2/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .and_then(|()| stream.read_to_string(&mut answer));
    exchange.map_err(|error| error.to_string())?;
    match answer.starts_with("HTTP/1.1 200 ") {
        true => Ok(stream.conn.peer_certificates().unwrap()[0].clone().into_owned()),
        false => Err(format!("it answers {answer:?}")),
    }
}

/// Waits until a name is served with a certificate that these roots vouch for,
/// and that is not the one before.
#[track_caller]
pub fn served(
    address: &str,
    name: &str,
    roots: &RootCertStore,
    before: Option<&CertificateDer<'_>>,
) -> CertificateDer<'static> {
    let start = Instant::now();
    loop {
        let outcome = ask(address, name, trusting(roots, &["http/1.1"]));
        match &outcome {
            Ok(shown) if before.is_none_or(|before| before != shown) => return shown.clone(),
            _ => assert!(start.elapsed() < PATIENCE, "{name}: {outcome:?}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// The metrics of a registry.
pub fn metrics(registry: &mut Registry) -> String {
    let debug = field(registry, "debug_address");
    skerry_tests::Client::plain(&debug).get("/metrics").expect(200).text()
}

/// A field of a line of its log.
pub fn field(registry: &mut Registry, name: &str) -> String {
    let start = format!("\"{name}\":\"");
    registry.service().wait_for(name, |line| {
        let rest = &line[line.find(&start)? + start.len()..];
        Some(rest[..rest.find('"')?].to_owned())
    })
}

/// Waits for a line of its log.
#[track_caller]
pub fn says(registry: &mut Registry, sentence: &str) -> String {
    registry.service().wait_for(sentence, |line| line.contains(sentence).then(|| line.to_owned()))
}

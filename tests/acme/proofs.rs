//! The handshake by which an authority looks for a proof. Here another process
//! has left the proof in the cache, as Go's programs and ours do.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::{client::ordering, pebble::Place};

/// An authority looks at the certificate itself.
#[derive(Debug)]
struct Anything;

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// The certificate that is shown, the protocol that is chosen, and what a
/// request is answered with.
type Shown = (Vec<u8>, Option<Vec<u8>>, String);

/// What is shown to who asks by a name and speaks these protocols.
fn look(address: &str, name: &str, protocols: &[&str]) -> Result<Shown, String> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).map_err(|error| error.to_string())?;
    }
    let shown = stream.conn.peer_certificates().unwrap()[0].to_vec();
    let chosen = stream.conn.alpn_protocol().map(<[u8]>::to_vec);
    let mut answer = Vec::new();
    let _ = stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let _ = stream.read_to_end(&mut answer);
    Ok((shown, chosen, String::from_utf8_lossy(&answer).into_owned()))
}

#[test]
fn a_proof_is_shown_to_who_looks_for_it_and_to_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&[7; 32])];
    let proof = params.self_signed(&key).unwrap();
    let file = directory.path().join("a.example+token");
    fs::write(&file, format!("{}{}", key.serialize_pem(), proof.pem())).unwrap();

    let place = Place::new();
    // Two names: for one there is no proof.
    let registry = ordering(&place, directory.path(), &["a.example", "b.example"], "");
    let address = registry.address();
    let (shown, chosen, answer) = look(address, "a.example", &["acme-tls/1"]).unwrap();
    assert_eq!((shown.as_slice(), chosen.as_deref()), (proof.der().as_ref(), Some(&b"acme-tls/1"[..])));
    assert_eq!(answer, "", "HTTP is spoken on the authority's connection");
    for (name, protocols) in [
        ("a.example", &["acme-tls/1", "http/1.1"][..]),
        ("a.example", &["http/1.1", "acme-tls/1"]),
        ("a.example", &["http/1.1"]),
        ("a.example", &[]),
        ("b.example", &["acme-tls/1"]),
        ("c.example", &["acme-tls/1"]),
    ] {
        let error = look(address, name, protocols).expect_err("a proof, or some certificate");
        assert!(error.contains("received fatal alert"), "{name} {protocols:?}: {error}");
    }
    fs::remove_file(&file).unwrap();
    assert!(look(address, "a.example", &["acme-tls/1"]).is_err());
}

//! Chains of certificates, right and wrong, and servers that show them.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
    sign::{CertifiedKey, SingleCertAndKey},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// An authority, of the root or between.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub certificate: CertificateDer<'static>,
    pem: String,
}

impl Ca {
    /// One that signs itself.
    pub fn root(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = authority(name);
        let made = params.self_signed(&key).unwrap();
        Self { certificate: made.der().clone(), pem: made.pem(), issuer: Issuer::new(params, key) }
    }

    /// One below this one.
    pub fn intermediate(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = authority(name);
        let made = params.signed_by(&key, &self.issuer).unwrap();
        Self { certificate: made.der().clone(), pem: made.pem(), issuer: Issuer::new(params, key) }
    }

    /// A leaf for these names, changed by `change`.
    pub fn leaf(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let mut params = server(names);
        change(&mut params);
        let made = params.signed_by(&key, &self.issuer).unwrap();
        Leaf { certificate: made.der().clone(), key: private(&key) }
    }

    /// Writes its certificate as PEM.
    pub fn write(&self, to: &Path) -> PathBuf {
        fs::write(to, &self.pem).unwrap();
        to.to_owned()
    }
}

/// A server's certificate and key.
pub struct Leaf {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// The key.
    pub key: PrivateKeyDer<'static>,
}

impl Leaf {
    /// One that signs itself.
    pub fn by_itself(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (Self, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = server(names);
        change(&mut params);
        let made = params.self_signed(&key).unwrap();
        (Self { certificate: made.der().clone(), key: private(&key) }, made.pem())
    }
}

/// Something that listens on a port of its own until this process ends.
pub struct Listener {
    /// `127.0.0.1:port`.
    pub address: String,
}

impl Listener {
    /// One that does this with every connection.
    pub fn new(with: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let with = Arc::new(with);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let with = Arc::clone(&with);
                connection.set_read_timeout(Some(PATIENCE)).unwrap();
                connection.set_write_timeout(Some(PATIENCE)).unwrap();
                thread::spawn(move || with(connection));
            }
        });
        Self { address }
    }

    /// One of TLS: to a request it answers with these bytes.
    pub fn tls(config: ServerConfig, answer: impl Into<Vec<u8>>) -> Self {
        let (config, answer) = (Arc::new(config), answer.into());
        Self::new(move |socket| {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(session, socket);
            let mut space = [0; 4096];
            // Whoever only shakes hands asks for nothing.
            if stream.read(&mut space).is_ok_and(|count| count > 0) {
                let _ = stream.write_all(&answer);
            }
            stream.conn.send_close_notify();
            let _ = stream.flush();
        })
    }

    /// `localhost:port`.
    pub fn localhost(&self) -> String {
        self.address.replace("127.0.0.1", "localhost")
    }
}

/// A configuration that shows this chain, whether or not the key is that of
/// its first.
pub fn shows(chain: &[&CertificateDer<'static>], key: &PrivateKeyDer<'static>) -> ServerConfig {
    shows_in(chain, key, rustls::DEFAULT_VERSIONS, None)
}

/// The same in some versions only, and for clients of an authority only.
pub fn shows_in(
    chain: &[&CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
    clients: Option<&Ca>,
) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let signing = provider.key_provider.load_private_key(key.clone_key()).unwrap();
    let chain = chain.iter().map(|&one| one.clone()).collect();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions).unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(ca.certificate.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, signing))));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name = common(name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2099, 1, 1);
    params
}

fn server(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = common("a registry");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2099, 1, 1);
    params
}

/// A name with a common name only.
pub fn common(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

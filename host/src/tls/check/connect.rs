//! Connections to the server: whatever it shows is taken, and written down.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    SupportedProtocolVersion,
    client::{
        ResolvesClientCert, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::CertifiedKey,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Why there is no TLS connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server closed, or reset, the connection.
    Closed,
    /// It said nothing, or not enough.
    TimedOut,
    /// What it says is not TLS.
    NotTls,
    /// It refused.
    Alert(AlertDescription),
    /// Something else.
    Other(String),
}

impl Failure {
    /// Of an error of the connection or of TLS.
    pub(super) fn of(error: &std::io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(Error::AlertReceived(alert)) => Self::Alert(*alert),
            Some(Error::InvalidMessage(_) | Error::InappropriateMessage { .. }) => Self::NotTls,
            Some(other) => Self::Other(other.to_string()),
            None => match error.kind() {
                std::io::ErrorKind::UnexpectedEof
                | std::io::ErrorKind::ConnectionReset
                | std::io::ErrorKind::ConnectionAborted
                | std::io::ErrorKind::BrokenPipe => Self::Closed,
                _ => Self::Other(error.to_string()),
            },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the server closed the connection"),
            Self::TimedOut => f.write_str("the server did not answer in time"),
            Self::NotTls => f.write_str("the server does not speak TLS"),
            Self::Alert(alert) => write!(f, "the server refused with the alert {alert:?}"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

/// What was seen of a server, though the handshake may have failed.
#[derive(Debug)]
pub(super) struct Witness {
    algorithms: WebPkiSupportedAlgorithms,
    chain: Mutex<Vec<CertificateDer<'static>>>,
    bad_signature: AtomicBool,
    asked: AtomicBool,
}

impl Witness {
    fn new(provider: &CryptoProvider) -> Self {
        Self {
            algorithms: provider.signature_verification_algorithms,
            chain: Mutex::default(),
            bad_signature: AtomicBool::new(false),
            asked: AtomicBool::new(false),
        }
    }

    /// The chain as it was sent.
    pub(super) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the server failed to show that the leaf's key is its own.
    pub(super) fn bad_signature(&self) -> bool {
        self.bad_signature.load(Ordering::Relaxed)
    }

    /// Whether it asked for a certificate.
    pub(super) fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// A signature that cannot be checked, for its algorithm or for the
    /// certificate's form, is told of elsewhere.
    fn taken(&self, verified: Result<HandshakeSignatureValid, Error>) -> Result<HandshakeSignatureValid, Error> {
        if matches!(verified, Err(Error::InvalidCertificate(CertificateError::BadSignature))) {
            self.bad_signature.store(true, Ordering::Relaxed);
        }
        Ok(HandshakeSignatureValid::assertion())
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = [leaf].into_iter().chain(others).map(|one| one.clone().into_owned()).collect();
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.taken(verify_tls12_signature(message, certificate, signed, &self.algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.taken(verify_tls13_signature(message, certificate, signed, &self.algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        // So that a server with such a key is seen.
        let others = [SignatureScheme::ECDSA_NISTP521_SHA512, SignatureScheme::ED448];
        self.algorithms.supported_schemes().into_iter().chain(others).collect()
    }
}

#[derive(Debug)]
struct NoIdentity(Arc<Witness>);

impl ResolvesClientCert for NoIdentity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.asked.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The server at one address.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) name: ServerName<'static>,
    pub(super) provider: Arc<CryptoProvider>,
    /// For each step.
    pub(super) patience: Duration,
}

impl Server {
    /// A TCP connection, or why there is none.
    pub(super) async fn reach(&self) -> Result<TcpStream, String> {
        match timeout(self.patience, TcpStream::connect(self.address)).await {
            Ok(Ok(tcp)) => Ok(tcp),
            Ok(Err(error)) => Err(without_number(&error)),
            Err(_) => Err(format!("no connection within {} s", self.patience.as_secs())),
        }
    }

    /// A TLS connection with these versions and protocols, and what was seen.
    pub(super) async fn greet(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
    ) -> (Result<TlsStream<TcpStream>, Failure>, Arc<Witness>) {
        let witness = Arc::new(Witness::new(&self.provider));
        let attempt = async {
            let config = self.config(versions, alpn, &witness).map_err(|error| Failure::Other(error.to_string()))?;
            let tcp = TcpStream::connect(self.address).await.map_err(|error| Failure::of(&error))?;
            let connected = TlsConnector::from(config).connect(self.name.clone(), tcp).await;
            connected.map_err(|error| Failure::of(&error))
        };
        let done = timeout(self.patience, attempt).await.unwrap_or(Err(Failure::TimedOut));
        (done, witness)
    }

    fn config(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
        witness: &Arc<Witness>,
    ) -> Result<Arc<ClientConfig>, Error> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<Witness>::clone(witness))
            .with_client_cert_resolver(Arc::new(NoIdentity(Arc::clone(witness))));
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

/// `connection refused`, without `(os error 111)`.
fn without_number(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut characters = text.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}

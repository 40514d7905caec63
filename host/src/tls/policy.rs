//! How certificates are served: versions, suites, what is wanted of clients.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    server::ServerSessionMemoryCache,
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use super::{clients, error::TlsError, hybrid, pem, print::Reading, sni::Names, suites};
use crate::config::{ClientAuth, TlsVersion};

/// Sessions that are kept for clients that cannot keep tickets.
const SESSIONS: usize = 4096;

/// How certificates are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whether who asks for a name that no certificate has is refused.
    pub strict: bool,
    /// What is wanted of clients.
    pub client_auth: ClientAuth,
    /// PEM: what their certificates are verified against.
    pub client_cas: Vec<PathBuf>,
    /// The lowest version.
    pub minimum: TlsVersion,
    /// Suites of TLS 1.2 by Go's names; all where empty.
    pub suites: Vec<String>,
    /// Whether `h2` is offered beside `http/1.1`.
    pub http2: bool,
}

impl Policy {
    /// As it is by default.
    pub fn new(http2: bool) -> Self {
        Self {
            strict: false,
            client_auth: ClientAuth::None,
            client_cas: Vec::new(),
            minimum: TlsVersion::V12,
            suites: Vec::new(),
            http2,
        }
    }

    /// The cryptography, with the suites that are wanted; and warnings.
    pub(super) fn provider(&self) -> Result<(CryptoProvider, Vec<String>), TlsError> {
        let mut provider = hybrid::provider();
        let (suites, unknown) = suites::choose(&provider, &self.suites);
        if self.minimum == TlsVersion::V12 && !suites.iter().any(|suite| suite.tls13().is_none()) {
            return Err(TlsError::NoSuite);
        }
        provider.cipher_suites = suites;
        Ok((provider, unknown))
    }

    /// To accept connections with, by certificates and their names; and these.
    ///
    /// Its tickets and sessions are its own: what was agreed on under another
    /// certificate, or with another authority for clients, does not go on here.
    pub(super) fn config(
        &self,
        provider: CryptoProvider,
        pairs: Vec<(Vec<String>, Arc<CertifiedKey>)>,
        reading: &mut Reading,
    ) -> Result<(ServerConfig, Arc<Names>), TlsError> {
        let mut authorities = Vec::new();
        for path in &self.client_cas {
            authorities.push((path.as_path(), pem::certificates(path, &reading.read(path)?)?));
        }
        let provider = Arc::new(provider);
        let verifier = clients::verifier(self.client_auth, authorities, &provider)?;
        let versions: &[_] = match self.minimum {
            TlsVersion::V12 => &[&TLS13, &TLS12],
            TlsVersion::V13 => &[&TLS13],
        };
        let names = Arc::new(Names::new(pairs, self.strict));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::clone(&names) as _);
        config.alpn_protocols = match self.http2 {
            true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            false => vec![b"http/1.1".to_vec()],
        };
        config.ticketer = ring::Ticketer::new()?;
        // Registry clients open a handful of connections; one ticket serves them.
        config.send_tls13_tickets = 1;
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        Ok((config, names))
    }
}

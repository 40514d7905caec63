//! A certificate and its key into a `rustls::ServerConfig`.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    server::ServerSessionMemoryCache,
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use super::{error::TlsError, files, pem, suites};
use crate::config::TlsVersion;

/// Sessions that are kept for clients that cannot keep tickets.
const SESSIONS: usize = 4096;

/// Which files to load, and what to offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the leaf, then its chain.
    pub certificate: PathBuf,
    /// PEM: PKCS#8, SEC1 or PKCS#1.
    pub key: PathBuf,
    /// The lowest version.
    pub minimum: TlsVersion,
    /// Suites of TLS 1.2 by Go's names; all where empty.
    pub suites: Vec<String>,
    /// Whether `h2` is offered beside `http/1.1`.
    pub http2: bool,
}

/// What was loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// To accept connections with.
    pub config: Arc<ServerConfig>,
    /// Names and addresses that the leaf is for, as text.
    pub names: Vec<String>,
    /// When the leaf begins to be valid.
    pub not_before: SystemTime,
    /// When the leaf ends to be valid.
    pub not_after: SystemTime,
    /// Sentences for the log.
    pub warnings: Vec<String>,
}

impl Loaded {
    /// A sentence for the log, as an error, if the leaf is not valid at this
    /// time. It is served all the same: a board with no clock must boot.
    pub fn out_of_time(&self, now: SystemTime) -> Option<String> {
        if now > self.not_after {
            Some(format!("the certificate expired at {}; clients will refuse it", shown(self.not_after)))
        } else if now < self.not_before {
            Some(format!("the certificate is valid only from {}: is the clock right?", shown(self.not_before)))
        } else {
            None
        }
    }
}

/// Loads certificate and key, and checks that they belong together.
pub fn load(files: &TlsFiles) -> Result<Loaded, TlsError> {
    let chain = pem::certificates(&files.certificate, &files::read(&files.certificate)?)?;
    let key = pem::key(&files.key, &files::read(&files.key)?)?;

    for (index, certificate) in chain.iter().enumerate() {
        if X509Certificate::from_der(certificate).is_err() {
            return Err(TlsError::BadCertificate(files.certificate.clone(), index + 1));
        }
    }
    let Some(Ok((_, leaf))) = chain.first().map(|leaf| X509Certificate::from_der(leaf)) else {
        return Err(TlsError::BadCertificate(files.certificate.clone(), 1));
    };
    let names = names(&leaf);
    let (not_before, not_after) = (leaf.validity().not_before.timestamp(), leaf.validity().not_after.timestamp());
    let mut warnings = Vec::new();
    if names.is_empty() {
        warnings.push(format!(
            "{}: the certificate names no host (no subjectAltName); clients will refuse it",
            files.certificate.display()
        ));
    }

    let mut provider = ring::default_provider();
    let (suites, unknown) = suites::choose(&provider, &files.suites);
    warnings.extend(unknown);
    if files.minimum == TlsVersion::V12 && !suites.iter().any(|suite| suite.tls13().is_none()) {
        return Err(TlsError::NoSuite);
    }
    provider.cipher_suites = suites;

    let key = provider.key_provider.load_private_key(key).map_err(|_| TlsError::BadKey(files.key.clone()))?;
    let certified = CertifiedKey::new(chain.clone(), key);
    certified.keys_match().map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::Mismatch { certificate: files.certificate.clone(), key: files.key.clone() }
        }
        rustls::Error::InvalidCertificate(_) => TlsError::BadCertificate(files.certificate.clone(), 1),
        other => TlsError::Rustls(other),
    })?;

    Ok(Loaded {
        config: Arc::new(server_config(provider, certified, files)?),
        names,
        not_before: time(not_before),
        not_after: time(not_after),
        warnings,
    })
}

fn server_config(
    provider: CryptoProvider,
    certified: CertifiedKey,
    files: &TlsFiles,
) -> Result<ServerConfig, TlsError> {
    let versions: &[_] = match files.minimum {
        TlsVersion::V12 => &[&TLS13, &TLS12],
        TlsVersion::V13 => &[&TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = match files.http2 {
        true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        false => vec![b"http/1.1".to_vec()],
    };
    config.ticketer = ring::Ticketer::new()?;
    // Registry clients open a handful of connections; one ticket serves them.
    config.send_tls13_tickets = 1;
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    Ok(config)
}

/// The names of a leaf's subjectAltName.
pub(super) fn names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = leaf.subject_alternative_name() else { return Vec::new() };
    names.value.general_names.iter().take(256).filter_map(name).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| std::net::Ipv4Addr::from(bytes).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
            _ => None,
        },
        _ => None,
    }
}

fn time(seconds: i64) -> SystemTime {
    match u64::try_from(seconds) {
        Ok(seconds) => UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH),
        Err(_) => UNIX_EPOCH,
    }
}

fn shown(at: SystemTime) -> String {
    let at = time::OffsetDateTime::from(at);
    format!("{:04}-{:02}-{:02} {:02}:{:02} UTC", at.year(), u8::from(at.month()), at.day(), at.hour(), at.minute())
}

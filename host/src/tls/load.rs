//! Certificates, their keys and authorities for clients into a
//! `rustls::ServerConfig`.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::{ServerConfig, crypto::CryptoProvider, sign::CertifiedKey};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use super::{
    error::TlsError,
    pem,
    policy::Policy,
    print::{Print, Reading},
    sni::Names,
};

/// Which files to load, and how they are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the leaf, then its chain.
    pub certificate: PathBuf,
    /// PEM: PKCS#8, SEC1 or PKCS#1.
    pub key: PathBuf,
    /// Further such pairs, chosen by the name that a client asks for.
    pub others: Vec<(PathBuf, PathBuf)>,
    /// How they are served.
    pub policy: Policy,
}

impl TlsFiles {
    /// One pair, and everything else as it is by default.
    pub fn pair(certificate: PathBuf, key: PathBuf, http2: bool) -> Self {
        Self { certificate, key, others: Vec::new(), policy: Policy::new(http2) }
    }

    /// Every file that is read.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let others = self.others.iter().flat_map(|(certificate, key)| [certificate, key]);
        [&self.certificate, &self.key].into_iter().chain(others).chain(&self.policy.client_cas).map(PathBuf::as_path)
    }
}

/// What was loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// To accept connections with.
    pub config: Arc<ServerConfig>,
    /// What its certificates are for.
    pub served: Arc<Names>,
    /// Whether every client certificate that gets through was verified.
    pub verifies_clients: bool,
    /// The main leaf, then the others in their order.
    pub leaves: Vec<Leaf>,
    /// Sentences for the log.
    pub warnings: Vec<String>,
    /// What is shown, in the same order.
    pub(super) certified: Vec<Arc<CertifiedKey>>,
    /// Of the files, as they were read.
    pub(super) print: Print,
}

/// What there is to know of a leaf.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The file that it is from.
    pub file: PathBuf,
    /// Names and addresses that it is for, as text.
    pub names: Vec<String>,
    /// When it begins to be valid.
    pub not_before: SystemTime,
    /// When it ends to be valid.
    pub not_after: SystemTime,
}

impl Leaf {
    /// A sentence for the log, as an error, if the leaf is not valid at this
    /// time. It is served all the same: a board with no clock must boot.
    pub fn out_of_time(&self, now: SystemTime) -> Option<String> {
        let file = self.file.display();
        if now > self.not_after {
            Some(format!("{file}: the certificate expired at {}; clients will refuse it", shown(self.not_after)))
        } else if now < self.not_before {
            Some(format!("{file}: the certificate is valid only from {}: is the clock right?", shown(self.not_before)))
        } else {
            None
        }
    }
}

impl Loaded {
    /// Whether the main certificate names this host.
    pub fn names(&self, host: &str) -> bool {
        self.leaves.first().is_some_and(|leaf| leaf.names.iter().any(|name| name == host))
    }

    /// See [`Leaf::out_of_time`].
    pub fn out_of_time(&self, now: SystemTime) -> Vec<String> {
        self.leaves.iter().filter_map(|leaf| leaf.out_of_time(now)).collect()
    }
}

/// Loads certificates, keys and authorities, and checks that they belong
/// together.
pub fn load(files: &TlsFiles) -> Result<Loaded, TlsError> {
    let mut reading = Reading::default();
    let (provider, mut warnings) = files.policy.provider()?;
    let mut leaves = Vec::new();
    let mut pairs = Vec::new();
    let main = (&files.certificate, &files.key);
    for (certificate, key) in [main].into_iter().chain(files.others.iter().map(|(certificate, key)| (certificate, key)))
    {
        let texts = (reading.read(certificate)?, reading.read(key)?);
        let (leaf, certified) = pair((certificate, &texts.0), (key, &texts.1), &provider)?;
        if leaf.names.is_empty() {
            warnings.push(format!(
                "{}: the certificate names no host (no subjectAltName); clients will refuse it",
                leaf.file.display()
            ));
        }
        pairs.push((leaf.names.clone(), Arc::new(certified)));
        leaves.push(leaf);
    }
    let certified = pairs.iter().map(|(_, certified)| Arc::clone(certified)).collect();
    let (config, served) = files.policy.config(provider, pairs, &mut reading)?;
    let verifies_clients = files.policy.client_auth.verifies();
    Ok(Loaded {
        config: Arc::new(config),
        served,
        verifies_clients,
        leaves,
        warnings,
        certified,
        print: reading.print(),
    })
}

/// One certificate with its chain, and its key: the files, and what they hold.
pub(super) fn pair(
    certificate: (&Path, &[u8]),
    key: (&Path, &[u8]),
    provider: &CryptoProvider,
) -> Result<(Leaf, CertifiedKey), TlsError> {
    let chain = pem::certificates(certificate.0, certificate.1)?;
    let private = pem::key(key.0, key.1)?;
    let (certificate, key) = (certificate.0, key.0);
    for (index, der) in chain.iter().enumerate() {
        if X509Certificate::from_der(der).is_err() {
            return Err(TlsError::BadCertificate(certificate.to_owned(), index + 1));
        }
    }
    let Some(Ok((_, leaf))) = chain.first().map(|leaf| X509Certificate::from_der(leaf)) else {
        return Err(TlsError::BadCertificate(certificate.to_owned(), 1));
    };
    let leaf = Leaf {
        file: certificate.to_owned(),
        names: names(&leaf),
        not_before: time(leaf.validity().not_before.timestamp()),
        not_after: time(leaf.validity().not_after.timestamp()),
    };
    let private = provider.key_provider.load_private_key(private).map_err(|_| TlsError::BadKey(key.to_owned()))?;
    let certified = CertifiedKey::new(chain, private);
    certified.keys_match().map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() }
        }
        rustls::Error::InvalidCertificate(_) => TlsError::BadCertificate(certificate.to_owned(), 1),
        other => TlsError::Rustls(other),
    })?;
    Ok((leaf, certified))
}

/// The names of a leaf's subjectAltName.
pub(super) fn names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = leaf.subject_alternative_name() else { return Vec::new() };
    names.value.general_names.iter().take(256).filter_map(name).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    }
}

/// An address of a subjectAltName, as text.
pub(super) fn address(bytes: &[u8]) -> Option<String> {
    let address: IpAddr = match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok()?.into(),
        16 => <[u8; 16]>::try_from(bytes).ok()?.into(),
        _ => return None,
    };
    Some(address.to_string())
}

fn time(seconds: i64) -> SystemTime {
    match u64::try_from(seconds) {
        Ok(seconds) => UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH),
        Err(_) => UNIX_EPOCH,
    }
}

/// For people: in UTC, to the minute.
pub fn shown(at: SystemTime) -> String {
    let at = time::OffsetDateTime::from(at);
    format!("{:04}-{:02}-{:02} {:02}:{:02} UTC", at.year(), u8::from(at.month()), at.day(), at.hour(), at.minute())
}

//! Whom to trust: the system's store, or a file.

use std::path::Path;

use rustls::{RootCertStore, pki_types::CertificateDer};

use crate::tls::{error::TlsError, files, pem};

/// The authorities that clients are taken to trust.
pub(super) struct Authorities {
    /// How findings call them.
    pub(super) source: String,
    pub(super) roots: RootCertStore,
    certificates: Vec<CertificateDer<'static>>,
}

impl Authorities {
    /// Those of a PEM file.
    pub(super) fn of_file(path: &Path) -> Result<Self, TlsError> {
        let certificates = pem::certificates(path, &files::read(path)?)?;
        Ok(Self::of(path.display().to_string(), certificates))
    }

    /// Those of the system: `SSL_CERT_FILE` and `SSL_CERT_DIR`, or where its
    /// packages have them.
    pub(super) fn of_system() -> Self {
        Self::of("the system's store".to_owned(), rustls_native_certs::load_native_certs().certs)
    }

    fn of(source: String, certificates: Vec<CertificateDer<'static>>) -> Self {
        let mut roots = RootCertStore::empty();
        // Old ones that nothing can be made of are in every system's store.
        roots.add_parsable_certificates(certificates.iter().cloned());
        Self { source, roots, certificates }
    }

    pub(super) fn holds(&self, certificate: &CertificateDer<'_>) -> bool {
        self.certificates.contains(certificate)
    }

    /// For the head of a report.
    pub(super) fn describe(&self) -> String {
        match self.certificates.len() {
            0 => format!("{}, which is empty", self.source),
            1 => format!("{} (1 authority)", self.source),
            many => format!("{} ({many} authorities)", self.source),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }
}

//! Why a certificate or key cannot be used, each in a sentence.

use std::path::{Path, PathBuf};

/// Why TLS cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Nothing is there.
    #[error("{}: there is no such file", .0.display())]
    Missing(PathBuf),
    /// A symbolic link to nothing.
    #[error("{}: a symbolic link to {}, which does not exist", .0.display(), .1.display())]
    Dangling(PathBuf, PathBuf),
    /// A directory.
    #[error("{}: a directory, not a file", .0.display())]
    Directory(PathBuf),
    /// A device, a pipe, a socket.
    #[error("{}: not a regular file", .0.display())]
    NotRegular(PathBuf),
    /// No permission, or a disk that fails.
    #[error("{}: cannot be read: {}", .0.display(), .1)]
    Unreadable(PathBuf, std::io::Error),
    /// Zero bytes.
    #[error("{}: the file is empty", .0.display())]
    Empty(PathBuf),
    /// More than a MiB.
    #[error("{}: too large for PEM; 1 MiB is the most", .0.display())]
    TooLarge(PathBuf),
    /// Broken between its BEGIN and END.
    #[error("{}: not PEM: {}", .0.display(), .1)]
    NotPem(PathBuf, String),
    /// Not one certificate in it.
    #[error("{}: no certificate in it{}", .0.display(), .1)]
    NoCertificate(PathBuf, &'static str),
    /// Not one key in it.
    #[error("{}: no private key in it{}", .0.display(), .1)]
    NoKey(PathBuf, &'static str),
    /// A key under a password.
    #[error("{}: the private key is encrypted; `openssl pkey` can decrypt it", .0.display())]
    Encrypted(PathBuf),
    /// A certificate that is none.
    #[error("{}: certificate {} in it cannot be parsed", .0.display(), .1)]
    BadCertificate(PathBuf, usize),
    /// Of a kind that is not supported.
    #[error("{}: a private key of a kind that is not supported; RSA from 2048 bits, ECDSA P-256 and P-384 and Ed25519 are", .0.display())]
    BadKey(PathBuf),
    /// Not a pair.
    #[error("{}: the private key does not belong to the certificate in {}", .key.display(), .certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Names of cipher suites of which none can be used.
    #[error("`http.tls.ciphersuites` leaves no suite for TLS 1.2; set `http.tls.minimumtls: tls1.3` if that is meant")]
    NoSuite,
    /// A file of the local authority cannot be made.
    #[error("{}: cannot be written: {}", .0.display(), .1)]
    Unwritable(PathBuf, std::io::Error),
    /// Making keys or certificates failed.
    #[error("a certificate could not be made: {0}")]
    Make(#[from] rcgen::Error),
    /// `rustls` will not have it.
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
}

impl TlsError {
    pub(super) fn unwritable(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        |error| Self::Unwritable(path, error)
    }
}

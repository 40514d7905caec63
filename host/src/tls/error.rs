//! Why a certificate or key cannot be used, each in a sentence.

use std::path::{Path, PathBuf};

/// Why TLS cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Nothing is there.
    #[error("{}: there is no such file; check the path, and in a container that what holds the file is mounted", .0.display())]
    Missing(PathBuf),
    /// Not even the directory that it would be in.
    #[error("{}: there is no such file, nor a directory {}; in a container, mount it", .0.display(), .1.display())]
    MissingDirectory(PathBuf, PathBuf),
    /// A symbolic link to nothing.
    #[error("{}: a symbolic link to {}, which does not exist{}", .0.display(), .1.display(), where_links_lead(.1))]
    Dangling(PathBuf, PathBuf),
    /// A directory.
    #[error("{}: a directory, not a file; name a file (docker makes a directory where the file to mount is missing)", .0.display())]
    Directory(PathBuf),
    /// A device, a pipe, a socket.
    #[error("{}: not a regular file; name one, in PEM", .0.display())]
    NotRegular(PathBuf),
    /// No permission, or a disk that fails.
    #[error("{}: cannot be read: {}{}", .0.display(), .1, who_may_read(.1))]
    Unreadable(PathBuf, std::io::Error),
    /// Zero bytes.
    #[error("{}: the file is empty; put its PEM into it (did what renews it run out of disk?)", .0.display())]
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
    #[error("{}: the private key does not belong to the certificate in {}; name the two files of one pair, such as certbot's fullchain.pem and privkey.pem", .key.display(), .certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A certificate that names others.
    #[error("{}: the certificate is not for {}", .0.display(), .1)]
    WrongName(PathBuf, String),
    /// Names of cipher suites of which none can be used.
    #[error("`http.tls.ciphersuites` leaves no suite for TLS 1.2; set `http.tls.minimumtls: tls1.3` if that is meant")]
    NoSuite,
    /// A certificate that can vouch for no client.
    #[error("{}: certificate {} in it cannot be an authority for clients: {}", .0.display(), .1, .2)]
    BadAuthority(PathBuf, usize, String),
    /// The check of clients cannot be set up.
    #[error("`http.tls.clientcas`: {0}")]
    ClientAuth(String),
    /// The local authority has gone, or nearly come to its end.
    #[error("{}: the local authority is gone or near its end: see that the clock is right, or start again to make another, which clients then have to trust", .0.display())]
    NoAuthority(PathBuf),
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

/// What to do about a link that leads nowhere.
fn where_links_lead(target: &Path) -> &'static str {
    if target.components().any(|part| part.as_os_str() == "archive") {
        "; certbot's live/ holds only links into archive/ beside it: mount the directory that has both (/etc/letsencrypt)"
    } else {
        "; mount what it leads to as well, or name that file itself"
    }
}

/// What to do about a file that may not be read.
fn who_may_read(error: &std::io::Error) -> String {
    if error.kind() != std::io::ErrorKind::PermissionDenied {
        return "; look at the path and at the disk below it".to_owned();
    }
    let user = rustix::process::geteuid().as_raw();
    format!(
        "; let user {user}, as which this runs, read it and enter the directories on its way (certbot's live/ and archive/)"
    )
}

impl TlsError {
    /// The file that is to blame, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Missing(path)
            | Self::MissingDirectory(path, _)
            | Self::Dangling(path, _)
            | Self::Directory(path)
            | Self::NotRegular(path)
            | Self::Unreadable(path, _)
            | Self::Empty(path)
            | Self::TooLarge(path)
            | Self::NotPem(path, _)
            | Self::NoCertificate(path, _)
            | Self::NoKey(path, _)
            | Self::Encrypted(path)
            | Self::BadCertificate(path, _)
            | Self::BadKey(path)
            | Self::BadAuthority(path, _, _)
            | Self::WrongName(path, _)
            | Self::Unwritable(path, _)
            | Self::NoAuthority(path)
            | Self::Mismatch { key: path, .. } => Some(path),
            Self::NoSuite | Self::ClientAuth(_) | Self::Make(_) | Self::Rustls(_) => None,
        }
    }

    pub(super) fn unwritable(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        |error| Self::Unwritable(path, error)
    }
}

//! The directory that account and certificates are kept in: named and written
//! as Go's `autocert.DirCache` does it, so that distribution goes on with what
//! lies there, and we with what it left.
//!
//! | file | what it is |
//! |---|---|
//! | `acme_account+key` | the account's key |
//! | `<name>` | the certificate of a name: its key, then the chain |
//! | `<name>+rsa` | one for clients that know RSA alone; served, never ordered |
//! | `<name>+token`, `<token>+http-01` | what proves to the authority who is here, while it looks |
//! | `skerry+lock` | held by who orders; ours alone |

use std::{
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::key;
use crate::tls::{self, Leaf, TlsError, files, pem as read};

const ACCOUNT: &str = "acme_account+key";
/// What `autocert` called it before.
const OLD_ACCOUNT: &str = "acme_account.key";
const LOCK: &str = "skerry+lock";
/// No proof is older: what is left of a process that was killed is ignored.
const PROOF_AGE: Duration = Duration::from_secs(15 * 60);

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A file where the directory should be.
    #[error("{}: a file, not a directory; name a directory (old releases of registry kept a file there, which cannot be used)", .0.display())]
    NotADirectory(PathBuf),
    /// A key of another kind.
    #[error("{}: no key of an account (ECDSA P-256, in PEM); move it away, and another account is made", .0.display())]
    AccountKey(PathBuf),
    /// What came from the authority, or a file.
    #[error(transparent)]
    File(#[from] TlsError),
}

/// The directory. Its functions wait for the disk.
#[derive(Debug, Clone)]
pub struct Cache(Arc<Path>);

impl Cache {
    /// Opens the directory; makes it, for this user alone, if it is not there.
    ///
    /// # Errors
    /// If it is none, or cannot be made.
    pub fn open(directory: &Path) -> Result<Self, CacheError> {
        if fs::metadata(directory).is_ok_and(|metadata| !metadata.is_dir()) {
            return Err(CacheError::NotADirectory(directory.to_owned()));
        }
        files::private_directory(directory)?;
        // Who cannot write here orders certificates, again and again, and
        // loses them.
        let probe = directory.join(LOCK);
        open_lock(&probe).map_err(|error| TlsError::Unwritable(probe, error))?;
        Ok(Self(directory.into()))
    }

    /// Takes the lock that keeps two processes from ordering at once; nothing
    /// if another has it. It is given back with the file.
    pub(super) fn lock(&self) -> Result<Option<File>, CacheError> {
        let path = self.0.join(LOCK);
        let wrong = |error| CacheError::File(TlsError::Unwritable(path.clone(), error));
        let file = open_lock(&path).map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            // A filesystem without locks: it is then better to order twice
            // than never.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(Some(file)),
            Err(TryLockError::Error(error)) => Err(wrong(error)),
        }
    }

    /// The account's key.
    pub(super) fn account(&self) -> Result<Option<PrivatePkcs8KeyDer<'static>>, CacheError> {
        for name in [ACCOUNT, OLD_ACCOUNT] {
            let path = self.0.join(name);
            match files::read(&path) {
                Ok(text) => return key::from_pem(&text).map(Some).ok_or(CacheError::AccountKey(path)),
                Err(TlsError::Missing(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Keeps the account's key.
    pub(super) fn keep_account(&self, pkcs8: &[u8]) -> Result<(), CacheError> {
        let path = self.0.join(ACCOUNT);
        let text = key::to_pem(pkcs8).ok_or_else(|| CacheError::AccountKey(path.clone()))?;
        Ok(files::write(&path, 0o600, text.as_bytes())?)
    }

    /// The certificate of a name; nothing if there is none.
    pub(super) fn certificate(&self, host: &str) -> Result<Option<(Leaf, CertificateDer<'static>)>, CacheError> {
        match tls::cached(&self.0.join(host), host) {
            Ok(found) => Ok(Some(found)),
            Err(TlsError::Missing(_) | TlsError::MissingDirectory(..)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps the certificate of a name, if it is one, and belongs to the key:
    /// a key in PKCS#8, and the chain in PEM as it came.
    pub(super) fn keep_certificate(&self, host: &str, pkcs8: &[u8], chain: &str) -> Result<Leaf, CacheError> {
        let path = self.0.join(host);
        let mut text = key::to_pem(pkcs8).ok_or_else(|| TlsError::BadKey(path.clone()))?;
        // Anything else between the certificates would make Go refuse the file.
        for certificate in read::certificates(&path, chain.as_bytes())? {
            text += &pem::encode_config(&pem::Pem::new("CERTIFICATE", certificate.to_vec()), as_go());
        }
        let leaf = tls::examine(&path, text.as_bytes(), host)?;
        files::write(&path, 0o600, text.as_bytes())?;
        Ok(leaf)
    }

    /// A proof that this process or another keeps, by its whole name.
    pub(super) fn proof(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.0.join(name);
        let age = SystemTime::now().duration_since(fs::metadata(&path).ok()?.modified().ok()?).unwrap_or_default();
        if age > PROOF_AGE { None } else { files::read(&path).ok() }
    }

    /// Keeps a proof, where other processes find it.
    pub(super) fn keep_proof(&self, name: &str, text: &[u8]) -> Result<(), CacheError> {
        Ok(files::write(&self.0.join(name), 0o600, text)?)
    }

    /// Removes a proof.
    pub(super) fn remove_proof(&self, name: &str) {
        // If that fails, it is too old before long.
        let _ = fs::remove_file(self.0.join(name));
    }
}

fn open_lock(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// As Go writes PEM.
pub(super) fn as_go() -> pem::EncodeConfig {
    pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF)
}

//! Certificates that are ordered, in a directory that Go's `autocert` knows:
//! for each name one file, with the key and then the chain; and one more for
//! clients that know RSA alone.
//!
//! A file that is not there, or is no good, takes nothing from the others: it
//! is ordered, and until then handshakes for its name fail.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rustls::{
    crypto::{CryptoProvider, ring},
    pki_types::CertificateDer,
    sign::CertifiedKey,
};

use super::{
    error::TlsError,
    files,
    load::{Leaf, Loaded, pair},
    policy::Policy,
    print::{Print, Reading},
};

/// Names, and where their certificates lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    /// The directory.
    pub directory: PathBuf,
    /// In lower case, with no dot at the end.
    pub hosts: Vec<String>,
    /// How they are served. Names without a certificate are refused, whatever
    /// it says of that.
    pub policy: Policy,
}

impl Cached {
    /// The file of a name.
    pub fn file(&self, host: &str) -> PathBuf {
        self.directory.join(host)
    }

    /// The file for clients that know RSA alone. It is served while it is good,
    /// and never renewed: there are no such clients any more.
    fn rsa_file(&self, host: &str) -> PathBuf {
        self.directory.join(format!("{host}+rsa"))
    }

    pub(super) fn print(&self) -> Print {
        let files: Vec<PathBuf> = self.hosts.iter().flat_map(|host| [self.file(host), self.rsa_file(host)]).collect();
        Print::take(files.iter().map(PathBuf::as_path).chain(self.policy.client_cas.iter().map(PathBuf::as_path)))
    }

    /// Loads what is there. A file that was good and is no more is served as it
    /// was `before`.
    ///
    /// # Errors
    /// Only such as have nothing to do with the files of names.
    pub fn load(&self, before: Option<&Loaded>) -> Result<Loaded, TlsError> {
        // Before the files are read: what changes meanwhile is seen later.
        let print = self.print();
        let (provider, mut warnings) = self.policy.provider()?;
        let (mut leaves, mut certified, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
        for host in &self.hosts {
            let file = self.file(host);
            let found = match read(&file, host, &provider) {
                Ok((leaf, certified)) => Some((leaf, Arc::new(certified))),
                Err(error) => {
                    let old = before.and_then(|before| before.of(&file));
                    warnings.extend(warning(&error, old.is_some()));
                    old
                }
            };
            if let Some((leaf, one)) = found {
                leaves.push(leaf);
                pairs.push((vec![host.clone()], Arc::clone(&one)));
                certified.push(one);
            }
            // After the other, which is preferred.
            if let Ok((leaf, certified)) = read(&self.rsa_file(host), host, &provider)
                && leaf.out_of_time(SystemTime::now()).is_none()
            {
                pairs.push((vec![host.clone()], Arc::new(certified)));
            }
        }
        let policy = Policy { strict: true, ..self.policy.clone() };
        let (config, served) = policy.config(provider, pairs, &mut Reading::default())?;
        let verifies_clients = self.policy.client_auth.verifies();
        Ok(Loaded { config: Arc::new(config), served, verifies_clients, leaves, warnings, certified, print })
    }
}

impl Loaded {
    /// What was loaded from a file.
    fn of(&self, file: &Path) -> Option<(Leaf, Arc<CertifiedKey>)> {
        let at = self.leaves.iter().position(|leaf| leaf.file == file)?;
        Some((self.leaves.get(at)?.clone(), Arc::clone(self.certified.get(at)?)))
    }
}

/// What to say of a file that is no good.
fn warning(error: &TlsError, has_old: bool) -> Option<String> {
    let end = match (error, has_old) {
        (TlsError::Missing(_) | TlsError::MissingDirectory(..), false) => return None,
        (_, true) => "; the one before is served",
        (TlsError::Unreadable(..), false) => "",
        (_, false) => "; another certificate is ordered",
    };
    Some(format!("{error}{end}"))
}

/// The certificate of a name, from its file: what there is to know of it, and
/// its first certificate.
pub fn cached(file: &Path, host: &str) -> Result<(Leaf, CertificateDer<'static>), TlsError> {
    let (leaf, certified) = read(file, host, &ring::default_provider())?;
    let first = certified.cert.first().ok_or_else(|| TlsError::BadCertificate(file.to_owned(), 1))?;
    Ok((leaf, first.clone()))
}

/// Whether a text is a key and a chain for a name, as it is to lie in a file.
pub fn examine(file: &Path, text: &[u8], host: &str) -> Result<Leaf, TlsError> {
    Ok(parse(file, text, host, &ring::default_provider())?.0)
}

fn read(file: &Path, host: &str, provider: &CryptoProvider) -> Result<(Leaf, CertifiedKey), TlsError> {
    parse(file, &files::read(file)?, host, provider)
}

fn parse(file: &Path, text: &[u8], host: &str, provider: &CryptoProvider) -> Result<(Leaf, CertifiedKey), TlsError> {
    let (leaf, certified) = pair((file, text), (file, text), provider)?;
    // As clients see it, a wildcard stands for one label.
    let wildcard = host.find('.').and_then(|at| host.get(at..)).map(|rest| format!("*{rest}"));
    match leaf.names.iter().any(|name| name == host || Some(name) == wildcard.as_ref()) {
        true => Ok((leaf, certified)),
        false => Err(TlsError::WrongName(file.to_owned(), host.to_owned())),
    }
}

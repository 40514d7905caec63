//! Whom the operator trusts: `rootcertbundle` and `jwks`.

use rustls_pki_types::{CertificateDer, pem::PemObject};
use skerry_sdk::{Failed, Host};

use skerry_keys::{Key, chain};

use crate::jwk::{Jwk, Jwks};

/// The largest file, in bytes.
const LARGEST: u64 = 1024 * 1024;
/// Certificates in the bundle, and keys in the set.
const MOST: usize = 100;

/// Certificates and keys that are trusted.
#[derive(Debug)]
pub struct Trust {
    /// Those that a chain may end at.
    pub certificates: Vec<CertificateDer<'static>>,
    keys: Vec<Trusted>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

#[derive(Debug)]
struct Trusted {
    kid: Option<String>,
    key: Key,
    algorithm: Option<String>,
}

impl Trust {
    /// Reads the files.
    pub fn load(host: &dyn Host, bundle: Option<&str>, jwks: Option<&str>) -> Result<Self, Failed> {
        let mut trust = Self { certificates: Vec::new(), keys: Vec::new(), warnings: Vec::new() };
        if let Some(file) = bundle {
            trust.add_certificates(file, &host.read(file, LARGEST)?)?;
        }
        if let Some(file) = jwks {
            trust.add_keys(file, &host.read(file, LARGEST)?)?;
        }
        if trust.certificates.is_empty() && trust.keys.is_empty() {
            return Err("there is no key to trust: `rootcertbundle` or `jwks` has to name a file that has one".into());
        }
        Ok(trust)
    }

    fn add_certificates(&mut self, file: &str, bytes: &[u8]) -> Result<(), Failed> {
        for (index, certificate) in CertificateDer::pem_slice_iter(bytes).enumerate() {
            let bad = |why: String| Failed::from(format!("{file}: certificate {}: {why}", index + 1));
            if index >= MOST {
                return Err(bad(format!("more than {MOST}")));
            }
            let certificate = certificate.map_err(|error| bad(error.to_string()))?;
            match chain::key(&certificate).map_err(bad)? {
                Some(key) => self.keys.push(Trusted { kid: None, key, algorithm: None }),
                None => self
                    .warnings
                    .push(format!("{file}: certificate {}: its key is of a kind that signs no tokens here", index + 1)),
            }
            self.certificates.push(certificate);
        }
        Ok(())
    }

    fn add_keys(&mut self, file: &str, bytes: &[u8]) -> Result<(), Failed> {
        let read: Jwks = serde_json::from_slice(bytes).map_err(|error| format!("{file}: {error}"))?;
        if read.keys.len() > MOST {
            return Err(format!("{file}: more than {MOST} keys").into());
        }
        for (index, value) in read.keys.into_iter().enumerate() {
            let jwk: Result<Jwk, _> = serde_json::from_value(value);
            match jwk.map(|jwk| (jwk.key(), jwk)) {
                Ok((Some(key), jwk)) => self.keys.push(Trusted { kid: jwk.kid, key, algorithm: jwk.alg }),
                Ok((None, jwk)) if jwk.is_shared() => self.warnings.push(format!(
                    "{file}: key {} is a shared secret and not taken: who can check a token with it can make one",
                    index + 1
                )),
                // A set may hold keys for other purposes.
                _ => self.warnings.push(format!("{file}: key {} is not one that signs tokens here", index + 1)),
            }
        }
        Ok(())
    }

    /// The key of a name, and the algorithm that it alone is for. A name that
    /// the set gives outranks those that follow from keys.
    pub fn named(&self, kid: &str) -> Option<(Key, Option<String>)> {
        let given = self.keys.iter().find(|trusted| trusted.kid.as_deref() == Some(kid));
        given.or_else(|| self.keys.iter().find(|trusted| trusted.key.names().iter().any(|name| name == kid))).map(told)
    }

    /// The trusted key that equals this one, as [`Trust::named`] tells it.
    pub fn equal(&self, key: &Key) -> Option<(Key, Option<String>)> {
        let thumbprint = key.thumbprint();
        self.keys.iter().find(|trusted| trusted.key.thumbprint() == thumbprint).map(told)
    }
}

fn told(trusted: &Trusted) -> (Key, Option<String>) {
    (trusted.key.clone(), trusted.algorithm.clone())
}

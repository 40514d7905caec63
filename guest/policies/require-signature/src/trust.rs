//! Whom the operator trusts: `keys`.

use std::time::Duration;

use rustls_pki_types::{
    CertificateDer,
    pem::{PemObject, SectionKind},
};
use skerry_keys::{Hash, Key, Kind, Scheme, chain};
use skerry_sdk::{Failed, Host};

/// The largest file, in bytes.
const LARGEST: u64 = 256 * 1024;
/// Keys and certificates, in all files.
const MOST: usize = 32;
/// Bits of the largest RSA key: longer ones take long.
const RSA_BITS: usize = 4096;

/// Keys and certificates that are trusted.
#[derive(Debug)]
pub struct Trust {
    keys: Vec<Key>,
    certificates: Vec<(CertificateDer<'static>, Option<Key>)>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

impl Trust {
    /// Reads the files.
    pub fn load(host: &dyn Host, files: &[String]) -> Result<Self, Failed> {
        let mut trust = Self { keys: Vec::new(), certificates: Vec::new(), warnings: Vec::new() };
        for file in files {
            let known = trust.len();
            trust.add(file, &host.read(file, LARGEST)?)?;
            if trust.len() == known {
                return Err(format!("{file}: there is no public key and no certificate in it (PEM)").into());
            }
            if trust.len() > MOST {
                return Err(format!("{file}: there are more than {MOST} keys and certificates").into());
            }
        }
        let now = host.now();
        for (index, (certificate, _)) in trust.certificates.iter().enumerate() {
            if !chain::in_force(certificate, now) {
                let warning = format!("certificate {} of `keys` is not in force: what it signed is refused", index + 1);
                trust.warnings.push(warning);
            }
        }
        Ok(trust)
    }

    const fn len(&self) -> usize {
        self.keys.len() + self.certificates.len()
    }

    fn add(&mut self, file: &str, bytes: &[u8]) -> Result<(), Failed> {
        for (index, section) in <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes).take(MOST + 1).enumerate() {
            let bad = |why: &str| Failed::from(format!("{file}: part {}: {why}", index + 1));
            let (kind, der) = section.map_err(|error| bad(&error.to_string()))?;
            match kind {
                SectionKind::PublicKey => {
                    let key = chain::public_key(&der).filter(is_taken);
                    self.keys.push(key.ok_or_else(|| bad("it is no public key of a kind that is taken"))?);
                }
                SectionKind::Certificate => {
                    let key = chain::key(&der).map_err(|why| bad(&why))?.filter(is_taken);
                    self.certificates.push((der.into(), key));
                }
                SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey => {
                    return Err(bad("it is a private key, which nobody but its owner should have"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether one of the keys signed this message, as cosign signs.
    pub fn signed(&self, message: &[u8], signature: &[u8], now: Duration) -> bool {
        let certified = self.certificates.iter().filter(|(certificate, _)| chain::in_force(certificate, now));
        let mut keys = self.keys.iter().chain(certified.filter_map(|(_, key)| key.as_ref()));
        keys.any(|key| {
            let mut ways = ways(key.kind()).iter();
            ways.any(|(scheme, hash)| key.verify(*scheme, *hash, message, signature))
        })
    }

    /// Whether one of the keys is of that kind.
    pub fn has_ed25519(&self) -> bool {
        let mut keys = self.keys.iter().chain(self.certificates.iter().filter_map(|(_, key)| key.as_ref()));
        keys.any(|key| key.kind() == Kind::Ed25519)
    }

    /// The key of the first certificate of a chain, if it is trusted.
    pub fn holder(&self, certificates: &[CertificateDer<'_>], now: Duration) -> Result<Key, String> {
        if let Some(leaf) = certificates.first()
            && let Some(key) = chain::key(leaf)?
            && self.keys.iter().any(|trusted| trusted.thumbprint() == key.thumbprint())
        {
            return Ok(key);
        }
        let trusted: Vec<_> = self.certificates.iter().map(|(certificate, _)| certificate.clone()).collect();
        let key = chain::verify(certificates, &trusted, now, chain::Purpose::CodeSigning)?;
        if is_taken(&key) { Ok(key) } else { Err("its key is too large".to_owned()) }
    }
}

fn is_taken(key: &Key) -> bool {
    key.rsa_bits().is_none_or(|bits| bits <= RSA_BITS)
}

/// With which hashes cosign signs: older versions take SHA-256 with any key.
const fn ways(kind: Kind) -> &'static [(Scheme, Hash)] {
    match kind {
        Kind::Rsa => &[(Scheme::Pkcs1, Hash::Sha256)],
        Kind::P256 => &[(Scheme::EcdsaDer, Hash::Sha256)],
        Kind::P384 => &[(Scheme::EcdsaDer, Hash::Sha384), (Scheme::EcdsaDer, Hash::Sha256)],
        Kind::P521 => &[(Scheme::EcdsaDer, Hash::Sha512), (Scheme::EcdsaDer, Hash::Sha256)],
        Kind::Ed25519 => &[(Scheme::EdDsa, Hash::Sha512)],
    }
}

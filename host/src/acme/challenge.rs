//! Proofs that this is the host of a name, while an authority looks for them.
//!
//! Each is here only between the moment that the authority is told to look and
//! the end of the order. It also lies in the cache, as Go's `autocert` has it:
//! where several hosts share a name, the authority may come to any of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use instant_acme::{ChallengeType, KeyAuthorization};
use rcgen::{CertificateParams, CustomExtension, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::NoServerSessionStorage,
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::task::spawn_blocking;

use super::cache::Cache;
use crate::server::{ACME_TLS, Challenges};

/// Letters of the longest token; Let's Encrypt's have 43.
const LONGEST_TOKEN: usize = 128;

/// How the authority looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It makes a TLS handshake at port 443.
    Tls,
    /// It asks by HTTP at port 80.
    Http,
}

impl Way {
    /// As the protocol calls it.
    pub(super) fn kind(self) -> ChallengeType {
        match self {
            Self::Tls => ChallengeType::TlsAlpn01,
            Self::Http => ChallengeType::Http01,
        }
    }

    /// As people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tls => "TLS-ALPN-01",
            Self::Http => "HTTP-01",
        }
    }

    /// Where it looks.
    pub(super) fn port(self) -> u16 {
        match self {
            Self::Tls => 443,
            Self::Http => 80,
        }
    }
}

/// The proofs of this process and, by the cache, of those beside it.
pub struct Proofs {
    cache: Cache,
    hosts: Vec<String>,
    /// By the name of their file in the cache.
    pending: Mutex<HashMap<String, Vec<u8>>>,
}

impl Proofs {
    /// None yet, for these names only.
    pub fn new(cache: Cache, hosts: Vec<String>) -> Arc<Self> {
        Arc::new(Self { cache, hosts, pending: Mutex::default() })
    }

    /// Offers a proof for a name until what is returned is dropped.
    pub(super) async fn offer(
        self: &Arc<Self>,
        way: Way,
        host: &str,
        token: &str,
        authorization: &KeyAuthorization,
    ) -> Result<Offered, String> {
        let (file, text) = match way {
            Way::Tls => (format!("{host}+token"), certificate(host, authorization.digest().as_ref())?.into_bytes()),
            Way::Http if is_token(token) => (format!("{token}+http-01"), authorization.as_str().into()),
            Way::Http => return Err("the authority's token is none".to_owned()),
        };
        self.pending().insert(file.clone(), text.clone());
        let offered = Offered { proofs: Arc::clone(self), file: file.clone() };
        let cache = self.cache.clone();
        // For others; and a disk that does not take it would not take the
        // certificate either, which is then not ordered.
        match spawn_blocking(move || cache.keep_proof(&file, &text)).await {
            Ok(Ok(())) => Ok(offered),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What to answer to HTTP-01 about a token.
    pub(super) async fn by_token(&self, token: &str) -> Option<Vec<u8>> {
        if is_token(token) { self.find(format!("{token}+http-01")).await } else { None }
    }

    /// Whether a name is one of ours.
    pub(super) fn knows(&self, host: &str) -> bool {
        self.hosts.iter().any(|known| known == host)
    }

    async fn find(&self, file: String) -> Option<Vec<u8>> {
        if let Some(own) = self.pending().get(&file) {
            return Some(own.clone());
        }
        let cache = self.cache.clone();
        spawn_blocking(move || cache.proof(&file)).await.ok()?
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<u8>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Challenges for Proofs {
    async fn proof(&self, name: &str) -> Option<Arc<ServerConfig>> {
        if !self.knows(name) {
            return None;
        }
        let text = self.find(format!("{name}+token")).await?;
        handshake(&text)
    }
}

/// A proof that is offered.
pub(super) struct Offered {
    proofs: Arc<Proofs>,
    file: String,
}

impl Drop for Offered {
    fn drop(&mut self) {
        self.proofs.pending().remove(&self.file);
        self.proofs.cache.remove_proof(&self.file);
    }
}

/// Letters of base64 for URLs: it becomes the name of a file.
fn is_token(token: &str) -> bool {
    (1..=LONGEST_TOKEN).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The certificate that proves (RFC 8737, 3), with its key, in PEM.
fn certificate(host: &str, digest: &[u8]) -> Result<String, String> {
    let make = || {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new([host.to_owned()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        Ok::<_, rcgen::Error>(format!("{}{}", key.serialize_pem(), params.self_signed(&key)?.pem()))
    };
    make().map_err(|error| format!("a certificate for the challenge could not be made: {error}"))
}

/// What a handshake is made with that shows such a certificate, and speaks
/// nothing afterwards.
pub(super) fn handshake(text: &[u8]) -> Option<Arc<ServerConfig>> {
    let provider = ring::default_provider();
    let chain: Vec<_> = CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().ok()?;
    let key = provider.key_provider.load_private_key(PrivateKeyDer::from_pem_slice(text).ok()?).ok()?;
    let resolver = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Some(Arc::new(config))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_proof_is_there_while_it_is_offered() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let one = Proofs::new(cache.clone(), vec!["a.example".to_owned()]);
        // Another process, with the same cache.
        let other = Proofs::new(cache.clone(), vec!["a.example".to_owned()]);
        assert!(one.proof("a.example").await.is_none());
        let text = certificate("a.example", &[7; 32]).unwrap();
        one.pending().insert("a.example+token".to_owned(), text.clone().into_bytes());
        cache.keep_proof("a.example+token", text.as_bytes()).unwrap();
        let offered = Offered { proofs: Arc::clone(&one), file: "a.example+token".to_owned() };
        for proofs in [&one, &other] {
            let config = proofs.proof("a.example").await.unwrap();
            assert_eq!(config.alpn_protocols, [b"acme-tls/1"]);
            assert!(proofs.proof("b.example").await.is_none());
        }
        drop(offered);
        assert!(one.proof("a.example").await.is_none() && other.proof("a.example").await.is_none());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "more than the lock");
    }

    #[tokio::test]
    async fn tokens() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let proofs = Proofs::new(cache.clone(), Vec::new());
        cache.keep_proof("Ab-_9+http-01", b"Ab-_9.thumb").unwrap();
        assert_eq!(proofs.by_token("Ab-_9").await.unwrap(), b"Ab-_9.thumb");
        std::fs::write(directory.path().join("x+http-01"), "x").unwrap();
        for token in ["", "../x", ".", "a/b", "x+http-01", "b", &"x".repeat(200)] {
            assert!(proofs.by_token(token).await.is_none(), "{token}");
        }
        // What a process left that was killed.
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        std::fs::File::options()
            .write(true)
            .open(directory.path().join("x+http-01"))
            .unwrap()
            .set_modified(old)
            .unwrap();
        assert!(proofs.by_token("x").await.is_none());
    }
}

//! X25519MLKEM768: what is recorded today stays closed to who has a quantum
//! computer tomorrow (RFC 9794's hybrid, draft-ietf-tls-ecdhe-mlkem).
//!
//! X25519 is the provider's own. ML-KEM is of another crate, which nobody has
//! audited: the secret is made of both, so that the exchange is never weaker
//! than X25519 alone. The crate is plain Rust, with nothing to do at start.

use ml_kem::{
    Ciphertext, DecapsulationKey, EncapsulationKey, MlKem768,
    kem::{Decapsulate, Encapsulate, Kem, KeyExport},
};
use rustls::{
    Error, NamedGroup, PeerMisbehaved, ProtocolVersion,
    crypto::{
        ActiveKeyExchange, CompletedKeyExchange, CryptoProvider, SharedSecret, SupportedKxGroup,
        ring::{self, kx_group::X25519},
    },
    ffdhe_groups::FfdheGroup,
};

/// Bytes of X25519's part, which comes last.
const CLASSICAL: usize = 32;

const INVALID: Error = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);

/// ring's cryptography, and this group before its own.
pub(super) fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.kx_groups.insert(0, &X25519MlKem768);
    provider
}

#[derive(Debug)]
struct X25519MlKem768;

impl SupportedKxGroup for X25519MlKem768 {
    /// A client's part.
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let (secret, public) = MlKem768::generate_keypair();
        let classical = X25519.start()?;
        let share = [public.to_bytes().as_slice(), classical.pub_key()].concat();
        Ok(Box::new(Started { secret, classical, share }))
    }

    /// A server's part.
    fn start_and_complete(&self, share: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let (lattice, classical) = parts(share)?;
        let key = lattice.try_into().map_err(|_| INVALID)?;
        let key = EncapsulationKey::<MlKem768>::new(key).map_err(|_| INVALID)?;
        let classical = X25519.start_and_complete(classical)?;
        let (sealed, secret) = key.encapsulate();
        Ok(CompletedKeyExchange {
            group: self.name(),
            pub_key: [sealed.as_slice(), &classical.pub_key].concat(),
            secret: SharedSecret::from([secret.as_slice(), classical.secret.secret_bytes()].concat()),
        })
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

/// ML-KEM's part, and X25519's.
fn parts(share: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let lattice = share.len().checked_sub(CLASSICAL).ok_or(INVALID)?;
    share.split_at_checked(lattice).ok_or(INVALID)
}

struct Started {
    secret: DecapsulationKey<MlKem768>,
    classical: Box<dyn ActiveKeyExchange>,
    share: Vec<u8>,
}

impl ActiveKeyExchange for Started {
    fn complete(self: Box<Self>, share: &[u8]) -> Result<SharedSecret, Error> {
        let (lattice, classical) = parts(share)?;
        let sealed: &Ciphertext<MlKem768> = lattice.try_into().map_err(|_| INVALID)?;
        let secret = self.secret.decapsulate(sealed);
        let classical = self.classical.complete(classical)?;
        Ok(SharedSecret::from([secret.as_slice(), classical.secret_bytes()].concat()))
    }

    /// A server that knows X25519 alone needs no second try.
    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        Some((self.classical.group(), self.classical.pub_key()))
    }

    fn complete_hybrid_component(self: Box<Self>, share: &[u8]) -> Result<SharedSecret, Error> {
        self.classical.complete(share)
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }
}

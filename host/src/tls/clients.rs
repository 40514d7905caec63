//! What is wanted of clients: `http.tls.clientauth`.

use std::{path::Path, sync::Arc};

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::error::TlsError;
use crate::config::ClientAuth;

/// The check for a mode, with the authorities of these files.
pub(super) fn verifier(
    mode: ClientAuth,
    authorities: Vec<(&Path, Vec<CertificateDer<'static>>)>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for (path, certificates) in authorities {
        for (index, certificate) in certificates.into_iter().enumerate() {
            roots
                .add(certificate)
                .map_err(|error| TlsError::BadAuthority(path.to_owned(), index + 1, error.to_string()))?;
        }
    }
    let verified =
        |roots: RootCertStore| WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
    let made = match mode {
        ClientAuth::None => return Ok(WebPkiClientVerifier::no_client_auth()),
        ClientAuth::Request | ClientAuth::RequireAny => {
            return Ok(Arc::new(Anybody {
                mandatory: mode.requires(),
                hints: roots.subjects(),
                algorithms: provider.signature_verification_algorithms,
            }));
        }
        ClientAuth::VerifyIfGiven => verified(roots).allow_unauthenticated().build(),
        ClientAuth::RequireAndVerify => verified(roots).build(),
    };
    made.map_err(|error| TlsError::ClientAuth(error.to_string()))
}

/// Lets every certificate in: a client shows that it has the key, and nobody
/// has to vouch for it.
#[derive(Debug)]
struct Anybody {
    mandatory: bool,
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

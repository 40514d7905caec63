//! PEM into certificates and keys.

use std::path::Path;

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

use super::error::TlsError;

/// All certificates of a file, the leaf first.
pub(crate) fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let chain = chain.map_err(|error| not_pem(path, &error))?;
    if chain.is_empty() {
        let hint = match () {
            () if contains(text, "PRIVATE KEY-----") => ", but a private key: are the two files swapped?",
            () if contains(text, "CERTIFICATE REQUEST") => ", but a request for one",
            () if contains(text, "-----BEGIN") => "",
            () => "; it is to be PEM, with -----BEGIN CERTIFICATE-----",
        };
        return Err(TlsError::NoCertificate(path.to_owned(), hint));
    }
    Ok(chain)
}

/// Certificates as PEM, and nothing else.
pub(super) fn write(certificates: &[CertificateDer<'_>]) -> Vec<u8> {
    let blocks: Vec<_> = certificates.iter().map(|one| ::pem::Pem::new("CERTIFICATE", one.as_ref())).collect();
    let unix = ::pem::EncodeConfig::new().set_line_ending(::pem::LineEnding::LF);
    ::pem::encode_many_config(&blocks, unix).into_bytes()
}

/// The first private key of a file: PKCS#8, SEC1 or PKCS#1.
pub(crate) fn key(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    match PrivateKeyDer::from_pem_slice(text) {
        Ok(_) if contains(text, "Proc-Type: 4,ENCRYPTED") => Err(TlsError::Encrypted(path.to_owned())),
        Ok(key) => Ok(key),
        Err(_) if contains(text, "ENCRYPTED") => Err(TlsError::Encrypted(path.to_owned())),
        Err(pem::Error::NoItemsFound) => {
            let hint = match () {
                () if contains(text, "-----BEGIN CERTIFICATE-----") => {
                    ", but a certificate: are the two files swapped?"
                }
                () if contains(text, "OPENSSH PRIVATE KEY") => ", but one in OpenSSH's own format",
                () if contains(text, "-----BEGIN") => "",
                () => "; it is to be PEM, with -----BEGIN PRIVATE KEY-----",
            };
            Err(TlsError::NoKey(path.to_owned(), hint))
        }
        Err(error) => Err(not_pem(path, &error)),
    }
}

/// What went wrong, without any of the file's own text: it may be a key.
fn not_pem(path: &Path, error: &pem::Error) -> TlsError {
    let what = match error {
        pem::Error::MissingSectionEnd { .. } => "an -----END----- line is missing",
        pem::Error::IllegalSectionStart { .. } => "a -----BEGIN----- line is broken",
        pem::Error::Base64Decode(_) => "what is between BEGIN and END is not base64",
        _ => "it cannot be read",
    };
    TlsError::NotPem(path.to_owned(), what.to_owned())
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}

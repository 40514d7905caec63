//! Keys of P-256 as Go writes them (SEC 1), and as `ring` reads them (PKCS#8).
//!
//! For this one curve both are of fixed length, and differ in what stands
//! around the secret number and the public point.

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};

/// PKCS#8: the algorithm, and SEC 1 with no name of a curve.
const PKCS8: [&[u8]; 2] = [
    b"\x30\x81\x87\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\
      \x04\x6d\x30\x6b\x02\x01\x01\x04\x20",
    b"\xa1\x44\x03\x42\x00",
];
/// SEC 1, with the name of the curve.
const SEC1: [&[u8]; 2] =
    [b"\x30\x77\x02\x01\x01\x04\x20", b"\xa0\x0a\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\xa1\x44\x03\x42\x00"];
/// Bytes of the secret number.
const SECRET: usize = 32;
/// Bytes of the public point.
const POINT: usize = 65;

/// A key from PEM of either kind; nothing if it is no key of P-256.
pub(super) fn from_pem(text: &[u8]) -> Option<PrivatePkcs8KeyDer<'static>> {
    match PrivateKeyDer::from_pem_slice(text).ok()? {
        PrivateKeyDer::Sec1(key) => Some(around(PKCS8, parts(SEC1, key.secret_sec1_der())?).into()),
        PrivateKeyDer::Pkcs8(key) => Some(around(PKCS8, parts(PKCS8, key.secret_pkcs8_der())?).into()),
        _ => None,
    }
}

/// PEM as Go writes it, of a key in PKCS#8; nothing if it is none of P-256.
pub(super) fn to_pem(pkcs8: &[u8]) -> Option<String> {
    let sec1 = around(SEC1, parts(PKCS8, pkcs8)?);
    Some(pem::encode_config(&pem::Pem::new("EC PRIVATE KEY", sec1), super::cache::as_go()))
}

/// Number and point from between what stands around them.
fn parts<'a>([before, between]: [&[u8]; 2], der: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (secret, rest) = der.strip_prefix(before)?.split_at_checked(SECRET)?;
    let (point, rest) = rest.strip_prefix(between)?.split_at_checked(POINT)?;
    rest.is_empty().then_some((secret, point))
}

fn around([before, between]: [&[u8]; 2], (secret, point): (&[u8], &[u8])) -> Vec<u8> {
    [before, secret, between, point].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn there_and_back() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let text = to_pem(&key.serialize_der()).unwrap();
        assert!(
            text.starts_with("-----BEGIN EC PRIVATE KEY-----\n") && text.ends_with("-----END EC PRIVATE KEY-----\n")
        );
        let back = from_pem(text.as_bytes()).unwrap();
        assert_eq!(back.secret_pkcs8_der(), key.serialize_der());
        assert_eq!(from_pem(key.serialize_pem().as_bytes()).unwrap(), back);
        instant_acme::Key::from_pkcs8_der(back).unwrap();
        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        assert!(to_pem(&other.serialize_der()).is_none() && from_pem(other.serialize_pem().as_bytes()).is_none());
        for text in ["", "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"] {
            assert!(from_pem(text.as_bytes()).is_none());
        }
    }
}

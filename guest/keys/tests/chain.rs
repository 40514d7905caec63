//! Which certificates are trusted, and for what.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose as Usage, IsCa, KeyPair,
    PublicKeyData, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use skerry_keys::{
    Kind,
    chain::{self, Purpose},
};

const NOW: Duration = Duration::from_secs(1_800_000_000);

fn params(usages: &[Usage]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.extended_key_usages = usages.to_vec();
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
    params
}

fn authority(usages: &[Usage]) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = params(usages);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

#[test]
fn a_certificate_is_for_what_it_says() {
    let (key, root) = (KeyPair::generate().unwrap(), authority(&[]));
    let trusted = [root.der().clone()];
    for (usages, signs) in [
        (vec![], true),
        (vec![Usage::CodeSigning], true),
        (vec![Usage::ServerAuth, Usage::CodeSigning], true),
        (vec![Usage::ServerAuth, Usage::ClientAuth], false),
        (vec![Usage::Any], false),
    ] {
        let leaf = params(&usages).signed_by(&key, &root).unwrap();
        let chain = [leaf.der().clone()];
        let known = chain::verify(&chain, &trusted, NOW, Purpose::Any).unwrap();
        assert_eq!(known.kind(), Kind::P256);
        assert_eq!(chain::verify(&chain, &trusted, NOW, Purpose::CodeSigning).is_ok(), signs, "{usages:?}");
        // Whoever trusts the certificate itself trusts it for this.
        assert!(chain::verify(&chain, &chain, NOW, Purpose::CodeSigning).is_ok());
        for out in [Duration::from_secs(1_500_000_000), Duration::from_secs(2_500_000_000)] {
            assert!(!chain::in_force(&chain[0], out));
            for trusted in [&trusted, &chain] {
                assert!(chain::verify(&chain, trusted, out, Purpose::Any).is_err());
            }
        }
    }
    let other = authority(&[]);
    let leaf = params(&[]).signed_by(&key, &root).unwrap();
    assert!(chain::verify(&[leaf.der().clone()], &[other.der().clone()], NOW, Purpose::Any).is_err());
}

#[test]
fn a_chain_has_an_end() {
    let root = authority(&[]);
    let leaf = params(&[]).signed_by(&KeyPair::generate().unwrap(), &root).unwrap();
    let trusted = [root.der().clone()];
    let mut chain: Vec<CertificateDer<'_>> = vec![leaf.der().clone(); chain::MOST];
    assert!(chain::verify(&chain, &trusted, NOW, Purpose::Any).is_ok());
    chain.push(leaf.der().clone());
    for wrong in [&chain[..], &[], &[CertificateDer::from(vec![0x30, 0])]] {
        assert!(chain::verify(wrong, &trusted, NOW, Purpose::Any).is_err());
    }
}

#[test]
fn public_keys_are_read() {
    let key = KeyPair::generate().unwrap();
    let read = chain::public_key(&key.subject_public_key_info()).unwrap();
    let leaf = params(&[]).self_signed(&key).unwrap();
    let certified = chain::key(leaf.der()).unwrap().unwrap();
    assert_eq!((read.kind(), read.rsa_bits()), (Kind::P256, None));
    assert_eq!(read.thumbprint(), certified.thumbprint());
    assert!(chain::public_key(b"").is_none() && chain::public_key(leaf.der()).is_none());
    assert!(chain::key(b"").is_err());
}

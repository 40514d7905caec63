//! What is wanted of clients, and what is told of them.

use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyUsagePurpose};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::*;
use crate::config::ClientAuth;

/// An authority in a file, which signs for clients.
pub(super) struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new(to: &Path) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        fs::write(to, params.self_signed(&key).unwrap().pem()).unwrap();
        Self(Issuer::new(params, key))
    }

    /// A certificate and its key.
    pub(super) fn sign(&self, change: impl FnOnce(&mut CertificateParams)) -> Shown {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["edge.example".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }
}

type Shown = (CertificateDer<'static>, PrivateKeyDer<'static>);

pub(super) fn with(
    ca: &Path,
    versions: &[&'static rustls::SupportedProtocolVersion],
    shown: Option<&Shown>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    match shown {
        Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate.clone()], key.clone_key()).unwrap(),
        None => builder.with_no_client_auth(),
    }
}

#[test]
fn modes() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = files(directory.path());
    let good = pair();
    fs::write(&files.certificate, &good.certificate).unwrap();
    fs::write(&files.key, &good.key).unwrap();
    let ca = directory.path().join("clients.pem");
    let authority = Authority::new(&ca);
    let other = Authority::new(&directory.path().join("other.pem"));
    let known = authority.sign(|_| {});
    let unknown = other.sign(|_| {});
    let expired = authority.sign(|params| params.not_after = rcgen::date_time_ymd(2021, 1, 1));
    let server = authority.sign(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    use ClientAuth::*;
    for (mode, cas, admitted) in [
        // None, of the authority, of another, expired, for servers.
        (ClientAuth::None, false, [true, true, true, true, true]),
        (Request, false, [true, true, true, true, true]),
        (Request, true, [true, true, true, true, true]),
        (RequireAny, false, [false, true, true, true, true]),
        (VerifyIfGiven, true, [true, true, false, false, false]),
        (RequireAndVerify, true, [false, true, false, false, false]),
    ] {
        files.policy.client_auth = mode;
        files.policy.client_cas = if cas { vec![ca.clone()] } else { Vec::new() };
        let loaded = load(&files).unwrap();
        assert_eq!(loaded.verifies_clients, matches!(mode, VerifyIfGiven | RequireAndVerify));
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let shown = [Option::None, Some(&known), Some(&unknown), Some(&expired), Some(&server)];
            for (index, (shown, admitted)) in shown.into_iter().zip(admitted).enumerate() {
                let client = with(&files.certificate, &[version], shown);
                let outcome = handshake(&loaded.config, client, "localhost");
                assert_eq!(outcome.is_ok(), admitted, "{mode:?} {version:?} {index}: {:?}", outcome.err());
            }
        }
    }
}

#[test]
fn authorities_that_are_none() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = files(directory.path());
    let good = pair();
    fs::write(&files.certificate, &good.certificate).unwrap();
    fs::write(&files.key, &good.key).unwrap();
    let ca = directory.path().join("clients.pem");
    files.policy.client_auth = ClientAuth::RequireAndVerify;
    files.policy.client_cas = vec![ca.clone()];
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, sentence) in [
        (Option::None, "clients.pem: there is no such file"),
        (Some(""), "clients.pem: the file is empty"),
        (Some(good.key.as_str()), "clients.pem: no certificate in it, but a private key"),
        (Some(not_der), "clients.pem: certificate 1 in it cannot be an authority for clients"),
    ] {
        if let Some(text) = text {
            fs::write(&ca, text).unwrap();
        }
        let error = load(&files).unwrap_err();
        assert!(error.to_string().contains(sentence), "{sentence}: {error}");
        assert_eq!(error.file(), Some(ca.as_path()));
    }
}

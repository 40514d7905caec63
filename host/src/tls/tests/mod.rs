#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod clients;
mod names;
mod renewal;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConnection,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use super::*;
use crate::config::TlsVersion;

struct Pair {
    certificate: String,
    key: String,
}

fn pair() -> Pair {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    Pair { certificate: certificate.pem(), key: key.serialize_pem() }
}

fn files(directory: &Path) -> TlsFiles {
    TlsFiles::pair(directory.join("tls.crt"), directory.join("tls.key"), true)
}

/// Handshakes in memory; what the client saw, or why not.
fn handshake(
    server: &Arc<rustls::ServerConfig>,
    client: ClientConfig,
    name: &str,
) -> Result<ClientConnection, rustls::Error> {
    let mut client = ClientConnection::new(Arc::new(client), ServerName::try_from(name.to_owned()).unwrap())?;
    let mut server = ServerConnection::new(server.clone())?;
    for _ in 0..10 {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(client)
}

fn client(ca: &Path, versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

const ONLY_12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
const BOTH: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12, &rustls::version::TLS13];

#[test]
fn sentences() {
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path());
    let (good, other) = (pair(), pair());
    let garbage = "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n";
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cut = good.key.replace("-----END PRIVATE KEY-----", "");
    let chain_broken = format!("{}{not_der}", good.certificate);
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (certificate, key, sentence) in [
        ("", good.key.as_str(), "tls.crt: the file is empty"),
        (good.certificate.as_str(), "", "tls.key: the file is empty"),
        ("hello", &good.key, "tls.crt: no certificate in it; it is to be PEM"),
        (&good.key, &good.certificate, "tls.crt: no certificate in it, but a private key: are the two files swapped?"),
        (
            &good.certificate,
            &good.certificate,
            "tls.key: no private key in it, but a certificate: are the two files swapped?",
        ),
        (&good.certificate, "hello", "tls.key: no private key in it; it is to be PEM"),
        (&good.certificate, encrypted, "tls.key: the private key is encrypted"),
        (&good.certificate, &other.key, "tls.key: the private key does not belong to the certificate in "),
        (garbage, &good.key, "tls.crt: not PEM: what is between BEGIN and END is not base64"),
        (&good.certificate, &cut, "tls.key: not PEM: an -----END----- line is missing"),
        (not_der, &good.key, "tls.crt: certificate 1 in it cannot be parsed"),
        (&chain_broken, &good.key, "tls.crt: certificate 2 in it cannot be parsed"),
    ] {
        fs::write(&files.certificate, certificate).unwrap();
        fs::write(&files.key, key).unwrap();
        let error = load(&files).unwrap_err().to_string();
        assert!(error.contains(sentence), "{sentence}: {error}");
        assert!(!error.contains('\n'));
    }
    fs::write(&files.certificate, &good.certificate).unwrap();
    fs::write(&files.key, &good.key).unwrap();
    assert!(load(&files).is_ok());

    fs::remove_file(&files.key).unwrap();
    let said = |sentence: &str| {
        let error = load(&files).unwrap_err().to_string();
        assert!(error.contains(sentence) && error.contains(';') && !error.contains('\n'), "{sentence}: {error}");
        let _ = fs::remove_file(&files.key);
    };
    said("tls.key: there is no such file; check the path");
    symlink("../data/tls.key", &files.key).unwrap();
    said("tls.key: a symbolic link to ../data/tls.key, which does not exist; mount what it leads to");
    // Only certbot's live/… is mounted.
    symlink("../../archive/example.org/privkey1.pem", &files.key).unwrap();
    said("tls.key: a symbolic link to ../../archive/example.org/privkey1.pem, which does not exist; certbot's live/");
    // As Kubernetes has it, and the end is missing.
    symlink("..data/tls.key", &files.key).unwrap();
    symlink("..2026", directory.path().join("..data")).unwrap();
    said("tls.key: a symbolic link to ..data/tls.key, which does not exist");
    symlink("tls.key", &files.key).unwrap();
    said("tls.key: cannot be read: ");
    fs::create_dir(&files.key).unwrap();
    said("tls.key: a directory, not a file; name a file");
    fs::remove_dir(&files.key).unwrap();
    symlink("/dev/zero", &files.key).unwrap();
    said("tls.key: not a regular file; name one");
    let denied = TlsError::Unreadable("/k".into(), std::io::ErrorKind::PermissionDenied.into()).to_string();
    assert!(denied.starts_with("/k: cannot be read: permission denied; let user "), "{denied}");
    let elsewhere = TlsFiles::pair(directory.path().join("no/where/tls.crt"), files.key.clone(), true);
    let error = load(&elsewhere).unwrap_err().to_string();
    let gone = directory.path().join("no");
    assert!(
        error
            .ends_with(&format!("there is no such file, nor a directory {}; in a container, mount it", gone.display()))
    );
    symlink("nothing", &gone).unwrap();
    let error = load(&elsewhere).unwrap_err().to_string();
    assert!(error.contains("tls.crt: a symbolic link to nothing, which does not exist"), "{error}");
    fs::write(&files.key, vec![b'x'; (1 << 20) + 1]).unwrap();
    assert!(load(&files).unwrap_err().to_string().contains("too large"));
}

#[test]
fn versions_suites_and_protocols() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = files(directory.path());
    let good = pair();
    fs::write(&files.certificate, &good.certificate).unwrap();
    fs::write(&files.key, &good.key).unwrap();
    let suite = |files: &TlsFiles, versions: &[&'static _]| {
        let loaded = load(files).unwrap();
        let client = handshake(&loaded.config, client(&files.certificate, versions), "localhost")
            .map_err(|error| error.to_string())?;
        let protocol = String::from_utf8(client.alpn_protocol().unwrap().to_vec()).unwrap();
        Ok::<_, String>((format!("{:?}", client.negotiated_cipher_suite().unwrap().suite()), protocol))
    };
    assert_eq!(suite(&files, BOTH).unwrap().1, "h2");
    assert!(suite(&files, BOTH).unwrap().0.starts_with("TLS13_"));
    assert!(suite(&files, ONLY_12).unwrap().0.starts_with("TLS_ECDHE_ECDSA"));
    files.policy.http2 = false;
    assert_eq!(suite(&files, BOTH).unwrap().1, "http/1.1");
    files.policy.suites =
        vec!["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256".into(), "TLS_RSA_WITH_AES_128_CBC_SHA".into()];
    assert_eq!(suite(&files, ONLY_12).unwrap().0, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
    assert_eq!(
        load(&files).unwrap().warnings,
        ["`http.tls.ciphersuites`: TLS_RSA_WITH_AES_128_CBC_SHA is not supported, and is left out"]
    );
    files.policy.suites = vec!["TLS_RSA_WITH_AES_128_CBC_SHA".into()];
    assert!(matches!(load(&files), Err(TlsError::NoSuite)));
    files.policy.suites = vec!["TLS_AES_128_GCM_SHA256".into()];
    files.policy.minimum = TlsVersion::V13;
    assert!(suite(&files, ONLY_12).is_err());
    assert_eq!(load(&files).unwrap().warnings, [""; 0]);
    assert!(suite(&files, BOTH).unwrap().0.starts_with("TLS13_"));
}

#[test]
fn sessions_resume() {
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path());
    let good = pair();
    fs::write(&files.certificate, &good.certificate).unwrap();
    fs::write(&files.key, &good.key).unwrap();
    let loaded = load(&files).unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = client(&files.certificate, &[version]);
        let first = handshake(&loaded.config, client.clone(), "localhost").unwrap();
        let second = handshake(&loaded.config, client, "localhost").unwrap();
        assert_eq!(first.handshake_kind(), Some(rustls::HandshakeKind::Full));
        assert_eq!(second.handshake_kind(), Some(rustls::HandshakeKind::Resumed), "{version:?}");
    }
}

#[test]
fn key_formats() {
    // An RSA and an EC key, each in its old and its new form; made with
    // openssl, of no use elsewhere.
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path());
    for (certificate, keys) in [
        (
            include_str!("../testdata/ec.crt"),
            [include_str!("../testdata/ec-sec1.key"), include_str!("../testdata/ec-pkcs8.key")],
        ),
        (
            include_str!("../testdata/rsa.crt"),
            [include_str!("../testdata/rsa-pkcs1.key"), include_str!("../testdata/rsa-pkcs8.key")],
        ),
    ] {
        for key in keys {
            fs::write(&files.certificate, certificate).unwrap();
            fs::write(&files.key, key).unwrap();
            let loaded = load(&files).unwrap();
            assert_eq!(loaded.leaves[0].names, ["localhost"]);
        }
    }
}

#[test]
fn expired_is_served_with_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path());
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    fs::write(&files.certificate, params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(&files.key, key.serialize_pem()).unwrap();
    let loaded = load(&files).unwrap();
    assert_eq!(
        loaded.out_of_time(SystemTime::now()),
        [format!(
            "{}: the certificate expired at 2021-01-01 00:00 UTC; clients will refuse it",
            files.certificate.display()
        )]
    );
    assert!(loaded.out_of_time(SystemTime::UNIX_EPOCH)[0].contains("is the clock right?"));
    assert_eq!(loaded.out_of_time(loaded.leaves[0].not_before + Duration::from_secs(1)), [""; 0]);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn wanted() -> Vec<String> {
    ["localhost", "127.0.0.1", "::1", "my-host"].map(str::to_owned).to_vec()
}

#[test]
fn local_authority() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("a/.skerry/tls");
    let now = SystemTime::now();
    let first = local(&directory, &wanted(), true, now).unwrap();
    assert!(first.new);
    assert_eq!(mode(&directory), 0o700);
    for (name, expected) in [("ca.key", 0o600), ("leaf.key", 0o600)] {
        assert_eq!(mode(&directory.join(name)), expected, "{name}");
    }
    let mut names: Vec<_> =
        fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["ca.key", "ca.pem", "leaf.key", "leaf.pem", "lock"]);
    for name in ["localhost", "127.0.0.1", "my-host", "::1"] {
        handshake(&first.loaded.config, client(&first.ca, BOTH), name).unwrap();
    }
    assert!(handshake(&first.loaded.config, client(&first.ca, BOTH), "example.com").is_err());

    let read = |name: &str| fs::read(directory.join(name)).unwrap();
    let (ca, leaf) = (read("ca.pem"), read("leaf.pem"));
    // Nothing to do.
    let again = local(&directory, &wanted(), true, now).unwrap();
    assert!(!again.new && read("ca.pem") == ca && read("leaf.pem") == leaf);
    // The host has another name: the authority stays, and so does the leaf.
    let mut renamed = wanted();
    renamed.pop();
    renamed.push("other-host".to_owned());
    let again = local(&directory, &renamed, true, now).unwrap();
    assert!(!again.new && read("leaf.pem") == leaf && !again.loaded.names("other-host"));
    // Near its end, missing, torn or mixed up, the leaf is made anew.
    local(&directory, &wanted(), true, now + Duration::from_secs(800 * 24 * 3600)).unwrap();
    assert!(read("leaf.pem") != leaf && read("ca.pem") == ca);
    for (name, bytes) in [("leaf.pem", &b""[..]), ("leaf.key", b"x"), ("leaf.pem", &ca), (".leaf.key.new", b"rubbish")]
    {
        fs::write(directory.join(name), bytes).unwrap();
        let healed = local(&directory, &wanted(), true, now).unwrap();
        assert!(!healed.new);
        handshake(&healed.loaded.config, client(&healed.ca, BOTH), "localhost").unwrap();
    }
    // Without its key there is no authority, and a new one needs a new leaf.
    fs::remove_file(directory.join("ca.key")).unwrap();
    let fresh = local(&directory, &wanted(), true, now).unwrap();
    assert!(fresh.new && read("ca.pem") != ca);
    handshake(&fresh.loaded.config, client(&fresh.ca, BOTH), "localhost").unwrap();
}

#[test]
fn a_clock_at_the_epoch() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("tls");
    local(&directory, &wanted(), true, SystemTime::UNIX_EPOCH).unwrap();
    let later = local(&directory, &wanted(), true, SystemTime::now()).unwrap();
    assert!(!later.new);
    handshake(&later.loaded.config, client(&later.ca, BOTH), "localhost").unwrap();
}

/// By who offers both, both are used; by others what they have.
#[test]
fn key_exchanges() {
    use rustls::{NamedGroup, PeerMisbehaved, crypto::SupportedKxGroup};
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path());
    let good = pair();
    fs::write(&files.certificate, &good.certificate).unwrap();
    fs::write(&files.key, &good.key).unwrap();
    let server = load(&files).unwrap().config;
    let ring = rustls::crypto::ring::default_provider();
    let both = hybrid::provider();
    let mut only = both.clone();
    only.kx_groups.truncate(1);
    for (provider, versions, group) in [
        (&both, BOTH, NamedGroup::X25519MLKEM768),
        (&only, BOTH, NamedGroup::X25519MLKEM768),
        (&ring, BOTH, NamedGroup::X25519),
        (&both, ONLY_12, NamedGroup::X25519),
    ] {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&files.certificate).unwrap()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = handshake(&server, client, "localhost").unwrap();
        assert_eq!(client.negotiated_key_exchange_group().unwrap().name(), group);
    }
    // Shares that are none.
    let group: &dyn SupportedKxGroup = both.kx_groups[0];
    let share = group.start().unwrap().pub_key().to_vec();
    assert_eq!((share.len(), group.start_and_complete(&share).unwrap().pub_key.len()), (1184 + 32, 1088 + 32));
    let refused = |share: &[u8]| {
        let wrong = rustls::Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);
        assert_eq!(group.start_and_complete(share).err(), Some(wrong.clone()), "{}", share.len());
        assert_eq!(group.start().unwrap().complete(share).err(), Some(wrong));
    };
    refused(&[]);
    refused(&[0; 31]);
    refused(&share[1..]);
    refused(&[share.as_slice(), &[0]].concat());
    // Numbers of ML-KEM's that are too large.
    refused(&[&[0xff; 1184][..], &share[1184..]].concat());
}

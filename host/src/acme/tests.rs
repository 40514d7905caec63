//! The directory, with what Go wrote there: `testdata` was made with its
//! `autocert.DirCache`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{fs, path::Path};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};

use super::{Cache, CacheError};
use crate::tls::{Cached, Policy, TlsError};

fn as_go_left_it() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/acme/testdata")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), directory.path().join(entry.file_name())).unwrap();
    }
    directory
}

fn pair(name: &str) -> (KeyPair, String) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let chain = CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    (key, chain)
}

#[test]
fn what_go_wrote() {
    let directory = as_go_left_it();
    let cache = Cache::open(directory.path()).unwrap();
    let account = cache.account().unwrap().unwrap();
    instant_acme::Key::from_pkcs8_der(account.clone_key()).unwrap();
    // Written again, it is the same, byte by byte; and by its old name.
    let before = fs::read(directory.path().join("acme_account+key")).unwrap();
    cache.keep_account(account.secret_pkcs8_der()).unwrap();
    assert_eq!(fs::read(directory.path().join("acme_account+key")).unwrap(), before);
    fs::rename(directory.path().join("acme_account+key"), directory.path().join("acme_account.key")).unwrap();
    assert_eq!(cache.account().unwrap(), Some(account));

    let (leaf, _) = cache.certificate("a.example").unwrap().unwrap();
    assert_eq!(leaf.names, ["a.example"]);
    assert!(cache.certificate("b.example").unwrap().is_none());
    let cached = |hosts: &[&str]| Cached {
        directory: directory.path().to_owned(),
        hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
        policy: Policy::new(true),
    };
    let loaded = cached(&["a.example", "b.example"]).load(None).unwrap();
    assert_eq!((loaded.leaves.len(), loaded.warnings.len()), (1, 0));
    // A file of another name's, and rubbish: only those are missing.
    fs::copy(directory.path().join("a.example"), directory.path().join("b.example")).unwrap();
    fs::write(directory.path().join("c.example"), "rubbish").unwrap();
    let loaded = cached(&["c.example", "b.example", "a.example"]).load(None).unwrap();
    assert_eq!(loaded.leaves.len(), 1);
    assert!(loaded.warnings[0].contains("c.example: no certificate in it"), "{:?}", loaded.warnings);
    assert!(loaded.warnings[1].contains("b.example: the certificate is not for b.example"), "{:?}", loaded.warnings);
    // What was good goes on, whatever becomes of its file.
    for text in [Some("rubbish"), None] {
        match text {
            Some(text) => fs::write(directory.path().join("a.example"), text).unwrap(),
            None => fs::remove_file(directory.path().join("a.example")).unwrap(),
        }
        assert_eq!(cached(&["a.example"]).load(None).unwrap().leaves.len(), 0);
        let after = cached(&["a.example"]).load(Some(&loaded)).unwrap();
        assert_eq!(after.leaves.len(), 1);
        assert!(after.warnings[0].ends_with("; the one before is served"), "{:?}", after.warnings);
    }
}

#[test]
fn what_we_write() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(&directory.path().join("new/cache")).unwrap();
    let (key, chain) = pair("a.example");
    let text = format!("a line of words\n{chain}\n\nand more\n{chain}");
    let leaf = cache.keep_certificate("a.example", &key.serialize_der(), &text).unwrap();
    let file = directory.path().join("new/cache/a.example");
    assert_eq!(leaf.file, file);
    let written = fs::read_to_string(&file).unwrap();
    // Nothing between the blocks: Go refuses a file with anything else.
    assert!(written.starts_with("-----BEGIN EC PRIVATE KEY-----\n"), "{written}");
    assert!(!written.contains("\n\n") && !written.contains("words") && written.matches("BEGIN CERT").count() == 2);
    let mode =
        |path: &Path| std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    // What is no good is not kept.
    let (other, _) = pair("a.example");
    let wrong = cache.keep_certificate("a.example", &other.serialize_der(), &chain).unwrap_err();
    assert!(matches!(wrong, CacheError::File(TlsError::Mismatch { .. })), "{wrong}");
    let wrong = cache.keep_certificate("b.example", &key.serialize_der(), &chain).unwrap_err();
    assert!(matches!(wrong, CacheError::File(TlsError::WrongName(..))), "{wrong}");
    assert!(cache.keep_certificate("a.example", &key.serialize_der(), "<html>").is_err());
    assert_eq!(fs::read_to_string(&file).unwrap(), written);
}

#[test]
fn one_orders_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path()).unwrap();
    let held = cache.lock().unwrap().unwrap();
    assert!(Cache::open(directory.path()).unwrap().lock().unwrap().is_none());
    drop(held);
    assert!(cache.lock().unwrap().is_some());
}

#[test]
fn directories_that_cannot_be_used() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cache");
    fs::write(&file, "x").unwrap();
    assert!(Cache::open(&file).unwrap_err().to_string().contains("cache: a file, not a directory"));
    let cache = Cache::open(directory.path()).unwrap();
    fs::write(directory.path().join("acme_account+key"), "rubbish").unwrap();
    assert!(cache.account().unwrap_err().to_string().contains("acme_account+key: no key of an account"));
}

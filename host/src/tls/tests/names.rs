//! Which certificate a name gets.

use super::*;

fn certificate(directory: &Path, file: &str, names: &[&str]) -> (std::path::PathBuf, std::path::PathBuf) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let made = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let paths = (directory.join(format!("{file}.crt")), directory.join(format!("{file}.key")));
    fs::write(&paths.0, made.pem()).unwrap();
    fs::write(&paths.1, key.serialize_pem()).unwrap();
    paths
}

#[test]
fn a_certificate_for_each_name() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let main = certificate(directory, "main", &["main.example", "127.0.0.1"]);
    let one = certificate(directory, "one", &["one.example", "both.example"]);
    let wild = certificate(directory, "wild", &["*.wild.example", "wild.example", "both.example"]);
    let mut files = TlsFiles::pair(main.0, main.1, true);
    files.others = vec![one, wild];
    let trusted = |files: &TlsFiles, name: &str| {
        let loaded = load(files).unwrap();
        let shown = |file: &str| handshake(&loaded.config, client(&directory.join(file), BOTH), name).is_ok();
        ["main.crt", "one.crt", "wild.crt"].into_iter().find(|file| shown(file))
    };
    // Who it is that answers to a name, with a certificate that has it.
    for strict in [false, true] {
        files.policy.strict = strict;
        for (name, expected) in [
            ("main.example", Some("main.crt")),
            // By an address a client asks for no name.
            ("127.0.0.1", Some("main.crt")),
            ("one.example", Some("one.crt")),
            ("ONE.example", Some("one.crt")),
            ("both.example", Some("one.crt")),
            ("wild.example", Some("wild.crt")),
            ("a.wild.example", Some("wild.crt")),
            // A wildcard is one label, and a name with none is no wildcard.
            ("a.b.wild.example", None),
            ("other.example", None),
            ("localhost", None),
        ] {
            assert_eq!(trusted(&files, name), expected, "{name}, strict: {strict}");
        }
    }
    // What is shown is for the name that was asked for, or for an address.
    for strict in [false, true] {
        files.policy.strict = strict;
        let served = load(&files).unwrap().served;
        for (asked, host, expected) in [
            (Some("one.example"), "one.example", true),
            (Some("ONE.example"), "One.Example.", true),
            (Some("a.wild.example"), "a.wild.example", true),
            (Some("wild.example"), "wild.example", true),
            (None, "127.0.0.1", true),
            // Of another certificate, or of the same; made up; the default's.
            (Some("one.example"), "main.example", false),
            (Some("one.example"), "both.example", false),
            (Some("a.wild.example"), "b.wild.example", false),
            (Some("one.example"), "evil.example", false),
            (Some("evil.example"), "evil.example", false),
            (Some("evil.example"), "main.example", false),
            (Some("a.b.wild.example"), "a.b.wild.example", false),
            (Some("*.wild.example"), "*.wild.example", false),
            (Some(".wild.example"), ".wild.example", false),
            (Some("127.0.0.1"), "127.0.0.1", false),
            (None, "127.0.0.2", false),
            (None, "main.example", false),
            (None, "", false),
            (Some(""), "", false),
        ] {
            assert_eq!(served.vouch(asked, host), expected, "{asked:?} {host}, strict: {strict}");
        }
    }
    let six = certificate(directory, "six", &["::1"]);
    let served = load(&TlsFiles::pair(six.0, six.1, true)).unwrap().served;
    for (host, expected) in
        [("[::1]", true), ("[0:0:0:0:0:0:0:1]", true), ("::1", true), ("[::2]", false), ("[", false)]
    {
        assert_eq!(served.vouch(None, host), expected, "{host}");
    }
    // The default is served to other names, and clients see that it is wrong;
    // where it is strict, they see nothing.
    for (strict, name, expected) in [
        (false, "other.example", "invalid peer certificate"),
        (true, "other.example", "no server certificate chain resolved"),
        (true, "a.b.wild.example", "no server certificate chain resolved"),
    ] {
        files.policy.strict = strict;
        let loaded = load(&files).unwrap();
        let error = handshake(&loaded.config, client(&directory.join("main.crt"), BOTH), name).unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
    // With no certificate for an address, who names nothing gets nothing.
    let (certificate, key) = files.others.remove(0);
    let mut only = TlsFiles::pair(certificate, key, true);
    only.policy.strict = true;
    let error = handshake(&load(&only).unwrap().config, client(&only.certificate, BOTH), "127.0.0.1").unwrap_err();
    assert!(error.to_string().contains("no server certificate chain resolved"), "{error}");
}

#[test]
fn a_name_with_keys_of_two_kinds() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for (name, text) in [
        ("ec.crt", include_str!("../testdata/ec.crt")),
        ("ec.key", include_str!("../testdata/ec-pkcs8.key")),
        ("rsa.crt", include_str!("../testdata/rsa.crt")),
        ("rsa.key", include_str!("../testdata/rsa-pkcs8.key")),
    ] {
        fs::write(at(name), text).unwrap();
    }
    let files =
        TlsFiles { others: vec![(at("rsa.crt"), at("rsa.key"))], ..TlsFiles::pair(at("ec.crt"), at("ec.key"), true) };
    let loaded = load(&files).unwrap();
    assert_eq!(loaded.leaves.len(), 2);
    assert!(loaded.leaves.iter().all(|leaf| leaf.names == ["localhost"]));
    // Each file is named in what is wrong with it.
    fs::write(at("rsa.key"), include_str!("../testdata/ec-pkcs8.key")).unwrap();
    let error = load(&files).unwrap_err();
    assert_eq!(error.file(), Some(at("rsa.key").as_path()));
    assert!(error.to_string().contains("does not belong to the certificate in "), "{error}");
}

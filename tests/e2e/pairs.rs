//! Certificates and keys that cannot be served, and those that are all the
//! same though it is not their time.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, symlink},
        process::CommandExt,
    },
    path::Path,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use skerry_tests::{Options, authority::Authority, binary, children, command::called, service::Service};

use crate::admin;

/// certbot's directory, with a pair in it.
fn letsencrypt(root: &Path) -> Authority {
    let (live, archive) = (root.join("live/a.example"), root.join("archive/a.example"));
    fs::create_dir_all(&live).unwrap();
    fs::create_dir_all(&archive).unwrap();
    let made = Authority::new(root, &["localhost", "127.0.0.1"]);
    for (from, name) in [(&made.certificate, "fullchain"), (&made.key, "privkey")] {
        fs::rename(from, archive.join(format!("{name}1.pem"))).unwrap();
        symlink(format!("../../archive/a.example/{name}1.pem"), live.join(format!("{name}.pem"))).unwrap();
    }
    fs::set_permissions(archive.join("privkey1.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    made
}

/// What is wrong below certbot's directory, and what is said of it.
type Case<'a> = (fn(&Path), &'a [&'a str]);

const KEY: &str = "live/a.example/privkey.pem";
const LEADS_TO: &str = "archive/a.example/privkey1.pem";

const CASES: &[Case<'_>] = &[
    (
        |root| fs::remove_file(root.join(KEY)).unwrap(),
        &["live/a.example/privkey.pem: there is no such file; check the path"],
    ),
    (
        // As in a container where only live/… is mounted.
        |root| fs::remove_dir_all(root.join("archive")).unwrap(),
        &["live/a.example/fullchain.pem: a symbolic link to ../../archive/a.example/fullchain1.pem, which does not \
             exist; certbot's live/ holds only links into archive/ beside it: mount the directory that has both"],
    ),
    (
        |root| fs::write(root.join(LEADS_TO), "").unwrap(),
        &["live/a.example/privkey.pem: the file is empty; put its PEM into it"],
    ),
    (
        |root| {
            fs::remove_file(root.join(KEY)).unwrap();
            fs::create_dir(root.join(KEY)).unwrap();
        },
        &["live/a.example/privkey.pem: a directory, not a file; name a file"],
    ),
    (
        |root| {
            let other = root.join("other");
            fs::create_dir(&other).unwrap();
            fs::copy(Authority::new(&other, &["localhost"]).key, root.join(LEADS_TO)).unwrap();
        },
        &["privkey.pem: the private key does not belong to the certificate in ", "fullchain.pem; name the two files"],
    ),
];

/// Runs it with these keys to its end: all that it says.
fn refused(mut command: Command, directory: &Path, certificate: &Path, key: Option<&Path>) -> Vec<String> {
    let key = key.map(|key| format!(", key: {}", key.display())).unwrap_or_default();
    let text = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {0}/volume}}}}\nhttp:\n  addr: 127.0.0.1:0\n  \
         tls: {{certificate: {1}{key}}}\n",
        directory.display(),
        certificate.display()
    );
    let config = directory.join("config.yml");
    fs::write(&config, text).unwrap();
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("REGISTRY_")) {
        command.env_remove(name);
    }
    command.arg("serve").arg(&config);
    let mut service = Service::start("skerry", command);
    assert_eq!(service.wait().code(), Some(1));
    service.last_lines()
}

#[track_caller]
fn is_one_sentence(lines: &[String], key: &str, words: &[&str]) {
    assert!(lines.len() == 1 && lines[0].starts_with("error: "), "{lines:?}");
    assert!(lines[0].contains(&format!("config.yml:5: {key}")), "{lines:?}");
    for words in words {
        assert!(lines[0].contains(words), "{words}: {lines:?}");
    }
}

#[test]
fn that_are_none_stop_the_start_with_a_sentence() {
    for (spoil, words) in CASES {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        letsencrypt(root);
        spoil(root);
        let (certificate, key) = (root.join("live/a.example/fullchain.pem"), root.join(KEY));
        let said = refused(children::command(binary::skerry()), root, &certificate, Some(&key));
        is_one_sentence(&said, "", words);
    }
    let directory = tempfile::tempdir().unwrap();
    let said = refused(children::command(binary::skerry()), directory.path(), Path::new("/c.pem"), None);
    is_one_sentence(&said, "`http.tls.certificate` is set and `http.tls.key` is not", &[]);
}

/// As somebody else than who may read it: root may read everything.
#[test]
fn of_somebody_else_stop_the_start_with_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    letsencrypt(root);
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    let (certificate, key) = (root.join("live/a.example/fullchain.pem"), root.join(KEY));
    let user = rustix::process::geteuid();
    let (command, user) = if user.is_root() {
        // Where it was built, they may not come.
        let program = root.join("skerry");
        fs::copy(binary::skerry(), &program).unwrap();
        let mut command = children::command(program);
        command.uid(65534).gid(65534);
        (command, 65534)
    } else {
        fs::set_permissions(root.join(LEADS_TO), fs::Permissions::from_mode(0o000)).unwrap();
        (children::command(binary::skerry()), user.as_raw())
    };
    let said = refused(command, root, &certificate, Some(&key));
    let sentence = format!("privkey.pem: cannot be read: Permission denied (os error 13); let user {user}, as which");
    is_one_sentence(&said, "", &[&sentence]);
}

#[test]
fn that_are_early_or_late_are_served_and_seen() {
    for ([from, to], said, finding) in [
        ([2020, 2021], "c.pem: the certificate expired at 2021-01-01 00:00 UTC; clients will refuse it", "expired"),
        ([2098, 2099], "c.pem: the certificate is valid only from 2098-01-01 00:00 UTC", "not-yet-valid"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let (start, end) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (start, end);
        let pair = (directory.path().join("c.pem"), directory.path().join("k.pem"));
        fs::write(&pair.0, params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&pair.1, key.serialize_pem()).unwrap();
        let (mut registry, admin) = admin::with(Options { pair: Some(pair.clone()), ..Options::default() });
        registry
            .service()
            .wait_for(said, |line| (line.contains(said) && line.contains("\"level\":\"error\"")).then_some(()));
        let metrics = admin.get("/metrics").expect(200).text();
        let value = |name: &str| {
            let start = format!("{name}{{certificate=\"{}\"}} ", pair.0.display());
            let line = metrics.lines().find_map(|line| line.strip_prefix(&start));
            line.unwrap_or_else(|| panic!("{start}: {metrics}")).parse::<i64>().unwrap()
        };
        assert_eq!(value("skerry_tls_certificate_not_before_seconds"), start.unix_timestamp());
        assert_eq!(value("skerry_tls_certificate_not_after_seconds"), end.unix_timestamp());
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let left = (end.unix_timestamp() - now).div_euclid(24 * 60 * 60);
        assert!((left - 1..=left).contains(&value("skerry_tls_certificate_days_left")), "{metrics}");
        // Who looks past the dates is served.
        let ca = pair.0.to_str().unwrap();
        let seen = called("skerry", &["tls", "check", &registry.localhost(), "--ca", ca, "--json"]);
        let seen: serde_json::Value = serde_json::from_str(&seen.out).unwrap();
        assert_eq!(seen["checks"][0]["registry"]["status"], 200, "{seen:#}");
        let findings = seen["checks"][0]["findings"].as_array().unwrap();
        assert!(findings.iter().any(|one| one["code"] == finding), "{seen:#}");
    }
}

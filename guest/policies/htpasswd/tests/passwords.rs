//! Who is let in.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{sync::OnceLock, time::Duration};

use skerry_policy_htpasswd::Htpasswd;
use skerry_sdk::{
    Access, Action, Challenge, Client, Credential, Identity, Outcome, Principal, Refusal, authenticate, authorize,
    challenges, check_auth, memory::Memory,
};

const SETTINGS: &str = r#"{"realm": "Registry", "file": "htpasswd"}"#;
const OPEN: &str = r#"{"realm": "Registry", "path": "htpasswd", "anonymous": true}"#;

static CHEAP: OnceLock<String> = OnceLock::new();

fn hash(password: &str, version: &str) -> String {
    let parts = bcrypt::hash_with_result(password, 4).unwrap();
    parts.format_for_version(bcrypt::Version::TwoY).replacen("$2y$", version, 1)
}

fn basic(user: &str, password: &str) -> Client {
    Client { credential: Credential::Basic(user.into(), password.into()), ..Client::default() }
}

fn identity(host: &Memory, user: &str, password: &str) -> Identity {
    authenticate::<Htpasswd>(host, &basic(user, password), &[]).unwrap()
}

fn known(host: &Memory, user: &str, password: &str) -> bool {
    match identity(host, user, password) {
        Identity::Known(principal, Some(lifetime)) => {
            assert_eq!(principal, Principal::named(user));
            assert_eq!(lifetime, Duration::from_secs(300));
            true
        }
        Identity::Challenge => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn passwords() {
    // Apache's `htpasswd -nbB -C 5 joe secret` wrote it.
    let old = "joe:$2y$05$vBkzEJPBaLRssWMfk1IWbe/CpPF1SVt/gIj1RkSchOXDIuF/5EOZa";
    let lines = [
        "# people".to_owned(),
        String::new(),
        format!("ann:{}", hash("secret", "$2y$")),
        format!("  bob:{}  \r", hash("hunter2", "$2a$")),
        format!("eve:{}", hash("pässwörd", "$2b$")),
        format!("twice:{}", hash("first", "$2y$")),
        format!("twice:{}", hash("second", "$2y$")),
        format!(":{}", hash("nobody", "$2y$")),
        format!("a\tb:{}", hash("secret", "$2y$")),
        format!("long:{}", hash(&"x".repeat(80), "$2y$")),
        old.to_owned(),
    ];
    let host = Memory::new(SETTINGS).with_file("htpasswd", lines.join("\n"));
    for (user, password, right) in [
        ("ann", "secret", true),
        ("ann", "Secret", false),
        ("ann", "", false),
        ("ann", "secret\0", false),
        ("bob", "hunter2", true),
        ("eve", "pässwörd", true),
        ("twice", "first", false),
        ("twice", "second", true),
        ("", "nobody", false),
        ("a\tb", "secret", false),
        ("long", &"x".repeat(80), true),
        ("joe", "secret", true),
        ("joe", "secret ", false),
        ("mallory", "secret", false),
        ("# people", "", false),
        ("ann ", "secret", false),
        ("ANN", "secret", false),
        (&"u".repeat(300), "secret", false),
    ] {
        assert_eq!(known(&host, user, password), right, "{user:?} {password:?}");
    }
    assert!(host.take_log().is_empty());
    assert_eq!(check_auth::<Htpasswd>(&host), Ok(vec![]));
}

#[test]
fn hashes_that_are_not_taken() {
    let costly = format!("$2y$15${}", "a".repeat(53));
    for (hash, kind) in [
        ("$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/", "MD5"),
        ("$1$abc$HqJZimcKQFAMYayBlzkrA/", "MD5"),
        ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "SHA-1"),
        ("$5$a$b", "SHA-2 crypt"),
        ("$6$a$b", "SHA-2 crypt"),
        ("rqXexS6ZhobKA", "crypt, or not at all"),
        ("secret", "crypt, or not at all"),
        ("", "crypt, or not at all"),
        ("$2x$05$vBkzEJPBaLRssWMfk1IWbe/CpPF1SVt/gIj1RkSchOXDIuF/5EOZa", "crypt_blowfish"),
        (costly.as_str(), "a cost above 14"),
        ("$2y$99$", "a broken bcrypt"),
        ("$2y$03$vBkzEJPBaLRssWMfk1IWbe/CpPF1SVt/gIj1RkSchOXDIuF/5EOZa", "a broken bcrypt"),
        ("$2y$5$vBkzEJPBaLRssWMfk1IWbe/CpPF1SVt/gIj1RkSchOXDIuF/5EOZa.", "a broken bcrypt"),
        ("$2y$05$äkzEJPBaLRssWMfk1IWbe/CpPF1SVt/gIj1RkSchOXDIuF/5EOZa", "a broken bcrypt"),
        ("$2y$", "a broken bcrypt"),
    ] {
        // A cheap one beside it: nobody is to cost what that costs.
        let other = CHEAP.get_or_init(|| self::hash("other", "$2y$"));
        let host = Memory::new(SETTINGS).with_file("htpasswd", format!("ann:{hash}\nbob:{other}\n"));
        let warnings = check_auth::<Htpasswd>(&host).unwrap();
        assert!(warnings.len() == 1 && warnings[0].contains("\"ann\"") && warnings[0].contains(kind), "{warnings:?}");
        for password in ["secret", hash, ""] {
            assert!(!known(&host, "ann", password), "{hash}");
            let log = host.take_log();
            assert!(log.len() == 1 && log[0].contains("\"ann\"") && log[0].contains(kind), "{log:?}");
        }
        // The hash is nobody's business.
        assert!(hash.len() < 10 || !warnings[0].contains(hash));
    }
}

#[test]
fn a_changed_file_counts_at_once() {
    let host = Memory::new(SETTINGS).with_file("htpasswd", format!("ann:{}", hash("old", "$2y$")));
    assert!(known(&host, "ann", "old"));
    host.put("htpasswd", format!("ann:{}", hash("new", "$2y$")));
    assert!(!known(&host, "ann", "old") && known(&host, "ann", "new"));
    host.put("htpasswd", "");
    assert!(!known(&host, "ann", "new"));
}

#[test]
fn files_that_cannot_be_used() {
    let many = "u:x\n".repeat(10_001);
    let large = vec![b'#'; 1024 * 1024 + 1];
    for (file, says) in [
        (None, "is not there, or was not granted"),
        (Some(large), "is too large"),
        (Some(vec![0xff]), "is not UTF-8"),
        (Some(b"# one\nann\n".to_vec()), "htpasswd: line 2 is not `user:hash`"),
        (Some(many.into_bytes()), "more than 10000 users"),
    ] {
        let host = Memory::new(SETTINGS);
        if let Some(bytes) = file {
            host.put("htpasswd", bytes);
        }
        let said = check_auth::<Htpasswd>(&host).unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
    }
    // What cannot be read is no reason to say that a password is wrong.
    assert!(authenticate::<Htpasswd>(&Memory::new(SETTINGS), &basic("ann", "secret"), &[]).is_err());
    let empty = Memory::new(SETTINGS).with_file("htpasswd", "\n");
    assert_eq!(check_auth::<Htpasswd>(&empty), Ok(vec!["htpasswd: there are no users".to_owned()]));
    for settings in ["{}", r#"{"realm": "a"}"#, r#"{"realm": "a", "file": "b", "files": "c"}"#] {
        assert!(check_auth::<Htpasswd>(&Memory::new(settings)).unwrap_err().to_string().starts_with("settings: "));
    }
}

#[test]
fn what_was_shown() {
    let file = format!("ann:{}", hash("secret", "$2y$"));
    let (closed, open) =
        (Memory::new(SETTINGS).with_file("htpasswd", file.clone()), Memory::new(OPEN).with_file("htpasswd", file));
    let anonymous = Identity::Anonymous(Some(Duration::from_secs(300)));
    for (credential, when_closed, when_open) in [
        (Credential::None, Identity::Challenge, anonymous.clone()),
        (Credential::Basic(String::new(), String::new()), Identity::Challenge, anonymous),
        (Credential::Basic("ann".into(), "wrong".into()), Identity::Challenge, Identity::Challenge),
        (Credential::Bearer("token".into()), Identity::Pass, Identity::Pass),
        (Credential::Unknown, Identity::Pass, Identity::Pass),
    ] {
        let client = Client { credential, ..Client::default() };
        assert_eq!(authenticate::<Htpasswd>(&closed, &client, &[]).unwrap(), when_closed, "{client:?}");
        assert_eq!(authenticate::<Htpasswd>(&open, &client, &[]).unwrap(), when_open, "{client:?}");
    }
    let push = [Access { repository: Some("a".into()), action: Action::Push, reference: None }];
    for (principal, outcome) in [(None, Outcome::Pass), (Some(Principal::named("ann")), Outcome::Allow)] {
        let decision = authorize::<Htpasswd>(&open, principal.as_ref(), &Client::default(), &push).unwrap();
        assert_eq!(decision.outcome, outcome);
    }
    let realm = vec![("realm".to_owned(), "Registry".to_owned())];
    let basic = Challenge { scheme: "Basic".into(), parameters: realm };
    assert_eq!(challenges::<Htpasswd>(&closed, &Client::default(), &Refusal::default()).unwrap(), [basic]);
}

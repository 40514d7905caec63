//! Who may do what.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use skerry_policy_access::Rules;
use skerry_sdk::{
    Access, Action, Certificate, Client, Credential, Evidence, Identity, Outcome, Principal, authenticate, authorize,
    check_auth, knows_by, memory::Memory,
};

const RULES: &str = r#"{
    "rules": [
        {"repositories": ["public/**"], "anonymous": true, "actions": ["pull"]},
        {"repositories": ["team/**"], "groups": ["developers"], "actions": ["pull", "push"]},
        {"repositories": ["team/*/private"], "subjects": ["eve"], "actions": ["pull"]},
        {"repositories": ["shared"], "subjects": ["*"], "actions": ["pull"]},
        {"repositories": ["**"], "subjects": ["admin"], "actions": ["pull", "push", "delete", "catalog"]},
        {"subjects": ["lister"], "actions": ["catalog"]}
    ],
    "groups": {"developers": ["ann", "bob"]}
}"#;

fn with(extra: &str) -> String {
    format!("{{{extra}, {}", RULES.trim_start_matches('{'))
}

fn access(action: Action, repository: &str) -> Access {
    let repository = (!repository.is_empty()).then(|| repository.to_owned());
    Access { repository, action, reference: None }
}

fn outcome(settings: &str, principal: Option<&Principal>, accesses: &[Access]) -> Outcome {
    let decision = authorize::<Rules>(&Memory::new(settings), principal, &Client::default(), accesses).unwrap();
    assert_eq!(decision.lifetime, Some(Duration::from_secs(3600)));
    decision.outcome
}

#[test]
fn decisions() {
    use Action::{Catalog, Delete, Pull, Push};
    for (who, action, repository, wanted) in [
        ("", Pull, "public/a/b", "allow"),
        ("", Push, "public/a", "challenge"),
        ("", Pull, "public", "challenge"),
        ("", Pull, "team/app", "challenge"),
        ("", Catalog, "", "challenge"),
        // What everybody may, those who are known may as well.
        ("mallory", Pull, "public/a", "allow"),
        ("mallory", Push, "public/a", "mallory may not push to public/a"),
        ("mallory", Pull, "team/app", "mallory may not pull from team/app"),
        ("mallory", Delete, "shared", "mallory may not delete from shared"),
        ("mallory", Catalog, "", "mallory may not list the repositories"),
        ("mallory", Pull, "shared", "allow"),
        ("ann", Pull, "team/app", "allow"),
        ("ann", Push, "team/app/part", "allow"),
        ("ann", Delete, "team/app", "ann may not delete from team/app"),
        ("ann", Pull, "team", "ann may not pull from team"),
        ("Ann", Pull, "team/app", "Ann may not pull from team/app"),
        ("eve", Pull, "team/app/private", "allow"),
        ("eve", Pull, "team/app/other", "eve may not pull from team/app/other"),
        ("admin", Delete, "any/thing", "allow"),
        ("admin", Catalog, "", "allow"),
        ("lister", Catalog, "", "allow"),
        ("lister", Pull, "team/app", "lister may not pull from team/app"),
        // A subject that is called like the wildcard is not the wildcard.
        ("*", Pull, "team/app", "* may not pull from team/app"),
    ] {
        let principal = (!who.is_empty()).then(|| Principal::named(who));
        let found = match outcome(RULES, principal.as_ref(), &[access(action, repository)]) {
            Outcome::Allow => "allow".to_owned(),
            Outcome::Challenge => "challenge".to_owned(),
            Outcome::Deny(reason) => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(found, wanted, "{who:?} {action} {repository}");
    }
}

#[test]
fn all_of_what_is_asked_has_to_be_allowed() {
    let ann = Principal::named("ann");
    let both = [access(Action::Pull, "team/app"), access(Action::Push, "team/app")];
    assert_eq!(outcome(RULES, Some(&ann), &both), Outcome::Allow);
    let mixed = [access(Action::Push, "team/app"), access(Action::Pull, "secret")];
    assert_eq!(outcome(RULES, Some(&ann), &mixed), Outcome::Deny("ann may not pull from secret".into()));
    let mixed = [access(Action::Pull, "public/a"), access(Action::Push, "public/a")];
    assert_eq!(outcome(RULES, None, &mixed), Outcome::Challenge);
    // Accesses that no registry asks for are nobody's.
    let admin = Principal::named("admin");
    for odd in [access(Action::Pull, ""), access(Action::Catalog, "team/app")] {
        assert!(matches!(outcome(RULES, Some(&admin), &[odd]), Outcome::Deny(_)));
    }
}

#[test]
fn groups_of_other_policies() {
    let outsider = Principal { groups: vec!["developers".into()], ..Principal::named("mallory") };
    assert_eq!(outcome(RULES, Some(&outsider), &[access(Action::Push, "team/app")]), Outcome::Allow);
    let other = Principal { groups: vec!["developer".into()], ..Principal::named("mallory") };
    assert!(matches!(outcome(RULES, Some(&other), &[access(Action::Push, "team/app")]), Outcome::Deny(_)));
    let settings = r#"{"rules": [{"repositories": ["a"], "groups": ["g"], "actions": ["pull"]}]}"#;
    let warnings = check_auth::<Rules>(&Memory::new(settings)).unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("\"g\""), "{warnings:?}");
}

#[test]
fn being_let_in() {
    let open = r#"{"ask": false, "rules": [{"repositories": ["a"], "anonymous": true, "actions": ["pull"]}]}"#;
    let closed = r#"{"ask": false, "rules": [{"repositories": ["a"], "subjects": ["*"], "actions": ["pull"]}]}"#;
    let ann = Principal::named("ann");
    assert_eq!(outcome(RULES, None, &[]), Outcome::Challenge);
    assert_eq!(outcome(open, None, &[]), Outcome::Allow);
    assert_eq!(outcome(closed, None, &[]), Outcome::Challenge);
    for settings in [RULES, open, closed] {
        assert_eq!(outcome(settings, Some(&ann), &[]), Outcome::Allow);
    }
    // Being asked at /v2/ changes nothing about pulling.
    assert_eq!(outcome(RULES, None, &[access(Action::Pull, "public/a")]), Outcome::Allow);
}

#[test]
fn hidden() {
    use Action::{Catalog, Delete, Pull, Push};
    let settings = with(r#""hide": true"#);
    let mallory = Principal::named("mallory");
    for (action, repository, wanted) in [
        (Pull, "team/app", Outcome::Hide),
        (Push, "team/app", Outcome::Hide),
        (Delete, "team/app", Outcome::Hide),
        (Pull, "shared", Outcome::Allow),
        // It is no secret to who may pull from it.
        (Push, "shared", Outcome::Deny("mallory may not push to shared".into())),
        (Catalog, "", Outcome::Deny("mallory may not list the repositories".into())),
    ] {
        assert_eq!(outcome(&settings, Some(&mallory), &[access(action, repository)]), wanted, "{action} {repository}");
    }
    // Asked to say who they are, whether there is something or not.
    for repository in ["team/app", "no/such"] {
        assert_eq!(outcome(&settings, None, &[access(Pull, repository)]), Outcome::Challenge);
    }
}

#[test]
fn clients_are_known_by_certificates_alone() {
    let of = |settings: &str| knows_by::<Rules>(&Memory::new(settings)).unwrap();
    assert_eq!(of(r#"{"rules": []}"#), []);
    assert_eq!(of(r#"{"rules": [], "certificates": {"subject": "dns"}}"#), [Evidence::Certificate]);
}

#[test]
fn certificates() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let of = |subject: &str| Certificate { subject: subject.to_owned(), ..Certificate::default() };
    let long = format!("CN={}", "x".repeat(257));
    for (source, certificate, subject) in [
        ("common-name", of("CN=builder,O=Example,C=DE"), Some("builder")),
        ("common-name", of("cn=builder"), Some("builder")),
        ("common-name", of("OU=b+CN=a,O=c"), Some("a")),
        ("common-name", of("O=Example"), None),
        ("common-name", of(""), None),
        ("common-name", of("CN=a,CN=admin"), None),
        ("common-name", of("CN=a+CN=admin"), None),
        // What looks like another attribute is not.
        ("common-name", of("O=x\\,CN\\=admin"), None),
        ("common-name", of("CN=\\#a\\=b\\,CN\\=admin\\ ,O=Caf\u{e9}\\, S\u{f6}hne \\+ Co"), Some("#a=b,CN=admin ")),
        ("common-name", of("1.2.3.4=#0c0178,CN=a\\\\"), Some("a\\")),
        ("common-name", of("CN=b\\c3\\a4r"), Some("b\u{e4}r")),
        ("common-name", of("CN=admin\\00.example.com"), None),
        ("common-name", of("CN=#0c0178"), None),
        ("common-name", of("CN="), None),
        ("common-name", of("CN=a\\"), None),
        ("common-name", of("CN"), None),
        ("common-name", of(&long), None),
        ("common-name", Certificate { dns_names: names(&["a.example"]), ..of("O=x") }, None),
        ("dns", Certificate { dns_names: names(&["a.example"]), ..of("CN=x") }, Some("a.example")),
        ("dns", Certificate { dns_names: names(&["a.example", "b.example"]), ..of("CN=x") }, None),
        ("dns", of("CN=a.example"), None),
        ("email", Certificate { emails: names(&["ann@example.com"]), ..of("CN=x") }, Some("ann@example.com")),
        ("uri", Certificate { uris: names(&["spiffe://a/b"]), ..of("CN=x") }, Some("spiffe://a/b")),
    ] {
        let host = Memory::new(&with(&format!(r#""certificates": {{"subject": "{source}"}}"#)));
        let mut client = Client { certificate: Some(certificate), ..Client::default() };
        let found = match authenticate::<Rules>(&host, &client, &[]).unwrap() {
            Identity::Known(principal, Some(lifetime)) => {
                assert_eq!(lifetime, Duration::from_secs(300));
                assert_eq!((principal.groups.len(), principal.claims.len()), (0, 0));
                Some(principal.subject)
            }
            Identity::Pass => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(found.as_deref(), subject, "{client:?}");
        // Who shows a password is known by that.
        client.credential = Credential::Basic("ann".into(), "secret".into());
        assert_eq!(authenticate::<Rules>(&host, &client, &[]), Ok(Identity::Pass));
        client.credential = Credential::None;
        assert_eq!(authenticate::<Rules>(&Memory::new(RULES), &client, &[]), Ok(Identity::Pass), "not configured");
    }
    let host = Memory::new(&with(r#""certificates": {"subject": "dns"}"#));
    assert_eq!(authenticate::<Rules>(&host, &Client::default(), &[]), Ok(Identity::Pass));
}

#[test]
fn settings_that_cannot_be_meant() {
    let rule = |rule: &str| {
        format!(r#"{{"rules": [{{"repositories": ["a"], "subjects": ["b"], "actions": ["pull"]}}, {rule}]}}"#)
    };
    for (settings, says) in [
        ("{}".to_owned(), "missing field `rules`"),
        (rule(r#"{"repositories": ["a"], "actions": ["pull"]}"#), "rule 2: it is for nobody"),
        (rule(r#"{"repositories": ["a"], "anonymous": true, "actions": []}"#), "rule 2: `actions` is empty"),
        (rule(r#"{"repositories": ["a"], "anonymous": true}"#), "missing field `actions`"),
        (rule(r#"{"subjects": ["a"], "actions": ["pull", "catalog"]}"#), "rule 2: `repositories` is empty"),
        (
            rule(r#"{"repositories": ["a"], "subjects": ["a"], "actions": ["catalog"]}"#),
            "rule 2: `catalog` is not about",
        ),
        (rule(r#"{"repositories": ["a"], "subjects": ["a"], "actions": ["write"]}"#), "unknown variant `write`"),
        (rule(r#"{"repositories": ["A?"], "subjects": ["a"], "actions": ["pull"]}"#), "'?'"),
        (rule(r#"{"repository": ["a"], "subjects": ["a"], "actions": ["pull"]}"#), "unknown field `repository`"),
        (with(r#""certificates": {"subject": "cn"}"#), "unknown variant `cn`"),
        (with(r#""hidden": true"#), "unknown field `hidden`"),
    ] {
        let said = check_auth::<Rules>(&Memory::new(&settings)).unwrap_err().to_string();
        assert!(said.starts_with("settings: ") && said.contains(says), "{settings}: {said}");
    }
    assert_eq!(check_auth::<Rules>(&Memory::new(RULES)), Ok(vec![]));
    let warnings = check_auth::<Rules>(&Memory::new(r#"{"rules": []}"#)).unwrap();
    assert_eq!(warnings, ["there are no rules: nobody may do anything"]);
}

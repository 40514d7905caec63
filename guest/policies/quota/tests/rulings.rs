//! What fits into which tree.
#![allow(clippy::unwrap_used, clippy::panic)]

use skerry_policy_quota::Quota;
use skerry_sdk::{
    Blob, Concern, Event, Happening, Manifest, ManifestDelete, Mount, Ruling, TagDelete, TagMove, Usage, admit,
    check_storage, concerns, memory::Memory,
};

const NOTHING: Usage = Usage { bytes: 0, blobs: 0, manifests: 0, tags: 0, repositories: 0 };

fn push() -> Happening {
    Happening::BlobPush(Blob { digest: "sha256:1".into(), size: 100 })
}

fn added() -> Usage {
    Usage { bytes: 100, blobs: 1, ..NOTHING }
}

/// A registry in which each tree holds this much.
fn host(rules: &str, trees: &[(&str, Usage)], adds: Usage) -> Memory {
    let host = Memory::new(&format!(r#"{{"rules": [{rules}]}}"#)).with_added(adds);
    trees.iter().fold(host, |host, (tree, usage)| host.with_usage(tree, *usage))
}

fn rule(host: &Memory, repository: &str, action: Happening) -> Result<Vec<String>, String> {
    let event = Event { repository: repository.into(), action };
    match admit::<Quota>(host, None, &event).unwrap() {
        Ruling::Allow(warnings) => Ok(warnings),
        Ruling::Deny(denial) => {
            assert_eq!((denial.code.as_str(), denial.status), ("DENIED", None));
            Err(denial.message)
        }
    }
}

#[test]
fn what_fits_goes_in_and_what_does_not_is_told_why() {
    let bytes = |bytes: u64| Usage { bytes, ..NOTHING };
    for (rules, used, adds, says) in [
        (r#"{"bytes": 1000}"#, bytes(900), added(), Ok("the registry holds 1000 bytes of its quota of 1000 bytes")),
        (r#"{"bytes": 1000}"#, bytes(800), added(), Ok("")),
        (r#"{"bytes": 1000}"#, bytes(801), added(), Ok("the registry holds 901 bytes of its quota of 1000 bytes")),
        (
            r#"{"bytes": 1000}"#,
            bytes(901),
            added(),
            Err("the registry has a quota of 1000 bytes and holds 901 bytes: there is no room for 100 bytes more"),
        ),
        // What adds nothing fits, however full it is.
        (r#"{"bytes": 1000}"#, bytes(2000), NOTHING, Ok("")),
        (r#"{"bytes": 1000}"#, bytes(2000), Usage { tags: 1, ..NOTHING }, Ok("")),
        (
            r#"{"bytes": "10GiB"}"#,
            bytes(10 << 30),
            bytes(3 << 19),
            Err("the registry has a quota of 10 GiB and holds 10 GiB: there is no room for 1.5 MiB more"),
        ),
        (
            r#"{"blobs": 3}"#,
            Usage { blobs: 3, ..NOTHING },
            added(),
            Err("the registry has a quota of 3 blobs and holds 3: there is no room for 1 more"),
        ),
        (r#"{"blobs": 3}"#, Usage { blobs: 2, ..NOTHING }, added(), Ok("the registry holds 3 of its quota of 3 blobs")),
        (
            r#"{"bytes": 1000, "manifests": 5}"#,
            Usage { manifests: 5, ..NOTHING },
            Usage { manifests: 1, ..NOTHING },
            Err("the registry has a quota of 5 manifests and holds 5: there is no room for 1 more"),
        ),
        (
            r#"{"tags": 0}"#,
            NOTHING,
            Usage { tags: 1, ..NOTHING },
            Err("the registry has a quota of 0 tags and holds 0: there is no room for 1 more"),
        ),
        (
            r#"{"repositories": 7}"#,
            Usage { repositories: 7, ..NOTHING },
            Usage { repositories: 1, ..added() },
            Err("the registry has a quota of 7 repositories and holds 7: there is no room for 1 more"),
        ),
        (r#"{"repositories": 7}"#, Usage { repositories: 7, ..NOTHING }, added(), Ok("")),
        (r#"{"bytes": 1}"#, bytes(u64::MAX), bytes(u64::MAX), Err("the registry has a quota of 1 bytes and")),
    ] {
        let told = rule(&host(rules, &[("", used)], adds), "app", push());
        match (told, says) {
            (Ok(warnings), Ok(says)) => assert_eq!(warnings.join(", "), says, "{rules}"),
            (Err(message), Err(says)) => assert!(message.starts_with(says), "{message}"),
            (told, says) => panic!("{rules}: {told:?}, not {says:?}"),
        }
    }
}

#[test]
fn each_tree_has_its_rules() {
    let full = Usage { bytes: 1000, ..NOTHING };
    // The tree that is full, and the rules that mind.
    for (tree, pattern, minds) in [
        ("", None, true),
        ("", Some("**"), false),
        ("team", None, false),
        ("team", Some("team"), true),
        ("team", Some("*"), true),
        ("team", Some("t*m"), true),
        ("team", Some("other"), false),
        ("team", Some("team/*"), false),
        ("team", Some("team/**"), false),
        ("team/app", Some("team"), false),
        ("team/app", Some("team/app"), true),
        ("team/app", Some("*/app"), true),
        ("team/app", Some("team/*"), true),
        ("team/app", Some("**/app"), true),
        ("team/app", Some("**"), false),
        ("team/app/web", Some("team/app/web"), true),
        ("team/app/web", Some("team/**"), true),
        ("team/app/web", Some("**"), true),
        ("team/app/web", Some("team/*"), false),
        ("team/app/web", Some("*/*/*"), true),
    ] {
        let rules = match pattern {
            Some(pattern) => format!(r#"{{"tree": "{pattern}", "bytes": 1000}}"#),
            None => r#"{"bytes": 1000}"#.to_owned(),
        };
        let trees =
            ["", "team", "team/app", "team/app/web"].map(|name| (name, if name == tree { full } else { NOTHING }));
        let told = rule(&host(&rules, &trees, added()), "team/app/web", push());
        assert_eq!(told.is_err(), minds, "{tree}, {pattern:?}: {told:?}");
    }
    // All must hold; trees without rules are not asked about.
    let rules = r#"{"tree": "a", "bytes": 5000}, {"tree": "a/**", "bytes": 50}"#;
    let told = rule(&host(rules, &[("a", NOTHING), ("a/b", NOTHING)], added()), "a/b", push());
    assert_eq!(told, Err("a/b has a quota of 50 bytes and holds 0 bytes: there is no room for 100 bytes more".into()));
    assert_eq!(rule(&host(rules, &[], added()), "c/b", push()), Ok(vec![]));
}

#[test]
fn only_what_takes_room_is_asked_about() {
    let full = Usage { bytes: 1000, blobs: 9, manifests: 9, tags: 9, repositories: 9 };
    let adds = Usage { bytes: 1, blobs: 1, manifests: 1, tags: 1, repositories: 1 };
    let full = host(r#"{"bytes": 1000, "tags": 9}"#, &[("", full)], adds);
    let moved = |old: Option<&str>| TagMove { tag: "v1".into(), old: old.map(str::to_owned), new: "sha256:2".into() };
    for (action, fits) in [
        (push(), false),
        (Happening::Mount(Mount { digest: "sha256:1".into(), size: 1, source: "b".into() }), false),
        (Happening::ManifestPush(Manifest::default()), false),
        (Happening::TagMove(moved(None)), false),
        (Happening::TagMove(moved(Some("sha256:1"))), true),
        (Happening::UploadStart(None), false),
        (Happening::UploadStart(Some(1)), false),
        (Happening::UploadStart(Some(0)), true),
        (Happening::BlobDelete("sha256:1".into()), true),
        (Happening::ManifestDelete(ManifestDelete { digest: "sha256:1".into(), tags: vec![] }), true),
        (Happening::TagDelete(TagDelete { tag: "v1".into(), digest: None }), true),
    ] {
        assert_eq!(rule(&full, "a", action.clone()).is_ok(), fits, "{action:?}");
    }
    let start = rule(&full, "a", Happening::UploadStart(None));
    assert_eq!(
        start,
        Err("the registry has a quota of 1000 bytes and holds 1000 bytes: there is no room for more".into())
    );
    // What has begun and fits yet is not warned of: it need not come.
    let nearly = host(r#"{"bytes": 1000}"#, &[("", Usage { bytes: 990, ..NOTHING })], NOTHING);
    assert_eq!(rule(&nearly, "a", Happening::UploadStart(Some(10))), Ok(vec![]));
    assert!(rule(&nearly, "a", Happening::UploadStart(Some(11))).is_err());
}

#[test]
fn tags_concern_it_where_they_are_limited() {
    let of = |rules: &str| concerns::<Quota>(&host(rules, &[], NOTHING)).unwrap();
    let pushes = vec![Concern::BlobPush, Concern::Mount, Concern::ManifestPush, Concern::UploadStart];
    assert_eq!(of(r#"{"bytes": 1}"#), pushes);
    assert_eq!(of(r#"{"bytes": 1}, {"tags": 1}"#), [pushes.as_slice(), &[Concern::TagMove]].concat());
}

#[test]
fn without_figures_there_is_no_answer() {
    let host = host(r#"{"bytes": 1000}"#, &[], added());
    let event = Event { repository: "a".into(), action: push() };
    assert_eq!(admit::<Quota>(&host, None, &event).unwrap_err().to_string(), "the registry tells of no such thing");
}

#[test]
fn settings_that_limit_nothing_are_refused() {
    for (settings, says) in [
        (r#"{"rules": []}"#, "`rules` is an empty list"),
        (r#"{"rules": [{"tree": "a"}]}"#, "a rule limits none of bytes, blobs, manifests, tags, repositories"),
        (r#"{"rules": [{"tree": "a//b", "bytes": 1}]}"#, "empty segment"),
        (r#"{"rules": [{"bytes": "1.5GiB"}]}"#, "\"1.5GiB\" is no number of bytes such as 10GiB"),
        (r#"{"rules": [{"bytes": -1}]}"#, "expected a number of bytes such as 10GiB"),
        (r#"{"rules": [{"byte": 1}]}"#, "unknown field `byte`"),
        ("{}", "missing field `rules`"),
    ] {
        let said = check_storage::<Quota>(&Memory::new(settings)).unwrap_err().to_string();
        assert!(said.contains(says), "{settings}: {said}");
    }
    assert_eq!(check_storage::<Quota>(&Memory::new(r#"{"rules": [{"bytes": "1GiB"}]}"#)), Ok(vec![]));
}

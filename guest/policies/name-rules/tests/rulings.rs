//! Which names may be pushed to.
#![allow(clippy::unwrap_used, clippy::panic)]

use skerry_policy_name_rules::NameRules;
use skerry_sdk::{
    Event, Happening, Manifest, ManifestDelete, Mount, Ruling, TagDelete, admit, check_storage, memory::Memory,
};

const RULES: &str = r#"{
    "repositories": ["team-*/**", "base"], "repository_pattern": "[a-z/-]+|other", "max_depth": 3,
    "tags": ["latest", "v*"], "tag_pattern": "latest|v[0-9]+"
}"#;

fn message(settings: &str, repository: &str, action: Happening) -> Option<String> {
    let event = Event { repository: repository.into(), action };
    match admit::<NameRules>(&Memory::new(settings), None, &event).unwrap() {
        Ruling::Allow(warnings) => {
            assert!(warnings.is_empty());
            None
        }
        Ruling::Deny(denial) => {
            assert_eq!((denial.code.as_str(), denial.status), ("DENIED", None));
            Some(denial.message)
        }
    }
}

fn pushes() -> [Happening; 3] {
    [
        Happening::UploadStart(None),
        Happening::Mount(Mount { digest: "sha256:1".into(), size: 1, source: "base".into() }),
        Happening::ManifestPush(Manifest::default()),
    ]
}

fn tagged(tag: &str) -> Happening {
    Happening::ManifestPush(Manifest { tags: vec!["latest".into(), tag.into()], ..Manifest::default() })
}

#[test]
fn repositories() {
    for (name, says) in [
        ("team-a/app", None),
        ("team-a/app/part", None),
        ("base", None),
        ("team-a/app/part/more", Some("it has 4 segments, and 3 are allowed")),
        ("team-a", Some("names of repositories have to be like team-*/**, base")),
        ("other", Some("have to be like team-*/**, base")),
        ("team-a/app1", Some("have to be like [a-z/-]+|other")),
        // The expression is for the whole name.
        ("team-a/1app", Some("have to be like [a-z/-]+|other")),
    ] {
        for action in pushes() {
            let message = message(RULES, name, action.clone());
            match says {
                None => assert_eq!(message, None, "{name} {action:?}"),
                Some(says) => {
                    assert!(message.as_ref().is_some_and(|said| said.contains(says)), "{name} {action:?} {message:?}")
                }
            }
        }
    }
}

#[test]
fn tags() {
    for (tag, says) in [
        ("latest", None),
        ("v12", None),
        ("main", Some("base:main cannot be pushed: tags have to be like latest, v*")),
        ("v1x", Some("tags have to be like latest|v[0-9]+")),
        ("v1-latest", Some("tags have to be like latest|v[0-9]+")),
    ] {
        let said = message(RULES, "base", tagged(tag));
        assert_eq!(said.is_some(), says.is_some(), "{tag}");
        assert!(says.is_none_or(|says| said.iter().all(|said| said.contains(says))), "{said:?}");
    }
}

#[test]
fn what_is_there_can_go_and_what_is_not_set_is_free() {
    for action in [
        Happening::BlobDelete("sha256:1".into()),
        Happening::TagDelete(TagDelete { tag: "main".into(), digest: None }),
        Happening::ManifestDelete(ManifestDelete { digest: "sha256:1".into(), tags: vec!["main".into()] }),
    ] {
        assert_eq!(message(RULES, "wrong/name", action), None);
    }
    for action in pushes().into_iter().chain([tagged("any")]) {
        assert_eq!(message("{}", "a/b/c/d/e", action), None);
    }
}

#[test]
fn a_message_has_a_bound() {
    let globs: Vec<String> = (0..100).map(|n| format!("repository-number-{n}/**")).collect();
    let settings = format!(r#"{{"repositories": {globs:?}}}"#);
    let message = message(&settings, "other", Happening::UploadStart(None)).unwrap();
    assert!(message.len() == 1024 && message.ends_with("..."), "{}", message.len());
}

#[test]
fn settings_that_cannot_be_meant() {
    let huge = format!(r#"{{"tag_pattern": "{}"}}"#, "(a{1000}){1000}");
    for (settings, says) in [
        (r#"{"tags": []}"#, "`tags` is an empty list"),
        (r#"{"repositories": []}"#, "`repositories` is an empty list"),
        (r#"{"max_depth": 0}"#, "`max_depth` is 0"),
        (r#"{"tag_pattern": "("}"#, "`tag_pattern`"),
        (huge.as_str(), "`tag_pattern`"),
        (r#"{"pattern": "x"}"#, "unknown field `pattern`"),
    ] {
        let said = check_storage::<NameRules>(&Memory::new(settings)).unwrap_err().to_string();
        assert!(said.contains(says), "{settings}: {said}");
    }
    assert_eq!(check_storage::<NameRules>(&Memory::new(RULES)), Ok(vec![]));
}

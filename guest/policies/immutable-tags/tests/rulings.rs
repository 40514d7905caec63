//! What may happen to tags.
#![allow(clippy::unwrap_used, clippy::panic)]

use skerry_policy_immutable_tags::ImmutableTags;
use skerry_sdk::{
    Event, Happening, Manifest, ManifestDelete, Ruling, TagDelete, TagMove, admit, check_storage, memory::Memory,
};

const RELEASES: &str = r#"{"repositories": ["team/**"], "tags": ["v*"], "except": ["v*-rc*"]}"#;

fn tag_move(tag: &str, old: Option<&str>, new: &str) -> Happening {
    Happening::TagMove(TagMove { tag: tag.into(), old: old.map(Into::into), new: new.into() })
}

fn tag_delete(tag: &str) -> Happening {
    Happening::TagDelete(TagDelete { tag: tag.into(), digest: Some("sha256:1".into()) })
}

fn manifest_delete(tags: &[&str]) -> Happening {
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    Happening::ManifestDelete(ManifestDelete { digest: "sha256:1".into(), tags })
}

#[test]
fn tags_stay() {
    for (settings, repository, action, says) in [
        (
            RELEASES,
            "team/app",
            tag_move("v1", Some("sha256:1"), "sha256:2"),
            Some("the tag v1 of team/app is immutable and leads to sha256:1"),
        ),
        (RELEASES, "team/app", tag_move("v1", Some("sha256:1"), "sha256:1"), None),
        (RELEASES, "team/app", tag_move("v1", None, "sha256:1"), None),
        (RELEASES, "team/app", tag_move("v1-rc1", Some("sha256:1"), "sha256:2"), None),
        (RELEASES, "team/app", tag_move("latest", Some("sha256:1"), "sha256:2"), None),
        (RELEASES, "other", tag_move("v1", Some("sha256:1"), "sha256:2"), None),
        (RELEASES, "team/app", tag_delete("v1"), Some("cannot be deleted")),
        (RELEASES, "team/app", tag_delete("latest"), None),
        (RELEASES, "other", tag_delete("v1"), None),
        (
            RELEASES,
            "team/app",
            manifest_delete(&["latest", "v1"]),
            Some("the immutable tag v1 of team/app leads to sha256:1"),
        ),
        (RELEASES, "team/app", manifest_delete(&["latest", "v1-rc2"]), None),
        (RELEASES, "team/app", manifest_delete(&[]), None),
        (RELEASES, "team/app", Happening::BlobDelete("sha256:1".into()), None),
        (
            RELEASES,
            "team/app",
            Happening::ManifestPush(Manifest { tags: vec!["v1".into()], ..Manifest::default() }),
            None,
        ),
        ("{}", "a", tag_move("latest", Some("sha256:1"), "sha256:2"), Some("push under another tag")),
        ("{}", "a/b/c", tag_delete("latest"), Some("immutable")),
        (r#"{"except": ["latest"]}"#, "a", tag_move("latest", Some("sha256:1"), "sha256:2"), None),
    ] {
        let event = Event { repository: repository.into(), action };
        match (admit::<ImmutableTags>(&Memory::new(settings), None, &event).unwrap(), says) {
            (Ruling::Allow(warnings), None) => assert!(warnings.is_empty()),
            (Ruling::Deny(denial), Some(says)) => {
                assert_eq!((denial.code.as_str(), denial.status), ("DENIED", None));
                assert!(denial.message.contains(says), "{}", denial.message);
            }
            (ruling, _) => panic!("{event:?} by {settings}: {ruling:?}"),
        }
    }
}

#[test]
fn settings_that_cannot_be_meant() {
    for (settings, says) in [
        (r#"{"tags": []}"#, "`tags` is an empty list"),
        (r#"{"repositories": []}"#, "`repositories` is an empty list"),
        (r#"{"tag": ["v1"]}"#, "unknown field `tag`"),
        (r#"{"tags": ["v?"]}"#, "'?'"),
        (r#"{"tags": "v1"}"#, "invalid type"),
    ] {
        let said = check_storage::<ImmutableTags>(&Memory::new(settings)).unwrap_err().to_string();
        assert!(said.contains(says), "{settings}: {said}");
    }
    assert_eq!(check_storage::<ImmutableTags>(&Memory::new(RELEASES)), Ok(vec![]));
}

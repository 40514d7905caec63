//! Which tags go.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use skerry_policy_retention::Keep;
use skerry_sdk::{Retention, TagFacts, check_storage, memory::Memory, retain};

const DAY: u64 = 86_400;
const NOW: u64 = 1_800_000_000;

/// Tags by name, age in days, and days since the last pull.
fn tags(list: &[(&str, u64, Option<u64>)]) -> Vec<TagFacts> {
    let one = |(tag, age, pulled): &(&str, u64, Option<u64>)| TagFacts {
        tag: (*tag).to_owned(),
        digest: format!("sha256:{tag}"),
        updated: NOW - age * DAY,
        size: 1_000,
        last_pull: pulled.map(|days| NOW - days * DAY),
    };
    list.iter().map(one).collect()
}

fn gone(rules: &str, repository: &str, tags: &[TagFacts], recorded: u64) -> Vec<String> {
    let question = Retention {
        repository: repository.to_owned(),
        tags: tags.to_vec(),
        now: NOW,
        recorded_since: NOW - recorded * DAY,
    };
    let settings = format!(r#"{{"rules": [{rules}]}}"#);
    let departures = retain::<Keep>(&Memory::new(&settings), &question).unwrap();
    assert!(departures.iter().all(|gone| gone.reason.starts_with("rule ") && gone.reason.len() <= 256));
    departures.into_iter().map(|gone| gone.tag).collect()
}

#[test]
fn clauses() {
    let some = tags(&[
        ("a", 1, None),
        ("b", 10, Some(2)),
        ("c", 20, Some(15)),
        ("d", 30, None),
        ("e", 30, Some(40)),
        ("latest", 90, None),
    ]);
    let cases: &[(&str, &[&str])] = &[
        (r#""keep_last": 3"#, &["d", "e", "latest"]),
        // Of the same age, the later name is the later tag.
        (r#""keep_last": 4"#, &["d", "latest"]),
        (r#""keep_last": 6"#, &[]),
        (r#""keep_last": 600"#, &[]),
        (r#""keep_last": 0"#, &["a", "b", "c", "d", "e", "latest"]),
        (r#""younger_than": "20d""#, &["c", "d", "e", "latest"]),
        (r#""younger_than": "481h""#, &["d", "e", "latest"]),
        (r#""pulled_within": "2w""#, &["a", "c", "d", "e", "latest"]),
        (r#""pulled_within": "16d""#, &["a", "d", "e", "latest"]),
        (r#""matching": ["lat*", "a"]"#, &["b", "c", "d", "e"]),
        (r#""tags": ["d", "e", "lat*"], "keep_last": 1"#, &["d", "latest"]),
        (r#""keep_last": 1, "younger_than": "11d", "pulled_within": "16d", "matching": ["latest"]"#, &["d", "e"]),
    ];
    for (rule, expected) in cases {
        let rule = format!(r#"{{"repositories": ["team/**"], {rule}}}"#);
        assert_eq!(gone(&rule, "team/app", &some, 365), *expected, "{rule}");
        assert!(gone(&rule, "team", &some, 365).is_empty() && gone(&rule, "other", &some, 365).is_empty());
    }
}

/// Of what was not pulled since pulls are written down, nobody knows before.
#[test]
fn pulls_that_may_not_have_been_written_down() {
    let some = tags(&[("a", 100, None), ("b", 100, Some(50)), ("c", 100, Some(5))]);
    let rule = r#"{"repositories": ["**"], "pulled_within": "30d"}"#;
    assert_eq!(gone(rule, "app", &some, 29), ["b"]);
    assert_eq!(gone(rule, "app", &some, 30), ["a", "b"]);
    // A clock that was ahead takes nothing away.
    let mut ahead = some;
    ahead[0].last_pull = Some(NOW + DAY);
    ahead[1].updated = NOW + DAY;
    let rule = r#"{"repositories": ["**"], "pulled_within": "30d", "younger_than": "30d"}"#;
    assert_eq!(gone(rule, "app", &ahead, 365), [""; 0]);
}

#[test]
fn any_rule_keeps() {
    let some = tags(&[("pr-1", 40, None), ("pr-2", 3, None), ("v1", 400, None), ("x", 400, None)]);
    let pulls = r#"{"repositories": ["**"], "tags": ["pr-*"], "younger_than": "7d"}"#;
    let team = r#"{"repositories": ["team/*"], "tags": ["pr-*", "v*"], "keep_last": 1}"#;
    let rules = format!("{pulls}, {team}");
    // Only `x` is nobody's concern; of `v1`, one rule has an opinion.
    assert_eq!(gone(&rules, "team/app", &some, 365), ["pr-1", "v1"]);
    assert_eq!(gone(&rules, "app", &some, 365), ["pr-1"]);
    let versions = r#"{"repositories": ["team/app"], "matching": ["v*", "pr-1"]}"#;
    assert_eq!(gone(&format!("{rules}, {versions}"), "team/app", &some, 365), ["x"]);
}

#[test]
fn ten_thousand_tags() {
    let names: Vec<String> = (0..10_000).map(|n| format!("v{n}")).collect();
    let list: Vec<_> = names.iter().zip(0..).map(|(name, n)| (name.as_str(), n % 500, Some(n % 70))).collect();
    let some = tags(&list);
    let rule = r#"{"repositories": ["**"], "keep_last": 10}"#;
    assert_eq!(gone(rule, "app", &some, 365).len(), 9_990);
}

#[test]
fn settings_that_cannot_be_meant() {
    for (settings, says) in [
        ("{}", "missing field `rules`"),
        (r#"{"rules": []}"#, "everything would stay"),
        (r#"{"rules": [{"keep_last": 1}]}"#, "missing field `repositories`"),
        (r#"{"rules": [{"repositories": [], "keep_last": 1}]}"#, "about nothing"),
        (r#"{"rules": [{"repositories": ["a"], "tags": [], "keep_last": 1}]}"#, "rule 1: `tags` is an empty list"),
        (r#"{"rules": [{"repositories": ["a"], "keep_last": 1}, {"repositories": ["a"]}]}"#, "rule 2: it has none of"),
        (r#"{"rules": [{"repositories": ["a"], "keep_last": -1}]}"#, "invalid value"),
        (r#"{"rules": [{"repositories": ["a"], "keeplast": 1}]}"#, "unknown field `keeplast`"),
        (r#"{"rules": [{"repositories": ["a?"], "keep_last": 1}]}"#, "'?'"),
    ] {
        let said = check_storage::<Keep>(&Memory::new(settings)).unwrap_err().to_string();
        assert!(said.contains(says), "{settings}: {said}");
    }
    for time in ["", "d", "7", "0d", "-1d", "+1d", "1.5d", "1 d", "1y", "ü", "99999999999999999999d", "9999999w"] {
        let settings = format!(r#"{{"rules": [{{"repositories": ["a"], "younger_than": "{time}"}}]}}"#);
        let said = check_storage::<Keep>(&Memory::new(&settings)).unwrap_err().to_string();
        assert!(said.contains("is no time such as 90m"), "{time}: {said}");
    }
}

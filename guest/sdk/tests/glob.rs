//! Patterns against a table, and against a slower reading of what they mean.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use skerry_sdk::Glob;

#[test]
fn patterns() {
    for (pattern, matching, others) in [
        ("a", &["a"][..], &["", "b", "aa", "a/a"][..]),
        ("*", &["a", "ab"], &["a/b", "a/"]),
        ("**", &["a", "a/b", "a/b/c"], &[]),
        ("team/*", &["team/a", "team/ab"], &["team", "team/a/b", "teams/a", "a/team/a"]),
        ("team/**", &["team/a", "team/a/b"], &["team", "teams/a", "a/team/a"]),
        ("**/base", &["base", "a/base", "a/b/base"], &["abase", "a/xbase", "base/a"]),
        ("a/**/b", &["a/b", "a/x/b", "a/x/y/b", "a/b/b"], &["a", "b", "a/x", "ax/b", "a/xb"]),
        ("**/x/**", &["x/a", "a/x/b", "x/x"], &["x", "a/x"]),
        ("**/**", &["a", "a/b"], &[]),
        ("a*", &["a", "ab"], &["ba", "ab/c"]),
        ("*a*b*", &["ab", "xaxbx", "aabb"], &["ba", "a/b"]),
        ("v*.*.*", &["v1.2.3", "v1.2.3.4"], &["v1.2", "1.2.3"]),
        ("*-rc*", &["1-rc", "1-rc2"], &["1rc"]),
        ("a/*/c", &["a/b/c"], &["a/c", "a/b/b/c"]),
    ] {
        let glob = Glob::parse(pattern).unwrap();
        assert_eq!(glob.to_string(), pattern);
        for name in matching {
            assert!(glob.matches(name), "{pattern} is to match {name}");
        }
        for name in others {
            assert!(!glob.matches(name), "{pattern} is not to match {name}");
        }
    }
}

#[test]
fn refusals() {
    let long = "a".repeat(256);
    for (pattern, says) in [
        ("", "empty segment"),
        ("/a", "empty segment"),
        ("a/", "empty segment"),
        ("a//b", "empty segment"),
        ("a?", "'?'"),
        ("[a]", "'['"),
        ("{a,b}", "'{'"),
        ("a b", "' '"),
        ("ä", "'ä'"),
        ("!a", "'!'"),
        ("a**", "whole segments"),
        ("a/**b", "whole segments"),
        ("***", "whole segments"),
        (long.as_str(), "longer than 255"),
    ] {
        let said = Glob::parse(pattern).unwrap_err().to_string();
        assert!(said.contains(says), "{pattern}: {said}");
    }
}

#[test]
fn no_pattern_takes_long() {
    let hostile = [
        ("*a".repeat(127), "a".repeat(254) + "b"),
        ("**/a/".repeat(42) + "b", "a/".repeat(127) + "a"),
        ("**/*a*a*a*a*a*a*a*a*a*b/".repeat(9) + "x", "aaaaaaaaaaaaaaaaaaaaaaaaa/".repeat(9) + "a"),
    ];
    for (pattern, name) in hostile {
        let glob = Glob::parse(&pattern).unwrap();
        let start = Instant::now();
        assert!(!glob.matches(&name), "{pattern}");
        assert!(start.elapsed() < Duration::from_millis(50), "{pattern}: {:?}", start.elapsed());
    }
}

/// What a pattern means, word by word.
fn meant(pattern: &[&str], name: &[&str]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        (["**"], name) => !name.is_empty(),
        (["**", rest @ ..], _) => (0..=name.len()).any(|taken| meant(rest, &name[taken..])),
        ([segment, pattern @ ..], [other, name @ ..]) => {
            meant_segment(segment.as_bytes(), other.as_bytes()) && meant(pattern, name)
        }
        _ => false,
    }
}

fn meant_segment(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|taken| meant_segment(rest, &name[taken..])),
        ([wanted, pattern @ ..], [found, name @ ..]) => wanted == found && meant_segment(pattern, name),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_pattern_means_what_it_says(
        pattern in "(\\*\\*|\\*|\\*?[ab]{1,2}(\\*[ab])?\\*?)(/(\\*\\*|\\*|\\*?[ab]{1,2}(\\*[ab])?\\*?)){0,5}",
        name in "[ab]{1,4}(/[ab]{1,4}){0,6}",
    ) {
        let wanted = meant(&pattern.split('/').collect::<Vec<_>>(), &name.split('/').collect::<Vec<_>>());
        prop_assert_eq!(Glob::parse(&pattern).unwrap().matches(&name), wanted);
    }

    #[test]
    fn anything_is_read_or_refused(pattern in ".{0,40}", name in ".{0,40}") {
        if let Ok(glob) = Glob::parse(&pattern) {
            let _ = glob.matches(&name);
        }
    }

    #[test]
    fn a_name_is_its_own_pattern(name in "[a-z0-9]{1,8}([._-][a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,8}){0,4}") {
        prop_assert!(Glob::parse(&name).unwrap().matches(&name));
    }
}

//! Patterns for names of repositories and for tags.
//!
//! `*` stands for any characters within a segment, none too; `**` as a segment
//! stands for any segments, none too, but for at least one at the end:
//! `team/**` is all below `team` and not `team` itself, `**` is everything,
//! `**/base` is `base` and `a/b/base`.

use std::fmt;

use serde::{Deserialize, Deserializer, de::Error};

use crate::Failed;

/// The longest pattern, in bytes: as long as the longest name.
const LONGEST: usize = 255;

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is empty or too long, has an empty segment, or a character that no
    /// name and no tag has: such a pattern never matches, and is a mistake.
    pub fn parse(text: &str) -> Result<Self, Failed> {
        let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '*'));
        if text.len() > LONGEST {
            Err(format!("the pattern {text:?} is longer than {LONGEST} bytes").into())
        } else if let Some(odd) = text.chars().find(|c| odd(*c)) {
            Err(format!("the pattern {text:?} has {odd:?}: only letters, digits, `.`, `_`, `-`, `/` and `*` are taken")
                .into())
        } else if text.split('/').any(str::is_empty) {
            Err(format!("the pattern {text:?} has an empty segment").into())
        } else if text.split('/').any(|segment| segment.contains("**") && segment != "**") {
            Err(format!("the pattern {text:?} has `**` beside other characters: it stands for whole segments").into())
        } else {
            Ok(Self { text: text.to_owned() })
        }
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is the pattern of this name.
    ///
    /// Takes time in proportion to the product of both lengths, at most.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let names: Vec<&str> = name.split('/').collect();
        let mut segments: Vec<&str> = self.text.split('/').collect();
        if segments.last() == Some(&"**") {
            segments.push("*");
        }
        wild(
            &segments,
            &names,
            |segment| *segment == "**",
            |segment, name| {
                wild(segment.as_bytes(), name.as_bytes(), |byte| *byte == b'*', |byte, other| byte == other)
            },
        )
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Whether a pattern, in which some items stand for any number of others,
/// matches the items.
///
/// It goes back to the last such item only: what an earlier one could take in
/// addition, the last can take as well.
fn wild<P, T>(pattern: &[P], items: &[T], is_star: impl Fn(&P) -> bool, is_match: impl Fn(&P, &T) -> bool) -> bool {
    let (mut at, mut item) = (0, 0);
    // Behind the last star, and the first item that it has not taken.
    let mut back: Option<(usize, usize)> = None;
    while let Some(found) = items.get(item) {
        match pattern.get(at) {
            Some(wanted) if is_star(wanted) => {
                at += 1;
                back = Some((at, item));
            }
            Some(wanted) if is_match(wanted, found) => {
                at += 1;
                item += 1;
            }
            _ => match back.as_mut() {
                Some((behind, taken)) => {
                    *taken += 1;
                    (at, item) = (*behind, *taken);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(is_star)
}

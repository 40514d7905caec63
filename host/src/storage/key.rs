//! Names of objects: parsed once, then carried as a type.

use std::{borrow::Borrow, fmt, sync::Arc};

use super::Failure;

/// The first segment that is the host's own; no guest's key begins with it.
pub const HOST_SEGMENT: &str = ".skerry";

const MAX_KEY: usize = 1024;
const MAX_SEGMENT: usize = 255;

/// Names one object or one directory (the rules are those of `types.key` in
/// the WIT). Cheap to clone; ordered by bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// Checks `text` against the rules of a key.
    ///
    /// # Errors
    /// [`Failure::InvalidKey`] with what is wrong; the text itself is not
    /// repeated in it.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        if text.len() > MAX_KEY {
            return Err(Failure::InvalidKey(format!("longer than {MAX_KEY} bytes")));
        }
        for (index, segment) in text.split('/').enumerate() {
            check_segment(segment).map_err(|wrong| Failure::InvalidKey(wrong.to_owned()))?;
            if index == 0 && segment == HOST_SEGMENT {
                return Err(Failure::InvalidKey(format!("`{HOST_SEGMENT}` is the host's own")));
            }
        }
        Ok(Self(text.into()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its segments, at least one.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The key one segment below.
    ///
    /// # Errors
    /// [`Failure::InvalidKey`] if `segment` is none, or the whole too long.
    pub fn join(&self, segment: &str) -> Result<Self, Failure> {
        check_segment(segment).map_err(|wrong| Failure::InvalidKey(wrong.to_owned()))?;
        if self.0.len() + 1 + segment.len() > MAX_KEY {
            return Err(Failure::InvalidKey(format!("longer than {MAX_KEY} bytes")));
        }
        Ok(Self(format!("{}/{segment}", self.0).into()))
    }

    /// The key one segment above; none for a key of one segment.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.split().0.map(|parent| Self(parent.into()))
    }

    /// The last segment.
    #[must_use]
    pub fn name(&self) -> &str {
        self.split().1
    }

    /// Whether `self` lies somewhere below `other`.
    #[must_use]
    pub fn is_below(&self, other: &Self) -> bool {
        self.below(other).is_some()
    }

    /// What follows `other` and a `/` in this key.
    pub(crate) fn below(&self, other: &Self) -> Option<&str> {
        self.0.strip_prefix(other.as_str())?.strip_prefix('/')
    }

    fn split(&self) -> (Option<&str>, &str) {
        self.0.rsplit_once('/').map_or((None, &*self.0), |(parent, name)| (Some(parent), name))
    }
}

/// Whether `name` may be a segment of a key.
pub(crate) fn is_segment(name: &str) -> bool {
    check_segment(name).is_ok()
}

fn check_segment(segment: &str) -> Result<(), &'static str> {
    if segment.is_empty() {
        return Err("an empty segment");
    }
    if segment.len() > MAX_SEGMENT {
        return Err("a segment longer than 255 bytes");
    }
    if segment == "." || segment == ".." {
        return Err("a segment `.` or `..`");
    }
    if segment.chars().any(|c| c.is_control() || c == '\\' || c == '/') {
        return Err("a control character, a backslash or a slash in a segment");
    }
    Ok(())
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl std::str::FromStr for Key {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for Key {
    type Error = Failure;

    fn try_from(text: &str) -> Result<Self, Failure> {
        Self::parse(text)
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_a_key() {
        let long = "a".repeat(255);
        let longest = ["a".repeat(255), "b".repeat(255), "c".repeat(255), "d".repeat(255), String::from("e")];
        for text in ["a", "a/b", "docker/registry/v2", "a/.skerry", ".skerry2/x", "…/ü", "a b", "...", &long] {
            assert_eq!(Key::parse(text).unwrap().as_str(), text);
        }
        let too_long_segment = "a".repeat(256);
        let whole = longest.join("/");
        assert_eq!(whole.len(), 1025);
        for text in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/..",
            "../a",
            "a/./b",
            "a\\b",
            "a\0b",
            "a\nb",
            "a/\u{7f}",
            "\u{85}",
            ".skerry",
            ".skerry/key",
            &too_long_segment,
            &whole,
        ] {
            assert!(matches!(Key::parse(text), Err(Failure::InvalidKey(_))), "{text:?}");
        }
    }

    #[test]
    fn up_and_down() {
        let key = Key::parse("a/b/c").unwrap();
        assert_eq!(key.name(), "c");
        assert_eq!(key.parent().unwrap().as_str(), "a/b");
        assert_eq!(key.parent().unwrap().parent().unwrap().parent(), None);
        assert_eq!(key.join("d").unwrap().as_str(), "a/b/c/d");
        assert!(key.join("d/e").is_err() && key.join("..").is_err());
        assert!(key.is_below(&Key::parse("a").unwrap()));
        assert!(!key.is_below(&key) && !Key::parse("ab").unwrap().is_below(&Key::parse("a").unwrap()));
    }
}

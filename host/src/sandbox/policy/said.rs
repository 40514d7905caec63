//! What policies say to people, made fit for them: without secrets, without
//! control characters, and not longer than it may be.

use std::borrow::Cow;

/// What stands in place of a secret.
const MASK: &str = "***";

/// Shorter parts of a secret are words that may stand anywhere.
const SHORTEST_LINE: usize = 8;

/// Texts that nobody is to read.
#[derive(Default, Clone)]
pub struct Mask(Vec<String>);

impl Mask {
    /// Masks these, and each long line of those that have lines.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut texts = Vec::new();
        for secret in secrets {
            let secret = secret.trim();
            texts.extend(secret.lines().filter(|line| line.len() >= SHORTEST_LINE).map(str::to_owned));
            texts.push(secret.to_owned());
        }
        texts.retain(|text| !text.is_empty());
        // A secret that is a part of another must not break it up.
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        texts.dedup();
        Self(texts)
    }

    /// Masks those of another one, too.
    pub fn and(&self, other: &Self) -> Self {
        Self::new(self.0.iter().chain(&other.0).map(String::as_str))
    }

    /// A text without them.
    pub fn over<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut masked = Cow::Borrowed(text);
        for secret in &self.0 {
            if masked.contains(secret.as_str()) {
                masked = Cow::Owned(masked.replace(secret.as_str(), MASK));
            }
        }
        masked
    }

    /// A text without them, on one line, of at most so many bytes.
    pub fn sentence(&self, text: &str, most: usize) -> String {
        // What is cut first could leave a part of a secret.
        let masked = self.over(text);
        let mut said = String::with_capacity(masked.len().min(most));
        for c in masked.chars().map(|c| if c.is_control() { ' ' } else { c }) {
            if said.len() + c.len_utf8() > most {
                break;
            }
            said.push(c);
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_short_and_holds_no_secret() {
        let mask = Mask::new(["hunter2", "", "-----BEGIN\nc2VjcmV0IGtleQ==\n-----END\n"]);
        assert_eq!(mask.over("nothing"), "nothing");
        assert_eq!(mask.over("it is hunter2hunter2"), "it is ******");
        assert_eq!(mask.over("c2VjcmV0IGtleQ=="), "***");
        assert_eq!(mask.sentence("a\r\nSet-Cookie: b\x1b[31m", 100), "a  Set-Cookie: b [31m");
        assert_eq!(mask.sentence("äää", 5), "ää");
        assert_eq!(mask.sentence("xx hunter2", 6), "xx ***");
        let both = mask.and(&Mask::new(["hunter2-and-more"]));
        assert_eq!(both.over("hunter2-and-more"), "***");
    }
}

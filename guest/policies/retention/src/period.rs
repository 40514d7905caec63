//! Lengths of time.

use std::fmt;

use serde::{Deserialize, Deserializer, de::Error};

/// A length of time, in one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    text: String,
    seconds: u64,
}

impl Period {
    /// Reads `90m`, `12h`, `30d`, `8w`.
    ///
    /// # Errors
    /// It is none of these, or nothing, or longer than a thousand years.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no time such as 90m, 12h, 30d or 8w");
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
        let unit = match unit {
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return Err(wrong()),
        };
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse::<u64>().ok().filter(|_| digits).ok_or_else(wrong)?;
        let seconds = number.checked_mul(unit).filter(|seconds| (1..=31_556_952_000).contains(seconds));
        Ok(Self { text: text.to_owned(), seconds: seconds.ok_or_else(wrong)? })
    }

    /// Its seconds.
    #[must_use]
    pub const fn seconds(&self) -> u64 {
        self.seconds
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

//! Byte ranges: of a download (RFC 9110, 14) and of a chunk (distribution-spec).

/// What a `Range` header field asks of an object of a known size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: no range, several, or one that cannot be read.
    Whole,
    /// One part, which lies within and is not empty.
    Part {
        /// Its first byte.
        offset: u64,
        /// Its bytes.
        length: u64,
    },
    /// Nothing that the object has.
    Unsatisfiable,
}

impl Wanted {
    /// Reads the value of a `Range` header field.
    ///
    /// A range whose end comes before its start is unsatisfiable here; the
    /// conformance suite wants that, where RFC 9110 would have it ignored.
    #[must_use]
    pub fn parse(value: &str, size: u64) -> Self {
        let Some((unit, set)) = value.split_once('=') else {
            return Self::Whole;
        };
        let Some((first, last)) = set.trim().split_once('-') else {
            return Self::Whole;
        };
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return Self::Whole;
        }
        let (offset, end) = match (first, last, number(first), number(last)) {
            ("", _, _, Some(suffix)) => (size.saturating_sub(suffix), size),
            (_, "", Some(first), _) => (first, size),
            (_, _, Some(first), Some(last)) => (first, size.min(last.saturating_add(1))),
            _ => return Self::Whole,
        };
        match end.checked_sub(offset) {
            Some(length) if length > 0 => Self::Part { offset, length },
            _ => Self::Unsatisfiable,
        }
    }
}

/// The `Content-Range` of a chunk: `first-last`, both inclusive, with no unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    first: u64,
    length: u64,
}

impl ContentRange {
    /// Parses `first-last`; `bytes first-last/total` is understood as well.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        let value = value.strip_prefix("bytes").map_or(value, |rest| rest.trim_start_matches([' ', '=']));
        let value = value.split_once('/').map_or(value, |(range, _)| range);
        let (first, last) = value.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let length = last.checked_sub(first)?.checked_add(1)?;
        Some(Self { first, length })
    }

    /// Where the chunk begins.
    #[must_use]
    pub const fn first(self) -> u64 {
        self.first
    }

    /// Its bytes, at least one.
    #[must_use]
    pub const fn length(self) -> u64 {
        self.length
    }
}

/// The `Range` header field of an upload that received `offset` bytes:
/// inclusive, without a unit, and `0-0` for an empty one.
#[must_use]
pub fn received(offset: u64) -> String {
    format!("0-{}", offset.saturating_sub(1))
}

/// Decimal digits and nothing else. Numbers beyond 64 bits are the largest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

//! What a scalar says: truth values, numbers, durations, sizes.

use std::time::Duration;

/// A truth value by YAML 1.1, which distribution's parser speaks.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Whether a plain scalar says that there is nothing.
pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// A whole number: decimal, `0x…`, `0o…`, with `_` between digits.
pub(super) fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.replace('_', "");
    // The sign is gone: `from_str_radix` would take a second one.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = if let Some(hex) = digits.strip_prefix("0x") {
        i64::from_str_radix(strict(hex)?, 16)
    } else if let Some(octal) = digits.strip_prefix("0o") {
        i64::from_str_radix(strict(octal)?, 8)
    } else {
        digits.parse()
    };
    let value = value.ok()?;
    if negative { value.checked_neg() } else { Some(value) }
}

fn strict(digits: &str) -> Option<&str> {
    (!digits.starts_with(['+', '-'])).then_some(digits)
}

/// A duration as Go writes it: `1h30m`, `1.5s`, `300ms`, `0`.
///
/// The error is a sentence's end: "… is to be {error}".
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const NANOS: [(&str, f64); 8] = [
        ("ns", 1.0),
        ("us", 1e3),
        ("µs", 1e3), // U+00B5
        ("μs", 1e3), // U+03BC
        ("ms", 1e6),
        ("s", 1e9),
        ("m", 6e10),
        ("h", 3.6e12),
    ];
    const LIKE: &str = "a duration such as 30s, 5m or 1h30m";
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if integer(text).is_some() {
        return Err(format!("{LIKE}, with a unit"));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return Err(LIKE.to_owned());
    }
    let mut nanos = 0.0_f64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let number: f64 = number.parse().map_err(|_| LIKE.to_owned())?;
        let (_, factor) = NANOS.iter().find(|(name, _)| *name == unit).ok_or_else(|| LIKE.to_owned())?;
        nanos += number * factor;
        rest = next;
    }
    // Go's durations end at 292 years; so do ours, and far from overflow.
    if !nanos.is_finite() || nanos > i64::MAX as f64 {
        return Err(format!("{LIKE}, and shorter than 292 years"));
    }
    Ok(Duration::from_secs_f64((nanos / 1e9 * 1e9).round() / 1e9))
}

/// A size in bytes: `65536`, `64KiB`, `4 MiB`, `1.5GiB`, `10MB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 10] = [
        ("", 1),
        ("b", 1),
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("tib", 1 << 40),
        ("kb", 1_000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("tb", 1_000_000_000_000),
    ];
    const LIKE: &str = "a size such as 65536, 64KiB or 4MiB";
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim().to_ascii_lowercase();
    let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(LIKE.to_owned());
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(*factor).filter(|bytes| *bytes <= i64::MAX as u64).ok_or_else(|| LIKE.to_owned());
    }
    match number.parse::<f64>() {
        Ok(part) if part.is_finite() && part * (*factor as f64) < i64::MAX as f64 => {
            Ok((part * (*factor as f64)).round() as u64)
        }
        _ => Err(LIKE.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations() {
        for (text, nanos) in [
            ("0", 0),
            ("0s", 0),
            ("1ns", 1),
            ("1us", 1_000),
            ("1µs", 1_000),
            ("300ms", 300_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("10s", 10_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("+5m", 300_000_000_000),
            ("168h", 604_800_000_000_000),
        ] {
            assert_eq!(duration(text).unwrap().as_nanos(), nanos, "{text}");
        }
        for text in ["", "10", "-1s", "1d", "s", "1", "1s5", "1..5s", "1 s", "1e3s", "9999999999h", "ten"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65536),
            ("64KiB", 65536),
            ("64kib", 65536),
            ("4 MiB", 4 << 20),
            ("1.5GiB", 3 << 29),
            ("10MB", 10_000_000),
            ("1TiB", 1 << 40),
        ] {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "MiB", "-1", "4M", "4 G", "99999999999TiB", "1.2.3KiB", "9223372036854775808"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn integers() {
        for (text, value) in [
            ("0", Some(0)),
            ("-12", Some(-12)),
            ("1_000", Some(1000)),
            ("0x1f", Some(31)),
            ("0o17", Some(15)),
            ("+-5", None),
            ("0x-1", None),
            ("1.5", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(integer(text), value, "{text}");
        }
    }
}

//! Times as texts (RFC 3339).

use std::time::Duration;

use x509_cert::der::DateTime;

/// The time since 1970, without parts of seconds; nothing for what is no time,
/// or one before that.
pub fn parse(text: &str) -> Option<Duration> {
    let number = |from: usize, to: usize| -> Option<u64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let at = |index: usize| text.as_bytes().get(index).copied();
    let separated = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separated.iter().any(|(index, byte)| at(*index).map(|found| found.to_ascii_uppercase()) != Some(*byte)) {
        return None;
    }
    let small = |from: usize| u8::try_from(number(from, from + 2)?).ok();
    let year = u16::try_from(number(0, 4)?).ok()?;
    let day = DateTime::new(year, small(5)?, small(8)?, small(11)?, small(14)?, small(17)?).ok()?;
    let mut rest = text.get(19..)?;
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction.bytes().position(|byte| !byte.is_ascii_digit()).filter(|end| *end > 0)?;
        rest = fraction.get(end..)?;
    }
    let local = day.unix_duration();
    if rest.eq_ignore_ascii_case("z") {
        return Some(local);
    }
    let start = text.len().checked_sub(rest.len())?;
    if rest.len() != 6 || rest.as_bytes().get(3) != Some(&b':') {
        return None;
    }
    let (hours, minutes) = (number(start + 1, start + 3)?, number(start + 4, start + 6)?);
    let offset = Duration::from_secs(hours * 3600 + minutes * 60);
    match rest.as_bytes().first() {
        Some(b'+') => local.checked_sub(offset),
        Some(b'-') => local.checked_add(offset),
        _ => None,
    }
    .filter(|_| hours < 24 && minutes < 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-11-26T18:04:59Z", Some(1_795_716_299)),
            ("2026-11-26t18:04:59z", Some(1_795_716_299)),
            ("2026-11-26T18:04:59.123Z", Some(1_795_716_299)),
            ("2026-11-26T20:34:59+02:30", Some(1_795_716_299)),
            ("2026-11-26T13:04:59.5-05:00", Some(1_795_716_299)),
            ("1970-01-01T00:00:00+01:00", None),
            ("2026-11-26 18:04:59Z", None),
            ("2026-11-26T18:04:59", None),
            ("2026-13-26T18:04:59Z", None),
            ("2026-11-26T18:04:59.Z", None),
            ("2026-11-26T18:04:59+0200", None),
            ("2026-11-26T18:04:59+24:00", None),
            ("2026-11-26T18:04:59Zx", None),
            ("+026-11-26T18:04:59Z", None),
            ("2026-11-2\u{e9}", None),
            ("", None),
        ] {
            assert_eq!(parse(text).map(|time| time.as_secs()), seconds, "{text}");
        }
    }
}

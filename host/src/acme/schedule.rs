//! When to renew, and how long to wait after a failure.

use std::time::{Duration, SystemTime};

/// Waits after failures that the authority counts, in first waits. With the
/// one minute that is the default, these are four failures in the first hour
/// and two in each that follows, where Let's Encrypt allows five.
const REFUSED: [u32; 7] = [1, 15, 30, 60, 120, 240, 360];
/// Waits while the authority cannot be reached, which costs it nothing.
const OUT_OF_REACH: [u32; 6] = [1, 2, 5, 15, 30, 60];
/// No authority may put us off for longer.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a failure was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gravity {
    /// The authority did not answer, or not as one.
    OutOfReach,
    /// It did not want to.
    Refused,
}

/// How long to wait after so many failures in a row (at least one).
/// `first` is the wait after the first, `after` what the authority asks for,
/// `chance` a random number from 0 to 1.
pub(super) fn pause(
    gravity: Gravity,
    failures: usize,
    first: Duration,
    after: Option<Duration>,
    chance: f64,
) -> Duration {
    let steps: &[u32] = match gravity {
        Gravity::OutOfReach => &OUT_OF_REACH,
        Gravity::Refused => &REFUSED,
    };
    let step = steps.get(failures.saturating_sub(1)).or(steps.last()).copied().unwrap_or(1);
    let wait = first.saturating_mul(step).min(LONGEST);
    // Many hosts that failed at once do not all come back at once.
    let wait = wait.max(after.unwrap_or_default().min(LONGEST));
    wait.mul_f64(1.0 + chance.clamp(0.0, 1.0) / 4.0)
}

/// When to renew a certificate of this life: in its last third, and not all
/// at the same time.
pub(super) fn renewal(not_before: SystemTime, not_after: SystemTime, chance: f64) -> SystemTime {
    let third = not_after.duration_since(not_before).unwrap_or_default() / 3;
    let late = (third / 10).mul_f64(chance.clamp(0.0, 1.0));
    not_after.checked_sub(third).and_then(|at| at.checked_add(late)).unwrap_or(not_before)
}

/// When to renew if the authority suggests a window (RFC 9773, 4.2); nothing if
/// it is none. Whatever it suggests, some of the certificate's life is left.
pub(super) fn suggested(
    (start, end): (SystemTime, SystemTime),
    (not_before, not_after): (SystemTime, SystemTime),
    chance: f64,
) -> Option<SystemTime> {
    let width = end.duration_since(start).ok().filter(|width| !width.is_zero())?;
    let at = start.checked_add(width.mul_f64(chance.clamp(0.0, 1.0)))?;
    let tenth = not_after.duration_since(not_before).unwrap_or_default() / 10;
    Some(at.min(not_after.checked_sub(tenth).unwrap_or(not_before)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn no_more_failures_than_an_authority_takes() {
        // Since the first try: when each other begins, at the soonest.
        let mut at = Duration::ZERO;
        let mut begun = vec![at];
        for failures in 1..=40 {
            at += pause(Gravity::Refused, failures, MINUTE, None, 0.0);
            begun.push(at);
        }
        for (index, start) in begun.iter().enumerate() {
            let within = begun.iter().skip(index).filter(|at| **at < *start + MINUTE * 60).count();
            assert!(within <= 4, "{within} in an hour from {start:?}");
        }
        assert_eq!(pause(Gravity::Refused, 40, MINUTE, None, 0.0), MINUTE * 360);
        assert_eq!(pause(Gravity::OutOfReach, 40, MINUTE, None, 0.0), MINUTE * 60);
        assert_eq!(pause(Gravity::OutOfReach, 1, MINUTE, None, 1.0), MINUTE * 5 / 4);
    }

    #[test]
    fn what_the_authority_asks_for_is_kept() {
        let asked = |after| pause(Gravity::Refused, 1, MINUTE, Some(after), 0.0);
        assert_eq!(asked(DAY), DAY);
        assert_eq!(asked(Duration::ZERO), MINUTE);
        assert_eq!(asked(Duration::MAX), LONGEST);
        assert!(pause(Gravity::Refused, usize::MAX, Duration::MAX, Some(Duration::MAX), f64::MAX) <= LONGEST * 2);
    }

    #[test]
    fn renewed_in_the_last_third() {
        let start = SystemTime::UNIX_EPOCH + DAY * 20_000;
        let life = |days: u32, chance| {
            let at = renewal(start, start + DAY * days, chance);
            at.duration_since(start).unwrap()
        };
        assert_eq!(life(90, 0.0), DAY * 60);
        assert_eq!(life(90, 1.0), DAY * 63);
        assert_eq!(life(6, 0.0), DAY * 4);
        // One that ends before it begins is renewed at once.
        assert!(renewal(start, start - DAY, 0.5) <= start);
    }

    #[test]
    fn windows() {
        let start = SystemTime::UNIX_EPOCH + DAY * 20_000;
        let day = |day: u32| start + DAY * day;
        let life = (day(0), day(90));
        assert_eq!(suggested((day(50), day(52)), life, 0.5), Some(day(51)));
        assert_eq!(suggested((day(52), day(50)), life, 0.5), None);
        assert_eq!(suggested((day(50), day(50)), life, 0.5), None);
        assert_eq!(suggested((day(200), day(201)), life, 0.5), Some(day(81)));
        assert_eq!(suggested((SystemTime::UNIX_EPOCH, day(1)), life, 0.0), Some(SystemTime::UNIX_EPOCH));
    }
}

//! Time by two clocks: the one that is shown may be set, the other goes on.

use std::{
    collections::VecDeque,
    time::{Duration, SystemTime},
};

use rustix::time::{ClockId, clock_gettime};

/// A time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Since this machine started, sleep included.
    ran: Duration,
    /// Since 1970, as it is shown.
    shown: Duration,
}

impl Moment {
    /// Later than every other.
    pub const NEVER: Self = Self { ran: Duration::MAX, shown: Duration::MAX };

    pub fn now() -> Self {
        let ran = clock_gettime(ClockId::Boottime);
        let nanos = u32::try_from(ran.tv_nsec).unwrap_or(0);
        Self {
            ran: Duration::new(u64::try_from(ran.tv_sec).unwrap_or(0), nanos),
            shown: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
        }
    }

    pub const fn after(self, time: Duration) -> Self {
        Self { ran: self.ran.saturating_add(time), shown: self.shown.saturating_add(time) }
    }

    /// The earlier one, by each clock.
    pub fn earlier(self, other: Self) -> Self {
        Self { ran: self.ran.min(other.ran), shown: self.shown.min(other.shown) }
    }

    /// Whether neither clock has reached `end`: what ends is made longer by no
    /// change of the clock that is shown.
    pub fn is_before(self, end: Self) -> bool {
        self.ran < end.ran && self.shown < end.shown
    }

    #[cfg(test)]
    pub const fn at(ran: u64, shown: u64) -> Self {
        Self { ran: Duration::from_secs(ran), shown: Duration::from_secs(shown) }
    }
}

/// What the age of files is measured by: their stamps are of the clock that is
/// shown, and what was written a moment before that one is set ahead is not
/// old. So a clock that was set ahead counts as it was, until all that was
/// written before is old indeed.
#[derive(Debug)]
pub struct Calendar {
    age: Duration,
    /// How far the clock that is shown was ahead of the other, in seconds, and
    /// when that was noticed: what is less than all that came after.
    ahead: VecDeque<(Duration, i64)>,
}

impl Calendar {
    /// For what is old at this age.
    pub fn new(age: Duration, now: Moment) -> Self {
        let mut calendar = Self { age, ahead: VecDeque::new() };
        calendar.seconds(now);
        calendar
    }

    /// Seconds since 1970.
    pub fn seconds(&mut self, now: Moment) -> u64 {
        let whole = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let ahead = whole(now.shown).saturating_sub(whole(now.ran));
        while self.ahead.back().is_some_and(|(_, before)| *before > ahead) {
            self.ahead.pop_back();
        }
        // What is so still was noticed before.
        if self.ahead.back().is_none_or(|(_, before)| *before != ahead) {
            self.ahead.push_back((now.ran, ahead));
        }
        // The first one held until the second was noticed.
        while self.ahead.get(1).is_some_and(|(noticed, _)| now.ran.saturating_sub(*noticed) > self.age) {
            self.ahead.pop_front();
        }
        let least = self.ahead.front().map_or(ahead, |(_, least)| *least);
        u64::try_from(whole(now.ran).saturating_add(least)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_reached_by_either_clock() {
        let end = Moment::at(100, 5_000).after(Duration::from_secs(10));
        assert!(Moment::at(109, 5_009).is_before(end));
        // Set ahead, and back.
        assert!(!Moment::at(101, 900_000).is_before(end));
        assert!(Moment::at(109, 0).is_before(end));
        assert!(!Moment::at(110, 0).is_before(end));
        assert!(Moment::at(u64::MAX >> 1, u64::MAX >> 1).is_before(Moment::NEVER));
        assert!(!Moment::at(5, 5).is_before(Moment::at(4, 9).earlier(Moment::at(9, 4))));
    }

    const HOUR: u64 = 3_600;

    #[test]
    fn a_clock_that_goes_is_followed() {
        let mut calendar = Calendar::new(Duration::from_secs(10 * HOUR), Moment::at(0, 1_000_000));
        for hour in 1..100 {
            let seconds = calendar.seconds(Moment::at(hour * HOUR, 1_000_000 + hour * HOUR));
            assert_eq!(seconds, 1_000_000 + hour * HOUR);
            assert!(calendar.ahead.len() < 3);
        }
    }

    #[test]
    fn one_that_is_set_ahead_counts_when_what_was_young_is_old() {
        let mut calendar = Calendar::new(Duration::from_secs(10 * HOUR), Moment::at(0, 1_000_000));
        let years = 87_600 * HOUR;
        for hour in 1..=11 {
            let seconds = calendar.seconds(Moment::at(hour * HOUR, 1_000_000 + years + hour * HOUR));
            assert_eq!(seconds, 1_000_000 + hour * HOUR, "{hour}");
        }
        let now = 1_000_000 + years + 12 * HOUR;
        assert_eq!(calendar.seconds(Moment::at(12 * HOUR, now)), now);
        assert_eq!(calendar.ahead.len(), 1);
    }

    #[test]
    fn one_that_is_set_back_counts_at_once() {
        let mut calendar = Calendar::new(Duration::from_secs(10 * HOUR), Moment::at(0, 10_000_000));
        assert_eq!(calendar.seconds(Moment::at(HOUR, 5_000)), 5_000);
        // And ahead again.
        assert_eq!(calendar.seconds(Moment::at(2 * HOUR, 10_000_000)), 5_000 + HOUR);
    }
}

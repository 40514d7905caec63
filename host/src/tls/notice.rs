//! How long certificates are good for, said in time and once.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use super::load::{Leaf, shown};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Days left at which a line is written.
const MARKS: &[u32] = &[30, 14, 7, 1];
/// The same, of certificates that are renewed here: at the first of those,
/// nothing is late yet.
const LATE: &[u32] = &[14, 7, 1];

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gravity {
    /// Some days are left.
    Warning,
    /// One is, or none.
    Error,
}

/// A line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How it is to be logged.
    pub gravity: Gravity,
    /// One sentence.
    pub sentence: String,
}

/// What of a leaf's time was said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Early,
    Good,
    Left(u32),
    Expired,
}

/// Remembers what was said.
#[derive(Debug)]
pub struct Notices {
    said: Vec<(PathBuf, SystemTime, Stage)>,
    marks: &'static [u32],
    advice: &'static str,
}

impl Default for Notices {
    fn default() -> Self {
        Self { said: Vec::new(), marks: MARKS, advice: "renew it" }
    }
}

impl Notices {
    /// Of certificates that are renewed here.
    pub fn of_ordered() -> Self {
        Self { said: Vec::new(), marks: LATE, advice: "it is long due, and the log says why it is not renewed" }
    }

    /// What there is to say that was not said of these leaves yet.
    pub fn take(&mut self, leaves: &[Leaf], now: SystemTime) -> Vec<Notice> {
        let mut notices = Vec::new();
        let mut said = Vec::new();
        for (index, leaf) in leaves.iter().enumerate() {
            let stage = stage(leaf, now, self.marks);
            let known = self
                .said
                .get(index)
                .is_some_and(|(file, end, before)| *file == leaf.file && *end == leaf.not_after && *before == stage);
            if !known {
                notices.extend(notice(leaf, stage, now, self.advice));
            }
            said.push((leaf.file.clone(), leaf.not_after, stage));
        }
        self.said = said;
        notices
    }
}

fn stage(leaf: &Leaf, now: SystemTime, marks: &[u32]) -> Stage {
    if now < leaf.not_before {
        return Stage::Early;
    }
    let Ok(left) = leaf.not_after.duration_since(now) else { return Stage::Expired };
    // A certificate that lives for a few days only is renewed within them.
    let life = leaf.not_after.duration_since(leaf.not_before).unwrap_or_default();
    let mark = marks.iter().rev().copied().find(|mark| left <= DAY * *mark);
    match mark.filter(|mark| DAY * *mark < life / 2) {
        Some(mark) => Stage::Left(mark),
        None => Stage::Good,
    }
}

fn notice(leaf: &Leaf, stage: Stage, now: SystemTime, advice: &str) -> Option<Notice> {
    let (gravity, sentence) = match stage {
        Stage::Good => return None,
        Stage::Early | Stage::Expired => (Gravity::Error, leaf.out_of_time(now)?),
        Stage::Left(mark) => {
            let gravity = if mark == 1 { Gravity::Error } else { Gravity::Warning };
            let hours = leaf.not_after.duration_since(now).unwrap_or_default().as_secs().div_ceil(3600);
            let left = match hours {
                0..48 => format!("{hours} hours"),
                _ => format!("{} days", hours / 24),
            };
            let (file, end) = (leaf.file.display(), shown(leaf.not_after));
            (gravity, format!("{file}: the certificate expires in {left}, at {end}; {advice}"))
        }
    };
    Some(Notice { gravity, sentence })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mark_is_said_once() {
        let start = SystemTime::UNIX_EPOCH + DAY * 10_000;
        let mut leaf = Leaf { file: "/c".into(), names: Vec::new(), not_before: start, not_after: start + DAY * 90 };
        let mut notices = Notices::default();
        let mut said = Vec::new();
        for hour in 0..24 * 92 {
            let now = start + Duration::from_secs(3600) * hour;
            for notice in notices.take(std::slice::from_ref(&leaf), now) {
                said.push((hour / 24, notice.gravity, notice.sentence));
            }
        }
        let days: Vec<_> = said.iter().map(|(day, gravity, _)| (*day, *gravity)).collect();
        let (warning, error) = (Gravity::Warning, Gravity::Error);
        assert_eq!(days, [(60, warning), (76, warning), (83, warning), (89, error), (90, error)]);
        let shown: Vec<_> = said.iter().map(|(_, _, sentence)| sentence.as_str()).collect();
        assert!(shown.iter().any(|line| line.starts_with("/c: the certificate expires in 30 days, at ")), "{shown:?}");
        assert!(shown.iter().any(|line| line.starts_with("/c: the certificate expires in 24 hours, at ")), "{shown:?}");
        assert!(shown.iter().any(|line| line.starts_with("/c: the certificate expired at ")), "{shown:?}");
        // Renewed: silence again; and one of six days is not complained about
        // before its last half.
        leaf.not_after = start + DAY * 180;
        assert_eq!(notices.take(std::slice::from_ref(&leaf), start + DAY * 91), []);
        leaf.not_before = start + DAY * 174;
        assert_eq!(notices.take(std::slice::from_ref(&leaf), start + DAY * 174), []);
        assert_eq!(notices.take(std::slice::from_ref(&leaf), start + DAY * 179).len(), 1);
        // Nor is one that is ordered here, on the day of its renewal.
        let mut notices = Notices::of_ordered();
        leaf.not_before = start + DAY * 90;
        assert_eq!(notices.take(std::slice::from_ref(&leaf), start + DAY * 151), []);
        assert_eq!(notices.take(std::slice::from_ref(&leaf), start + DAY * 167).len(), 1);
    }
}

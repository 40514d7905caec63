//! When values that answers noted as `used` were noted last.
//!
//! What they mean is the module's to know. All is kept that was noted since a
//! time, which moves on when something has to be forgotten: so what is not
//! here was not noted since then.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::tend::now;
use crate::server::USED;

/// Values that are kept; a tenth of them is forgotten at a time.
const MOST: usize = 100_000;
/// Bytes of the longest value.
const LONGEST: usize = 512;
/// Bytes of the longest text.
pub const LARGEST: u64 = 64 << 20;

const FORM: &str = "skerry used 1";

/// Values, and when they were noted.
pub struct Uses {
    recording: AtomicBool,
    kept: Mutex<Kept>,
}

struct Kept {
    since: u64,
    latest: HashMap<Box<str>, u64>,
    /// Whether something was noted that is not written down.
    changed: bool,
}

impl Default for Uses {
    fn default() -> Self {
        Self::new()
    }
}

impl Uses {
    /// Nothing yet, and nothing is noted.
    pub fn new() -> Self {
        let kept = Kept { since: now(), latest: HashMap::new(), changed: false };
        Self { recording: AtomicBool::new(false), kept: Mutex::new(kept) }
    }

    /// From now on values are noted, or are not any more: it is known of no
    /// earlier one then.
    pub fn record(&self, recording: bool) {
        if self.recording.swap(recording, Ordering::Relaxed) != recording {
            *self.kept() = Kept { since: now(), latest: HashMap::new(), changed: recording };
        }
    }

    /// Whether values are noted.
    pub fn is_recording(&self) -> bool {
        self.recording.load(Ordering::Relaxed)
    }

    /// Notes what an answer says.
    pub fn note(&self, notes: &[(String, String)]) {
        if !self.is_recording() {
            return;
        }
        let mut values = notes.iter().filter(|(name, value)| name == USED && is_value(value)).peekable();
        if values.peek().is_some() {
            let (mut kept, time) = (self.kept(), now());
            values.for_each(|(_, value)| kept.note(value, time));
        }
    }

    /// When the value was noted last.
    pub fn last(&self, value: &str) -> Option<u64> {
        self.kept().latest.get(value).copied()
    }

    /// Since when everything is known that was noted.
    pub fn since(&self) -> u64 {
        self.kept().since
    }

    /// Whether something was noted since it was written down.
    pub fn is_changed(&self) -> bool {
        self.kept().changed
    }

    /// Knows, too, what a text says that this or another process wrote down:
    /// when it starts, all that was before. It may be damaged or forged.
    pub fn read(&self, text: &[u8]) {
        if let Some(told) = Kept::parse(text) {
            let mut kept = self.kept();
            kept.since = told.since;
            kept.join(told);
        }
    }

    /// The text of all, and of what others wrote down meanwhile.
    pub fn write(&self, before: Option<&[u8]>) -> Vec<u8> {
        let mut kept = self.kept();
        if let Some(told) = before.and_then(Kept::parse) {
            kept.since = kept.since.max(told.since);
            kept.join(told);
        }
        kept.changed = false;
        kept.text().into_bytes()
    }

    /// What was to be written was not.
    pub fn not_written(&self) {
        self.kept().changed = true;
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn note(&mut self, value: &str, time: u64) {
        match self.latest.get_mut(value) {
            Some(latest) if *latest >= time => return,
            Some(latest) => *latest = time,
            None => {
                if self.latest.len() >= MOST {
                    self.forget();
                }
                self.latest.insert(value.into(), time);
            }
        }
        self.changed = true;
    }

    /// Forgets the oldest.
    fn forget(&mut self) {
        let mut times: Vec<u64> = self.latest.values().copied().collect();
        let (_, last, _) = times.select_nth_unstable(MOST / 10);
        let last = *last;
        self.latest.retain(|_, time| *time > last);
        // Of that second, something is not known any more.
        self.since = self.since.max(last.saturating_add(1));
    }

    fn join(&mut self, told: Self) {
        for (value, time) in told.latest {
            self.note(&value, time);
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{FORM}\n{}\n", self.since);
        for (value, time) in &self.latest {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{time} {value}");
        }
        text
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let mut lines = str::from_utf8(text).ok()?.lines();
        if lines.next() != Some(FORM) {
            return None;
        }
        let now = now();
        let since = lines.next()?.parse::<u64>().ok()?.min(now);
        let mut kept = Self { since, latest: HashMap::new(), changed: false };
        for (time, value) in lines.filter_map(|line| line.split_once(' ')) {
            if let Ok(time) = time.parse::<u64>()
                && is_value(value)
            {
                kept.note(value, time.min(now));
            }
        }
        Some(kept)
    }
}

fn is_value(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(value: &str) -> Vec<(String, String)> {
        vec![("event".into(), "pull".into()), (USED.into(), value.into())]
    }

    #[test]
    fn what_was_written_down_is_read_again() {
        let began = now();
        let uses = Uses::new();
        uses.note(&noted("a:1"));
        assert_eq!((uses.last("a:1"), uses.is_changed()), (None, false), "nobody asks for it");
        uses.record(true);
        uses.note(&noted("a:1"));
        uses.note(&noted("a\n9 b"));
        uses.note(&noted(&"x".repeat(513)));
        assert!(uses.last("a:1").is_some_and(|time| time >= began) && uses.is_changed());
        let text = uses.write(Some(format!("{FORM}\n100\n200 b:1\n9 a:1\nx y\n300\n").as_bytes()));
        assert!(!uses.is_changed() && uses.since() >= began);

        let later = Uses::new();
        later.record(true);
        later.read(&text);
        assert_eq!((later.last("b:1"), later.last("a:1")), (Some(200), uses.last("a:1")));
        assert_eq!(later.kept().latest.len(), 2);
        later.read(format!("{FORM}\n100\n{} c:1\n", u64::MAX).as_bytes());
        assert_eq!(later.since(), 100);
        assert!(later.last("c:1").is_some_and(|time| time <= now()), "nothing was noted in the future");
        for nonsense in [&b""[..], b"\xff", b"skerry used 2\n1\n", b"skerry used 1\n", b"skerry used 1\n-1\n"] {
            later.read(nonsense);
            assert_eq!(later.since(), 100);
        }
        later.record(false);
        assert_eq!((later.last("c:1"), later.since() >= began), (None, true));
    }

    #[test]
    fn the_oldest_are_forgotten_and_that_is_said() {
        let mut kept = Kept { since: 10, latest: HashMap::new(), changed: false };
        for n in 0..u64::try_from(MOST).unwrap() {
            kept.note(&format!("v{n}"), 1_000 + n);
        }
        assert_eq!((kept.latest.len(), kept.since), (MOST, 10));
        kept.note("more", 5);
        assert!(kept.latest.len() < MOST && kept.since > 1_000);
        let oldest = kept.latest.iter().filter(|(value, _)| &***value != "more").map(|(_, time)| *time).min();
        assert_eq!(oldest, Some(kept.since));
    }
}

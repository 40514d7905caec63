//! Lines and the progress of a long command: a bar where somebody looks, a line
//! now and then where not.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use crate::sandbox::Heard;

/// Between two pictures of the bar, and between two lines.
const FRAME: Duration = Duration::from_millis(200);
const LINE: Duration = Duration::from_secs(10);

/// Cells of the bar.
const CELLS: u64 = 30;

/// Standard output, and progress on standard error.
pub struct Screen {
    terminal: bool,
    /// Whether a bar stands there.
    drawn: Mutex<bool>,
}

impl Screen {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { terminal: io::stderr().is_terminal(), drawn: Mutex::new(false) })
    }

    /// Writes a line. That nobody reads it is no reason to stop.
    pub fn say(&self, line: &str) {
        let mut drawn = self.lock();
        self.clear(&mut drawn);
        let _ = writeln!(io::stdout().lock(), "{line}");
    }

    /// Shows progress until it is aborted.
    pub async fn watch(self: Arc<Self>, heard: Arc<Heard>) {
        let began = Instant::now();
        loop {
            tokio::time::sleep(if self.terminal { FRAME } else { LINE }).await;
            let (hashed, total) = (heard.hashed.load(Ordering::Relaxed), heard.total.load(Ordering::Relaxed));
            let text = progress(hashed, total, began.elapsed(), self.terminal);
            let mut drawn = self.lock();
            let _ = match self.terminal {
                true => write!(io::stderr().lock(), "\r{text}\x1b[K"),
                false => writeln!(io::stderr().lock(), "{text}"),
            };
            *drawn = self.terminal;
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.clear(&mut self.lock());
    }

    fn clear(&self, drawn: &mut bool) {
        if std::mem::take(drawn) {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn progress(hashed: u64, total: u64, took: Duration, bar: bool) -> String {
    if total == 0 {
        return "looking how much there is".to_owned();
    }
    // What changed meanwhile may have been hashed twice.
    let hashed = hashed.min(total);
    if hashed == total {
        return format!("{} hashed; looking at the repositories", size(total));
    }
    let mut text = String::new();
    if bar {
        let full = u64::try_from(u128::from(hashed) * u128::from(CELLS) / u128::from(total)).unwrap_or(CELLS);
        let cells: String = (0..CELLS).map(|cell| if cell < full { '#' } else { '.' }).collect();
        let _ = write!(text, "[{cells}] ");
    }
    let percent = u128::from(hashed) * 100 / u128::from(total);
    let rate = u128::from(hashed) * 1_000 / took.as_millis().max(1);
    let _ = write!(text, "{percent} %, {} of {}", size(hashed), size(total));
    if let Some(left) = u128::from(total - hashed).checked_div(rate) {
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        let _ = write!(text, ", {}/s, {} left", size(rate), clock(left));
    }
    text
}

fn size(bytes: u64) -> String {
    let (mut unit, mut tenths) = (0, u128::from(bytes) * 10);
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1_024;
        unit += 1;
    }
    let name = UNITS.get(unit).unwrap_or(&"");
    if unit == 0 { format!("{bytes} {name}") } else { format!("{}.{} {name}", tenths / 10, tenths % 10) }
}

fn clock(seconds: u128) -> String {
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes}:{seconds:02} min"),
        (hours, minutes, _) => format!("{hours}:{minutes:02} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures() {
        let second = Duration::from_secs(1);
        for (hashed, total, took, bar, expected) in [
            (0, 0, second, true, "looking how much there is"),
            (0, 4 << 30, second, false, "0 %, 0 B of 4.0 GiB"),
            (512 << 20, 4 << 30, second, false, "12 %, 512.0 MiB of 4.0 GiB, 512.0 MiB/s, 7 s left"),
            (1 << 20, 4 << 30, second, false, "0 %, 1.0 MiB of 4.0 GiB, 1.0 MiB/s, 1:08 h left"),
            (
                2 << 30,
                4 << 30,
                second * 100,
                true,
                "[###############...............] 50 %, 2.0 GiB of 4.0 GiB, 20.4 MiB/s, 1:40 min left",
            ),
            (u64::MAX, 1000, second, true, "1000 B hashed; looking at the repositories"),
            (
                u64::MAX - 1,
                u64::MAX,
                Duration::ZERO,
                false,
                "99 %, 16777215.9 TiB of 16777215.9 TiB, 16777215.9 TiB/s, 0 s left",
            ),
        ] {
            assert_eq!(progress(hashed, total, took, bar), expected);
        }
    }
}

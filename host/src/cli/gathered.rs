//! Lines of requests, which are written together.
//!
//! A thread that answers requests answers all that came before it waits for
//! more: their lines go out when it does, with one call for all, or earlier
//! where they are many. Any other line goes out at once, behind those that
//! wait, so that each is where it belongs.

use std::{
    cell::Cell,
    io::Write,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Bytes that are written without waiting for more.
const MANY: usize = 16 << 10;

/// Lines that wait.
#[derive(Default)]
pub struct Gathered {
    /// Whether there are any.
    any: AtomicBool,
    lines: Mutex<Vec<u8>>,
    /// Held while lines are written, which keeps them in their order.
    writing: Mutex<()>,
}

thread_local! {
    /// Whether this thread says when it waits.
    static WAITS: Cell<bool> = const { Cell::new(false) };
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gathered {
    /// A line, which waits where `wait` and where this thread will say when it
    /// does.
    pub fn put(&self, line: &[u8], wait: bool, out: impl Write) {
        let many = {
            let mut lines = guard(&self.lines);
            lines.extend_from_slice(line);
            self.any.store(true, Ordering::Relaxed);
            lines.len() >= MANY
        };
        if many || !wait || !WAITS.get() {
            self.write(out);
        }
    }

    /// This thread waits for something to do.
    pub fn thread_waits(&self, out: impl Write) {
        WAITS.set(true);
        // It sees what it put itself; what others did is theirs to write.
        if self.any.load(Ordering::Relaxed) {
            self.write(out);
        }
    }

    /// Writes all lines.
    pub fn write(&self, mut out: impl Write) {
        let _writing = guard(&self.writing);
        let mut lines = {
            let mut waiting = guard(&self.lines);
            self.any.store(false, Ordering::Relaxed);
            std::mem::take(&mut *waiting)
        };
        // One call, so that lines stay whole. A log that cannot be written to
        // stops nothing.
        let _ = out.write_all(&lines);
        lines.clear();
        let mut waiting = guard(&self.lines);
        if waiting.is_empty() {
            *waiting = lines;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wait_for_a_thread_that_says_when_it_waits() {
        let (lines, mut out) = (Gathered::default(), Vec::new());
        lines.put(b"1\n", true, &mut out);
        assert_eq!(out, b"1\n");
        lines.thread_waits(&mut out);
        lines.put(b"2\n", true, &mut out);
        lines.put(b"3\n", true, &mut out);
        assert_eq!(out, b"1\n");
        lines.thread_waits(&mut out);
        assert_eq!(out, b"1\n2\n3\n");
        lines.put(b"4\n", true, &mut out);
        lines.put(b"5\n", false, &mut out);
        assert_eq!(out, b"1\n2\n3\n4\n5\n");
    }

    #[test]
    fn many_lines_do_not_wait() {
        let (lines, mut out) = (Gathered::default(), Vec::new());
        lines.thread_waits(&mut out);
        let line = [b'x'; 1000];
        for _ in 0..MANY / line.len() {
            lines.put(&line, true, &mut out);
        }
        assert!(out.is_empty());
        lines.put(&line, true, &mut out);
        assert_eq!(out.len(), (MANY / line.len() + 1) * line.len());
    }
}

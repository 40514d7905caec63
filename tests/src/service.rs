//! A server's process: its log, the address that it chose, its end.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::children;

const START: Duration = Duration::from_secs(180);
const STOP: Duration = Duration::from_secs(60);
/// Lines of a log that are shown when a test fails.
const SHOWN: usize = 120;

#[derive(Default)]
struct Log {
    lines: Vec<String>,
    open: usize,
}

/// A running server.
pub struct Service {
    name: &'static str,
    child: Child,
    log: Arc<(Mutex<Log>, Condvar)>,
}

impl Service {
    /// Starts a command, and gathers what it writes.
    pub fn start(name: &'static str, command: Command) -> Self {
        Self::start_on(name, command, Stdio::null())
    }

    /// The same, with something for its standard input.
    pub fn start_on(name: &'static str, mut command: Command, input: Stdio) -> Self {
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let shown = format!("{command:?}");
        let mut child =
            children::spawn(command).unwrap_or_else(|error| panic!("{name} does not start: {error}: {shown}"));
        let log = Arc::new((Mutex::new(Log { lines: Vec::new(), open: 2 }), Condvar::new()));
        gather(child.stdout.take().unwrap(), &log);
        gather(child.stderr.take().unwrap(), &log);
        Self { name, child, log }
    }

    /// Waits until `find` finds something in a line of the log, old or new.
    pub fn wait_for<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + START;
        let (log, news) = &*self.log;
        let mut log = log.lock().unwrap();
        let mut seen = 0;
        loop {
            if let Some(found) = log.lines[seen..].iter().find_map(|line| find(line)) {
                return found;
            }
            seen = log.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || log.open == 0 {
                let all = log.lines.join("\n");
                drop(log);
                panic!("{} never said {what}; its log:\n{all}", self.name);
            }
            log = news.wait_timeout(log, left.min(Duration::from_secs(1))).unwrap().0;
        }
    }

    /// The address in the line that says where it listens.
    pub fn address(&self) -> String {
        self.wait_for("where it listens", listening)
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.log.0.lock().unwrap().lines.clone()
    }

    /// All lines, of one that has ended: up to the last.
    pub fn last_lines(&self) -> Vec<String> {
        let (log, news) = &*self.log;
        let log = news.wait_timeout_while(log.lock().unwrap(), STOP, |log| log.open > 0).unwrap().0;
        assert_eq!(log.open, 0, "{}: its output is still open", self.name);
        log.lines.clone()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        children::signal(&self.child, signal);
    }

    /// Whether the process is still there.
    pub fn running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Ends it at once, as a power cut would end it.
    pub fn kill9(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, and waits until it has.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + STOP;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            if Instant::now() > deadline {
                self.kill9();
                panic!("{} does not end", self.name);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill9();
        if thread::panicking() {
            let lines = self.lines();
            let from = lines.len().saturating_sub(SHOWN);
            eprintln!("--- {}'s log, its last lines:\n{}\n---", self.name, lines[from..].join("\n"));
        }
    }
}

fn gather(from: impl Read + Send + 'static, log: &Arc<(Mutex<Log>, Condvar)>) {
    let log = Arc::clone(log);
    thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            log.0.lock().unwrap().lines.push(text);
            log.1.notify_all();
        }
        log.0.lock().unwrap().open -= 1;
        log.1.notify_all();
    });
}

/// Ours says `"address":"127.0.0.1:1234"` beside `listening`, distribution
/// says `listening on 127.0.0.1:1234, tls`.
fn listening(line: &str) -> Option<String> {
    let rest = &line[line.find("listening")?..];
    // Ours: the field may stand before the message.
    let rest = match line.find("\"address\":\"") {
        Some(at) => &line[at + "\"address\":\"".len()..],
        None => rest.strip_prefix("listening on ")?,
    };
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))?;
    let address = &rest[..end];
    address.parse::<std::net::SocketAddr>().ok()?;
    Some(address.to_owned())
}

//! The parent's side: starts the child, feeds it, and takes what it made. It
//! waits no longer than it may, and takes no more.

use std::{
    io::{self, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Instant,
};

use super::{CompilerLimits, Purpose};

/// The hidden command of this program that compiles apart.
pub const COMMAND: [&str; 2] = ["guest", "compile-apart"];

/// The largest module, and the largest code, in bytes.
pub const LARGEST: u64 = 256 << 20;
const LARGEST_CODE: u64 = 1 << 30;

/// Threads that compile.
pub const THREADS: usize = 4;

/// Bytes of what it says that are read.
const SAID: u64 = 16 << 10;

/// This very program, whatever lies at its path by now.
const THIS: &str = "/proc/self/exe";

/// Signals by which a child ends.
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

/// Why there is no code: one sentence.
#[derive(Debug, PartialEq, Eq)]
pub enum Broken {
    /// It is none that this host can run.
    Module(String),
    /// It could not be compiled within bounds, or at all.
    Compiler(String),
}

/// What came out of a pipe of the child.
enum Came {
    Code(io::Result<Vec<u8>>),
    Said(String),
}

/// Code of a component.
pub fn compile(bytes: &[u8], limits: &CompilerLimits, purpose: Purpose) -> Result<Vec<u8>, Broken> {
    let mut command = Command::new(THIS);
    command.arg0("skerry").args(COMMAND);
    command.arg(format!("--time={}", limits.time.as_secs())).arg(format!("--memory={}", limits.memory));
    if purpose == Purpose::Count {
        command.arg("--count");
    }
    // It needs nothing of what this process has. Each thread reserves address
    // space of its own.
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    command.env_clear().env("RAYON_NUM_THREADS", threads.to_string()).env("MALLOC_ARENA_MAX", threads.to_string());
    command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let start = |cause: io::Error| Broken::Compiler(format!("the compiler cannot be started: {cause}"));
    let mut child = Reaped(command.spawn().map_err(start)?);
    let (stdin, stdout, stderr) = (child.0.stdin.take(), child.0.stdout.take(), child.0.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        return Err(Broken::Compiler("the compiler cannot be started".to_owned()));
    };
    let until = Instant::now() + limits.time;
    let (tell, told) = mpsc::channel();
    let ended = thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(bytes));
        let telling = tell.clone();
        scope.spawn(move || telling.send(Came::Code(read(stdout, LARGEST_CODE))));
        scope.spawn(move || {
            let said = read(stderr, SAID).unwrap_or_default();
            tell.send(Came::Said(String::from_utf8_lossy(&said).into_owned()))
        });
        let (mut code, mut said) = (None, None);
        while code.is_none() || said.is_none() {
            match told.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Came::Code(came)) => code = Some(came),
                Ok(Came::Said(came)) => said = Some(came),
                Err(_) => {
                    // Its pipes end with it, and so do the threads.
                    let _ = child.0.kill();
                    return None;
                }
            }
        }
        Some((code?, said?))
    });
    let Some((code, said)) = ended else {
        let sentence = format!("it was not compiled within {:?} (`sandbox.compile_time`)", limits.time);
        return Err(Broken::Compiler(sentence));
    };
    let status = child.0.wait().map_err(start)?;
    match code {
        Ok(code) if status.success() && !code.is_empty() => Ok(code),
        Ok(_) => Err(why(status, &said, limits)),
        Err(cause) => Err(Broken::Compiler(format!("the compiler's answer cannot be read: {cause}"))),
    }
}

/// Why it ended, by how it ended and what it said.
fn why(status: ExitStatus, said: &str, limits: &CompilerLimits) -> Broken {
    let memory = || format!("compiling it takes more than {} MiB (`sandbox.compile_memory`)", limits.memory >> 20);
    let scarce =
        ["memory allocation of", "Cannot allocate memory", "Out of memory", "Resource temporarily unavailable"];
    if scarce.iter().any(|part| said.contains(part)) {
        return Broken::Compiler(memory());
    }
    if let Some(sentence) = said.lines().find_map(|line| line.strip_prefix("error: ")) {
        return Broken::Module(sentence.escape_debug().take(1_000).collect());
    }
    Broken::Compiler(match status.signal() {
        Some(SIGXCPU | SIGKILL) => {
            format!("compiling it takes more than {:?} (`sandbox.compile_time`)", limits.time)
        }
        Some(SIGABRT) if said.trim().is_empty() => memory(),
        Some(signal) => format!("the compiler crashed at it (signal {signal})"),
        None => format!("the compiler failed at it ({status})"),
    })
}

fn read(from: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()).is_ok_and(|length| length <= most) {
        true => Ok(bytes),
        false => Err(io::ErrorKind::FileTooLarge.into()),
    }
}

/// A child that does not outlive its use.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! The little of ptrace(2) that is needed.

#![allow(unsafe_code, reason = "ptrace, and what a child does before it is a program")]

use std::{
    io,
    mem::{self, MaybeUninit},
    os::unix::process::CommandExt as _,
    process::Command,
    ptr,
    sync::atomic::{AtomicI32, Ordering},
};

use libc::{c_int, c_long, pid_t};

/// A thread of the program.
pub type Thread = pid_t;

/// One side of a system call.
#[derive(Debug, Clone, Copy)]
pub enum Boundary {
    /// It is about to happen.
    Entry { number: i64, arguments: [u64; 6] },
    /// It has happened, with this result.
    Exit { value: i64 },
}

/// Why a thread stands still.
#[derive(Debug, Clone, Copy)]
pub enum Stop {
    /// At a system call.
    Call(Boundary),
    /// At something that is none of a test's business.
    Other,
    /// A signal arrives.
    Signal(c_int),
    /// It is gone; the status is that of a process.
    Gone(c_int),
}

/// A register, by its place among the user's.
#[derive(Debug, Clone, Copy)]
pub enum Register {
    /// The number of the call.
    Number = libc::ORIG_RAX as isize,
    /// The result.
    Value = libc::RAX as isize,
    /// The third argument.
    Third = libc::RDX as isize,
}

static PROGRAM: AtomicI32 = AtomicI32::new(0);

extern "C" fn pass_on(signal: c_int) {
    unsafe { libc::kill(PROGRAM.load(Ordering::Relaxed), signal) };
}

/// Starts a program that this thread traces; it stands still at first. What
/// asks this process to end is passed on to it.
pub fn spawn(program: &str, arguments: &[String]) -> io::Result<Thread> {
    let mut command = Command::new(program);
    command.args(arguments);
    let traced = || match unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    };
    unsafe { command.pre_exec(traced) };
    let child = command.spawn()?.id().cast_signed();
    PROGRAM.store(child, Ordering::Relaxed);
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2] {
        unsafe { libc::signal(signal, pass_on as *const () as libc::sighandler_t) };
    }
    let mut status = 0;
    while unsafe { libc::waitpid(child, &raw mut status, libc::__WALL) } != child {}
    let options =
        libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_TRACEEXEC | libc::PTRACE_O_EXITKILL;
    check(unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, child, 0, c_long::from(options)) })?;
    go_on(child, 0);
    Ok(child)
}

/// Waits until a thread stops; nothing if none does just now and `block` is
/// false. No thread is left where it is an error.
pub fn wait(block: bool) -> io::Result<Option<(Thread, Stop)>> {
    let mut status = 0;
    let flags = libc::__WALL | if block { 0 } else { libc::WNOHANG };
    let thread = loop {
        match unsafe { libc::waitpid(-1, &raw mut status, flags) } {
            0 => return Ok(None),
            -1 => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
            thread => break thread,
        }
    };
    let stop = if !libc::WIFSTOPPED(status) {
        Stop::Gone(status)
    } else if libc::WSTOPSIG(status) == libc::SIGTRAP | 0x80 {
        boundary(thread).map_or(Stop::Other, Stop::Call)
    } else if status >> 16 != 0 {
        Stop::Other
    } else {
        Stop::Signal(libc::WSTOPSIG(status))
    };
    Ok(Some((thread, stop)))
}

/// Lets a thread run to the next stop.
pub fn go_on(thread: Thread, signal: c_int) {
    // One that was killed meanwhile is gone, and will be waited for.
    unsafe { libc::ptrace(libc::PTRACE_SYSCALL, thread, 0, c_long::from(signal)) };
}

/// Sets a register of a thread that stands still.
pub fn set(thread: Thread, register: Register, value: i64) {
    let place = register as usize * size_of::<c_long>();
    unsafe { libc::ptrace(libc::PTRACE_POKEUSER, thread, place, value) };
}

/// None if the thread was killed meanwhile.
fn boundary(thread: Thread) -> Option<Boundary> {
    let mut info = MaybeUninit::<libc::ptrace_syscall_info>::zeroed();
    let size = mem::size_of::<libc::ptrace_syscall_info>();
    let written = unsafe { libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, thread, size, ptr::from_mut(&mut info)) };
    check(written).ok()?;
    // All zero is a value of it too.
    let info = unsafe { info.assume_init() };
    match info.op {
        libc::PTRACE_SYSCALL_INFO_ENTRY => {
            let entry = unsafe { info.u.entry };
            Some(Boundary::Entry { number: entry.nr.cast_signed(), arguments: entry.args })
        }
        libc::PTRACE_SYSCALL_INFO_EXIT => Some(Boundary::Exit { value: unsafe { info.u.exit }.sval }),
        _ => None,
    }
}

fn check(result: c_long) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

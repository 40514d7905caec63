//! The loop that the program's threads stop for.

use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use skerry_tests::supervisor::{Action, Kind};

use super::{
    calls::{self, Call},
    faults::Plan,
    memory,
    ptrace::{self, Boundary, Register, Stop, Thread},
    record::{Noted, Record},
};

/// How often a held call looks whether it may go on.
const LOOK: Duration = Duration::from_millis(1);

pub struct Supervisor {
    program: Thread,
    volume: PathBuf,
    plan: Arc<Mutex<Plan>>,
    record: Option<Record>,
    /// Known threads, and what to do when their call returns.
    threads: HashMap<Thread, Return>,
    held: Vec<Thread>,
    /// While a volume is recorded, one call at a time changes it: that is what
    /// gives their order. This one does, and these wait.
    turn: Option<Thread>,
    waiting: VecDeque<(Thread, Noted)>,
}

#[derive(Default)]
enum Return {
    #[default]
    Nothing,
    /// The call says this, whatever it did.
    Say(i32),
    /// The third argument is what it was, as programs rely on; and so is the
    /// number in memory, if one was changed.
    Restore {
        third: u64,
        memory: Option<(u64, u64)>,
    },
    Note(Noted),
}

impl Supervisor {
    pub fn new(program: Thread, volume: &Path, plan: Arc<Mutex<Plan>>, record: Option<Record>) -> Self {
        Self {
            program,
            volume: volume.to_owned(),
            plan,
            record,
            threads: HashMap::from([(program, Return::Nothing)]),
            held: Vec::new(),
            turn: None,
            waiting: VecDeque::new(),
        }
    }

    /// Runs until the program ends; returns its exit code.
    pub fn run(&mut self) -> i32 {
        let mut code = 1;
        // It ends when no thread is left to wait for.
        while let Ok(stopped) = ptrace::wait(self.held.is_empty()) {
            let Some((thread, stop)) = stopped else {
                self.release();
                thread::sleep(LOOK);
                continue;
            };
            match stop {
                Stop::Gone(status) => {
                    self.threads.remove(&thread);
                    if thread == self.program {
                        code = if libc::WIFEXITED(status) {
                            libc::WEXITSTATUS(status)
                        } else {
                            128 + libc::WTERMSIG(status)
                        };
                    }
                }
                Stop::Other => ptrace::go_on(thread, 0),
                Stop::Signal(signal) => {
                    // A new thread begins with a stop of its own; the program
                    // itself with that of its execution.
                    let new = !self.threads.contains_key(&thread) && signal == libc::SIGSTOP;
                    self.threads.entry(thread).or_default();
                    ptrace::go_on(thread, if new || signal == libc::SIGTRAP { 0 } else { signal });
                }
                Stop::Call(Boundary::Entry { number, arguments }) => self.enter(thread, number, arguments),
                Stop::Call(Boundary::Exit { value }) => self.leave(thread, value),
            }
        }
        code
    }

    fn enter(&mut self, thread: Thread, number: i64, arguments: [u64; 6]) {
        if let Some(record) = &mut self.record
            && let Some(noted) = record.entry(thread, number, arguments)
        {
            if noted.changes() && self.turn.is_some() {
                self.waiting.push_back((thread, noted));
                return;
            }
            self.note(thread, noted);
        } else if let Some(call) = calls::read(thread, &self.volume, number, arguments) {
            let decided = self.plan.lock().unwrap().decide(&call);
            if let Some(action) = decided
                && !self.act(thread, &call, action)
            {
                return;
            }
        }
        ptrace::go_on(thread, 0);
    }

    fn note(&mut self, thread: Thread, noted: Noted) {
        if noted.changes() {
            self.turn = Some(thread);
        }
        self.threads.insert(thread, Return::Note(noted));
    }

    /// Returns whether the thread may go on.
    fn act(&mut self, thread: Thread, call: &Call, action: Action) -> bool {
        let returns = match action {
            Action::Fail(errno) => {
                ptrace::set(thread, Register::Number, -1);
                Return::Say(errno.number())
            }
            Action::Done(errno) => Return::Say(errno.number()),
            Action::Short | Action::Full => halve(thread, call),
            Action::Hold => {
                self.held.push(thread);
                self.plan.lock().unwrap().held = self.held.len();
                return false;
            }
        };
        self.threads.insert(thread, returns);
        true
    }

    fn leave(&mut self, thread: Thread, value: i64) {
        match self.threads.insert(thread, Return::Nothing).unwrap_or_default() {
            Return::Nothing => {}
            Return::Say(errno) => ptrace::set(thread, Register::Value, -i64::from(errno)),
            Return::Restore { third, memory } => {
                ptrace::set(thread, Register::Third, third.cast_signed());
                if let Some((address, number)) = memory {
                    memory::put(thread, address, number);
                }
            }
            Return::Note(noted) => {
                let changes = noted.changes();
                if let Some(record) = &mut self.record {
                    record.exit(thread, noted, value);
                }
                if changes {
                    self.turn = None;
                    if let Some((next, noted)) = self.waiting.pop_front() {
                        self.note(next, noted);
                        ptrace::go_on(next, 0);
                    }
                }
            }
        }
        ptrace::go_on(thread, 0);
    }

    fn release(&mut self) {
        let mut plan = self.plan.lock().unwrap();
        if plan.released() {
            plan.held = 0;
            self.held.drain(..).for_each(|thread| ptrace::go_on(thread, 0));
        }
    }
}

/// Makes a write half as long.
fn halve(thread: Thread, call: &Call) -> Return {
    debug_assert_eq!(call.kind, Kind::Write);
    let third = call.arguments[2];
    if matches!(call.number, libc::SYS_write | libc::SYS_pwrite64) {
        ptrace::set(thread, Register::Third, third.div_ceil(2).cast_signed());
        return Return::Restore { third, memory: None };
    }
    // Of several slices, the first, and of that one half.
    ptrace::set(thread, Register::Third, 1);
    let first = memory::slices(thread, call.arguments[1], 1).first().copied();
    let memory = first.map(|(_, length)| {
        let address = call.arguments[1] + 8;
        memory::put(thread, address, length.div_ceil(2));
        (address, length)
    });
    Return::Restore { third, memory }
}

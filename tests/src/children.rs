//! Processes that end with the test that started them.

use std::{
    ffi::OsStr,
    io,
    path::Path,
    process::{Child, Command},
    sync::{
        OnceLock,
        mpsc::{Sender, channel},
    },
    thread,
};

use rustix::process::{Pid, Signal, kill_process};

type Order = (Command, Sender<io::Result<Child>>);

/// A command whose process is killed when this process dies, however it dies,
/// where `setpriv` (of util-linux) is there to arrange it.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    const SETPRIV: &str = "/usr/bin/setpriv";
    if !Path::new(SETPRIV).exists() {
        return Command::new(program);
    }
    let mut command = Command::new(SETPRIV);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Starts a process.
///
/// The kernel ties a child to the *thread* that made it, and a test's thread
/// may end before its child should: so one thread that stays makes them all.
pub fn spawn(command: Command) -> io::Result<Child> {
    static NURSERY: OnceLock<Sender<Order>> = OnceLock::new();
    let nursery = NURSERY.get_or_init(|| {
        let (orders, inbox) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in inbox {
                let _ = reply.send(command.spawn());
            }
        });
        orders
    });
    let (reply, child) = channel();
    nursery.send((command, reply)).expect("the nursery runs as long as the process");
    child.recv().expect("the nursery answers each order")
}

/// Sends a signal to a child that was not waited for yet.
pub fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_child(child);
    // ESRCH: it ended by itself.
    let _ = kill_process(pid, signal);
}

//! Orders of a test.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use skerry_tests::supervisor::Order;

use super::faults::Plan;

/// Listens for orders, each on a connection of its own.
pub fn listen(path: &Path) -> Arc<Mutex<Plan>> {
    // What the supervisor before this one left.
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let plan = Arc::<Mutex<Plan>>::default();
    let shared = plan.clone();
    thread::spawn(move || {
        for socket in listener.incoming() {
            if let Err(error) = socket.and_then(|socket| answer(&socket, &shared)) {
                eprintln!("an order: {error}");
            }
        }
    });
    plan
}

fn answer(mut socket: &UnixStream, plan: &Mutex<Plan>) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line)?;
    let mut plan = plan.lock().unwrap();
    let answer = match serde_json::from_str(&line)? {
        Order::Arm(fault) => {
            plan.arm(fault);
            "null".to_owned()
        }
        Order::Disarm => serde_json::to_string(&plan.disarm())?,
        Order::Held => plan.held.to_string(),
    };
    drop(plan);
    writeln!(socket, "{answer}")
}

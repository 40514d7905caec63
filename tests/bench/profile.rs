//! Where the time of one workload goes, in the server alone: by `perf`.

use std::{path::Path, process::Command, thread, time::Duration};

use rustix::process::Signal;
use skerry_tests::{children, tools};

use crate::{
    ground::Fixtures,
    load::Window,
    options::Options,
    servers::{Server, Who},
    work::{self, Context, Run},
};

/// Samples a second: no multiple of a timer's.
const FREQUENCY: &str = "997";
/// Functions with less of the time, in percent, are left out.
const LEAST: &str = "0.7";

/// Runs a workload with a profiler beside the first of the chosen servers, and
/// prints the functions that took most.
///
/// # Errors
/// A sentence.
pub fn run(options: &Options, name: &str) -> Result<(), String> {
    if tools::look("perf").is_none() {
        return Err("perf is not installed: apt-get install linux-perf".to_owned());
    }
    let mut sizes = options.sizes.clone();
    sizes.window = Window { before: Duration::from_secs(1), time: Duration::from_secs(5) };
    let workload = work::all(&sizes)
        .into_iter()
        .find(|workload| workload.rows.iter().any(|row| row.name == name))
        .ok_or_else(|| format!("{name} is no workload: --list names them"))?;
    let Run::Shared(measure) = workload.run else {
        return Err(format!("{name} starts its own servers: there is nothing to attach a profiler to"));
    };
    let who = options.servers.first().copied().unwrap_or(Who::Skerry);
    if !who.serves() {
        return Err(format!("{who} is no server"));
    }
    crate::allow_files();
    let fixtures = Fixtures::new(&options.directory.clone().unwrap_or_else(crate::target), &sizes);
    let server = Server::start(who, &fixtures.ground);
    let data = fixtures.ground.directory.join("perf.data");
    let mut perf = record(&data, server.processes.all())?;
    let sample = measure(&Context { fixtures: &fixtures, sizes: &sizes }, &server);
    children::signal(&perf, Signal::INT);
    perf.wait().map_err(|error| error.to_string())?;
    let (value, cpu) = workload.rows[0].unit.figures(&sample);
    let (unit, cpu_unit) = workload.rows[0].unit.names();
    println!("{name}, {who}: {value:.0} {unit}, {:.1} {cpu_unit}, {} failures\n", cpu.unwrap_or(0.0), sample.failures);
    for arguments in [&["--no-children", "-g", "none"][..], &["--children", "-g", "none"]] {
        let mut report = Command::new(tools::find("perf"));
        report.args(["report", "--stdio", "--percent-limit", LEAST, "--sort", "symbol"]).args(arguments);
        report.arg("-i").arg(&data);
        let text = tools::succeed(report);
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        println!("--- {}", if arguments[0] == "--children" { "with what they called" } else { "by themselves" });
        lines.filter(|line| line.contains('%')).take(45).for_each(|line| println!("{line}"));
        println!();
    }
    Ok(())
}

fn record(data: &Path, pids: &[u32]) -> Result<std::process::Child, String> {
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    let mut perf = children::command(tools::find("perf"));
    // The stack is followed by frame pointers: build with
    // RUSTFLAGS="-C force-frame-pointers=yes" to have all of it.
    perf.args(["record", "--quiet", "-F", FREQUENCY, "-g", "-o"]).arg(data).arg("-p").arg(pids.join(","));
    let mut perf = children::spawn(perf).map_err(|error| format!("perf does not start: {error}"))?;
    thread::sleep(Duration::from_millis(500));
    match perf.try_wait() {
        Ok(None) => Ok(perf),
        _ => Err("perf cannot look at processes here: see /proc/sys/kernel/perf_event_paranoid".to_owned()),
    }
}

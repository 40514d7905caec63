//! The benchmark: the registry beside others and beside nginx, over verified
//! TLS, with every byte checked and every failure counted.
//!
//! Servers take turns within each workload, so that a noisy machine is noisy
//! for all of them; what is compared are medians, and the processor time that
//! the server itself used. `--help` says what can be asked for.
//!
//! `cargo test` runs it too, small and with ourselves alone: it shows that all
//! of it works, and says nothing of speed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod ask;
mod blob;
mod ground;
mod h1;
mod link;
mod load;
mod options;
mod process;
mod profile;
mod results;
mod servers;
mod svg;
mod table;
mod twin;
mod work;

use std::{collections::HashMap, env, fs, path::Path, process::ExitCode};

use serde_json::Value;

use self::{
    ground::Fixtures,
    options::Options,
    results::Samples,
    servers::{Server, Who},
    work::{Context, Run, Workload},
};

/// The environment variable by which this program knows that it is to be the
/// native twin, and no benchmark.
pub const TWIN: &str = "SKERRY_BENCH_TWIN";

fn main() -> ExitCode {
    if env::var_os(TWIN).is_some() {
        return twin::main();
    }
    let words: Vec<String> = env::args().skip(1).collect();
    let parsed = if words.iter().any(|word| word == "--bench") {
        Options::parse(words.into_iter())
    } else {
        Ok(Options::trial())
    };
    match parsed.and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let mut workloads = work::all(&options.sizes);
    workloads.retain(|workload| {
        let wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|only| name.contains(only));
        workload.rows.iter().any(|row| wanted(&row.name))
    });
    if options.list {
        workloads.iter().flat_map(|workload| &workload.rows).for_each(|row| println!("{}", row.name));
        return Ok(());
    }
    if let Some(name) = &options.profile {
        return profile::run(options, name);
    }
    if !options.quick && options.from.is_none() {
        servers::as_shipped();
    }
    let results = match &options.from {
        Some(file) => {
            let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?
        }
        None => measure(options, &workloads)?,
    };
    if let Some(file) = &options.json {
        write(file, &format!("{results:#}\n"))?;
    }
    if let Some(file) = &options.svg {
        write(file, &svg::draw(&results))?;
    }
    if options.markdown {
        let rows = svg::ROWS.map(|(name, _)| name);
        println!("{}\n{}", table::markdown(&results, &rows), table::caption(&results));
    } else {
        println!("{}\n{}", table::terminal(&results), table::caption(&results));
    }
    for failure in results::failures(&results, &Who::ALL) {
        eprintln!("{failure}");
    }
    // What others fail at is theirs; it is shown.
    match results::failures(&results, &Who::OURS).len() {
        0 => Ok(()),
        count => Err(format!("{count} rows with failures of our own")),
    }
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    // Cargo runs this where the package lies, people call it from the top.
    let file = skerry_tests::binary::workspace().join(file);
    fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))
}

/// Runs workloads; returns the results.
fn measure(options: &Options, workloads: &[Workload]) -> Result<Value, String> {
    let mut versions = Vec::new();
    let mut missing = Vec::new();
    let mut chosen: Vec<Who> = Who::ALL.into_iter().filter(|who| options.servers.contains(who)).collect();
    // What is not installed is said before anything is built.
    chosen.sort_by_key(|who| Who::OURS.contains(who));
    for who in chosen {
        if !missing.is_empty() && Who::OURS.contains(&who) {
            break;
        }
        match who.version() {
            Ok(version) => versions.push((who, version)),
            Err(sentence) => missing.push(sentence),
        }
    }
    if !missing.is_empty() {
        return Err(missing.join("\n"));
    }
    allow_files();
    keep_memory();
    eprintln!("writing what is served …");
    let directory = options.directory.clone().unwrap_or_else(target);
    let fixtures = Fixtures::new(&directory, &options.sizes);
    let context = Context { fixtures: &fixtures, sizes: &options.sizes };
    let mut running: HashMap<Who, Server> = HashMap::new();
    let mut results = results::head(options, &versions);
    for workload in workloads {
        let servers: Vec<Who> = workload.servers.iter().copied().filter(|who| options.servers.contains(who)).collect();
        let mut samples: Vec<Samples> = workload.rows.iter().map(|_| Samples::new()).collect();
        for round in 0..if workload.once { 1 } else { options.rounds } {
            for &who in &servers {
                // What another left in memory is not this one's to write.
                rustix::fs::sync();
                let all = match &workload.run {
                    _ if !who.serves() => vec![work::on_disk(&context)],
                    Run::Shared(run) => {
                        let server = running.entry(who).or_insert_with(|| Server::start(who, &fixtures.ground));
                        vec![run(&context, server)]
                    }
                    Run::Alone(run) => {
                        // Nothing else is to use memory or time meanwhile.
                        running.clear();
                        run(&context, who)
                    }
                };
                for ((row, sample), samples) in workload.rows.iter().zip(all).zip(&mut samples) {
                    let (value, cpu) = row.unit.figures(&sample);
                    let (unit, cpu_unit) = row.unit.names();
                    let cpu = cpu.map(|cpu| format!(", {cpu:.0} {cpu_unit}")).unwrap_or_default();
                    eprintln!("{:30} round {} {who:9} {value:9.1} {unit}{cpu}", row.name, round + 1);
                    samples.entry(who).or_default().push(sample);
                }
            }
        }
        let rows = results["workloads"].as_array_mut().expect("made so");
        rows.extend(workload.rows.iter().zip(&samples).map(|(row, samples)| results::row(row, samples)));
    }
    Ok(results)
}

/// As many descriptors as the system lets us have: connections take them.
fn allow_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Has memory that clients give back stay with this process. Else what frames
/// of HTTP/2 are read into goes back to the kernel with every few of them, and
/// a fifth of a client's time, on the processors of the server that is
/// measured, is that of new pages. glibc keeps up to twice as much as the
/// largest block that it ever took from the kernel by itself, of up to 32 MiB,
/// and gave back.
fn keep_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(31 << 20)));
}

/// Where cargo builds: on a disk, and no part of the clone.
fn target() -> std::path::PathBuf {
    env::current_exe().unwrap().ancestors().nth(3).expect("this lies in target/<profile>/deps").to_owned()
}

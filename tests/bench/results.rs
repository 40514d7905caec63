//! What was measured, as JSON: tables and picture are made from it alone.

use std::{collections::HashMap, fs, process::Command};

use serde_json::{Map, Value, json};

use crate::{load::Sample, options::Options, servers::Who, work::Row};

/// Samples of one row, by server.
pub type Samples = HashMap<Who, Vec<Sample>>;

/// The head of the results.
pub fn head(options: &Options, versions: &[(Who, String)]) -> Value {
    let versions: Map<String, Value> =
        versions.iter().map(|(who, version)| (who.name().to_owned(), json!(version))).collect();
    json!({
        "command": options.shown, "date": output("date", &["-u", "+%Y-%m-%d"]), "rounds": options.rounds,
        "quick": options.quick, "machine": machine(), "versions": versions, "workloads": [],
    })
}

fn machine() -> Value {
    let read = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let kibibytes = read("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse::<u64>().unwrap_or(0);
    json!({
        "processor": read("/proc/cpuinfo", "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory_gib": (kibibytes as f64 / 1_048_576.0).round(),
        "kernel": output("uname", &["-sr"]),
    })
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}

/// One row: medians, ratios of ours to each other server, every sample.
pub fn row(row: &Row, samples: &Samples) -> Value {
    let (unit, cpu_unit) = row.unit.names();
    let mut servers = Map::new();
    for who in Who::ALL {
        let Some(samples) = samples.get(&who).filter(|samples| !samples.is_empty()) else { continue };
        let figures: Vec<_> = samples.iter().map(|sample| row.unit.figures(sample)).collect();
        let value: Vec<f64> = figures.iter().map(|(value, _)| *value).filter(|value| value.is_finite()).collect();
        let cpu: Vec<f64> = figures.iter().filter_map(|(_, cpu)| *cpu).collect();
        servers.insert(
            who.name().to_owned(),
            json!({
                "median": median(&value), "cpu": median(&cpu), "samples": value.iter().copied().map(rounded).collect::<Vec<_>>(),
                "failures": samples.iter().map(|sample| sample.failures).sum::<u64>(),
                "failure": samples.iter().find_map(|sample| sample.first.clone()),
            }),
        );
    }
    let mut ratios = Map::new();
    for who in Who::ALL.into_iter().filter(|who| *who != Who::Skerry) {
        if let (Some(ours), Some(theirs)) = (median_of(&servers, Who::Skerry), median_of(&servers, who)) {
            let ratio = if row.unit.more() { ours / theirs } else { theirs / ours };
            ratios.insert(who.name().to_owned(), rounded(ratio));
        }
    }
    json!({
        "name": row.name, "title": row.title, "unit": unit, "cpu_unit": cpu_unit, "more_is_better": row.unit.more(),
        "servers": servers, "ratios": ratios,
    })
}

fn median_of(servers: &Map<String, Value>, who: Who) -> Option<f64> {
    servers.get(who.name())?["median"].as_f64().filter(|value| *value > 0.0)
}

fn median(values: &[f64]) -> Value {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.get(middle) {
        Some(upper) if sorted.len() % 2 == 1 => rounded(*upper),
        Some(upper) => rounded(f64::midpoint(sorted[middle - 1], *upper)),
        None => Value::Null,
    }
}

/// Four significant digits: more would not be true.
fn rounded(value: f64) -> Value {
    if value == 0.0 || !value.is_finite() {
        return json!(value);
    }
    let digits = 10f64.powi(3 - value.abs().log10().floor() as i32);
    json!((value * digits).round() / digits)
}

/// Failures of these servers, and the first sentence of each.
pub fn failures(results: &Value, of: &[Who]) -> Vec<String> {
    let mut all = Vec::new();
    for row in results["workloads"].as_array().into_iter().flatten() {
        for who in of {
            let server = &row["servers"][who.name()];
            if server["failures"].as_u64().unwrap_or(0) > 0 {
                let (name, count) = (row["name"].as_str().unwrap_or_default(), &server["failures"]);
                all.push(format!("{name}: {who}: {count} failures, the first: {}", server["failure"]));
            }
        }
    }
    all
}

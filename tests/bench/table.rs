//! Results as text: for the terminal, and as Markdown.

use std::fmt::Write as _;

use serde_json::Value;

use crate::servers::Who;

/// Servers that results have, in their own order.
fn servers(results: &Value) -> Vec<Who> {
    let rows = || results["workloads"].as_array().into_iter().flatten();
    Who::ALL.into_iter().filter(|who| rows().any(|row| row["servers"].get(who.name()).is_some())).collect()
}

/// Three significant digits, whole from 100 on.
pub fn short(value: &Value) -> String {
    match value.as_f64() {
        None => "–".to_owned(),
        Some(value) if value >= 10_000.0 => {
            let (thousands, rest) = ((value / 1000.0) as u64, (value % 1000.0) as u64);
            format!("{thousands},{rest:03}")
        }
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

fn cell(row: &Value, who: Who) -> String {
    let server = &row["servers"][who.name()];
    let mut text = short(&server["median"]);
    if server["cpu"].is_number() && row["cpu_unit"].as_str().is_some_and(|unit| !unit.is_empty()) {
        write!(text, " ({})", short(&server["cpu"])).unwrap();
    }
    if server["failures"].as_u64().unwrap_or(0) > 0 {
        write!(text, " {} failed", server["failures"]).unwrap();
    }
    text
}

fn ratio(row: &Value, who: Who) -> String {
    row["ratios"][who.name()].as_f64().map_or_else(String::new, |ratio| format!("{ratio:.2}×"))
}

/// For a terminal: one row a workload; in each cell the median, in brackets
/// the server's processor time; then how many times as good ours is.
pub fn terminal(results: &Value) -> String {
    let all = servers(results);
    let mut lines = vec![vec!["workload".to_owned(), "unit (processor)".to_owned()]];
    lines[0].extend(all.iter().map(ToString::to_string));
    lines[0].extend(all[1.min(all.len())..].iter().map(|who| format!("×{who}")));
    for row in results["workloads"].as_array().into_iter().flatten() {
        let text = |key: &str| row[key].as_str().unwrap_or_default();
        let mut line = vec![text("name").to_owned(), format!("{} ({})", text("unit"), text("cpu_unit"))];
        line.extend(all.iter().map(|&who| cell(row, who)));
        line.extend(all[1.min(all.len())..].iter().map(|&who| ratio(row, who)));
        lines.push(line);
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let mut out = String::new();
    for line in &lines {
        for (column, (text, width)) in line.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - text.chars().count());
            let text = if column < 2 { format!("{text}{pad}") } else { format!("{pad}{text}") };
            write!(out, "{text}  ").unwrap();
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}

/// What the figures were measured with: a sentence.
pub fn caption(results: &Value) -> String {
    let (machine, text) = (&results["machine"], |value: &Value| value.as_str().unwrap_or_default().to_owned());
    let versions: Vec<String> = [Who::Nginx, Who::Registry3, Who::Registry2]
        .iter()
        .filter_map(|who| results["versions"][who.name()].as_str())
        .map(str::to_owned)
        .collect();
    format!(
        "{}; {} cores of {}, {} GiB, {}, shared with the client; median of {} rounds; {}",
        text(&results["date"]),
        machine["cores"],
        text(&machine["processor"]),
        machine["memory_gib"].as_f64().unwrap_or(0.0),
        text(&machine["kernel"]),
        results["rounds"],
        versions.join(", ")
    )
}

/// A table for README.md: of each server the median, and in brackets how many
/// times as good ours is.
pub fn markdown(results: &Value, only: &[&str]) -> String {
    let all: Vec<Who> = servers(results)
        .into_iter()
        .filter(|who| !matches!(who, Who::Twin | Who::Guarded | Who::Asked | Who::Disk))
        .collect();
    let head: Vec<String> = all.iter().map(|who| who.title().to_owned()).collect();
    let mut out = format!("| over TLS | {} |\n|---|{}\n", head.join(" | "), "---|".repeat(all.len()));
    for row in results["workloads"].as_array().into_iter().flatten() {
        let name = row["name"].as_str().unwrap_or_default();
        if !only.contains(&name) {
            continue;
        }
        let text = |key: &str| row[key].as_str().unwrap_or_default();
        write!(out, "| {}, {} |", text("title"), text("unit")).unwrap();
        for &who in &all {
            let value = short(&row["servers"][who.name()]["median"]);
            match ratio(row, who) {
                ratio if ratio.is_empty() => write!(out, " {value} |").unwrap(),
                ratio => write!(out, " {value} ({ratio}) |").unwrap(),
            }
        }
        out.push('\n');
    }
    out
}

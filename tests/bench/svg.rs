//! A picture of the ratios: how many times as good ours is as each other.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{servers::Who, table};

/// What is drawn: a row, and what it is called here.
pub const ROWS: [(&str, &str); 14] = [
    ("ping", "GET /v2/"),
    ("manifest-get-tag", "manifest GET by tag"),
    ("manifest-get-tag-many", "… another each time"),
    ("blob-get-small", "blob GET, 2 KiB"),
    ("blob-get-512m-1-h1", "blob GET, 512 MiB"),
    ("blob-get-512m-4-h1", "… on 4 connections"),
    ("blob-get-512m-1-h2", "… by HTTP/2"),
    ("blob-put-512m-1-h1", "blob PUT, 512 MiB"),
    ("image-push", "image push, 16 clients"),
    ("image-pull", "image pull, 16 clients"),
    ("handshake-full", "new TLS connections"),
    ("cold-start", "cold start"),
    ("memory-idle", "memory, idle"),
    ("memory-pushes", "memory, 8 × 1 GiB pushes"),
];

const PEERS: [(Who, &str); 3] = [(Who::Nginx, "#4c8c6b"), (Who::Registry3, "#3b6fb6"), (Who::Registry2, "#9aa7b8")];

const WIDTH: f64 = 860.0;
const LEFT: f64 = 220.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 84.0;
const BAR: f64 = 11.0;
const GAP: f64 = 13.0;
const FONT: &str = "font-family=\"ui-sans-serif, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif\"";

/// Where ratios lie, on a logarithmic scale.
struct Scale {
    lowest: f64,
    highest: f64,
}

impl Scale {
    fn x(&self, ratio: f64) -> f64 {
        LEFT + (ratio / self.lowest).ln() / (self.highest / self.lowest).ln() * (WIDTH - LEFT - RIGHT)
    }
}

/// Draws results.
pub fn draw(results: &Value) -> String {
    let rows: Vec<(&str, &Value)> = ROWS
        .iter()
        .filter_map(|(name, title)| {
            let all = results["workloads"].as_array()?;
            Some((*title, all.iter().find(|row| row["name"] == *name)?))
        })
        .filter(|(_, row)| PEERS.iter().any(|(who, _)| row["ratios"][who.name()].is_number()))
        .collect();
    let ratios = || rows.iter().flat_map(|(_, row)| PEERS.map(|(who, _)| row["ratios"][who.name()].as_f64())).flatten();
    // Beyond the outermost bars there is room for their figures.
    let scale = Scale { lowest: ratios().fold(0.9, f64::min) * 0.7, highest: ratios().fold(4.0, f64::max) * 1.1 };
    let bars = |row: &Value| PEERS.iter().filter(|(who, _)| row["ratios"][who.name()].is_number()).count() as f64;
    let inner: f64 = rows.iter().map(|(_, row)| bars(row) * BAR + GAP).sum();
    let height = TOP + inner + 46.0;

    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\" aria-label=\"How many times as fast or as small Skerry is as other servers\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" rx=\"8\" fill=\"#ffffff\"/>\n<g {FONT} fill=\"#1f2933\">\n\
         <text x=\"20\" y=\"31\" font-size=\"17\" font-weight=\"600\">Skerry: how many times as fast, or as small, as …</text>\n"
    );
    let mut at = 20.0;
    for (who, colour) in PEERS {
        writeln!(out, "<rect x=\"{at}\" y=\"44\" width=\"11\" height=\"11\" rx=\"2\" fill=\"{colour}\"/>").unwrap();
        writeln!(out, "<text x=\"{}\" y=\"54\" font-size=\"12.5\">{}</text>", at + 17.0, who.title()).unwrap();
        at += 38.0 + 7.0 * who.title().len() as f64;
    }
    grid(&mut out, &scale, height);
    let mut y = TOP;
    for (title, row) in rows {
        let tall = bars(row) * BAR;
        let middle = y + tall / 2.0 + 4.3;
        writeln!(
            out,
            "<text x=\"{}\" y=\"{middle:.1}\" font-size=\"12.5\" text-anchor=\"end\">{}</text>",
            LEFT - 12.0,
            escape(title)
        )
        .unwrap();
        for (who, colour) in PEERS {
            if let Some(ratio) = row["ratios"][who.name()].as_f64() {
                bar(&mut out, ratio, &scale, y, colour);
                y += BAR;
            }
        }
        y += GAP;
    }
    let caption = escape(&table::caption(results));
    let (first, rest) = split(&caption);
    for (index, line) in [first, rest].into_iter().enumerate() {
        let y = height - 22.0 + 12.0 * index as f64;
        writeln!(out, "<text x=\"20\" y=\"{y}\" font-size=\"9.5\" fill=\"#66727f\">{line}</text>").unwrap();
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// One bar, from "as good" to the ratio, and its figure.
fn bar(out: &mut String, ratio: f64, scale: &Scale, y: f64, colour: &str) {
    let (one, end) = (scale.x(1.0), scale.x(ratio));
    let (from, width) = (one.min(end), (end - one).abs().max(1.0));
    writeln!(
        out,
        "<rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{}\" rx=\"2\" fill=\"{colour}\"/>",
        y + 1.0,
        BAR - 2.0
    )
    .unwrap();
    let figure = if ratio >= 10.0 { format!("{ratio:.0}×") } else { format!("{ratio:.2}×") };
    // Beside the bar: to its right, or to its left where it is shorter than one.
    let (at, anchor) = if ratio >= 1.0 { (end + 5.0, "start") } else { (end - 5.0, "end") };
    writeln!(out, "<text x=\"{at:.1}\" y=\"{:.1}\" font-size=\"10\" text-anchor=\"{anchor}\">{figure}</text>", y + 9.0)
        .unwrap();
}

/// Lines at round ratios; the one at 1 is strong.
fn grid(out: &mut String, scale: &Scale, height: f64) {
    for ratio in [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0] {
        if ratio < scale.lowest || ratio > scale.highest {
            continue;
        }
        let at = scale.x(ratio);
        let (colour, wide) = if ratio == 1.0 { ("#1f2933", 1.2) } else { ("#dde3ea", 1.0) };
        writeln!(
            out,
            "<line x1=\"{at:.1}\" y1=\"{}\" x2=\"{at:.1}\" y2=\"{}\" stroke=\"{colour}\" stroke-width=\"{wide}\"/>",
            TOP - 8.0,
            height - 44.0
        )
        .unwrap();
        writeln!(
            out,
            "<text x=\"{at:.1}\" y=\"{}\" font-size=\"10.5\" fill=\"#66727f\" text-anchor=\"middle\">{ratio}×</text>",
            TOP - 13.0
        )
        .unwrap();
    }
}

/// A caption in two lines.
fn split(caption: &str) -> (&str, &str) {
    let middle = caption.len() / 2;
    let cut = caption.match_indices("; ").map(|(at, _)| at + 1).min_by_key(|at| at.abs_diff(middle));
    cut.map_or((caption, ""), |cut| (&caption[..cut], caption[cut..].trim_start()))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

//! The exposition format.

use std::fmt::Write as _;

use super::Source;

/// `a="b",c="d"`, escaped.
pub(super) fn labels(labels: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (name, value) in labels {
        let comma = if out.is_empty() { "" } else { "," };
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(out, "{comma}{name}=\"{value}\"");
    }
    out
}

/// The lines of one series.
pub(super) fn write(out: &mut String, name: &str, labels: &str, source: &Source) {
    let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    // A write to a String does not fail.
    let _ = match source {
        Source::Counter(counter) => writeln!(out, "{name}{braced} {}", counter.value()),
        Source::Gauge(gauge) => writeln!(out, "{name}{braced} {}", gauge.value()),
        Source::Asked(ask) => writeln!(out, "{name}{braced} {}", ask()),
        Source::Each(label, ask) => ask().iter().try_for_each(|(value, number)| {
            let own = self::labels(&[(label, value)]);
            writeln!(out, "{name}{{{own}}} {number}")
        }),
        Source::Histogram(histogram) => {
            let (rows, count, sum) = histogram.snapshot();
            let comma = if labels.is_empty() { "" } else { "," };
            for (bound, n) in rows {
                let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {n}");
            }
            let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
            let _ = writeln!(out, "{name}_sum{braced} {sum}");
            writeln!(out, "{name}_count{braced} {count}")
        }
    };
}

//! Numbers for operators: counters, gauges and histograms, and their text.
//!
//! A room asks the registry once for what it counts and keeps the handle; to
//! count is then one relaxed atomic addition, with no lock and no allocation.
//! The text is Prometheus' exposition format 0.0.4.

mod text;
mod value;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

pub use self::value::{Counter, Gauge, Held, Histogram};

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All that is counted in this process.
#[derive(Default)]
pub struct Metrics {
    families: Mutex<BTreeMap<&'static str, Family>>,
}

/// What shares a name.
struct Family {
    help: &'static str,
    kind: &'static str,
    /// Labels as they are written, `{a="b"}` without the braces.
    series: BTreeMap<String, Source>,
}

/// Where a number comes from.
#[derive(Clone)]
enum Source {
    Counter(Arc<Counter>),
    Gauge(Arc<Gauge>),
    Histogram(Arc<Histogram>),
    Asked(Arc<dyn Fn() -> f64 + Send + Sync>),
    /// One number for each value of a label.
    Each(&'static str, Arc<dyn Fn() -> Vec<(String, f64)> + Send + Sync>),
}

impl Metrics {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A number that only grows. Asked for again with the same name and
    /// labels, it is the same one.
    pub fn counter(&self, name: &'static str, help: &'static str, labels: &[(&str, &str)]) -> Arc<Counter> {
        let made = Arc::new(Counter::default());
        match self.register(name, help, "counter", labels, Source::Counter(made.clone())) {
            Source::Counter(known) => known,
            // A name used for two kinds is a mistake of ours that no operator
            // should pay for: it counts where nobody sees it.
            _ => made,
        }
    }

    /// A number that goes up and down.
    pub fn gauge(&self, name: &'static str, help: &'static str, labels: &[(&str, &str)]) -> Arc<Gauge> {
        let made = Arc::new(Gauge::default());
        match self.register(name, help, "gauge", labels, Source::Gauge(made.clone())) {
            Source::Gauge(known) => known,
            _ => made,
        }
    }

    /// Durations, in buckets.
    pub fn histogram(&self, name: &'static str, help: &'static str, labels: &[(&str, &str)]) -> Arc<Histogram> {
        let made = Arc::new(Histogram::default());
        match self.register(name, help, "histogram", labels, Source::Histogram(made.clone())) {
            Source::Histogram(known) => known,
            _ => made,
        }
    }

    /// A gauge whose value is asked for when it is shown.
    pub fn gauge_fn(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        ask: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.register(name, help, "gauge", labels, Source::Asked(Arc::new(ask)));
    }

    /// A counter that somebody else keeps, asked for when it is shown.
    pub fn counter_fn(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        ask: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.register(name, help, "counter", labels, Source::Asked(Arc::new(ask)));
    }

    /// Counters that somebody else keeps, one for each value of a label: which
    /// those are is asked for as well when they are shown.
    pub fn counters_fn(
        &self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        ask: impl Fn() -> Vec<(String, f64)> + Send + Sync + 'static,
    ) {
        self.register(name, help, "counter", &[], Source::Each(label, Arc::new(ask)));
    }

    /// All of it, as text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::with_capacity(8 << 10);
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, family) in families.iter() {
            let _ = writeln!(out, "# HELP {name} {}", family.help);
            let _ = writeln!(out, "# TYPE {name} {}", family.kind);
            for (labels, source) in &family.series {
                text::write(&mut out, name, labels, source);
            }
        }
        out
    }

    /// Adds a series, or finds the one that is there.
    fn register(
        &self,
        name: &'static str,
        help: &'static str,
        kind: &'static str,
        labels: &[(&str, &str)],
        source: Source,
    ) -> Source {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let family = families.entry(name).or_insert_with(|| Family { help, kind, series: BTreeMap::new() });
        family.series.entry(text::labels(labels)).or_insert(source).clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use super::Metrics;

    #[test]
    fn text() {
        let metrics = Metrics::new();
        metrics.counter("b_total", "B.", &[("x", "1")]).add(3);
        metrics.counter("b_total", "B.", &[("x", "1")]).inc();
        metrics.counter("b_total", "B.", &[("x", "a\"b\\c\n")]).inc();
        let gauge = metrics.gauge("a", "A.", &[]);
        let held = gauge.hold();
        metrics.gauge_fn("c", "C.", &[], || 1.5);
        metrics.histogram("d_seconds", "D.", &[("m", "GET")]).observe(Duration::from_millis(30));
        let text = metrics.render();
        assert!(text.starts_with("# HELP a A.\n# TYPE a gauge\na 1\n"), "{text}");
        for line in [
            "b_total{x=\"1\"} 4",
            "b_total{x=\"a\\\"b\\\\c\\n\"} 1",
            "c 1.5",
            "d_seconds_bucket{m=\"GET\",le=\"0.025\"} 0",
            "d_seconds_bucket{m=\"GET\",le=\"0.05\"} 1",
            "d_seconds_bucket{m=\"GET\",le=\"+Inf\"} 1",
            "d_seconds_sum{m=\"GET\"} 0.03",
            "d_seconds_count{m=\"GET\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
        }
        drop(held);
        assert!(metrics.render().contains("\na 0\n"));
        // One kind a name: the second is not shown.
        metrics.gauge("b_total", "B.", &[("x", "1")]).set(9);
        assert!(metrics.render().contains("b_total{x=\"1\"} 4"));
        // Which there are may change.
        let names = Arc::new(Mutex::new(vec!["one"]));
        let each = Arc::clone(&names);
        let ask = move || each.lock().unwrap().iter().map(|name| ((*name).to_owned(), 2.0)).collect();
        metrics.counters_fn("e_total", "E.", "name", ask);
        assert!(metrics.render().contains("# TYPE e_total counter\ne_total{name=\"one\"} 2\n"));
        *names.lock().unwrap() = vec!["t\"o", "three"];
        assert!(metrics.render().ends_with("\ne_total{name=\"t\\\"o\"} 2\ne_total{name=\"three\"} 2\n"));
    }
}

//! The log: one line an event on standard error, as text or as JSON.
//!
//! Values may come from clients and guests, so whatever a terminal or a reader
//! of lines would obey (control characters, line ends, bidirectional
//! overrides) is written as an escape, and long values are cut.

use std::{
    fmt::{self, Write as _},
    io::Write as _,
};

use serde_json::{Map, Value as Json};
use tracing::{
    Event, Level as Gravity, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt::MakeWriter,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::config::{Level, Log, LogFormat};

/// Characters of one value.
const LONGEST: usize = 4096;

/// Sets up the log of the whole process, once; a second call does nothing.
pub fn init(log: &Log) {
    let lines = Lines::new(log, std::io::stderr);
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter(log))).try_init();
}

/// Our own lines at the configured level; those of libraries from one step
/// graver on, since at `info` they speak of their own affairs.
pub fn filter(log: &Log) -> Targets {
    let (ours, theirs) = match log.level {
        Level::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
        Level::Warn => (LevelFilter::WARN, LevelFilter::WARN),
        Level::Info => (LevelFilter::INFO, LevelFilter::WARN),
        Level::Debug => (LevelFilter::DEBUG, LevelFilter::INFO),
    };
    let targets = Targets::new().with_default(ours).with_targets(
        ["h2", "hyper", "hyper_util", "rustls", "wasmtime", "cranelift", "mio", "tokio"]
            .map(|library| (library, theirs)),
    );
    if log.access { targets } else { targets.with_target("access", LevelFilter::OFF) }
}

/// Writes events as lines.
pub struct Lines<W> {
    format: LogFormat,
    fields: Fields,
    out: W,
}

impl<W> Lines<W> {
    /// Lines to `out`, each with the configured fields.
    pub fn new(log: &Log, out: W) -> Self {
        let fields = log.fields.iter().map(|(name, value)| (name.clone(), Json::from(value.as_str())));
        Self { format: log.format, fields: Fields(fields.collect()), out }
    }
}

/// Names and values in the order in which they were given.
#[derive(Default)]
struct Fields(Vec<(String, Json)>);

impl Fields {
    fn put(&mut self, field: &Field, value: Json) {
        let name = field.name().strip_prefix("r#").unwrap_or(field.name());
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let mut cut = Cut::default();
        let _ = cut.write_str(value);
        self.put(field, Json::from(cut.done()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut cut = Cut::default();
        let _ = write!(cut, "{value:?}");
        self.put(field, Json::from(cut.done()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Json::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Json::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Json::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Json::from(value));
    }
}

/// A text that ends at `LONGEST` characters.
#[derive(Default)]
struct Cut {
    text: String,
    length: usize,
}

impl Cut {
    fn done(mut self) -> String {
        if self.length >= LONGEST {
            self.text.push('…');
        }
        self.text
    }
}

impl fmt::Write for Cut {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for character in more.chars() {
            if self.length >= LONGEST {
                return Err(fmt::Error);
            }
            self.text.push(character);
            self.length += 1;
        }
        Ok(())
    }
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().replace(fields);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut own = Fields::default();
        event.record(&mut own);
        let message = own.0.iter().position(|(name, _)| name == "message").map(|index| own.0.remove(index).1);
        let message = match message {
            Some(Json::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let mut fields: Vec<(String, Json)> = Vec::new();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.extend(outer.0.iter().cloned());
            }
        }
        fields.extend(own.0);
        fields.extend(self.fields.0.iter().cloned());
        let time = now();
        let line = match self.format {
            LogFormat::Text => text(&time, event.metadata(), &message, &fields),
            LogFormat::Json => json(&time, event.metadata(), message, fields),
        };
        // One call a line, so that lines stay whole. A log that cannot be
        // written to stops nothing.
        let _ = self.out.make_writer().write_all(line.as_bytes());
    }
}

fn now() -> String {
    let at = time::OffsetDateTime::now_utc();
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}

fn text(time: &str, metadata: &Metadata<'_>, message: &str, fields: &[(String, Json)]) -> String {
    let mut line = format!("{time} {:<5} ", metadata.level().as_str());
    escape(&mut line, message, false);
    for (name, value) in fields {
        line.push(' ');
        escape(&mut line, name, false);
        line.push('=');
        match value {
            Json::String(text) => {
                let bare =
                    !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !"\"=\\".contains(c) && !obeyed(c));
                if bare {
                    line.push_str(text);
                } else {
                    line.push('"');
                    escape(&mut line, text, true);
                    line.push('"');
                }
            }
            other => line.push_str(&other.to_string()),
        }
    }
    line.push('\n');
    line
}

/// The names are those of distribution's JSON.
fn json(time: &str, metadata: &Metadata<'_>, message: String, fields: Vec<(String, Json)>) -> String {
    let level = match *metadata.level() {
        Gravity::ERROR => "error",
        Gravity::WARN => "warning",
        Gravity::INFO => "info",
        _ => "debug",
    };
    let mut object = Map::new();
    for (name, value) in fields {
        match name.as_str() {
            "time" | "level" | "msg" => object.insert(format!("fields.{name}"), value),
            _ => object.insert(name, value),
        };
    }
    object.insert("level".to_owned(), level.into());
    object.insert("msg".to_owned(), message.into());
    object.insert("time".to_owned(), time.into());
    let plain = Json::Object(object).to_string();
    // serde_json escapes what JSON demands; terminals obey more than that.
    // All of it is in strings, where \u is allowed.
    let mut line = String::with_capacity(plain.len() + 1);
    for character in plain.chars() {
        if obeyed(character) {
            let _ = write!(line, "\\u{:04x}", u32::from(character));
        } else {
            line.push(character);
        }
    }
    line.push('\n');
    line
}

fn escape(out: &mut String, text: &str, quoted: bool) {
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' if quoted => out.push_str("\\\""),
            '\\' if quoted => out.push_str("\\\\"),
            c if obeyed(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

/// What a terminal or a reader of lines would act upon: controls, line and
/// paragraph separators, bidirectional marks. All are below U+10000.
fn obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(format: LogFormat, level: Level, act: impl FnOnce()) -> String {
        let log = Log { level, format, access: true, fields: vec![("service".to_owned(), "registry".to_owned())] };
        let buffer = Buffer::default();
        let out = buffer.clone();
        let lines = Lines::new(&log, move || out.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines.with_filter(filter(&log))), act);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn no_access_log_where_it_is_disabled() {
        let shown = |access| {
            let log = Log { level: Level::Info, format: LogFormat::Text, access, fields: Vec::new() };
            let buffer = Buffer::default();
            let out = buffer.clone();
            let lines = Lines::new(&log, move || out.clone());
            let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter(&log)));
            tracing::subscriber::with_default(subscriber, || {
                tracing::info!(target: "access", "a request");
                tracing::info!("something else");
            });
            let bytes = buffer.0.lock().unwrap().clone();
            String::from_utf8(bytes).unwrap()
        };
        assert!(shown(true).contains("a request"));
        assert!(!shown(false).contains("a request") && shown(false).contains("something else"));
    }

    const NASTY: &str = "a\u{1b}[31m\r\nlevel=error \u{9b}x\u{202e}\u{7f}\"\\";

    #[test]
    fn text_lines() {
        let text = written(LogFormat::Text, Level::Info, || {
            let span = tracing::info_span!("request", id = "r1", peer = tracing::field::Empty);
            span.record("peer", "10.0.0.1");
            let _inside = span.enter();
            tracing::info!(status = 200, path = NASTY, "{NASTY}");
            tracing::debug!("not shown");
            tracing::info!(target: "hyper::proto", "not shown");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.ends_with('\n') && !text.trim_end_matches('\n').chars().any(obeyed), "{text:?}");
        let (_, rest) = text.split_once(' ').unwrap();
        assert_eq!(
            rest.trim_end(),
            r#"INFO  a\u{1b}[31m\r\nlevel=error \u{9b}x\u{202e}\u{7f}"\ id=r1 peer=10.0.0.1 status=200 path="a\u{1b}[31m\r\nlevel=error \u{9b}x\u{202e}\u{7f}\"\\" service=registry"#
        );
    }

    #[test]
    fn json_lines() {
        let text = written(LogFormat::Json, Level::Debug, || {
            tracing::warn!(path = NASTY, level = 5, ok = true, long = "x".repeat(10_000), "{NASTY}");
            tracing::debug!(target: "hyper::proto", "not shown");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.trim_end_matches('\n').chars().any(obeyed), "{text:?}");
        let line: Json = serde_json::from_str(&text).unwrap();
        let is = |name: &str| line.get(name).unwrap().clone();
        assert_eq!((is("msg"), is("path"), is("level")), (NASTY.into(), NASTY.into(), "warning".into()));
        assert_eq!((is("fields.level"), is("ok"), is("service")), (5.into(), true.into(), "registry".into()));
        assert_eq!(is("long").as_str().unwrap().chars().count(), LONGEST + 1);
        assert!(is("time").as_str().unwrap().ends_with('Z'));
    }
}

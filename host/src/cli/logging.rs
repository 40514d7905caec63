//! The log: one line an event on standard error, as text or as JSON.
//!
//! Values may come from clients and guests, so whatever a terminal or a reader
//! of lines would obey (control characters, line ends, bidirectional
//! overrides) is written as an escape, and long values are cut.

use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    sync::{Arc, LazyLock},
};

use tracing::{
    Event, Level as Gravity, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt::MakeWriter,
    layer::{Context, SubscriberExt},
    util::SubscriberInitExt,
};

use super::gathered::Gathered;
use crate::config::{Level, Log, LogFormat};

/// The target of lines that tell of a request.
const ACCESS: &str = "access";

/// Characters of one value.
const LONGEST: usize = 4096;

/// Lines of requests that wait to be written.
static REQUESTS: LazyLock<Arc<Gathered>> = LazyLock::new(Arc::default);

/// What a thread that answers requests calls before it waits for more.
pub fn thread_waits() {
    REQUESTS.thread_waits(std::io::stderr());
}

/// Writes the lines that wait for a thread that is no more.
pub fn write_all() {
    REQUESTS.write(std::io::stderr());
}

/// Sets up the log of the whole process, once; a second call does nothing.
pub fn init(log: &Log) {
    let lines = Lines { gathered: Arc::clone(&REQUESTS), ..Lines::new(log, std::io::stderr) };
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
    if log.access { targets } else { targets.with_target(ACCESS, LevelFilter::OFF) }
}

/// Writes events as lines. Every request is one, so a line is put together in
/// place, in a buffer that its thread keeps.
pub struct Lines<W> {
    format: LogFormat,
    /// What the configuration adds to each: names, and how they are written.
    fields: Vec<(String, String)>,
    out: W,
    /// Where lines go first.
    gathered: Arc<Gathered>,
}

impl<W> Lines<W> {
    /// Lines to `out`, each with the configured fields.
    pub fn new(log: &Log, out: W) -> Self {
        let written = |(name, value): &(String, String)| {
            let mut written = String::new();
            put_name(&mut written, log.format, name);
            put_text(&mut written, log.format, value);
            (name.clone(), written)
        };
        let fields = log.fields.iter().map(written).collect();
        Self { format: log.format, fields, out, gathered: Arc::default() }
    }
}

thread_local! {
    static LINE: RefCell<Line> = RefCell::new(Line::default());
}

/// A line that is being written.
#[derive(Default)]
struct Line {
    format: LogFormat,
    /// Time, level and message.
    head: String,
    /// The other fields.
    rest: String,
    value: Cut,
    second: Second,
}

impl Line {
    fn begin(&mut self, format: LogFormat, metadata: &Metadata<'_>) {
        self.format = format;
        self.head.clear();
        self.rest.clear();
        let level = metadata.level();
        match format {
            LogFormat::Text => {
                self.second.put_now(&mut self.head);
                let _ = write!(self.head, " {:<5} ", level.as_str());
            }
            // The names are those of distribution's JSON.
            LogFormat::Json => {
                let level = match *level {
                    Gravity::ERROR => "error",
                    Gravity::WARN => "warning",
                    Gravity::INFO => "info",
                    _ => "debug",
                };
                self.head.push_str(r#"{"time":""#);
                self.second.put_now(&mut self.head);
                self.head.push_str(r#"","level":""#);
                self.head.push_str(level);
                self.head.push_str(r#"","msg":"#);
            }
        }
    }

    /// Writes the value that was formatted last.
    fn put_value(&mut self, field: &Field) {
        let value = std::mem::take(&mut self.value);
        self.put(field, value.text());
        self.value = value;
    }

    fn put(&mut self, field: &Field, text: &str) {
        match (field.name(), self.format) {
            ("message", LogFormat::Text) => escape(&mut self.head, text, false),
            ("message", LogFormat::Json) => put_text(&mut self.head, self.format, text),
            (name, _) => {
                put_name(&mut self.rest, self.format, name);
                put_text(&mut self.rest, self.format, text);
            }
        }
    }

    /// Writes what needs no quotes.
    fn plain(&mut self, field: &Field, text: &str) {
        put_name(&mut self.rest, self.format, field.name());
        self.rest.push_str(text);
    }

    fn end(&mut self) -> &[u8] {
        if self.format == LogFormat::Json && self.head.ends_with(':') {
            self.head.push_str("\"\"");
        }
        self.head.push_str(&self.rest);
        self.head.push_str(if self.format == LogFormat::Json { "}\n" } else { "\n" });
        self.head.as_bytes()
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if value.len() <= LONGEST {
            return self.put(field, value);
        }
        self.value.clear();
        let _ = self.value.write_str(value);
        self.put_value(field);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.value.clear();
        let _ = write!(self.value, "{value:?}");
        self.put_value(field);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, itoa::Buffer::new().format(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, itoa::Buffer::new().format(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no other numbers.
        if value.is_finite() { self.plain(field, &value.to_string()) } else { self.record_debug(field, &value) }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, if value { "true" } else { "false" });
    }
}

/// A text that ends at `LONGEST` characters.
#[derive(Default)]
struct Cut {
    text: String,
    length: usize,
}

impl Cut {
    fn clear(&mut self) {
        self.text.clear();
        self.length = 0;
    }

    fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Write for Cut {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = LONGEST.saturating_sub(self.length);
        match if more.len() <= room { None } else { more.char_indices().nth(room) } {
            None => {
                self.text.push_str(more);
                self.length += more.chars().count();
                Ok(())
            }
            Some((end, _)) => {
                self.text.push_str(more.get(..end).unwrap_or_default());
                self.text.push('…');
                self.length = LONGEST;
                Err(fmt::Error)
            }
        }
    }
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        LINE.with(|line| {
            // A value that logs while it is formatted is not heard.
            let Ok(mut line) = line.try_borrow_mut() else { return };
            line.begin(self.format, event.metadata());
            event.record(&mut *line);
            let known = event.metadata().fields();
            for (_, written) in self.fields.iter().filter(|(name, _)| known.field(name).is_none()) {
                line.rest.push_str(written);
            }
            let request = event.metadata().target() == ACCESS;
            self.gathered.put(line.end(), request, self.out.make_writer());
        });
    }
}

/// The second that was written last, and how: lines of one second are many.
#[derive(Default)]
struct Second {
    at: i64,
    text: String,
}

impl Second {
    /// This moment, to the millisecond.
    fn put_now(&mut self, out: &mut String) {
        self.put(time::OffsetDateTime::now_utc(), out);
    }

    fn put(&mut self, now: time::OffsetDateTime, out: &mut String) {
        if self.text.is_empty() || self.at != now.unix_timestamp() {
            self.at = now.unix_timestamp();
            self.text.clear();
            let (date, month) = (now.date(), u8::from(now.month()));
            let _ = write!(self.text, "{:04}-{month:02}-{:02}T", date.year(), date.day());
            let _ = write!(self.text, "{:02}:{:02}:{:02}.", now.hour(), now.minute(), now.second());
        }
        out.push_str(&self.text);
        let millisecond = now.millisecond();
        for unit in [100, 10, 1] {
            out.push(char::from_digit(u32::from(millisecond / unit % 10), 10).unwrap_or('0'));
        }
        out.push('Z');
    }
}

/// What goes before a value.
fn put_name(out: &mut String, format: LogFormat, name: &str) {
    let name = name.strip_prefix("r#").unwrap_or(name);
    match format {
        LogFormat::Text => {
            out.push(' ');
            escape(out, name, false);
            out.push('=');
        }
        LogFormat::Json => {
            out.push(',');
            match name {
                "time" | "level" | "msg" => put_text(out, format, &format!("fields.{name}")),
                _ => put_text(out, format, name),
            }
            out.push(':');
        }
    }
}

/// A text, in quotes where they are needed.
fn put_text(out: &mut String, format: LogFormat, text: &str) {
    let plain = is_plain(text);
    let bare = format == LogFormat::Text
        && !text.is_empty()
        && (plain && !text.bytes().any(|byte| matches!(byte, b' ' | b'='))
            || !text.chars().any(|c| c.is_whitespace() || "\"=\\".contains(c) || obeyed(c)));
    if bare {
        return out.push_str(text);
    }
    out.push('"');
    match format {
        _ if plain => out.push_str(text),
        LogFormat::Text => escape(out, text, true),
        LogFormat::Json => {
            for character in text.chars() {
                match character {
                    '"' => out.push_str("\\\""),
                    '\\' => out.push_str("\\\\"),
                    // More than JSON demands: what terminals obey.
                    c if obeyed(c) => {
                        let _ = write!(out, "\\u{:04x}", u32::from(c));
                    }
                    c => out.push(c),
                }
            }
        }
    }
    out.push('"');
}

/// Whether nothing in it needs an escape, as in most: ASCII that prints.
fn is_plain(text: &str) -> bool {
    // To the end, whatever comes: several bytes are looked at at once.
    text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~') & !matches!(byte, b'"' | b'\\'))
}

fn escape(out: &mut String, text: &str, quoted: bool) {
    if is_plain(text) {
        return out.push_str(text);
    }
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
            tracing::info!(id = "r1", peer = "10.0.0.1", status = 200, path = NASTY, empty = "", "{NASTY}");
            tracing::debug!("not shown");
            tracing::info!(target: "hyper::proto", "not shown");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.ends_with('\n') && !text.trim_end_matches('\n').chars().any(obeyed), "{text:?}");
        let (_, rest) = text.split_once(' ').unwrap();
        assert_eq!(
            rest.trim_end(),
            r#"INFO  a\u{1b}[31m\r\nlevel=error \u{9b}x\u{202e}\u{7f}"\ id=r1 peer=10.0.0.1 status=200 path="a\u{1b}[31m\r\nlevel=error \u{9b}x\u{202e}\u{7f}\"\\" empty="" service=registry"#
        );
    }

    #[test]
    fn times() {
        let (mut second, mut out) = (Second::default(), String::new());
        for nanoseconds in [0, 7_000_000, 7_999_999, 1_020_000_000, 999_000_000, -1_000_000] {
            let at = time::OffsetDateTime::from_unix_timestamp_nanos(1_790_000_000_000_000_000 + nanoseconds).unwrap();
            second.put(at, &mut out);
            out.push(' ');
        }
        assert_eq!(
            out,
            "2026-09-21T14:13:20.000Z 2026-09-21T14:13:20.007Z 2026-09-21T14:13:20.007Z 2026-09-21T14:13:21.020Z \
             2026-09-21T14:13:20.999Z 2026-09-21T14:13:19.999Z "
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
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        let is = |name: &str| line.get(name).unwrap().clone();
        assert_eq!((is("msg"), is("path"), is("level")), (NASTY.into(), NASTY.into(), "warning".into()));
        assert_eq!((is("fields.level"), is("ok"), is("service")), (5.into(), true.into(), "registry".into()));
        assert_eq!(is("long").as_str().unwrap().chars().count(), LONGEST + 1);
        assert!(is("time").as_str().unwrap().ends_with('Z'));
    }
}

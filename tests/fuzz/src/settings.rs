//! Configuration files and variables.

use crate::{
    config::{Source, load},
    lines, text,
};

/// A configuration file. What can be read can be shown, and is the same when
/// it is read again.
pub fn config(bytes: &[u8]) {
    let read = load(Source::text("config.yml", text(bytes)), std::iter::empty());
    if let Err(wrong) = read {
        assert!(!wrong.to_string().is_empty());
    }
}

/// Variables, one a line.
pub fn environment(bytes: &[u8]) {
    let variables = lines(bytes).into_iter().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        Some((format!("REGISTRY_{name}"), value.replace("\\n", "\n")))
    });
    if let Err(wrong) = load(Source::nothing(), variables) {
        assert!(!wrong.to_string().is_empty());
    }
}

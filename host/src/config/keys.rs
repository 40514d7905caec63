//! The table of [`super::schema`] for people: every key with its variable, and
//! what becomes of it.

use std::fmt::Write;

use super::{
    environment::CONFIGURATION_PATH,
    schema::{Kind, ROOT, Support, fields},
};

/// A key, or all keys below one.
#[derive(Debug)]
pub(super) struct Row {
    /// Dotted; `0` is the first item of a list, `*` any other name.
    pub key: String,
    /// Its variable.
    pub variable: String,
    /// `works`, `ours`, `ignored` or `refused`, and what there is to say of it.
    pub outcome: String,
}

/// Where a key does not do quite what it does in distribution.
const NOTES: &[(&str, &str)] = &[
    ("http.secret", "taken and not needed: uploads carry no signed state"),
    ("http.net", "no sockets of Unix (unix)"),
    ("http.draintimeout", "8s where it is not set, not 0"),
    ("http.relativeurls", "relative where neither it nor `http.host` is set"),
    ("http.tls.minimumtls", "tls1.0 and tls1.1 mean tls1.2, with a warning"),
    ("http.tls.ciphersuites", "those without forward secrecy are left out, with a warning"),
    ("http.tls.clientauth", "with no `clientcas`, the modes that verify are refused"),
    ("http.tls.letsencrypt.hosts", "an empty list is refused"),
    ("log.formatter", "logstash is json"),
    ("validation.manifests.urls.allow", "every URL where it is not set, not none"),
    ("validation.manifests.indexes.platforms", "none where it is not set, not all"),
    ("storage.filesystem.maxthreads", "it lowers how many wait for the disk at once, and never raises it"),
];

/// What no key stands for.
const VARIABLES: &[(&str, &str)] = &[
    (CONFIGURATION_PATH, "works: the file, where no argument names one"),
    ("OTEL_*", "ignored: nothing is traced, which is said to who asks for it"),
];

/// All keys, as a text in three columns.
pub fn keys() -> String {
    let mut rows = rows();
    rows.extend(VARIABLES.iter().map(|(variable, outcome)| Row {
        key: "-".to_owned(),
        variable: (*variable).to_owned(),
        outcome: (*outcome).to_owned(),
    }));
    let widest = |column: fn(&Row) -> &str| rows.iter().map(|row| column(row).len()).max().unwrap_or_default();
    let (keys, variables) = (widest(|row| &row.key), widest(|row| &row.variable));
    let mut text = String::new();
    for Row { key, variable, outcome } in &rows {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{key:keys$}  {variable:variables$}  {outcome}");
    }
    text
}

/// In the order of the schema.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    below(&ROOT, "", "REGISTRY", false, &mut rows);
    rows
}

fn below(kind: &'static Kind, key: &str, variable: &str, ours: bool, rows: &mut Vec<Row>) {
    for field in fields(kind) {
        let key = if key.is_empty() { field.name.to_owned() } else { format!("{key}.{}", field.name) };
        let variable = format!("{variable}_{}", field.go.to_uppercase());
        let ours = ours || field.ours;
        let outcome = match &field.support {
            Support::Ignored(why) => format!("ignored: {why}"),
            Support::Refused(why, _) => format!("refused: {why}"),
            Support::Yes => {
                let before = rows.len();
                match &field.kind {
                    Kind::List(item) => below(item, &format!("{key}.0"), &format!("{variable}_0"), ours, rows),
                    kind => below(kind, &key, &variable, ours, rows),
                }
                // What has keys of its own is no row.
                if rows.len() > before {
                    continue;
                }
                let word = if ours { "ours" } else { "works" };
                match NOTES.iter().find(|(noted, _)| *noted == key) {
                    Some((_, note)) => format!("{word}: {note}"),
                    None => word.to_owned(),
                }
            }
        };
        rows.push(Row { key, variable, outcome });
    }
    let other = match kind {
        Kind::Drivers(_) => "refused: there is no such driver here",
        Kind::Ways(_) => "refused: there is no such way to authenticate here",
        _ => return,
    };
    rows.push(Row { key: format!("{key}.*"), variable: format!("{variable}_*"), outcome: other.to_owned() });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{
        super::{
            Source, environment, json, load,
            node::Node,
            report::{Origin, Report},
            yaml,
        },
        *,
    };

    /// A value of a kind, as YAML.
    fn sample(key: &str) -> &'static str {
        let mut kind = &ROOT;
        for name in key.split('.') {
            kind = match kind {
                Kind::List(item) => item,
                _ => fields(kind).iter().find(|field| field.name == name).map_or(&Kind::Any, |field| &field.kind),
            };
        }
        match kind {
            Kind::Flag => "true",
            Kind::Integer | Kind::Size => "7",
            Kind::Duration => "7s",
            Kind::List(_) => "[some, others]",
            Kind::Map(_) | Kind::Section(_) | Kind::Drivers(_) | Kind::Ways(_) => "{some: [others]}",
            Kind::Any => "{some: [others]}",
            Kind::Text | Kind::Secret | Kind::Granted | Kind::Choice(_) => "some",
        }
    }

    /// A file that sets one key.
    fn file(key: &str, value: &str) -> String {
        key.rsplit('.').fold(value.to_owned(), |inner, name| match name {
            "0" => format!("[{inner}]"),
            _ => format!("{{{name}: {inner}}}"),
        })
    }

    #[test]
    fn each_variable_sets_its_key() {
        let at = Origin::Default;
        for Row { key, variable, .. } in rows() {
            let (key, variable) = (key.replace('*', "another"), variable.replace('*', "ANOTHER"));
            let value = sample(&key);
            let said = yaml::parse(&file(&key, value), yaml::Text::Piece(&at)).unwrap();
            let (mut set, mut report) = (Node::map(at.clone()), Report::default());
            environment::apply(&mut set, [(variable.clone(), value.to_owned())].into_iter(), &mut report);
            assert!(report.warnings.is_empty() && report.problems.is_empty(), "{variable}: {report:?}");
            assert_eq!(json::value(&said, &ROOT), json::value(&set, &ROOT), "{key} {variable}");
        }
    }

    /// What does nothing is said, with the reason that the table has: by a
    /// warning or by an end.
    #[test]
    fn nothing_is_dropped_in_silence() {
        for Row { key, variable, outcome } in rows() {
            let value = match key.as_str() {
                // A cache only with this.
                "proxy" => "{remoteurl: some}",
                key if key.ends_with(".*") => "some",
                key => sample(key),
            };
            let set = (variable.replace('*', "ANOTHER"), value.to_owned());
            let (warnings, problems) = match load(Source::nothing(), [set].into_iter()) {
                Ok((_, warnings)) => (warnings, Vec::new()),
                Err(error) => (error.warnings, error.problems),
            };
            let warned = |said: &str| warnings.iter().any(|warning| warning.message == said);
            let refused = |said: &str| problems.iter().any(|problem| problem.message.starts_with(said));
            let shown = format!("{key}: {outcome}: {warnings:?} {problems:?}");
            match (outcome.split_once(": "), key.strip_suffix(".*")) {
                (Some(("ignored", why)), _) => assert!(warned(&format!("`{key}` has no effect: {why}")), "{shown}"),
                (Some(("refused", why)), None) => assert!(refused(&format!("`{key}`: {why}")), "{shown}"),
                (Some(("refused", _)), Some(above)) => assert!(refused(&format!("`{above}.another` is ")), "{shown}"),
                _ => {}
            }
        }
    }

    #[test]
    fn every_note_is_of_a_key() {
        let rows = rows();
        for (key, note) in NOTES {
            assert!(rows.iter().any(|row| row.key == *key && row.outcome.ends_with(note)), "{key}");
        }
    }
}

//! Which keys of two configurations differ.

use super::{
    model::Config,
    node::{Node, Value},
};

/// Keys that are told of.
const MOST: usize = 32;

impl Config {
    /// Dotted paths of what another configuration says otherwise, but for these
    /// sections; the first 32.
    pub fn differs(&self, other: &Self, but: &[&str]) -> Vec<String> {
        let mut paths = Vec::new();
        compare(Some(&self.effective), Some(&other.effective), "", but, &mut paths);
        paths
    }
}

fn compare(one: Option<&Node>, other: Option<&Node>, at: &str, but: &[&str], paths: &mut Vec<String>) {
    if but.contains(&at) || paths.len() >= MOST || same(one, other) {
        return;
    }
    let entries = [one, other].map(|node| node.map(Node::entries).unwrap_or_default());
    if entries.iter().all(|entries| entries.is_empty()) {
        paths.push(at.to_owned());
        return;
    }
    let mut names: Vec<&str> = entries.iter().copied().flatten().map(|entry| entry.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let below = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
        let get = |node: Option<&'_ Node>| node.and_then(|node| node.get(name)).cloned();
        compare(get(one).as_ref(), get(other).as_ref(), &below, but, paths);
    }
}

/// Wherever it was written.
fn same(one: Option<&Node>, other: Option<&Node>) -> bool {
    match (one.map(|node| &node.value), other.map(|node| &node.value)) {
        (None | Some(Value::Null), None | Some(Value::Null)) => true,
        (Some(Value::Scalar { text: one, .. }), Some(Value::Scalar { text: other, .. })) => one == other,
        (Some(Value::List(one)), Some(Value::List(other))) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(Some(one), Some(other)))
        }
        (Some(Value::Map(one)), Some(Value::Map(other))) => {
            let has = |entry: &super::node::Entry| {
                let known = other.iter().find(|known| known.name == entry.name);
                same(Some(&entry.node), known.map(|known| &known.node))
            };
            one.len() == other.len() && one.iter().all(has)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Source, load};

    #[test]
    fn what_differs_is_named() {
        let read = |more: &str| {
            let text = format!("version: 0.1\nstorage: {{filesystem: {{rootdirectory: /a}}}}\n{more}");
            load(Source::text("c", text), std::iter::empty()).unwrap().0
        };
        let one = read("http: {addr: ':5000'}\npolicies: [{module: name-rules}]\n");
        for (more, differs) in [
            ("# another line\nhttp:\n  addr: ':5000'\n", &[][..]),
            ("http: {addr: ':5001', relativeurls: true}\n", &["http.addr", "http.relativeurls"]),
            ("http: {addr: ':5000'}\nlog: {level: debug}\npolicies: []\n", &["log.level"]),
        ] {
            assert_eq!(one.differs(&read(more), &["policies"]), differs, "{more}");
        }
        assert_eq!(one.differs(&read("http: {addr: ':5000'}\n"), &[]), ["policies"]);
    }
}

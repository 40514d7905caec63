//! YAML text into a tree, with lines; bounded in size, depth and aliases.

use std::{collections::HashMap, sync::Arc};

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::{
    node::{Entry, Node, Value},
    report::{Origin, Problem, Shown},
    scalar,
};

/// Bytes of a configuration file.
pub(super) const LARGEST_FILE: u64 = 1 << 20;
/// Lists and maps in one another.
const DEEPEST: usize = 64;
/// Nodes of a tree, aliases written out: some lines can stand for millions.
const MOST_NODES: usize = 50_000;

/// Where a text came from.
#[derive(Clone, Copy)]
pub(super) enum Text<'a> {
    /// A file, by its name.
    File(&'a Arc<str>),
    /// A setting in one piece, whose lines say nothing.
    Piece(&'a Origin),
}

impl Text<'_> {
    fn at(self, line: usize) -> Origin {
        match self {
            Self::File(name) => Origin::File(name.clone(), line),
            Self::Piece(origin) => origin.clone(),
        }
    }
}

/// The first document of `text`; null if there is none.
pub(super) fn parse(text: &str, from: Text<'_>) -> Result<Node, Problem> {
    let fail = |line, message: String| Problem { at: from.at(line), message };
    if text.len() as u64 > LARGEST_FILE {
        return Err(fail(0, "larger than 1 MiB".to_owned()));
    }
    let mut builder = Builder { from, stack: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None };
    let mut documents = 0;
    for event in Parser::new_from_str(text).keep_tags(true) {
        match event {
            Ok((Event::DocumentStart(_), span)) => {
                documents += 1;
                if documents > 1 {
                    return Err(fail(span.start.line(), "a second YAML document begins here".to_owned()));
                }
            }
            Ok((event, span)) => builder.event(event, span)?,
            Err(error) => {
                return Err(fail(error.marker().line(), format!("not YAML: {}", Shown(error.info()))));
            }
        }
    }
    Ok(builder.root.unwrap_or_else(|| Node::null(from.at(1))))
}

struct Builder<'a> {
    from: Text<'a>,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
}

/// A list or map that is not closed yet.
struct Frame {
    node: Node,
    /// In a map: the name whose value comes next.
    name: Option<(String, Origin)>,
    anchor: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let at = self.from.at(span.start.line());
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag.is_some_and(|tag| tag.suffix == "str");
                let plain = style == ScalarStyle::Plain && !is_text;
                let value = match plain && scalar::is_null(&text) {
                    true => Value::Null,
                    false => Value::Scalar { text: text.into_owned(), plain },
                };
                self.node(Node { at, value }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.open(Node { at, value: Value::List(Vec::new()) }, anchor),
            Event::MappingStart(anchor, _) => self.open(Node::map(at), anchor),
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(frame) => self.node(merged(frame.node)?, frame.anchor),
                None => Ok(()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => {
                    self.nodes = self.nodes.saturating_add(node.count());
                    self.node(node, 0)
                }
                None => Err(Problem { at, message: "an alias inside of what it stands for".to_owned() }),
            },
            _ => Ok(()),
        }
    }

    fn open(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        if self.stack.len() >= DEEPEST {
            return Err(Problem { at: node.at, message: format!("nested more than {DEEPEST} deep") });
        }
        // A list or map can be no name; `node` says so when it is closed.
        self.stack.push(Frame { node, name: None, anchor });
        Ok(())
    }

    /// A node is complete: the root, an item, a name or a value.
    fn node(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > MOST_NODES {
            return Err(Problem { at: node.at, message: format!("more than {MOST_NODES} values") });
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
            self.nodes = self.nodes.saturating_add(node.count());
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut frame.node.value, frame.name.take()) {
            (Value::List(items), _) => items.push(node),
            (Value::Map(entries), Some((name, at))) => {
                if let Some(first) = entries.iter().find(|entry| entry.name == name && name != MERGE) {
                    let message = format!("`{}` is set twice, first at {}", Shown(&name), first.at);
                    return Err(Problem { at, message });
                }
                entries.push(Entry { name, at, node });
            }
            (Value::Map(_), None) => match node.value {
                Value::Scalar { text, .. } => frame.name = Some((text, node.at)),
                _ => return Err(Problem { at: node.at, message: "a name is to be text".to_owned() }),
            },
            _ => {}
        }
        Ok(())
    }
}

/// The name that takes over another map's entries (YAML 1.1).
const MERGE: &str = "<<";

fn merged(mut node: Node) -> Result<Node, Problem> {
    let Value::Map(entries) = &mut node.value else { return Ok(node) };
    let sources: Vec<Entry> = entries.extract_if(.., |entry| entry.name == MERGE).collect();
    for source in sources {
        let maps = match source.node.value {
            Value::Map(_) => vec![source.node],
            Value::List(maps) => maps,
            _ => return Err(Problem { at: source.at, message: "`<<` takes a map or a list of maps".to_owned() }),
        };
        for map in maps {
            let Value::Map(theirs) = map.value else {
                return Err(Problem { at: source.at, message: "`<<` takes a map or a list of maps".to_owned() });
            };
            for entry in theirs {
                if !entries.iter().any(|ours| ours.name == entry.name) {
                    entries.push(entry);
                }
            }
        }
    }
    Ok(node)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<Node, Problem> {
        parse(text, Text::File(&Arc::from("f.yml")))
    }

    #[test]
    fn lines_and_scalars() {
        let node = read("a: 1\nb:\n  - x\n  - 'true'\n\nc: ~\nd: !!str 5\ne: :5000\n").unwrap();
        assert_eq!(node.get("a").unwrap().at.to_string(), "f.yml:1");
        let items = node.get("b").unwrap().items();
        assert_eq!(items.iter().map(|item| item.at.to_string()).collect::<Vec<_>>(), ["f.yml:3", "f.yml:4"]);
        assert_eq!(items.last().unwrap().value, Value::Scalar { text: "true".into(), plain: false });
        assert_eq!(node.get("c").unwrap().value, Value::Null);
        assert_eq!(node.get("d").unwrap().value, Value::Scalar { text: "5".into(), plain: false });
        assert_eq!(node.get("e").unwrap().text(), Some(":5000"));
    }

    #[test]
    fn merges_and_aliases() {
        let node = read("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\n").unwrap();
        assert_eq!(node.find("use.x").unwrap().text(), Some("1"));
        assert_eq!(node.find("use.y").unwrap().text(), Some("3"));
    }

    #[test]
    fn refused() {
        for (text, message) in [
            ("a: 1\nb: 2\na: 3\n", "f.yml:3: `a` is set twice, first at f.yml:1"),
            ("a: [1\n", "not YAML"),
            ("a: 1\n---\nb: 2\n", "f.yml:2: a second YAML document begins here"),
            ("{[a]: 1}", "a name is to be text"),
            ("<<: 1\n", "`<<` takes a map"),
            ("a: *b\n", "not YAML"),
            ("a: &a [*a]\n", "inside of what it stands for"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(message), "{text:?}: {error}");
        }
        assert!(read(&"[".repeat(1000)).is_err());
        let bomb = "a: &a [1,1,1,1,1,1,1,1,1]\n".to_owned()
            + &(0..9)
                .map(|i| {
                    let (prev, this) = ((b'a' + i) as char, (b'b' + i) as char);
                    format!(
                        "{this}: &{this} [*{prev},*{prev},*{prev},*{prev},*{prev},*{prev},*{prev},*{prev},*{prev}]\n"
                    )
                })
                .collect::<String>();
        assert!(read(&bomb).unwrap_err().message.contains("more than 50000 values"));
    }
}

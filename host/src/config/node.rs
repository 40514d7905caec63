//! A configuration as a tree of nodes that know where they were written.

use super::report::Origin;

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub at: Origin,
    pub value: Value,
}

/// What YAML knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Not set.
    Null,
    /// Text; `plain` if it was written without quotes, and so may be a number
    /// or a truth value.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A name in a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub name: String,
    pub at: Origin,
    pub node: Node,
}

impl Node {
    pub fn null(at: Origin) -> Self {
        Self { at, value: Value::Null }
    }

    pub fn map(at: Origin) -> Self {
        Self { at, value: Value::Map(Vec::new()) }
    }

    pub fn plain(at: Origin, text: impl Into<String>) -> Self {
        Self { at, value: Value::Scalar { text: text.into(), plain: true } }
    }

    pub fn quoted(at: Origin, text: impl Into<String>) -> Self {
        Self { at, value: Value::Scalar { text: text.into(), plain: false } }
    }

    /// The entries of a map; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.name == name).map(|entry| &entry.node)
    }

    /// The node at a dotted path.
    pub fn find(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, name| node.get(name))
    }

    /// Whether nothing is here: null, or an empty text, list or map.
    pub fn is_empty(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Scalar { text, .. } => text.is_empty(),
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
        }
    }

    /// Whether anything here asks for something: some leaf is neither empty
    /// nor `false` nor `0`.
    pub fn asks(&self) -> bool {
        match &self.value {
            Value::Null => false,
            Value::Scalar { text, .. } => !text.is_empty() && super::scalar::flag(text) != Some(false) && text != "0",
            Value::List(items) => items.iter().any(Node::asks),
            Value::Map(entries) => entries.iter().any(|entry| entry.node.asks()),
        }
    }

    /// Whether something here was set by anybody.
    pub fn was_set(&self) -> bool {
        match &self.value {
            Value::Null => false,
            Value::Scalar { .. } => self.at != Origin::Default,
            Value::List(items) => self.at != Origin::Default || items.iter().any(Node::was_set),
            Value::Map(entries) => entries.iter().any(|entry| entry.node.was_set()),
        }
    }

    /// The map here, made if there is none.
    pub fn entries_mut(&mut self) -> &mut Vec<Entry> {
        if !matches!(self.value, Value::Map(_)) {
            self.value = Value::Map(Vec::new());
        }
        match &mut self.value {
            Value::Map(entries) => entries,
            // Made a map three lines above.
            _ => unreachable!(),
        }
    }

    /// The node of a name in the map here, made if there is none.
    pub fn entry_mut(&mut self, name: &str, at: &Origin) -> &mut Node {
        let entries = self.entries_mut();
        let index = match entries.iter().position(|entry| entry.name == name) {
            Some(index) => index,
            None => {
                entries.push(Entry { name: name.to_owned(), at: at.clone(), node: Node::null(at.clone()) });
                entries.len() - 1
            }
        };
        #[expect(clippy::indexing_slicing, reason = "found or pushed just above")]
        &mut entries[index].node
    }

    /// Sets the node at a dotted path.
    pub fn set(&mut self, path: &str, node: Node) {
        let at = node.at.clone();
        *path.split('.').fold(self, |inner, name| inner.entry_mut(name, &at)) = node;
    }

    /// Takes over what is set in `defaults` and not here. An empty text is
    /// not set, as in Go.
    pub fn fill(&mut self, defaults: &Node) {
        match (&mut self.value, &defaults.value) {
            (Value::Map(_), Value::Map(theirs)) => {
                for entry in theirs {
                    self.entry_mut(&entry.name, &entry.at).fill(&entry.node);
                }
            }
            (Value::Null, _) => *self = defaults.clone(),
            (Value::Scalar { text, .. }, _) if text.is_empty() => *self = defaults.clone(),
            _ => {}
        }
    }

    /// Nodes in all, this one included.
    pub fn count(&self) -> usize {
        match &self.value {
            Value::Null | Value::Scalar { .. } => 1,
            Value::List(items) => 1 + items.iter().map(Node::count).sum::<usize>(),
            Value::Map(entries) => 1 + entries.iter().map(|entry| entry.node.count()).sum::<usize>(),
        }
    }
}

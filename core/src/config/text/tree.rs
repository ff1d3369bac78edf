//! The tree of a document, and how it grows out of the parser's events.
//!
//! `text` feeds it. Duplicate keys, merge keys, tags and aliases are judged here; what a key means is not.

use crate::config::ErrorKind;
use granit_parser::{Marker, Span, Tag};
use std::collections::HashMap;

/// How many values a document may have, and how many bytes of text its aliases may repeat.
const MOST_VALUES: usize = 1 << 20;
const MOST_REPEATED: usize = 16 << 20;

/// A place in one of the files that are loaded together. Lines and columns count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::config) struct Mark {
    pub(in crate::config) file: usize,
    pub(in crate::config) line: u32,
    pub(in crate::config) column: u32,
    /// In characters; at least one where it is shown.
    pub(in crate::config) width: u32,
}

/// A text as YAML understands it, quotes and escapes resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::config) struct Scalar {
    pub(in crate::config) text: String,
    /// Written without quotes and not as a block.
    pub(in crate::config) plain: bool,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(in crate::config) struct Entry {
    pub(in crate::config) key: String,
    pub(in crate::config) key_at: Mark,
    pub(in crate::config) value: Node,
}

/// A mapping, in the order of the file; keys are unique.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct Map {
    pub(in crate::config) entries: Vec<Entry>,
    /// Written in braces.
    pub(in crate::config) flow: bool,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(in crate::config) struct Node {
    pub(in crate::config) at: Mark,
    pub(in crate::config) value: Value,
}

/// A value.
#[derive(Clone, Debug)]
pub(in crate::config) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Map),
}

impl Node {
    /// Tells whether nothing stands where a value could.
    pub(in crate::config) fn is_empty(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.plain && scalar.text.is_empty())
    }

    /// Values in it, and bytes of text.
    fn weight(&self) -> (usize, usize) {
        let sum = |all: &mut dyn Iterator<Item = &Node>| {
            all.map(Self::weight).fold((1, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
        };
        match &self.value {
            Value::Scalar(scalar) => (1, scalar.text.len()),
            Value::List(items) => sum(&mut items.iter()),
            Value::Map(map) => {
                let (values, bytes) = sum(&mut map.entries.iter().map(|entry| &entry.value));
                (values, bytes + map.entries.iter().map(|entry| entry.key.len()).sum::<usize>())
            }
        }
    }
}

/// A collection that is not closed yet.
#[derive(Debug)]
struct Open {
    node: Node,
    anchor: usize,
    key: Pending,
}

/// The key of a mapping whose value has not come yet.
#[derive(Debug)]
enum Pending {
    /// The next node is a key.
    No,
    /// The next node is the value of this key.
    Key(String, Mark),
    /// The next node is the value of something that cannot be a key.
    Broken,
}

/// Builds the tree.
#[derive(Debug)]
pub(super) struct Builder {
    file: usize,
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Node>,
    values: usize,
    repeated: usize,
    errors: Vec<(Mark, ErrorKind)>,
    twice: Vec<Twice>,
}

/// A key that stands a second time in its mapping.
#[derive(Debug)]
pub(in crate::config) struct Twice {
    pub(in crate::config) key: String,
    pub(in crate::config) at: Mark,
    pub(in crate::config) first: Mark,
}

/// What came of a document.
pub(super) struct Tree {
    pub(super) root: Node,
    pub(super) errors: Vec<(Mark, ErrorKind)>,
    pub(super) twice: Vec<Twice>,
}

impl Builder {
    pub(super) fn new(file: usize) -> Self {
        Self {
            file,
            open: Vec::new(),
            root: None,
            anchors: HashMap::new(),
            values: 0,
            repeated: 0,
            errors: Vec::new(),
            twice: Vec::new(),
        }
    }

    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// The error of a document that has grown too large.
    pub(super) fn overfull(&self) -> Option<ErrorKind> {
        let limit = if self.values > MOST_VALUES { MOST_VALUES } else { MOST_REPEATED };
        (self.values > MOST_VALUES || self.repeated > MOST_REPEATED).then_some(ErrorKind::TooMany(limit))
    }

    pub(super) fn mark(&self, span: &Span) -> Mark {
        let start = self.point(&span.start);
        let one_line = span.start.line() == span.end.line();
        let width = if one_line { span.end.col().saturating_sub(span.start.col()) } else { 1 };
        Mark { width: count(width).max(1), ..start }
    }

    pub(super) fn point(&self, at: &Marker) -> Mark {
        Mark { file: self.file, line: count(at.line()), column: count(at.col()).saturating_add(1), width: 1 }
    }

    pub(super) fn finish(self) -> Tree {
        let nothing = || Node {
            at: Mark { file: self.file, line: 1, column: 1, width: 1 },
            value: Value::Scalar(Scalar { text: String::new(), plain: true }),
        };
        Tree { root: self.root.unwrap_or_else(nothing), errors: self.errors, twice: self.twice }
    }

    pub(super) fn tag(&mut self, at: Mark, tag: Option<&Tag>) {
        if tag.is_some_and(|tag| !tag.is_yaml_core_schema()) {
            let because = "`!` begins a YAML tag, and tags mean nothing here".to_owned();
            self.errors.push((at, ErrorKind::Quotes { because, mend: "the text in quotes".to_owned() }));
        }
    }

    pub(super) fn scalar(&mut self, at: Mark, scalar: Scalar, anchor: usize) {
        self.put(Node { at, value: Value::Scalar(scalar) }, anchor);
    }

    /// An alias without an anchor: it stays as the text it was probably meant to be.
    pub(super) fn alias_of_nothing(&mut self, at: Mark, name: &str) {
        let because = "`*` begins a YAML alias, and there is no anchor of this name".to_owned();
        self.errors.push((at, ErrorKind::Quotes { because, mend: format!("\"*{name}\"") }));
        self.scalar(at, Scalar { text: format!("*{name}"), plain: false }, 0);
    }

    pub(super) fn alias(&mut self, at: Mark, anchor: usize) {
        let Some(node) = self.anchors.get(&anchor) else {
            let words = "an alias can't stand inside its own anchor".to_owned();
            self.errors.push((at, ErrorKind::Syntax(words)));
            return self.scalar(at, Scalar::default(), 0);
        };
        let (values, bytes) = node.weight();
        self.values = self.values.saturating_add(values);
        self.repeated = self.repeated.saturating_add(bytes);
        // Beyond the limit nothing is copied; the caller stops.
        let copy = if self.overfull().is_some() { None } else { Some(node.clone()) };
        if let Some(copy) = copy {
            self.put(copy, 0);
        }
    }

    pub(super) fn open_list(&mut self, at: Mark, anchor: usize) {
        self.open.push(Open { node: Node { at, value: Value::List(Vec::new()) }, anchor, key: Pending::No });
    }

    pub(super) fn open_map(&mut self, at: Mark, anchor: usize, flow: bool) {
        let map = Map { entries: Vec::new(), flow };
        self.open.push(Open { node: Node { at, value: Value::Map(map) }, anchor, key: Pending::No });
    }

    pub(super) fn close(&mut self) {
        if let Some(Open { mut node, anchor, .. }) = self.open.pop() {
            if let Value::Map(map) = &mut node.value {
                unique(map, &mut self.twice);
            }
            self.put(node, anchor);
        }
    }

    /// Puts a finished node where the next one belongs.
    fn put(&mut self, node: Node, anchor: usize) {
        self.values = self.values.saturating_add(1);
        if anchor != 0 {
            let (values, bytes) = node.weight();
            self.values = self.values.saturating_add(values);
            self.repeated = self.repeated.saturating_add(bytes);
            if self.overfull().is_none() {
                self.anchors.insert(anchor, node.clone());
            }
        }
        let Some(Open { node: parent, key, .. }) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut parent.value {
            Value::List(items) => items.push(node),
            Value::Map(map) => match std::mem::replace(key, Pending::No) {
                Pending::No => *key = as_key(node, &mut self.errors),
                Pending::Key(key, key_at) => map.entries.push(Entry { key, key_at, value: node }),
                Pending::Broken => {}
            },
            // Only collections are ever open.
            Value::Scalar(_) => {}
        }
    }
}

/// Reads a node as a key.
fn as_key(node: Node, errors: &mut Vec<(Mark, ErrorKind)>) -> Pending {
    match node.value {
        Value::Scalar(scalar) if scalar.plain && scalar.text == "<<" => {
            let words = "merge keys (`<<`) are YAML 1.1; say what is common once, under `defaults:`".to_owned();
            errors.push((node.at, ErrorKind::Syntax(words)));
            Pending::Broken
        }
        Value::Scalar(scalar) => Pending::Key(scalar.text, node.at),
        Value::List(_) | Value::Map(_) => {
            let because = "a key is a text, and this begins a collection".to_owned();
            errors.push((node.at, ErrorKind::Quotes { because, mend: "the key in quotes".to_owned() }));
            Pending::Broken
        }
    }
}

/// Notes keys that stand twice, and keeps the first of each.
pub(in crate::config) fn unique(map: &mut Map, twice: &mut Vec<Twice>) {
    let mut order: Vec<usize> = (0..map.entries.len()).collect();
    let key = |at: usize| map.entries.get(at).map(|entry| entry.key.as_str());
    order.sort_by(|&a, &b| key(a).cmp(&key(b)).then(a.cmp(&b)));
    let mut first = None;
    let mut again = Vec::new();
    for at in order {
        match first {
            Some(one) if key(one) == key(at) => again.push((one, at)),
            _ => first = Some(at),
        }
    }
    if again.is_empty() {
        return;
    }
    let mut drop = vec![false; map.entries.len()];
    for (first, at) in again {
        if let (Some(first), Some(entry)) = (map.entries.get(first), map.entries.get(at)) {
            twice.push(Twice { key: entry.key.clone(), at: entry.key_at, first: first.key_at });
        }
        if let Some(gone) = drop.get_mut(at) {
            *gone = true;
        }
    }
    let mut gone = drop.into_iter();
    map.entries.retain(|_| !gone.next().unwrap_or(false));
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

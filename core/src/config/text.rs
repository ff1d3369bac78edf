//! YAML 1.2, one document, as a tree in which each key and value knows its place.
//!
//! `load` calls it for each file; `raw` walks what it gives. Scalars stay as they are written: nothing here decides
//! that `off`, `1.10` or `yes` is anything but text. Size, depth and aliases are bounded, and no bytes make it panic.

mod patch;
mod slip;
mod tree;

use super::ErrorKind;
use granit_parser::{ErrorKind as YamlError, Event, Parser, ScanError, Span, options};
use patch::Patches;
pub(super) use tree::{Entry, Map, Mark, Node, Scalar, Twice, Value, unique};

/// The largest file, in bytes.
pub(super) const MOST_BYTES: usize = 8 << 20;
/// How deep collections may be nested.
const MOST_DEPTH: usize = 64;
/// How many missing quotes are mended to go on reading; each costs another pass over the file.
const MOST_PATCHES: usize = 32;

/// What came of a text.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// The tree; `None` where YAML could not be read to its end. An empty document is an empty scalar.
    pub(super) root: Option<Node>,
    /// What is wrong, in no order.
    pub(super) errors: Vec<(Mark, ErrorKind)>,
    /// Keys that stand twice in one mapping; the tree has the first of each.
    pub(super) twice: Vec<Twice>,
}

/// Reads a document. Where quotes are missing it says so, and reads on as if they stood there.
pub(super) fn parse(text: &str, file: usize) -> Parsed {
    let mut patches = Patches::new(text);
    let mut errors = Vec::new();
    loop {
        let Attempt { tree, stop, .. } = Attempt::new(patches.text(), file).run();
        let whole = stop.is_none();
        if let Some(Stop { mark, kind, patch }) = stop {
            errors.push((patches.original(mark), kind));
            if errors.len() < MOST_PATCHES && patch.is_some_and(|patch| patches.apply(patch, mark)) {
                continue;
            }
        }
        let tree::Tree { mut root, errors: more, mut twice } = tree.finish();
        errors.extend(more.into_iter().map(|(mark, kind)| (patches.original(mark), kind)));
        for one in &mut twice {
            (one.at, one.first) = (patches.original(one.at), patches.original(one.first));
        }
        patches.restore(&mut root);
        return Parsed { root: whole.then_some(root), errors, twice };
    }
}

/// Why reading stopped before the end.
struct Stop {
    mark: Mark,
    kind: ErrorKind,
    /// The bytes that, put in quotes, let reading go on.
    patch: Option<patch::Patch>,
}

/// One pass over the text.
struct Attempt<'t> {
    text: &'t str,
    tree: tree::Builder,
    /// What was read last: a slip shows in what stands before the place where YAML gives up.
    before: slip::Before,
    stop: Option<Stop>,
}

impl<'t> Attempt<'t> {
    fn new(text: &'t str, file: usize) -> Self {
        Self { text, tree: tree::Builder::new(file), before: slip::Before::default(), stop: None }
    }

    fn run(mut self) -> Self {
        let limits = options! {
            emit_unresolved_aliases: true,
            emit_comments: false,
            flow_nesting_limit: MOST_DEPTH,
            block_nesting_limit: MOST_DEPTH,
        };
        let mut documents = 0;
        for next in Parser::new_from_str_with_options(self.text, limits) {
            let more = match next {
                Ok((Event::DocumentStart(..), span)) => {
                    documents += 1;
                    documents == 1 || self.second_document(&span)
                }
                Ok((event, span)) => self.event(event, &span),
                Err(error) => self.give_up(&error),
            };
            if !more {
                break;
            }
        }
        self
    }

    fn second_document(&mut self, span: &Span) -> bool {
        let words = "a second document begins here; a configuration is one document (use `include:` for parts)";
        self.halt(self.tree.mark(span), ErrorKind::Syntax(words.to_owned()), None)
    }

    fn halt(&mut self, mark: Mark, kind: ErrorKind, patch: Option<patch::Patch>) -> bool {
        self.stop = Some(Stop { mark, kind, patch });
        false
    }

    /// Takes an event into the tree. Tells whether to go on.
    fn event(&mut self, event: Event<'_>, span: &Span) -> bool {
        let mark = self.tree.mark(span);
        if self.tree.depth() > MOST_DEPTH {
            return self.halt(mark, ErrorKind::TooDeep(MOST_DEPTH), None);
        }
        self.before.note(&event, span);
        match event {
            Event::UnresolvedAlias(name) => {
                if let Some(slip) = slip::alias(&name, span) {
                    return self.halt(mark, slip.kind, Some(slip.patch));
                }
                self.tree.alias_of_nothing(mark, &name);
            }
            Event::Alias(anchor) => self.tree.alias(mark, anchor),
            Event::Scalar(text, style, anchor, tag) => {
                self.tree.tag(mark, tag.as_deref());
                let empty = span.is_empty() && style == granit_parser::ScalarStyle::Plain;
                let text = if empty { String::new() } else { text.into_owned() };
                self.tree.scalar(mark, Scalar { text, plain: style == granit_parser::ScalarStyle::Plain }, anchor);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tree.tag(mark, tag.as_deref());
                self.tree.open_list(mark, anchor);
            }
            Event::MappingStart(style, anchor, tag) => {
                self.tree.tag(mark, tag.as_deref());
                self.tree.open_map(mark, anchor, style == granit_parser::StructureStyle::Flow);
            }
            Event::SequenceEnd | Event::MappingEnd => self.tree.close(),
            // The stream's and the document's own events; comments and anchors are not asked for.
            _ => {}
        }
        match self.tree.overfull() {
            Some(kind) => self.halt(mark, kind, None),
            None => true,
        }
    }

    /// Turns the parser's error into words that name the mend.
    fn give_up(&mut self, error: &ScanError) -> bool {
        let at = *error.marker();
        let mark = self.tree.point(&at);
        if matches!(error.kind(), YamlError::RecursionLimitExceeded) {
            return self.halt(mark, ErrorKind::TooDeep(MOST_DEPTH), None);
        }
        match slip::find(self.text, error, &self.before) {
            Some(slip) => {
                let mark = Mark { line: slip.line, column: slip.column, width: slip.width, ..mark };
                self.halt(mark, slip.kind, Some(slip.patch))
            }
            None => {
                let words = slip::words(error, self.text, &self.before);
                self.halt(mark, ErrorKind::Syntax(words), None)
            }
        }
    }
}

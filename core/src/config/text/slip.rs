//! The slips of the pen that YAML punishes: missing quotes, mostly. What stands just before the place where the parser
//! gives up tells which one it was.
//!
//! `text` asks when the parser fails; the answer says which quotes are missing and, where it can, how to read on.

use super::patch::Patch;
use crate::config::ErrorKind;
use granit_parser::{ErrorKind as YamlError, Event, Marker, ScalarStyle, ScanError, Span, StructureStyle};

/// A slip, where its text begins, and the patch that mends it.
pub(super) struct Slip {
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) width: u32,
    pub(super) kind: ErrorKind,
    pub(super) patch: Patch,
}

/// What was read before the place where the parser gave up.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// The collections that are open: where they begin, and whether in brackets or braces.
    open: Vec<(Marker, bool)>,
    last: Last,
}

/// The last thing that was read.
#[derive(Debug, Default)]
enum Last {
    #[default]
    Other,
    /// A scalar without quotes.
    Plain(Marker, Marker),
    /// A collection in brackets or braces, whole.
    Closed(Marker, Marker),
}

impl Before {
    pub(super) fn note(&mut self, event: &Event<'_>, span: &Span) {
        self.last = match event {
            Event::Scalar(_, ScalarStyle::Plain, ..) if !span.is_empty() => Last::Plain(span.start, span.end),
            Event::SequenceStart(style, ..) | Event::MappingStart(style, ..) => {
                self.open.push((span.start, *style == StructureStyle::Flow));
                Last::Other
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some((start, true)) => Last::Closed(start, span.end),
                Some((_, false)) | None => Last::Other,
            },
            // Everything else tells nothing about quotes.
            _ => Last::Other,
        };
    }

    /// Whether the next value stands inside brackets or braces.
    fn in_flow(&self) -> bool {
        self.open.last().is_some_and(|(_, flow)| *flow)
    }
}

const ALIAS: &str = "`*` begins a YAML alias";

/// The commonest slip, `*.example.com: api`: YAML takes the colon into the name of an alias.
pub(super) fn alias(name: &str, span: &Span) -> Option<Slip> {
    let key = name.strip_suffix(':')?;
    let start = span.start.byte_offset()?;
    let text = format!("*{key}");
    let end = start.checked_add(text.len())?;
    Some(Slip::new(&span.start, &text, ALIAS.to_owned(), Patch { start, end, with: quoted(&text) }))
}

impl Slip {
    fn new(at: &Marker, text: &str, because: String, patch: Patch) -> Self {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            line: number(at.line()),
            column: number(at.col()).saturating_add(1),
            width: number(text.chars().count()).max(1),
            kind: ErrorKind::Quotes { because, mend: patch.with.clone() },
            patch,
        }
    }

    /// A slip whose text begins at `start` and goes on as far as a person would have meant it.
    fn at(text: &str, start: &Marker, ends: Ends, because: String) -> Option<Self> {
        let from = start.byte_offset()?;
        let token = token(text.get(from..)?, ends);
        let end = from.checked_add(token.len())?;
        (!token.is_empty()).then(|| Self::new(start, token, because, Patch { start: from, end, with: quoted(token) }))
    }
}

/// Finds the slip behind an error of the parser.
pub(super) fn find(text: &str, error: &ScanError, before: &Before) -> Option<Slip> {
    let at = error.marker();
    let byte = at.byte_offset()?;
    let next = text.get(byte..)?.chars().next();
    let ends = Ends { colon: true, entry: before.in_flow() };
    let adjacent = |end: &Marker| end.byte_offset() == Some(byte);
    match (&before.last, error.kind()) {
        (Last::Plain(start, end), _) if adjacent(end) && start.line() == end.line() && next == Some(':') => {
            let ends = Ends { colon: false, ..ends };
            Slip::at(text, start, ends, "`: ` ends a text that has no quotes".to_owned())
        }
        (Last::Closed(start, end), _) if adjacent(end) && next.is_some_and(goes_on) => {
            let first = text.get(start.byte_offset()?..)?.chars().next()?;
            let because = format!("`{first}` begins a YAML collection, and text goes on after it");
            Slip::at(text, start, ends, because)
        }
        (Last::Plain(start, end), _) if before.in_flow() && adjacent(end) && next.is_some_and(|c| "{[".contains(c)) => {
            let because = "inside braces and brackets a text with any of `{ } [ ] ,` needs quotes".to_owned();
            Slip::at(text, start, ends, because)
        }
        (_, YamlError::UnknownQuotedScalarEscape) => escape(text, at),
        (_, YamlError::InvalidBlockScalarHeader) => {
            Slip::at(text, at, ends, "`|` and `>` begin a block of text".to_owned())
        }
        _ => match next {
            // The parser looked ahead and failed before it gave the alias.
            Some('*') => Slip::at(text, at, ends, ALIAS.to_owned()),
            Some(sign @ ('@' | '%' | '`' | ',')) => {
                Slip::at(text, at, ends, format!("a text can't begin with `{sign}`"))
            }
            _ => None,
        },
    }
}

/// Whether a text goes on with this character, after what YAML took for a whole collection.
fn goes_on(next: char) -> bool {
    !next.is_whitespace() && !",]}#".contains(next)
}

/// `"\d+"`: in double quotes a backslash begins an escape of YAML.
fn escape(text: &str, at: &Marker) -> Option<Slip> {
    let start = at.byte_offset()?;
    let inner = text.get(start..)?.strip_prefix('"')?;
    let line = inner.split(['\n', '\r']).next()?;
    let close = line.char_indices().find(|(at, c)| *c == '"' && !line.get(..*at).is_some_and(|s| s.ends_with('\\')))?.0;
    let content = line.get(..close)?;
    let patch = Patch { start, end: start + content.len() + 2, with: format!("'{}'", content.replace('\'', "''")) };
    let because = "in double quotes a backslash begins an escape of YAML's own".to_owned();
    Some(Slip::new(at, &format!("\"{content}\""), because, patch))
}

/// What ends a text without quotes, besides the end of its line and a comment.
#[derive(Clone, Copy)]
struct Ends {
    /// `: `, where the text may be a key.
    colon: bool,
    /// What ends an entry inside braces or brackets.
    entry: bool,
}

/// The text that a person meant, from its first character on.
fn token(rest: &str, ends: Ends) -> &str {
    let mut depth = 0_u32;
    let mut chars = rest.char_indices().peekable();
    let mut before = ' ';
    let mut end = rest.len();
    while let Some((at, c)) = chars.next() {
        let blank_next = chars.peek().is_none_or(|(_, next)| next.is_whitespace());
        let stops = match c {
            '\n' | '\r' => true,
            '#' => before.is_whitespace() && at > 0,
            ':' => ends.colon && blank_next,
            ',' | '}' | ']' => ends.entry && depth == 0 && at > 0,
            _ => false,
        };
        if stops {
            end = at;
            break;
        }
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        before = c;
    }
    rest.get(..end).unwrap_or_default().trim_end()
}

/// The text in the quotes that keep it as it is.
fn quoted(text: &str) -> String {
    if text.contains(['\\', '"']) { format!("'{}'", text.replace('\'', "''")) } else { format!("\"{text}\"") }
}

/// Words for the errors that are no missing quotes.
pub(super) fn words(error: &ScanError, text: &str, before: &Before) -> String {
    let at = error.marker();
    let next = at.byte_offset().and_then(|byte| text.get(byte..)).and_then(|rest| rest.chars().next());
    if let Some(sign @ ('\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}')) = next {
        return format!("a control character (U+{:04X}) stands here; take it out", u32::from(sign));
    }
    let open = before.open.iter().rev().find(|(_, flow)| *flow);
    match (error.kind(), open) {
        (
            YamlError::UnclosedFlowCollection { .. }
            | YamlError::InvalidColonPlacement
            | YamlError::UnexpectedEofFlowMapping
            | YamlError::UnexpectedEofFlowSequence
            | YamlError::UnexpectedEofImplicitFlowMapping
            | YamlError::ExpectedFlowMappingSeparator
            | YamlError::ExpectedFlowSequenceSeparator
            | YamlError::InvalidIndentation
            | YamlError::InvalidFlowScalarIndent,
            Some((start, _)),
        ) => format!(
            "the bracket or brace that was opened at {}:{} is not closed here; close it, or put a comma between its entries",
            start.line(),
            start.col() + 1
        ),
        (kind, _) => words_for(kind),
    }
}

fn words_for(kind: &YamlError) -> String {
    let words = match kind {
        YamlError::TabNotAllowed
        | YamlError::TabInBlockIndentation
        | YamlError::TabInIndentation
        | YamlError::TabInPlainScalar
        | YamlError::TabAtBlockScalarStart => "a tab stands here; YAML indents by spaces",
        YamlError::UnclosedQuotedScalar
        | YamlError::InvalidQuotedScalarIndent
        | YamlError::DocumentIndicatorInQuotedScalar => "a text in quotes begins before this and is not closed",
        YamlError::InvalidTrailingSingleQuotedScalar => {
            "a text goes on after its closing quote; a quote inside single quotes is written twice: 'it''s'"
        }
        YamlError::InvalidTrailingDoubleQuotedScalar => {
            "a text goes on after its closing quote; a quote inside double quotes is written \\\""
        }
        YamlError::MappingValueNotAllowed | YamlError::ExpectedBlockMappingKey | YamlError::InvalidIndentation => {
            "this line stands at an indentation that fits none of the lines above, or a text above it lacks its quotes"
        }
        YamlError::BlockSequenceEntryNotAllowed => {
            "a list with `-` begins on a line of its own; on one line write [a, b]"
        }
        YamlError::ExpectedBlockSequenceEntry => "the entries of this list begin with `- `, all at one indentation",
        YamlError::SimpleKeyExpected => "this line has no `: ` that would make it a key with a value",
        YamlError::MisplacedFlowCollectionEnd | YamlError::MismatchedFlowCollectionEnd { .. } => {
            "this bracket or brace closes nothing; take it out, or put the text that it belongs to in quotes"
        }
        YamlError::ExpectedDocumentStart | YamlError::MissingDocumentEndBeforeDirective => {
            "the document ended above this; a line that begins with `%` needs quotes, and so does a text like [::1]:80"
        }
        other => return format!("this is not YAML: {other}"),
    };
    words.to_owned()
}

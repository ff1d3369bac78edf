//! What can be wrong in a configuration, where, and how to mend it.
//!
//! `text`, `raw` and `load` report these; the command line prints them. One place turns a kind into words, so that
//! every text names its mend. Texts quote what the file says, never what `${…}` became: that may be a secret.

use super::WarningKind;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A place in a file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<Path>,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// The line of a file that a report is about, and the part to point at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, or a window of a long one.
    pub text: String,
    /// How many characters of `text` stand before the part.
    pub indent: usize,
    /// How many characters the part has; at least one.
    pub width: usize,
}

/// One thing that is wrong: nothing of the file is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where.
    pub at: Place,
    /// What.
    pub kind: ErrorKind,
    /// The line itself, where the file could be read.
    pub excerpt: Option<Excerpt>,
}

/// One thing that is allowed and probably not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub at: Place,
    /// What.
    pub kind: WarningKind,
    /// The line itself.
    pub excerpt: Option<Excerpt>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            // A file that nobody could look into has no lines.
            kind @ ErrorKind::Unreadable(_) => write!(f, "{}: {kind}", self.at.file.display()),
            kind => write!(f, "{}: {kind}", self.at),
        }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: warning: {}", self.at, self.kind)
    }
}

impl ConfigError {
    /// The report with the line of the file below it and a caret under the part that is meant.
    #[must_use]
    pub fn rendered(&self) -> String {
        render(self.to_string(), &self.at, self.excerpt.as_ref())
    }
}

impl Warning {
    /// The report with the line of the file below it and a caret under the part that is meant.
    #[must_use]
    pub fn rendered(&self) -> String {
        render(self.to_string(), &self.at, self.excerpt.as_ref())
    }
}

fn render(mut report: String, at: &Place, excerpt: Option<&Excerpt>) -> String {
    if let Some(Excerpt { text, indent, width }) = excerpt {
        let line = at.line.to_string();
        let margin = " ".repeat(line.len());
        let before = " ".repeat(*indent);
        let carets = "^".repeat(*width);
        report.push_str(&format!("\n  {line} | {}\n  {margin} | {before}{carets}", Plain(text)));
    }
    report
}

/// A text for a terminal: control characters, and those that turn the direction of writing, become `·`, one for one.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unseen = |c| matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        let shown = |c: char| if c.is_control() || unseen(c) { '·' } else { c };
        self.0.chars().map(shown).try_for_each(|c| fmt::Write::write_char(f, c))
    }
}

/// A piece of a file in backticks: safe for a terminal, cut after 60 characters.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 60;
        match self.0.char_indices().nth(MOST) {
            Some((end, _)) => write!(f, "`{}…`", Plain(self.0.get(..end).unwrap_or_default())),
            None => write!(f, "`{}`", Plain(self.0)),
        }
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The file could not be read; the words of the system.
    Unreadable(String),
    /// The file is larger than the limit, in bytes.
    TooLarge(usize),
    /// The file is not UTF-8.
    NotUtf8,
    /// Collections are nested deeper than the limit.
    TooDeep(usize),
    /// More values than the limit, aliases counted each time.
    TooMany(usize),
    /// YAML cannot be read on from here; what it is about, in words.
    Syntax(String),
    /// Quotes are missing (or are the wrong ones) around a text.
    Quotes {
        /// Why YAML reads it as something else.
        because: String,
        /// The text with its quotes.
        mend: String,
    },
    /// A key stands twice in one mapping, or in two files that are joined.
    DuplicateKey {
        /// The key.
        key: String,
        /// Where it stood first.
        first: Place,
    },
    /// Two keys of routes are the same route.
    DuplicateRoute {
        /// The route's key, normalised.
        route: String,
        /// Where it stood first.
        first: Place,
    },
    /// Two listeners have the same name or address.
    DuplicateListener {
        /// The name or address.
        what: String,
        /// Where it stood first.
        first: Place,
    },
    /// A key that the language does not have.
    UnknownKey {
        /// The key as written.
        key: String,
        /// In what it stands: `a rule`.
        within: &'static str,
        /// What was probably meant.
        meant: Option<&'static str>,
        /// The keys that may stand there, or the nearest of them.
        known: Vec<&'static str>,
        /// Whether those are all.
        all: bool,
    },
    /// A key that belongs elsewhere.
    Misplaced {
        /// The key.
        key: String,
        /// Where it belongs, and why.
        mend: &'static str,
    },
    /// A value of another shape: a mapping where a text was expected.
    Shape {
        /// What was expected.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
        /// How to mend it; may be empty.
        mend: String,
    },
    /// A text that does not say what is expected here.
    Value {
        /// The text as written.
        written: String,
        /// What was expected: `a duration`.
        expected: &'static str,
        /// How to mend it.
        mend: String,
    },
    /// Something must stand here and does not.
    Missing(&'static str),
    /// More of something than can be.
    Excess {
        /// Of what: `listeners`.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// Two keys that exclude each other.
    Conflict {
        /// The key that came later.
        key: String,
        /// The key it excludes.
        with: String,
        /// What to do.
        mend: &'static str,
    },
    /// A name that nothing has.
    UnknownName {
        /// What kind of thing: `upstream`.
        what: &'static str,
        /// The name.
        name: String,
        /// How to mend it.
        mend: String,
    },
    /// A wildcard, given by its suffix, for whose names a public authority would be asked without anybody having a say.
    NeedsAsk(String),
    /// `${NAME}` or `${file:PATH}` cannot be filled in; the words say why.
    Reference(String),
    /// An `include:` that cannot be followed.
    Include(String),
    /// A file of certificates or a key can't be used; the words say why.
    Certificate(String),
    /// There are more errors than are listed.
    More,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(words) => write!(f, "the file can't be read: {words}"),
            Self::TooLarge(limit) => {
                write!(f, "the file is larger than {} MiB; split it, and take the parts in by `include:`", limit >> 20)
            }
            Self::NotUtf8 => write!(f, "this byte is not UTF-8; save the file as UTF-8"),
            Self::TooDeep(limit) => write!(f, "nested deeper than {limit} levels"),
            Self::TooMany(limit) => write!(f, "more than {limit} values or bytes, each repetition by an alias counted"),
            Self::Syntax(words) | Self::Reference(words) | Self::Include(words) | Self::Certificate(words) => {
                f.write_str(words)
            }
            Self::Missing(words) => f.write_str(words),
            Self::Quotes { because, mend } => write!(f, "{because}: write {mend}"),
            Self::DuplicateKey { key, first } => {
                write!(f, "{} stands here a second time, first at {first}; keep one of them", Quoted(key))
            }
            Self::DuplicateRoute { route, first } => {
                write!(f, "this is the route {} again, first at {first}; join their rules in one list", Quoted(route))
            }
            Self::DuplicateListener { what, first } => {
                write!(f, "{} is taken by the listener at {first}", Quoted(what))
            }
            Self::UnknownKey { key, within, meant: Some(meant), .. } => {
                write!(f, "{} is not a key of {within}; did you mean `{meant}`?", Quoted(key))
            }
            Self::UnknownKey { key, within, meant: None, known, all } => {
                let known = known.join(", ");
                match all {
                    true => write!(f, "{} is not a key of {within}; its keys are {known}", Quoted(key)),
                    false => write!(
                        f,
                        "{} is not a key of {within}; the nearest are {known}; docs/configuration.md has them all",
                        Quoted(key)
                    ),
                }
            }
            Self::Misplaced { key, mend } => write!(f, "{} {mend}", Quoted(key)),
            Self::Shape { expected, found, mend } if mend.is_empty() => write!(f, "expected {expected}, found {found}"),
            Self::Shape { expected, found, mend } => write!(f, "expected {expected}, found {found}; {mend}"),
            Self::Value { written, expected, mend } => write!(f, "{} is not {expected}: {mend}", Quoted(written)),
            Self::Excess { what, most } => write!(f, "more than {most} {what}"),
            Self::Conflict { key, with, mend } => {
                write!(f, "{} and {} exclude each other; {mend}", Quoted(key), Quoted(with))
            }
            Self::UnknownName { what, name, mend } => write!(f, "there is no {what} {}; {mend}", Quoted(name)),
            Self::NeedsAsk(suffix) => write!(
                f,
                "certificates for names under *.{suffix} are ordered one by one, whenever somebody thinks of another; set \
                 `acme: {{ask: http://…}}`, a URL that decides about each, or give the listener `certificates`"
            ),
            Self::More => write!(f, "there are more errors than these; mend some and check again"),
        }
    }
}

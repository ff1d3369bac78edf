//! Colour for people: on a terminal that shows it, and nowhere else.
//!
//! The commands that print for people ask [`Paint::of_stdout`] once and paint with it; a pipe or a file gets plain text.

use std::ffi::OsStr;
use std::io::IsTerminal as _;

/// Paints, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint(bool);

impl Paint {
    /// Never paints.
    pub(crate) const NEVER: Self = Self(false);

    /// Paints where standard output is a terminal and the environment does not forbid it (`NO_COLOR`, `TERM=dumb`).
    pub(crate) fn of_stdout() -> Self {
        Self(is_wanted() && std::io::stdout().is_terminal())
    }

    /// The same for standard error.
    pub(crate) fn of_stderr() -> Self {
        Self(is_wanted() && std::io::stderr().is_terminal())
    }

    /// What the eye should find first.
    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// What is well.
    pub(crate) fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// What is not.
    pub(crate) fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// What may be skipped.
    pub(crate) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn is_wanted() -> bool {
    let set = |name| std::env::var_os(name).unwrap_or_default();
    set("NO_COLOR").is_empty() && set("TERM") != OsStr::new("dumb")
}

/// Bytes as a terminal may see them: what would move its cursor or turn the direction of writing becomes `·`.
pub(crate) fn plain(bytes: &[u8]) -> String {
    let unseen = |c| matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    String::from_utf8_lossy(bytes).chars().map(|c| if c.is_control() || unseen(c) { '·' } else { c }).collect()
}

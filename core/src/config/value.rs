//! The values of the configuration language: durations, sizes, addresses, keys, templates.
//!
//! Each is a pure function from text to value; `raw` calls them and adds the place. What they refuse names the mend.

pub(super) mod address;
pub(super) mod amount;
pub(super) mod foreign;
pub(super) mod host;
pub(super) mod network;
pub(super) mod template;

use regex::{Regex, RegexBuilder};

/// Why a text is not the value that was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is something else.
    Value {
        /// What was expected: `a duration`.
        expected: &'static str,
        /// How to mend it.
        mend: String,
    },
}

/// A value, or why the text is none.
pub(super) type Read<T> = Result<T, Fault>;

/// Says what was expected, and how to mend the text.
pub(super) fn fault<T>(expected: &'static str, mend: impl Into<String>) -> Read<T> {
    Err(Fault::Value { expected, mend: mend.into() })
}

/// The most memory that one compiled expression may take.
const REGEX_BYTES: usize = 1 << 20;

/// Reads a duration as the configuration writes it (`250ms`, `5s`, `2h`); `None` where it is none.
#[must_use]
pub fn duration(text: &str) -> Option<std::time::Duration> {
    amount::duration(text).ok()
}

/// Compiles a regular expression as the whole proxy does: linear time, bounded size, Unicode on.
///
/// # Errors
/// In one line of words, where it is no expression or too large.
pub fn regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(REGEX_BYTES).dfa_size_limit(REGEX_BYTES).build().map_err(|error| {
        let words = error.to_string();
        // The library draws the pattern first; the last line says what is wrong with it.
        let last = words.lines().last().unwrap_or_default();
        last.trim_start_matches("error: ").to_owned()
    })
}

/// Checks a token of HTTP (RFC 9110 §5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests;

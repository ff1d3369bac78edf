//! The path as a rule changes it on its way to the upstream: `strip_prefix`, `add_prefix`, `replace_prefix`.
//!
//! The data path calls [`edit_path`] with what the target's parser would forward. What comes out is read again as if a
//! client had sent it: an edit must not make a path that the parser would refuse.

use std::borrow::Cow;

use crate::config::PathEdit;
use crate::target::{TargetError, path};

/// Writes the edited path and the query as it is behind what `out` holds.
///
/// `forward` is [`Destination::forward`](crate::target::Destination::forward). A prefix is recognised as routes see it,
/// in whatever encoding it came, on a segment boundary; where the path does not begin with it, nothing is taken off.
/// `edit` is one of a compiled rule, its prefixes canonical and without trailing slash. Empty segments stay: `forward` has
/// them only where its rule keeps them.
///
/// # Errors
///
/// The edited path does not begin with a slash, or has dot segments or encodings that are refused. `out` is as it was.
pub fn edit_path(edit: &PathEdit, forward: &[u8], out: &mut Vec<u8>) -> Result<(), TargetError> {
    let end = forward.iter().position(|&byte| byte == b'?').unwrap_or(forward.len());
    let (raw, query) = forward.split_at(end);
    let (prefix, rest) = match edit {
        PathEdit::Keep => ("", raw),
        // `OPTIONS *` speaks of the server, not of a path.
        _ if raw == b"*" => ("", raw),
        PathEdit::Strip(prefix) => ("", without_prefix(raw, prefix).unwrap_or(raw)),
        PathEdit::Add(prefix) => (prefix.as_str(), raw),
        PathEdit::Replace { from, to } => match without_prefix(raw, from) {
            Some(rest) => (to.as_str(), rest),
            None => ("", raw),
        },
    };
    if prefix.is_empty() && rest.len() == raw.len() {
        out.extend_from_slice(forward);
        return Ok(());
    }
    let mut edited = Vec::with_capacity(prefix.len() + rest.len() + 1);
    edited.extend_from_slice(prefix.as_bytes());
    edited.extend_from_slice(rest);
    if edited.is_empty() {
        edited.push(b'/');
    }
    check(&edited)?;
    out.extend_from_slice(&edited);
    out.extend_from_slice(query);
    Ok(())
}

/// Reads an edited path as the target's parser would; merges empty segments, refuses dot segments.
pub(crate) fn checked_path(edited: &[u8]) -> Result<Cow<'_, [u8]>, TargetError> {
    check(edited)?;
    path::resolve(edited)
}

/// Refuses an edited path that no client could have sent.
fn check(edited: &[u8]) -> Result<(), TargetError> {
    if edited.first() != Some(&b'/') {
        return Err(TargetError::Form);
    }
    let split = path::scan(edited)?;
    if split.path_len != edited.len() {
        return Err(TargetError::Form);
    }
    if split.tidy {
        return Ok(());
    }
    path::check_encoding(edited)?;
    path::with_slashes_decoded(edited)?;
    if path::has_dot_segment(edited)? { Err(TargetError::AboveRoot) } else { Ok(()) }
}

/// What is left of a raw path behind a canonical prefix: empty, or with its slash. `None` where it begins otherwise.
fn without_prefix<'p>(raw: &'p [u8], prefix: &str) -> Option<&'p [u8]> {
    let prefix = prefix.as_bytes();
    if let Some(rest) = raw.strip_prefix(prefix)
        && matches!(rest.first(), None | Some(b'/'))
    {
        return Some(rest);
    }
    // Some boundary of the raw path may still stand for the prefix: `/%61pi;v=1/x` and `//api/x` begin with `/api`.
    let boundaries = raw.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    boundaries.chain([raw.len()]).map(|at| raw.split_at(at)).find_map(|(head, rest)| {
        let merged = path::resolve(head).ok()?;
        (*path::canonical(&merged) == *prefix).then_some(rest)
    })
}

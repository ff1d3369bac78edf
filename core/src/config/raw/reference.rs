//! `${NAME}` and `${file:/run/secrets/x}` in values, filled in after parsing, so that no secret can become syntax.
//!
//! `$${` is a literal `${`. A variable or file that is missing is an error: an empty secret would be worse.

use super::Walk;
use crate::config::ErrorKind;
use crate::config::text::Mark;
use std::path::{Path, PathBuf};

/// The largest file whose content can be a value.
const MOST: usize = 64 << 10;

/// Fills in a text; `None` where something is missing, which is reported.
pub(super) fn fill(walk: &mut Walk<'_>, at: Mark, text: &str) -> Option<String> {
    if !text.contains("${") {
        return Some(text.to_owned());
    }
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    let mut whole = true;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            filled.push_str(before);
            filled.push_str("${");
            rest = after;
            continue;
        }
        filled.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            let words = "`${` is not closed by `}`; a literal `${` is written `$${`";
            walk.report.error(at, ErrorKind::Reference(words.to_owned()));
            return None;
        };
        match look_up(walk, at, name) {
            Ok(value) => filled.push_str(&value),
            Err(words) => {
                walk.report.error(at, ErrorKind::Reference(words));
                whole = false;
            }
        }
        rest = after;
    }
    filled.push_str(rest);
    whole.then_some(filled)
}

fn look_up(walk: &mut Walk<'_>, at: Mark, name: &str) -> Result<String, String> {
    if let Some(path) = name.strip_prefix("file:") {
        let path = beside(&walk.report.place(at).file, Path::new(path));
        walk.files.push(path.clone());
        return read(walk, &path);
    }
    let variable = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(variable) {
        return Err(format!("`${{{name}}}` names no variable; a literal `${{` is written `$${{`"));
    }
    walk.source.env(name).ok_or_else(|| {
        format!("the environment has no variable {name}; set it, or write `$${{{name}}}` for the text itself")
    })
}

fn read(walk: &mut Walk<'_>, path: &Path) -> Result<String, String> {
    let bytes =
        walk.source.read(path, MOST + 1).map_err(|words| format!("{} can't be read: {words}", path.display()))?;
    if bytes.len() > MOST {
        return Err(format!("{} is larger than {} KiB; that is no value", path.display(), MOST >> 10));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", path.display()))?;
    // Editors end a file with a line break; no value ends with one.
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// A path as seen from the file that names it.
pub(in crate::config) fn beside(file: &Path, path: &Path) -> PathBuf {
    match file.parent() {
        Some(directory) => directory.join(path),
        None => path.to_owned(),
    }
}

//! Paths on their way up: which prefix comes and goes, and what becomes of slashes that can be read in two ways.

use super::{Fields, Walk, site};
use crate::config::schema::PATHS;
use crate::config::text::{Node, Value};
use crate::config::value::{fault, host};
use crate::config::{EncodedSlash, ErrorKind, PathEdit, Paths, RouteKey};

/// Reads the `paths:` of a rule or of `defaults:`, key by key over those around it.
pub(super) fn paths(walk: &mut Walk<'_>, fields: &Fields<'_>, outer: Paths) -> Paths {
    let mut paths = outer;
    let Some(own) = fields.value("paths").and_then(|node| walk.fields(node, &PATHS)) else { return paths };
    let words = [("opaque", EncodedSlash::Opaque), ("reject", EncodedSlash::Reject)];
    let encoded_slash = own.value("encoded_slash").and_then(|node| walk.word(node, "what an encoded slash is", &words));
    paths.encoded_slash = encoded_slash.unwrap_or(outer.encoded_slash);
    if let Some(entry) = own.entry("merge_slashes") {
        paths.merge_slashes = walk.switch(&entry.value).unwrap_or(outer.merge_slashes);
        if let Some((action, _)) = site::without_upstream(fields).filter(|_| !paths.merge_slashes) {
            let kind = ErrorKind::Conflict {
                key: "merge_slashes".to_owned(),
                with: action.to_owned(),
                mend: "it is about the path that an upstream sees, and here is none",
            };
            walk.report.error(entry.key_at, kind);
        }
    }
    paths
}

/// Reads how a rule changes the path on its way up; a rule has one such key.
pub(super) fn edit(walk: &mut Walk<'_>, fields: &Fields<'_>, key: &RouteKey) -> Option<PathEdit> {
    let edits = ["strip_prefix", "add_prefix", "replace_prefix"];
    let mut written = fields.entries.iter().filter(|(name, _)| edits.contains(name));
    let (name, entry) = *written.next()?;
    if let Some((other, other_entry)) = written.next() {
        let kind = ErrorKind::Conflict {
            key: (*other).to_owned(),
            with: name.to_owned(),
            mend: "to put one prefix in the place of another write `replace_prefix`",
        };
        walk.report.error(other_entry.key_at, kind);
    }
    if let Some((action, _)) = site::without_upstream(fields) {
        let kind = ErrorKind::Conflict {
            key: name.to_owned(),
            with: action.to_owned(),
            mend: "it changes the path that an upstream sees, and here is none",
        };
        walk.report.error(entry.key_at, kind);
    }
    let node = &entry.value;
    match name {
        "strip_prefix" => strip(walk, node, key),
        "add_prefix" => prefix(walk, node).map(PathEdit::Add),
        _ => {
            let to = walk.value(node, "a path", host::path)?;
            Some(PathEdit::Replace { from: key.path.clone(), to })
        }
    }
}

fn strip(walk: &mut Walk<'_>, node: &Node, key: &RouteKey) -> Option<PathEdit> {
    match &node.value {
        Value::Scalar(scalar) if matches!(scalar.text.as_str(), "false" | "off") => Some(PathEdit::Keep),
        Value::Scalar(scalar) if matches!(scalar.text.as_str(), "true" | "on") => {
            if key.path.is_empty() {
                let mend =
                    "the key of this route has no path, so there is nothing to take off; write `strip_prefix: /path`";
                walk.wrong(node, "possible here", mend);
                return None;
            }
            Some(PathEdit::Strip(key.path.clone()))
        }
        // What others write for true: a path of that name is hardly meant.
        Value::Scalar(scalar) if matches!(scalar.text.as_str(), "yes" | "Yes" | "True" | "TRUE" | "On") => {
            walk.switch(node).map(|_| PathEdit::Keep)
        }
        Value::Scalar(_) | Value::List(_) | Value::Map(_) => prefix(walk, node).map(PathEdit::Strip),
    }
}

/// A path that is not `/` alone.
fn prefix(walk: &mut Walk<'_>, node: &Node) -> Option<String> {
    walk.value(node, "a prefix", |text| match host::path(text)? {
        path if path.is_empty() => fault("a prefix", "`/` alone changes nothing; leave the key out, or write a path"),
        path => Ok(path),
    })
}

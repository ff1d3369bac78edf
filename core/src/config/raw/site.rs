//! `files:`, `fallback:`, `try:` and `compress:` of a rule; `compress:` of `defaults:` too.

use super::reference::beside;
use super::{Fields, Walk, upstream};
use crate::config::schema::{COMPRESS_OBJECT, FILES_OBJECT};
use crate::config::text::{Entry, Node, Value};
use crate::config::value::{Read, amount, fault};
use crate::config::{Action, Compress, ErrorKind, Site, WarningKind};
use crate::content::Coding;
use std::path::Path;

/// Reads `files:`, and with `try` the `to:` beside it.
pub(super) fn action(walk: &mut Walk<'_>, fields: &Fields<'_>, tries: bool) -> Option<Action> {
    if let Some(status) = fields.entry("status") {
        let mend = "goes with `redirect` or `respond`";
        walk.report.error(status.key_at, ErrorKind::Misplaced { key: "status".to_owned(), mend });
    }
    let to = fields.value("to").filter(|_| tries).map(|node| upstream::target(walk, node));
    let site = files(walk, fields.value("files")?, fields)?;
    match to {
        None => Some(Action::Files { site, then: None }),
        Some(then) => Some(Action::Files { site, then: Some(then?) }),
    }
}

/// The action of a rule that asks no upstream.
pub(super) fn without_upstream<'n>(fields: &Fields<'n>) -> Option<(&'static str, &'n Entry)> {
    fields.first(&["redirect", "respond", "files"]).filter(|_| fields.entry("to").is_none())
}

/// Reads `files:` with the `fallback:` beside it.
fn files(walk: &mut Walk<'_>, node: &Node, fields: &Fields<'_>) -> Option<Site> {
    let mut site = match &node.value {
        Value::Map(_) => long(walk, node)?,
        Value::Scalar(_) | Value::List(_) => Site::of(directory(walk, node)?),
    };
    if let Some(entry) = fields.entry("fallback") {
        if site.fallback.is_some() {
            let kind = ErrorKind::Conflict {
                key: "fallback".to_owned(),
                with: "files".to_owned(),
                mend: "it stands inside of `files:` already; leave one out",
            };
            walk.report.error(entry.key_at, kind);
        }
        site.fallback = walk.value(&entry.value, FALLBACK, file_name);
    }
    Some(site)
}

const FALLBACK: &str = "a file below the directory";

fn long(walk: &mut Walk<'_>, node: &Node) -> Option<Site> {
    let fields = walk.fields(node, &FILES_OBJECT)?;
    let Some(dir) = fields.value("dir") else {
        if !fields.refused {
            walk.report.error(node.at, ErrorKind::Missing("say which directory: {dir: ./dist}"));
        }
        return None;
    };
    let mut site = Site::of(directory(walk, dir)?);
    if let Some(node) = fields.value("index") {
        let mut names = Vec::new();
        for item in walk.one_or_list(node) {
            names.extend(walk.value(item, "the name of a file", one_name));
        }
        site.index = names;
    }
    site.fallback = fields.value("fallback").and_then(|node| walk.value(node, FALLBACK, file_name));
    site.listing = fields.value("listing").and_then(|node| walk.switch(node)).unwrap_or(site.listing);
    site.precompressed = fields.value("precompressed").and_then(|node| walk.switch(node)).unwrap_or(site.precompressed);
    if let Some(node) = fields.value("cache_control") {
        site.cache_control = cache_control(walk, node);
    }
    Some(site)
}

fn directory(walk: &mut Walk<'_>, node: &Node) -> Option<std::path::PathBuf> {
    let text = walk.value(node, "a directory", |text| match text {
        "" => fault("a directory", "write ./dist, say"),
        text if text.contains('\0') => fault("a directory", "no path has a NUL in it"),
        text => Ok(text.to_owned()),
    })?;
    let dir = beside(&walk.report.place(node.at).file, Path::new(&text));
    if !walk.source.is_directory(&dir) {
        walk.report.warn(node.at, WarningKind::NoDirectory(dir.display().to_string()));
    }
    Some(dir)
}

/// A path below a directory, without a slash in front.
fn file_name(text: &str) -> Read<String> {
    let name = text.trim_start_matches('/');
    match name.split('/').all(is_name) {
        true => Ok(name.to_owned()),
        false => fault(FALLBACK, "write a path such as /index.html, without dots in front of names"),
    }
}

fn one_name(text: &str) -> Read<String> {
    match is_name(text) {
        true => Ok(text.to_owned()),
        false => fault("the name of a file", "write a name such as index.html, without slashes"),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

/// Reads `cache_control:`; the inner `None` is `off`.
fn cache_control(walk: &mut Walk<'_>, node: &Node) -> Option<Vec<(String, String)>> {
    if let Value::Scalar(scalar) = &node.value
        && matches!(scalar.text.as_str(), "off" | "false")
    {
        return None;
    }
    let mut rules = Vec::new();
    for entry in walk.map(node, "values of Cache-Control by pattern").map_or(&[][..], |map| &map.entries) {
        let value = walk.value(&entry.value, "a value of Cache-Control", |text| {
            match !text.is_empty() && text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
                true => Ok(text.trim().to_owned()),
                false => fault("a value of Cache-Control", "write a value such as max-age=86400"),
            }
        });
        rules.extend(value.map(|value| (entry.key.clone(), value)));
    }
    Some(rules)
}

/// Whether `try:` stands here as it may, which is `[files, to]`.
pub(super) fn tries(walk: &mut Walk<'_>, fields: &Fields<'_>) -> bool {
    let Some(entry) = fields.entry("try") else { return false };
    let words = walk.one_or_list(&entry.value).iter().map(|node| match &node.value {
        Value::Scalar(scalar) => scalar.text.as_str(),
        Value::List(_) | Value::Map(_) => "",
    });
    if words.eq(["files", "to"]) {
        if fields.entry("files").is_none() || fields.entry("to").is_none() {
            walk.report
                .error(entry.key_at, ErrorKind::Missing("`try: [files, to]` needs `files:` and `to:` beside it"));
        }
        return true;
    }
    walk.wrong(&entry.value, "an order to try in", "write [files, to]: a file where there is one, else the upstream");
    true
}

/// Reads `compress:`; the inner `None` is `false`.
pub(super) fn compress(walk: &mut Walk<'_>, node: &Node) -> Option<Option<Compress>> {
    let Value::Map(_) = &node.value else {
        return walk.switch(node).map(|on| on.then(Compress::default));
    };
    let fields = walk.fields(node, &COMPRESS_OBJECT)?;
    let mut compress = Compress::default();
    if let Some(node) = fields.value("algorithms") {
        let known =
            [("zstd", Coding::Zstd), ("br", Coding::Brotli), ("gzip", Coding::Gzip), ("brotli", Coding::Brotli)];
        let mut algorithms = Vec::new();
        for item in walk.one_or_list(node) {
            let coding = walk.word(item, "a coding", &known);
            algorithms.extend(coding.filter(|coding| !algorithms.contains(coding)).into_iter().collect::<Vec<_>>());
        }
        if walk.one_or_list(node).is_empty() {
            walk.report
                .error(node.at, ErrorKind::Missing("the list is empty; no compression is written `compress: false`"));
        }
        compress.algorithms = algorithms;
    }
    if let Some(min) = fields.value("min").and_then(|node| walk.value(node, "a size", amount::size)) {
        compress.min = min;
    }
    compress.credentials = fields.value("credentials").and_then(|node| walk.switch(node)).unwrap_or(false);
    Some(Some(compress))
}

/// Refuses a `fallback` where there are no files.
pub(super) fn check_fallback(walk: &mut Walk<'_>, fields: &Fields<'_>) {
    if let (Some(entry), None) = (fields.entry("fallback"), fields.entry("files")) {
        let mend = "goes with `files`";
        walk.report.error(entry.key_at, ErrorKind::Misplaced { key: "fallback".to_owned(), mend });
    }
}

//! Policies that stand in files of their own: lists of networks, pages for errors. The file watch follows them.

use crate::config::raw::{Walk, reference::beside};
use crate::config::text::{Entry, Node};
use crate::config::value::{Fault, is_token, network};
use crate::config::{Cidr, ErrorKind, ErrorPage, PageForm, PageStatus};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The largest file of a list, and of a page.
const MOST_LIST: usize = 16 << 20;
const MOST_PAGE: usize = 256 << 10;

/// Reads `lists:` and the files that it names: a network a line, `#` begins a comment.
pub(in crate::config::raw) fn lists(walk: &mut Walk<'_>, node: &Node) {
    let Some(map) = walk.map(node, "files by the name of their list") else { return };
    let mut lists = BTreeMap::new();
    for entry in &map.entries {
        let name = entry.key.as_str();
        // A name that could be an address would hide one.
        if !is_token(name) || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let mend = "begin with a letter, and write letters, digits and `-`".to_owned();
            let kind = ErrorKind::Value { written: entry.key.clone(), expected: "a name for a list", mend };
            walk.report.error(entry.key_at, kind);
            continue;
        }
        lists.insert(entry.key.clone(), list(walk, entry).into());
    }
    walk.lists = lists.into();
}

fn list(walk: &mut Walk<'_>, entry: &Entry) -> Vec<Cidr> {
    let Some((path, text)) = read(walk, &entry.value, MOST_LIST) else { return Vec::new() };
    let mut networks = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        match network::cidr(line) {
            Ok(network) => networks.push(network),
            Err(Fault::Value { mend: words, .. }) => {
                let words = format!("{}, line {}: `{line}` is not a network: {words}", path.display(), at + 1);
                walk.report.error(entry.value.at, ErrorKind::Reference(words));
            }
        }
    }
    networks
}

/// Reads `error_pages:` and the files that it names.
pub(super) fn error_pages(walk: &mut Walk<'_>, node: &Node) -> BTreeMap<PageStatus, ErrorPage> {
    let mut pages = BTreeMap::new();
    let Some(map) = walk.map(node, "files by status, such as {404: ./404.html}") else { return pages };
    for entry in &map.entries {
        let status = match entry.key.as_bytes() {
            b"4xx" => Some(PageStatus::Class(4)),
            b"5xx" => Some(PageStatus::Class(5)),
            _ => entry.key.parse().ok().filter(|status| (400..=599).contains(status)).map(PageStatus::One),
        };
        let Some(status) = status else {
            let mend = "write 400 to 599, 4xx or 5xx".to_owned();
            let kind = ErrorKind::Value { written: entry.key.clone(), expected: "a status with a page", mend };
            walk.report.error(entry.key_at, kind);
            continue;
        };
        let Some((path, body)) = read(walk, &entry.value, MOST_PAGE) else { continue };
        let form = match path.extension().and_then(|kind| kind.to_str()) {
            Some("html" | "htm") => PageForm::Html,
            Some("json") => PageForm::Json,
            Some("txt") => PageForm::Text,
            Some(_) | None => {
                walk.wrong(&entry.value, "a page", "its name ends in .html, .json or .txt, which says who gets it");
                continue;
            }
        };
        pages.insert(status, ErrorPage { form, body: body.into() });
    }
    pages
}

/// Reads the file that a text names, from where the configuration stands, and lets the file watch follow it.
pub(super) fn read(walk: &mut Walk<'_>, node: &Node, most: usize) -> Option<(PathBuf, String)> {
    let name = walk.text(node, "the path of a file")?;
    let path = beside(&walk.report.place(node.at).file, Path::new(&name));
    walk.files.push(path.clone());
    let words = match walk.source.read(&path, most + 1) {
        Ok(bytes) if bytes.len() > most => format!("{} is larger than {} KiB", path.display(), most >> 10),
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return Some((path, text)),
            Err(_) => format!("{} is not UTF-8", path.display()),
        },
        Err(words) => format!("{} can't be read: {words}", path.display()),
    };
    walk.report.error(node.at, ErrorKind::Reference(words));
    None
}

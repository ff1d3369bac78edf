//! `when:` the conditions of rules.

use super::{Walk, balance, policy};
use crate::config::schema::{CONDITION, PATH_FORM, TEXT_FORM, TLS_FORM};
use crate::config::suggest::nearest;
use crate::config::text::{Node, Value};
use crate::config::value::{self, fault, host, is_token};
use crate::config::{Condition, ErrorKind, PathMatch, Protocol, TextMatch};
use std::collections::BTreeMap;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

/// Reads a condition.
pub(super) fn condition(walk: &mut Walk<'_>, node: &Node) -> Option<Condition> {
    let fields = walk.fields(node, &CONDITION)?;
    if fields.entries.is_empty() && !fields.refused {
        let words = "an empty condition always holds; leave it out, or say what must hold";
        walk.report.error(node.at, ErrorKind::Missing(words));
        return None;
    }
    let each = |key| fields.value(key);
    Some(Condition {
        methods: many(walk, each("methods"), method),
        headers: by_name(walk, each("headers"), Names::Header),
        query: by_name(walk, each("query"), Names::Query),
        cookies: by_name(walk, each("cookies"), Names::Cookie),
        client_ip: many(walk, each("client_ip"), policy::networks).concat(),
        listener: many(walk, each("listener"), listener),
        protocol: many(walk, each("protocol"), protocol),
        path: many(walk, each("path"), path),
        client_cert: each("tls").and_then(|node| client_cert(walk, node)),
        share: each("share").and_then(|node| balance::share(walk, node)),
        not: each("not").and_then(|node| condition(walk, node)).map(Box::new),
        any: many(walk, each("any"), condition),
    })
}

/// Reads `tls: {client_cert: true}`.
fn client_cert(walk: &mut Walk<'_>, node: &Node) -> Option<bool> {
    let fields = walk.fields(node, &TLS_FORM)?;
    match fields.value("client_cert") {
        Some(node) => walk.switch(node),
        None => missing_form(walk, node, "write {client_cert: true}"),
    }
}

/// Reads one or a list. An empty list is an error: it would hold for nothing, or for all, and nobody knows which.
pub(super) fn many<T>(
    walk: &mut Walk<'_>,
    node: Option<&Node>,
    mut read: impl FnMut(&mut Walk<'_>, &Node) -> Option<T>,
) -> Vec<T> {
    let Some(node) = node else { return Vec::new() };
    let items = walk.one_or_list(node);
    if items.is_empty() {
        walk.report
            .error(node.at, ErrorKind::Missing("the list is empty; write what it should hold, or leave the key out"));
    }
    items.iter().filter_map(|item| read(walk, item)).collect()
}

pub(super) fn method(walk: &mut Walk<'_>, node: &Node) -> Option<String> {
    const WHAT: &str = "a method";
    walk.value(node, WHAT, |text| {
        if METHODS.contains(&text) {
            return Ok(text.to_owned());
        }
        let upper = text.to_ascii_uppercase();
        match nearest(&upper, METHODS) {
            _ if matches!(upper.as_str(), "CONNECT" | "TRACE") => fault(WHAT, "CONNECT and TRACE are never forwarded"),
            Some(meant) if text != upper || !is_token(text) => {
                fault(WHAT, format!("methods are case-sensitive; did you mean `{meant}`?"))
            }
            Some(_) | None if is_token(text) && text == upper => Ok(text.to_owned()),
            Some(_) | None if is_token(text) => fault(WHAT, format!("methods are case-sensitive; write {upper}")),
            Some(_) | None => fault(WHAT, "write GET, POST and the like"),
        }
    })
}

fn listener(walk: &mut Walk<'_>, node: &Node) -> Option<String> {
    let name = walk.text(node, "the name of a listener")?;
    if walk.listeners.contains(&name) {
        return Some(name);
    }
    let names = walk.listeners.clone();
    let mend = match nearest(&name, names.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("there are {}", names.join(", ")),
    };
    let name = super::written(node);
    walk.report.error(node.at, ErrorKind::UnknownName { what: "listener", name, mend });
    None
}

fn protocol(walk: &mut Walk<'_>, node: &Node) -> Option<Protocol> {
    let words = [
        ("http", Protocol::Http),
        ("websocket", Protocol::Websocket),
        ("sse", Protocol::Sse),
        ("grpc", Protocol::Grpc),
    ];
    walk.word(node, "a protocol", &words)
}

fn path(walk: &mut Walk<'_>, node: &Node) -> Option<PathMatch> {
    let Value::Map(_) = &node.value else {
        return walk.value(node, "a path", prefix).map(PathMatch::Prefix);
    };
    let fields = walk.fields(node, &PATH_FORM)?;
    match (fields.value("exact"), fields.value("regex")) {
        (Some(node), None) => walk.value(node, "a path", exact_path).map(PathMatch::Exact),
        (None, Some(node)) => regex(walk, node).map(PathMatch::Regex),
        (None, None) => missing_form(walk, node, "write {exact: …} or {regex: '…'}"),
        (Some(_), Some(_)) => missing_form(walk, node, "write one of exact and regex; for either of them write a list"),
    }
}

/// A path that others follow. An expression would be one that nobody ever asks for.
fn prefix(text: &str) -> value::Read<String> {
    match text.starts_with('^') || text.starts_with("~ ") || text.ends_with('$') || text.contains(".*") {
        true => fault("a path", format!("an expression is written {{regex: '{}'}}", text.trim_start_matches("~ "))),
        false => host::path(text),
    }
}

/// A path with its trailing slash, which counts where the path is exact.
fn exact_path(text: &str) -> value::Read<String> {
    let path = host::path(text)?;
    Ok(if text.ends_with('/') { path + "/" } else { path })
}

fn missing_form<T>(walk: &mut Walk<'_>, node: &Node, words: &'static str) -> Option<T> {
    walk.report.error(node.at, ErrorKind::Missing(words));
    None
}

pub(super) fn regex(walk: &mut Walk<'_>, node: &Node) -> Option<String> {
    const WHAT: &str = "a regular expression";
    walk.value(node, WHAT, |text| match value::regex(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(words) => fault(WHAT, words),
    })
}

/// What the keys of a mapping of forms are.
#[derive(Clone, Copy)]
pub(super) enum Names {
    Header,
    Query,
    Cookie,
}

pub(super) fn by_name(walk: &mut Walk<'_>, node: Option<&Node>, names: Names) -> BTreeMap<String, Vec<TextMatch>> {
    let mut forms = BTreeMap::new();
    let Some(node) = node else { return forms };
    let Some(map) = walk.map(node, "forms of text by name, such as {x-canary: \"yes\"}") else { return forms };
    for entry in &map.entries {
        let name = match names {
            Names::Header => entry.key.to_ascii_lowercase(),
            Names::Query | Names::Cookie => entry.key.clone(),
        };
        let right = matches!(names, Names::Query) || is_token(&name);
        if !right {
            let kind = ErrorKind::Value {
                written: entry.key.clone(),
                expected: "a name of a header or cookie",
                mend: "write letters, digits and `-`".to_owned(),
            };
            walk.report.error(entry.key_at, kind);
        } else if entry.value.is_empty() {
            walk.no_value(entry);
        } else {
            let read = many(walk, Some(&entry.value), text_form);
            if forms.insert(name, read).is_some() {
                let mend = "stands here twice: names of headers have no case; join the two in a list";
                walk.report.error(entry.key_at, ErrorKind::Misplaced { key: entry.key.clone(), mend });
            }
        }
    }
    forms
}

pub(super) fn text_form(walk: &mut Walk<'_>, node: &Node) -> Option<TextMatch> {
    let Value::Map(_) = &node.value else {
        return walk.text(node, "a text").map(TextMatch::Exact);
    };
    let fields = walk.fields(node, &TEXT_FORM)?;
    match fields.entries.as_slice() {
        [("regex", entry)] => regex(walk, &entry.value).map(TextMatch::Regex),
        [("prefix", entry)] => walk.text(&entry.value, "a text").map(TextMatch::Prefix),
        [("contains", entry)] => walk.text(&entry.value, "a text").map(TextMatch::Contains),
        [("present", entry)] => walk.switch(&entry.value).map(TextMatch::Present),
        _ => missing_form(walk, node, "write one of {regex: '…'}, {prefix: …}, {contains: …} and {present: true}"),
    }
}

//! Host names and patterns, paths, and the keys of routes that they make up.

use super::{Read, fault};
use crate::config::{HostPattern, RouteKey};
use crate::target::{canonical_key_path, path::check_encoding};
use std::net::{IpAddr, Ipv6Addr};

/// RFC 1035 §2.3.4: a name has at most 253 characters as text, a label at most 63.
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

/// Reads `host[/path]`, normalised: lower case, no trailing dot, no trailing slash.
pub(in crate::config) fn key(text: &str) -> Read<RouteKey> {
    const WHAT: &str = "the key of a route";
    if text.is_empty() {
        return fault(WHAT, "write host/path, or * for any host");
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return fault(WHAT, format!("a key has no scheme; take `{scheme}://` away and write {rest}"));
    }
    if text.starts_with('/') {
        return fault(WHAT, format!("the host is missing; for any host write \"*{text}\""));
    }
    let (host, rest) = text.find('/').map_or((text, ""), |at| text.split_at_checked(at).unwrap_or((text, "")));
    Ok(RouteKey { host: pattern(host)?, path: if rest.is_empty() { String::new() } else { path(rest)? } })
}

/// Reads a name, `*.suffix` or `*`.
pub(in crate::config) fn pattern(text: &str) -> Read<HostPattern> {
    const WHAT: &str = "a host";
    if text == "*" {
        return Ok(HostPattern::Any);
    }
    if let Some((_, path)) = text.split_once('/') {
        return fault(WHAT, format!("a path can't stand here; leave `/{path}` out"));
    }
    if let Some(v6) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match v6.parse::<Ipv6Addr>() {
            Ok(v6) => Ok(HostPattern::Exact(format!("[{v6}]"))),
            Err(_) => fault(WHAT, "in brackets stands an IPv6 address"),
        };
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return fault(WHAT, format!("an IPv6 address stands in brackets; write \"[{text}]\""));
    }
    if let Some((host, _)) = text.rsplit_once(':') {
        return fault(WHAT, format!("a port doesn't count here (it is the listener's); write {host}"));
    }
    match text.strip_prefix("*.") {
        Some(suffix) => Ok(HostPattern::Suffix(name(WHAT, suffix)?)),
        None => Ok(HostPattern::Exact(name(WHAT, text)?)),
    }
}

/// Checks a host name or IPv4 address, and gives it in lower case without a trailing dot.
pub(in crate::config) fn name(what: &'static str, text: &str) -> Read<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.contains('*') {
        return fault(what, "`*` stands alone, or as the whole first label: *.example.com");
    }
    if !text.is_ascii() {
        return fault(what, "names travel in ASCII; write the punycode form (xn--…) of each label");
    }
    if text.is_empty() || text.len() > LONGEST_NAME {
        return fault(what, format!("a name has 1 to {LONGEST_NAME} characters"));
    }
    for label in text.split('.') {
        if label.is_empty() {
            return fault(what, "there is nothing between two dots");
        }
        if label.len() > LONGEST_LABEL {
            return fault(what, format!("no part between dots may be longer than {LONGEST_LABEL} characters"));
        }
        if let Some(odd) = label.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))) {
            return fault(what, format!("a name has letters, digits, `-`, `_` and dots, not {odd:?}"));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return fault(what, "no part between dots may begin or end with `-`");
        }
    }
    // A name whose last label is a number is an address, or a mistyped one (WHATWG URL, "ends in a number").
    let last = text.rsplit('.').next().unwrap_or_default();
    if super::amount::is_digits(last) && text.parse::<IpAddr>().is_err() {
        return fault(what, "it ends in a number and is no IPv4 address such as 127.0.0.1");
    }
    Ok(text.to_ascii_lowercase())
}

/// Reads the path of a key or of a prefix: begins with `/`; a trailing slash doesn't count, so `/` becomes empty.
///
/// It comes out as the canonical path of a request has it, so `/caf\u{e9}` and `/caf%c3%a9` are the same.
pub(in crate::config) fn path(text: &str) -> Read<String> {
    const WHAT: &str = "a path";
    if !text.starts_with('/') {
        return fault(WHAT, format!("it begins with a slash; write /{text}"));
    }
    if let Some(rest) = text.strip_suffix("/**").or_else(|| text.strip_suffix("/*")) {
        let plain = if rest.is_empty() { "/" } else { rest };
        return fault(WHAT, format!("a path stands for everything below it already; write {plain}"));
    }
    if let Some(mend) = text.chars().find_map(never_in_path) {
        return fault(WHAT, mend);
    }
    if let Err(error) = check_encoding(text.as_bytes()) {
        return fault(WHAT, format!("no request with it gets that far: {}", error.detail()));
    }
    for segment in text.strip_suffix('/').unwrap_or(text).split('/').skip(1) {
        match segment.replace("%2e", ".").replace("%2E", ".").as_str() {
            "." | ".." => return fault(WHAT, "requests have their dot segments resolved; write the path it leads to"),
            "" => return fault(WHAT, "there is nothing between two slashes"),
            _ => {}
        }
    }
    let mut path = canonical_key_path(text);
    while path.ends_with('/') {
        path.pop();
    }
    Ok(path)
}

/// Why a character has no place in a path, and what to do.
fn never_in_path(c: char) -> Option<String> {
    match c {
        '?' | '#' => Some("a path has no query and no fragment; a rule can ask `when: {query: …}`".to_owned()),
        '{' | '}' => Some("a path is no template; a rule can ask `when: {path: {regex: '…'}}`".to_owned()),
        ';' => {
            Some("parameters of segments don't count when routes are compared; leave out what follows `;`".to_owned())
        }
        '\\' => Some("requests with a backslash are refused; write a slash".to_owned()),
        c if c.is_whitespace() || c.is_control() => Some(format!("{c:?} can't stand in a path; write %20 for a space")),
        _ => None,
    }
}

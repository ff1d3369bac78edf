//! `cors:` and the origins that it and others name.

use crate::config::raw::{Walk, condition};
use crate::config::schema::CORS_KEYS;
use crate::config::text::{Node, Value};
use crate::config::value::{self, amount, fault, host, is_token};
use crate::config::{Cors, ErrorKind, HostPattern, OriginPattern};
use std::time::Duration;

/// How long browsers may remember a preflight where nothing is said.
const MAX_AGE: Duration = Duration::from_mins(10);

/// Reads `cors:`; the inner `None` is `off`.
pub(super) fn cors(walk: &mut Walk<'_>, node: &Node) -> Option<Option<Cors>> {
    if let Value::Scalar(scalar) = &node.value
        && matches!(scalar.text.as_str(), "off" | "false")
    {
        return Some(None);
    }
    let fields = walk.fields(node, &CORS_KEYS)?;
    let at = |key| fields.value(key);
    let origins = condition::many(walk, at("origins"), origin);
    let credentials = at("credentials").and_then(|node| walk.switch(node)).unwrap_or(false);
    if at("origins").is_none() && !fields.refused {
        let words = "whose pages? write `origins: [https://app.example.com]`, or `origins: \"*\"` for all";
        walk.report.error(node.at, ErrorKind::Missing(words));
    }
    if credentials && origins.contains(&OriginPattern::Any) {
        let words = "with `credentials` every site could act for whoever is logged in; name the origins instead of `*`";
        walk.report.error(node.at, ErrorKind::Missing(words));
    }
    Some(Some(Cors {
        origins,
        methods: condition::many(walk, at("methods"), condition::method),
        headers: condition::many(walk, at("headers"), field_name),
        expose: condition::many(walk, at("expose"), field_name),
        credentials,
        max_age: at("max_age").and_then(|node| walk.span(node)).unwrap_or(MAX_AGE),
    }))
}

fn field_name(walk: &mut Walk<'_>, node: &Node) -> Option<String> {
    const WHAT: &str = "the name of a field";
    walk.value(node, WHAT, |text| match text {
        "*" => fault(WHAT, "leave the key out for all"),
        _ if is_token(text) => Ok(text.to_ascii_lowercase()),
        _ => fault(WHAT, "write letters, digits and `-`"),
    })
}

/// Reads one origin or a list of them.
pub(in crate::config::raw) fn origins(walk: &mut Walk<'_>, node: &Node) -> Vec<OriginPattern> {
    walk.one_or_list(node).iter().filter_map(|item| origin(walk, item)).collect()
}

/// Reads `*`, `https://host[:port]` or `https://*.suffix[:port]`.
fn origin(walk: &mut Walk<'_>, node: &Node) -> Option<OriginPattern> {
    walk.value(node, "an origin", origin_pattern)
}

fn origin_pattern(text: &str) -> value::Read<OriginPattern> {
    const WHAT: &str = "an origin";
    if text == "*" {
        return Ok(OriginPattern::Any);
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return fault(WHAT, format!("it has a scheme; write https://{text}"));
    };
    let scheme = scheme.to_ascii_lowercase();
    if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
        return fault(WHAT, "write https://host or http://host:port");
    }
    if let Some((authority, path)) = rest.split_once('/') {
        return fault(WHAT, format!("an origin has no path; leave `/{path}` out: {scheme}://{authority}"));
    }
    let (name, port) = match rest.rsplit_once(':') {
        Some((name, port)) if !rest.ends_with(']') => (name, Some(port)),
        Some(_) | None => (rest, None),
    };
    let port = match port.map(|port| amount::count(port, 1, 65_535)) {
        None => String::new(),
        // Browsers leave the scheme's own port out (RFC 6454 §6.2).
        Some(Ok(port)) if matches!((scheme.as_str(), port), ("http", 80) | ("https", 443)) => String::new(),
        Some(Ok(port)) => format!(":{port}"),
        Some(Err(_)) => return fault(WHAT, "the port is a number from 1 to 65535"),
    };
    match host::pattern(name)? {
        HostPattern::Exact(name) => Ok(OriginPattern::Exact(format!("{scheme}://{name}{port}"))),
        HostPattern::Suffix(name) => {
            Ok(OriginPattern::Suffix { scheme: format!("{scheme}://"), suffix: format!(".{name}{port}") })
        }
        HostPattern::Any => fault(WHAT, "for every origin write \"*\" alone"),
    }
}

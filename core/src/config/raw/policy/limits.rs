//! `rate_limit`, `concurrency`, `max_connections`: how often and how many at once.

use crate::config::raw::{Fields, Walk, store};
use crate::config::schema::{CONCURRENCY_KEYS, LIMIT_KEY, RATE_LIMIT_KEYS};
use crate::config::text::{Node, Value};
use crate::config::value::{amount, fault, is_token, template};
use crate::config::{Concurrency, ErrorKind, Fact, LimitKey, LimitScope, RateLimit, Template, TemplatePart};

/// Reads `rate_limit:`, one or a list.
pub(super) fn rates(walk: &mut Walk<'_>, node: &Node, scope: &LimitScope) -> Vec<RateLimit> {
    let mut limits = Vec::new();
    for (index, item) in (0..).zip(walk.one_or_list(node)) {
        limits.extend(rate(walk, item, scope, index));
    }
    limits
}

fn rate(walk: &mut Walk<'_>, node: &Node, scope: &LimitScope, index: u32) -> Option<RateLimit> {
    let fields = walk.fields(node, &RATE_LIMIT_KEYS)?;
    let key = key(walk, &fields);
    let Some(node) = fields.value("rate") else {
        if !fields.refused {
            walk.report.error(node.at, ErrorKind::Missing("how often? write `rate: 50/s`"));
        }
        return None;
    };
    let (count, per) = walk.value(node, "a rate", amount::rate)?;
    let burst = fields
        .value("burst")
        .and_then(|node| walk.value(node, "a burst", |text| amount::count(text, 1, 1_000_000_000)));
    // A second's worth at once, unless something else is said.
    let second = u64::from(count) * 1000 / u64::try_from(per.as_millis()).unwrap_or(u64::MAX).max(1);
    let burst = u32::try_from(burst.unwrap_or(second.max(1))).unwrap_or(u32::MAX);
    let dry_run = fields.value("dry_run").and_then(|node| walk.switch(node)).unwrap_or(false);
    let store = fields.value("store").and_then(|node| store::of_limit(walk, node));
    Some(RateLimit { scope: scope.clone(), index, key: key?, count, per, burst, dry_run, store })
}

/// Reads `concurrency:`, and `max_connections:` beside it, which counts the route's as one.
pub(super) fn concurrency(
    walk: &mut Walk<'_>,
    keyed: Option<&Node>,
    all: Option<&Node>,
    scope: &LimitScope,
) -> Vec<Concurrency> {
    let mut limits = Vec::new();
    let mut add = |limit: Option<(LimitKey, u32)>| {
        let index = u32::try_from(limits.len()).unwrap_or(u32::MAX);
        limits.extend(limit.map(|(key, max)| Concurrency { scope: scope.clone(), index, key, max }));
    };
    let count = |walk: &mut Walk<'_>, node: &Node| {
        walk.value(node, "a count", |text| amount::count(text, 1, u32::MAX.into()))
            .map(|count| u32::try_from(count).unwrap_or(u32::MAX))
    };
    add(all.and_then(|node| count(walk, node)).map(|max| (LimitKey::Route, max)));
    for item in keyed.map(|node| walk.one_or_list(node)).unwrap_or_default() {
        let Some(fields) = walk.fields(item, &CONCURRENCY_KEYS) else { continue };
        let key = key(walk, &fields);
        match fields.value("max") {
            Some(node) => add(count(walk, node).and_then(|max| Some((key?, max)))),
            None if fields.refused => {}
            None => walk.report.error(item.at, ErrorKind::Missing("how many at once? write `max: 10`")),
        }
    }
    limits
}

/// Reads `key:`; without it each client address counts apart.
fn key(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<LimitKey> {
    let Some(node) = fields.value("key") else { return Some(LimitKey::ClientIp) };
    if let Value::Map(_) = &node.value {
        let fields = walk.fields(node, &LIMIT_KEY)?;
        let fact = match fields.entries.as_slice() {
            [("header", entry)] => Fact::Header(name(walk, &entry.value)?.to_ascii_lowercase()),
            [("cookie", entry)] => Fact::Cookie(name(walk, &entry.value)?),
            [("claim", entry)] => Fact::Claim(walk.text(&entry.value, "the name of a claim")?),
            _ if fields.refused => return None,
            _ => {
                walk.report
                    .error(node.at, ErrorKind::Missing("write one of {header: x}, {cookie: c} and {claim: sub}"));
                return None;
            }
        };
        return Some(LimitKey::Template(Template { parts: vec![TemplatePart::Fact(fact)] }));
    }
    walk.value(node, "a key", |text| match text {
        "client_ip" => Ok(LimitKey::ClientIp),
        "route" => Ok(LimitKey::Route),
        _ => {
            let template = template::template(text)?;
            match template.parts.iter().any(|part| matches!(part, TemplatePart::Fact(_))) {
                true => Ok(LimitKey::Template(template)),
                false => fault("a key", "write client_ip, route, {header: x}, {cookie: c} or a text with facts"),
            }
        }
    })
}

fn name(walk: &mut Walk<'_>, node: &Node) -> Option<String> {
    walk.value(node, "a name", |text| match is_token(text) {
        true => Ok(text.to_owned()),
        false => fault("a name", "write letters, digits and `-`"),
    })
}

//! `cache:` of a rule or of `defaults:`, and that of the whole file.

use super::{Fields, Walk};
use crate::config::schema::{CACHE, CACHE_KEYS, CACHE_STORE};
use crate::config::text::{Node, Value};
use crate::config::value::{amount, fault};
use crate::config::{Cache, CacheStore, ErrorKind, QueryKey};

/// Reads `cache:`, which has nothing to keep where no upstream answers.
pub(super) fn of_rule(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<Option<Cache>> {
    let entry = fields.entry("cache")?;
    if let Some((action, _)) = fields.first(&["redirect", "respond"]) {
        let mend = "it keeps what an upstream answers, and here is none";
        let kind = ErrorKind::Conflict { key: "cache".to_owned(), with: action.to_owned(), mend };
        walk.report.error(entry.key_at, kind);
    }
    cache(walk, &entry.value)
}

/// Reads what a rule keeps; the inner `None` is `off`.
pub(super) fn cache(walk: &mut Walk<'_>, node: &Node) -> Option<Option<Cache>> {
    let defaults = Cache::default();
    if let Value::Scalar(_) = &node.value {
        return walk.switch(node).map(|on| on.then_some(defaults));
    }
    let fields = walk.fields(node, &CACHE)?;
    let size = |walk: &mut Walk<'_>, node| walk.value(node, "a size", amount::size);
    let max_object = fields.value("max_object").and_then(|node| size(walk, node));
    let query = fields.value("key").and_then(|node| query(walk, node));
    let mut times = [None, None, None, Some(defaults.lock)];
    for (key, place) in ["override", "stale_while_revalidate", "stale_if_error", "lock"].iter().zip(&mut times) {
        if let Some(time) = fields.value(key).and_then(|node| walk.timeout(node)) {
            *place = Some(time);
        }
    }
    let mut switch = |key, or| fields.value(key).and_then(|node| walk.switch(node)).unwrap_or(or);
    let (heuristic, set_cookie) = (switch("heuristic", false), switch("set_cookie", false));
    let client_control = switch("client_control", true);
    let [override_ttl, stale_while_revalidate, stale_if_error, lock] = times.map(Option::flatten);
    Some(Some(Cache {
        max_object: max_object.unwrap_or(defaults.max_object),
        query: query.unwrap_or(defaults.query),
        override_ttl,
        stale_while_revalidate,
        stale_if_error,
        heuristic,
        set_cookie,
        client_control,
        lock,
    }))
}

fn query(walk: &mut Walk<'_>, node: &Node) -> Option<QueryKey> {
    const WHAT: &str = "the name of a parameter";
    let fields = walk.fields(node, &CACHE_KEYS)?;
    let mut names = |node: &Node| -> Vec<String> {
        let read = |text: &str| match text {
            "" => fault(WHAT, "leave it out, or write the name"),
            _ if text.contains(['&', '=', '#', '?']) => fault(WHAT, "write the name alone, without its value"),
            _ => Ok(text.to_owned()),
        };
        walk.one_or_list(node).to_vec().iter().filter_map(|item| walk.value(item, WHAT, read)).collect()
    };
    let (only, without) = (fields.value("query").map(&mut names), fields.value("without").map(&mut names));
    match (only, without) {
        (Some(_), Some(_)) => {
            let words = "one of the two: `query` names the parameters that count, `without` those that don't";
            walk.report.error(node.at, ErrorKind::Missing(words));
            None
        }
        (Some(only), None) => Some(QueryKey::Only(only)),
        (None, Some(without)) => Some(QueryKey::Without(without)),
        (None, None) => None,
    }
}

/// Reads how much is kept.
pub(super) fn store(walk: &mut Walk<'_>, node: &Node) -> CacheStore {
    let defaults = CacheStore::default();
    let Some(fields) = walk.fields(node, &CACHE_STORE) else { return defaults };
    let memory = fields.value("memory").and_then(|node| walk.value(node, "a size", amount::size));
    let disk = fields.value("disk").and_then(|node| {
        walk.value(node, "a size, or off", |text| match text {
            "off" | "false" => Ok(None),
            text => amount::size(text).map(Some),
        })
    });
    CacheStore { memory: memory.unwrap_or(defaults.memory), disk: disk.unwrap_or(defaults.disk) }
}

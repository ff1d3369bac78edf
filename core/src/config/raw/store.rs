//! `redis:` and a limit's `store:`: where several machines count together.

use super::Walk;
use super::policy::is_off;
use crate::config::schema::{REDIS_KEYS, STORE_KEYS};
use crate::config::text::{Node, Value};
use crate::config::value::fault;
use crate::config::{ErrorKind, Redis, Secret};
use std::time::Duration;

/// Reads the file's `redis:`; nothing is `off`.
pub(super) fn redis(walk: &mut Walk<'_>, node: &Node) -> Option<Redis> {
    if is_off(node) {
        return None;
    }
    let Value::Map(_) = &node.value else { return Some(alone(url(walk, node)?)) };
    let fields = walk.fields(node, &REDIS_KEYS)?;
    details(walk, node, fields.value("url"), fields.value("timeout"), fields.value("on_error"), fields.refused)
}

/// Reads a limit's `store:`; nothing is `local`.
pub(super) fn of_limit(walk: &mut Walk<'_>, node: &Node) -> Option<Redis> {
    let Value::Map(_) = &node.value else {
        let shared = walk.word(node, "where a limit counts", &[("local", false), ("redis", true)])?;
        if shared && walk.redis.is_none() {
            let words = "the file says no `redis:`; add `redis: redis://host:6379`, or write {redis: URL} here";
            walk.report.error(node.at, ErrorKind::Missing(words));
        }
        return walk.redis.clone().filter(|_| shared);
    };
    let fields = walk.fields(node, &STORE_KEYS)?;
    details(walk, node, fields.value("redis"), fields.value("timeout"), fields.value("on_error"), fields.refused)
}

fn details(
    walk: &mut Walk<'_>,
    at: &Node,
    url: Option<&Node>,
    timeout: Option<&Node>,
    on_error: Option<&Node>,
    refused: bool,
) -> Option<Redis> {
    let Some(node) = url else {
        if !refused {
            walk.report.error(at.at, ErrorKind::Missing("where? write its URL: redis://host:6379"));
        }
        return None;
    };
    let mut store = alone(self::url(walk, node)?);
    if let Some(time) = timeout.and_then(|node| walk.span(node)) {
        // A request waits for it: longer is an outage that looks like slowness.
        if time.is_zero() || time > Duration::from_secs(5) {
            timeout.into_iter().for_each(|node| walk.wrong(node, "a time to wait", "write 1ms to 5s"));
        }
        store.timeout = time;
    }
    let words = [("allow", true), ("deny", false)];
    if let Some(allow) = on_error.and_then(|node| walk.word(node, "what becomes of a request", &words)) {
        store.allow_on_error = allow;
    }
    Some(store)
}

fn alone(url: String) -> Redis {
    Redis { url: Secret(url), timeout: Duration::from_millis(50), allow_on_error: true }
}

fn url(walk: &mut Walk<'_>, node: &Node) -> Option<String> {
    const WHAT: &str = "the URL of a store";
    walk.value(node, WHAT, |text| match text.split_once("://") {
        _ if text.chars().any(|c| c.is_control() || c == ' ') => fault(WHAT, "a URL has no spaces"),
        Some(("redis" | "redis+unix" | "unix", rest)) if !rest.is_empty() => Ok(text.to_owned()),
        Some(("rediss" | "valkeys", _)) => {
            fault(WHAT, "TLS to a store is not spoken; let it stand on a network of yours")
        }
        Some(("valkey", rest)) => fault(WHAT, format!("write redis://{rest}: Valkey speaks the same")),
        Some(_) | None => fault(WHAT, "write redis://host:6379 or redis+unix:///path"),
    })
}

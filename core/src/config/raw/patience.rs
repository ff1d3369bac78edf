//! `retry:` and `wait:` of a rule or of `defaults:`.

use super::Walk;
use crate::config::schema::{RETRY_OBJECT, WAIT_OBJECT};
use crate::config::text::{Node, Value};
use crate::config::value::{amount, fault};
use crate::config::{Causes, ErrorKind, Retry, Wait};

/// Reads `retry:`.
pub(super) fn retry(walk: &mut Walk<'_>, node: &Node) -> Option<Retry> {
    let defaults = Retry::default();
    if is_off(node) {
        return Some(Retry { retries: 0, ..defaults });
    }
    let fields = walk.fields(node, &RETRY_OBJECT)?;
    let causes = fields.value("causes").map(|node| causes(walk, node));
    let retries = fields.value("retries").and_then(|node| {
        walk.value(node, "a count", |text| match text {
            "0" => fault("a count", "no retries are written `retry: off`"),
            _ => amount::count(text, 1, 10).map(|count| u8::try_from(count).unwrap_or(10)),
        })
    });
    let per_try = fields.value("per_try").and_then(|node| walk.timeout(node));
    let hedge = fields.value("hedge").and_then(|node| walk.timeout(node));
    let budget = fields.value("budget").and_then(|node| walk.value(node, "a share", |text| amount::share(text, 100)));
    Some(Retry {
        causes: causes.unwrap_or(defaults.causes),
        retries: retries.unwrap_or(defaults.retries),
        per_try: per_try.unwrap_or(defaults.per_try),
        hedge: hedge.unwrap_or(defaults.hedge),
        budget: budget.unwrap_or(defaults.budget),
    })
}

fn is_off(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if matches!(scalar.text.as_str(), "off" | "false"))
}

enum Cause {
    Connect,
    Reset,
    Timeout,
    Status(u16),
}

fn causes(walk: &mut Walk<'_>, node: &Node) -> Causes {
    const WHAT: &str = "a cause to try again";
    let mut causes = Causes { connect: false, reset: false, timeout: false, statuses: Vec::new() };
    let items = walk.one_or_list(node);
    if items.is_empty() {
        walk.report.error(node.at, ErrorKind::Missing("the list is empty; no retries are written `retry: off`"));
    }
    for item in items {
        let cause = walk.value(item, WHAT, |text| match text {
            "connect" => Ok(Cause::Connect),
            "reset" => Ok(Cause::Reset),
            "timeout" => Ok(Cause::Timeout),
            _ => match text.parse() {
                Ok(status @ (408 | 425 | 429 | 500..=599)) => Ok(Cause::Status(status)),
                Ok(_) => fault(WHAT, "a status that may pass by itself: 408, 425, 429 or 500 to 599"),
                Err(_) => fault(WHAT, "write connect, reset, timeout or a status such as 503"),
            },
        });
        match cause {
            Some(Cause::Connect) => causes.connect = true,
            Some(Cause::Reset) => causes.reset = true,
            Some(Cause::Timeout) => causes.timeout = true,
            Some(Cause::Status(status)) => causes.statuses.push(status),
            None => {}
        }
    }
    causes
}

/// Reads `wait:`; the inner `None` is `off`.
pub(super) fn wait(walk: &mut Walk<'_>, node: &Node) -> Option<Option<Wait>> {
    let Value::Map(_) = &node.value else {
        return walk.timeout(node).map(|time| time.map(Wait::of));
    };
    let fields = walk.fields(node, &WAIT_OBJECT)?;
    let Some(time) = fields.value("for") else {
        walk.report.error(node.at, ErrorKind::Missing("say how long: {for: 10s}"));
        return None;
    };
    let requests = fields.value("requests").and_then(|node| {
        walk.value(node, "a count", |text| {
            amount::count(text, 1, 1_000_000).map(|n| u32::try_from(n).unwrap_or(u32::MAX))
        })
    });
    let bytes = fields.value("bytes").and_then(|node| walk.value(node, "a size", amount::size));
    let wait = Wait::of(walk.span(time)?);
    Some(Some(Wait { requests: requests.unwrap_or(wait.requests), bytes: bytes.unwrap_or(wait.bytes), ..wait }))
}

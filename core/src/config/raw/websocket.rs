//! Reads what is said of WebSockets: the limits of a rule, and the codes that they are closed with.

use std::time::Duration;

use super::policy::origins;
use super::{Fields, Walk};
use crate::config::schema::{MAX_TUNNELS, Object, SIDES_RATE, SIDES_SIZE, WEBSOCKET};
use crate::config::text::{Node, Value};
use crate::config::value::{Read, amount, fault};
use crate::config::websocket::{Both, MaxTunnels, OnLag, OnRate, Rate, WebSocket};
use crate::websocket::frame::is_sendable;

/// Reads `websocket:`. What is not said is unlimited or off: of several levels the nearest holds, whole.
pub(super) fn websocket(walk: &mut Walk<'_>, node: &Node) -> Option<WebSocket> {
    let fields = walk.fields(node, &WEBSOCKET)?;
    let mut limits = WebSocket {
        max_message: both(walk, &fields, "max_message", &SIDES_SIZE, Walk::size_or_unlimited),
        max_frame: both(walk, &fields, "max_frame", &SIDES_SIZE, Walk::size_or_unlimited),
        messages: both(walk, &fields, "messages", &SIDES_RATE, |walk, node| rate(walk, node, count_rate)),
        bytes: both(walk, &fields, "bytes", &SIDES_RATE, |walk, node| rate(walk, node, byte_rate)),
        ..WebSocket::default()
    };
    if let Some(node) = fields.value("on_rate") {
        let words = [("delay", OnRate::Delay), ("close", OnRate::Close)];
        limits.on_rate = walk.word(node, "what exceeds a rate", &words).unwrap_or_default();
    }
    if let Some(node) = fields.value("on_lag") {
        let words =
            [("backpressure", OnLag::Backpressure), ("close", OnLag::Close), ("drop_oldest", OnLag::DropOldest)];
        limits.on_lag = walk.word(node, "what becomes of a slow reader", &words).unwrap_or_default();
    }
    if let Some(node) = fields.value("max_tunnels") {
        limits.max_tunnels = most_open(walk, node, &MAX_TUNNELS);
    }
    for (key, place) in [("max_age", &mut limits.max_age), ("idle", &mut limits.idle), ("ping", &mut limits.ping)] {
        *place = fields.value(key).and_then(|node| walk.timeout(node)).flatten();
    }
    limits.strict = fields.value("strict").and_then(|node| walk.switch(node)).unwrap_or(false);
    limits.allowed_origins = fields.value("allowed_origins").map(|node| origins(walk, node).into());
    Some(limits)
}

/// Reads a limit for both sides, or `{client, server}`.
fn both<'w, T: Copy>(
    walk: &mut Walk<'w>,
    fields: &Fields<'_>,
    key: &str,
    sides: &'static Object,
    read: impl Fn(&mut Walk<'w>, &Node) -> Option<Option<T>>,
) -> Both<T> {
    let Some(node) = fields.value(key) else { return Both::default() };
    let Value::Map(_) = &node.value else {
        let limit = read(walk, node).flatten();
        return Both { client: limit, server: limit };
    };
    let Some(fields) = walk.fields(node, sides) else { return Both::default() };
    let mut side = |key| fields.value(key).and_then(|node| read(walk, node)).flatten();
    Both { client: side("client"), server: side("server") }
}

/// Reads how many may be open at once: a count for the rule, or `{route, client}`.
pub(super) fn most_open(walk: &mut Walk<'_>, node: &Node, object: &'static Object) -> MaxTunnels {
    let narrow = |count: Option<Option<u64>>| count.flatten().map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let Value::Map(_) = &node.value else {
        return MaxTunnels { route: narrow(walk.count_or(node, "unlimited")), client: None };
    };
    let Some(fields) = walk.fields(node, object) else { return MaxTunnels::default() };
    let mut count = |key| narrow(fields.value(key).and_then(|node| walk.count_or(node, "unlimited")));
    MaxTunnels { route: count("route"), client: count("client") }
}

fn rate(walk: &mut Walk<'_>, node: &Node, read: fn(&str) -> Read<Rate>) -> Option<Option<Rate>> {
    walk.value(node, "a rate", |text| match text {
        "unlimited" => Ok(None),
        "off" | "false" => fault("a rate", "no limit is written `unlimited`"),
        _ if amount::means_none(text) => fault("a rate", "no limit is written `unlimited`"),
        _ => read(text).map(Some),
    })
}

/// Reads `100/s`, `1000/min` or `5000/h`.
fn count_rate(text: &str) -> Read<Rate> {
    let (count, unit) = text.split_once('/').unwrap_or((text, ""));
    let per = match unit {
        "s" => Duration::from_secs(1),
        "min" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        _ => return fault("a rate", "write so many in a time, such as 100/s, 1000/min or 5000/h"),
    };
    amount::count(count, 1, u32::MAX.into()).map(|count| Rate { count, per })
}

fn byte_rate(text: &str) -> Read<Rate> {
    match amount::byte_rate(text)? {
        0 => fault("a rate", "no limit is written `unlimited`"),
        count => Ok(Rate { count, per: Duration::from_secs(1) }),
    }
}

/// Reads the code of a Close.
pub(super) fn close_code(walk: &mut Walk<'_>, node: &Node) -> Option<u16> {
    const WHAT: &str = "a code that a Close may have";
    walk.value(node, WHAT, |text| match amount::count(text, 1000, 4999).map(u16::try_from) {
        Ok(Ok(code)) if is_sendable(code) => Ok(code),
        Ok(_) | Err(_) => {
            fault(WHAT, "such as 1000, 1001, 1012 (service restart), 1013 (try again later), 3000 to 4999")
        }
    })
}

//! Reads what is said of event streams.

use super::Walk;
use super::settings::bounded;
use super::websocket::most_open;
use std::time::Duration;

use crate::config::ErrorKind;
use crate::config::schema::{MAX_STREAMS, RESUME, SESSION_KEY, SSE};
use crate::config::sse::{Resume, SessionKey, Sse};
use crate::config::text::Node;
use crate::config::value::{amount, fault, is_token};

/// Reads `sse:`. What is not said is unlimited or off: of several levels the nearest holds, whole.
pub(super) fn sse(walk: &mut Walk<'_>, node: &Node) -> Option<Sse> {
    let fields = walk.fields(node, &SSE)?;
    let mut sse = Sse::default();
    if let Some(node) = fields.value("heartbeat") {
        sse.heartbeat = walk.timeout(node).flatten();
    }
    if let Some(node) = fields.value("max_streams") {
        sse.max_streams = most_open(walk, node, &MAX_STREAMS);
    }
    sse.resume = fields.value("resume").and_then(|node| resume(walk, node));
    Some(sse)
}

fn resume(walk: &mut Walk<'_>, node: &Node) -> Option<Resume> {
    let fields = walk.fields(node, &RESUME)?;
    let events = match fields.value("events") {
        Some(node) => walk.value(node, "a number of events", |text| amount::count(text, 1, 1_000_000)),
        None => Some(1000),
    };
    let age = fields.value("for").map_or(Some(Duration::from_mins(5)), |node| walk.span(node));
    let memory = fields.value("memory").map_or(Some(64 << 20), |node| bounded(walk, node, 64 << 10, 1 << 30));
    let key = match fields.value("key") {
        Some(node) => session_key(walk, node),
        None if fields.refused => None,
        None => {
            let words = "what tells sessions apart? write `key: {cookie: NAME}` with the cookie of the session: nobody must \
                         get what was sent to another";
            walk.report.error(fields.at, ErrorKind::Missing(words));
            None
        }
    };
    Some(Resume { events: u32::try_from(events?).ok()?, age: age?, key: key?, memory: memory? })
}

fn session_key(walk: &mut Walk<'_>, node: &Node) -> Option<SessionKey> {
    let fields = walk.fields(node, &SESSION_KEY)?;
    let name = |walk: &mut Walk<'_>, node: &Node| {
        walk.value(node, "a name", |text| match is_token(text) {
            true => Ok(text.to_owned()),
            false => fault("a name", "write letters, digits and `-`"),
        })
    };
    match fields.entries.as_slice() {
        [("cookie", entry)] => name(walk, &entry.value).map(SessionKey::Cookie),
        [("header", entry)] => name(walk, &entry.value).map(|name| SessionKey::Header(name.to_ascii_lowercase())),
        _ if fields.refused => None,
        _ => {
            walk.report.error(node.at, ErrorKind::Missing("write one of {cookie: NAME} and {header: NAME}"));
            None
        }
    }
}

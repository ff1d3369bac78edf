//! Reads what is said of event streams.

use super::Walk;
use super::websocket::most_open;
use crate::config::schema::{MAX_STREAMS, SSE};
use crate::config::sse::Sse;
use crate::config::text::Node;

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
    Some(sse)
}

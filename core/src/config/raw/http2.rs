//! `http2:` bounds of HTTP/2 connections.

use super::{Walk, settings};
use crate::config::Http2;
use crate::config::schema::HTTP2;
use crate::config::text::Node;
use crate::config::value::amount;

/// The smallest window that RFC 9113 §6.5.2 starts from, and the largest there can be.
const WINDOWS: (u32, u32) = ((1 << 16) - 1, (1 << 31) - 1);

/// Reads the bounds.
pub(super) fn http2(walk: &mut Walk<'_>, node: &Node) -> Http2 {
    let mut http2 = Http2::default();
    let Some(fields) = walk.fields(node, &HTTP2) else { return http2 };
    for (key, place) in
        [("stream_window", &mut http2.stream_window), ("connection_window", &mut http2.connection_window)]
    {
        if let Some(size) = fields.value(key).and_then(|node| settings::bounded(walk, node, WINDOWS.0, WINDOWS.1)) {
            *place = size;
        }
    }
    for (key, place, most) in
        [("streams", &mut http2.streams, 10_000), ("resets_per_10s", &mut http2.resets, 1_000_000)]
    {
        let count = |text: &str| amount::count(text, 1, most).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        if let Some(count) = fields.value(key).and_then(|node| walk.value(node, "a count", count)) {
            *place = count;
        }
    }
    http2
}

//! The keys that are about event streams.

use super::websocket::COUNT;
use super::{Key, Kind, Object, TIME_OR_OFF, key, later};

pub(super) const SSE_KEY: Key = key(
    "sse",
    Kind::Object(&SSE),
    "Limits of event streams, and what is done for them; all unlimited or off where nothing is said.",
);

pub(in crate::config) static SSE: Object = Object {
    what: "`sse`",
    name: "sse",
    keys: &[
        key(
            "heartbeat",
            TIME_OR_OFF,
            "The silence after which the client of an event stream gets a comment, between two events.",
        ),
        key(
            "max_streams",
            Kind::Or(&[COUNT, Kind::Object(&MAX_STREAMS)]),
            "Event streams of this rule open at once, or {route, client}: more are refused with 503 or 429.",
        ),
        later("resume"),
    ],
};

pub(in crate::config) static MAX_STREAMS: Object = Object {
    what: "`max_streams`",
    name: "max_streams",
    keys: &[
        key("route", COUNT, "Of the rule; default unlimited."),
        key("client", COUNT, "Of one client address, /64 for IPv6; default unlimited."),
    ],
};

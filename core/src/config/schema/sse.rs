//! The keys that are about event streams.

use super::websocket::COUNT;
use super::{Key, Kind, Object, TIME_OR_OFF, key};

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
        key(
            "resume",
            Kind::Object(&RESUME),
            "Keep the last events of each session, so that a client that connects again gets what it missed.",
        ),
    ],
};

pub(in crate::config) static RESUME: Object = Object {
    what: "`resume`",
    name: "resume",
    keys: &[
        key("events", Kind::Count(1, 1_000_000), "Events that are kept of one session; default 1000."),
        key("for", Kind::Duration, "How long an event is kept; default 5m."),
        key(
            "key",
            Kind::Object(&SESSION_KEY),
            "What tells sessions apart: {cookie: NAME} or {header: NAME}. Requests without it are not resumed.",
        ),
        key("memory", Kind::Size, "Bytes of all sessions of the rule; default 64MiB. One has an eighth at most."),
    ],
};

pub(in crate::config) static SESSION_KEY: Object = Object {
    what: "the key of a session",
    name: "session_key",
    keys: &[
        key("cookie", Kind::Text, "The name of the cookie that the session is known by."),
        key("header", Kind::Text, "The name of a header field that tells sessions apart."),
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

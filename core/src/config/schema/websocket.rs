//! The keys that are about WebSockets.

use super::{Key, Kind, Object, SIZE_OR_UNLIMITED, TIME_OR_OFF, key};

/// A code of RFC 6455 §7.4, as far as one may be sent.
pub(super) const CLOSE_CODE: Kind = Kind::Count(1000, 4999);

pub(super) const WEBSOCKET_KEY: Key = key(
    "websocket",
    Kind::Object(&WEBSOCKET),
    "Limits of WebSockets, and what is done for them; all unlimited or off where nothing is said.",
);

pub(in crate::config) static WEBSOCKET: Object = Object {
    what: "`websocket`",
    name: "websocket",
    keys: &[
        key(
            "max_message",
            SIZES,
            "Payload of a message, as on the wire; a longer one closes with 1009. A size for both sides, or \
             {client, server}.",
        ),
        key("max_frame", SIZES, "Payload of a frame, in the same forms."),
        key(
            "messages",
            RATES,
            "Messages in a time, such as 100/s or 1000/min, of each side or {client, server}. As many may come at once.",
        ),
        key("bytes", RATES, "Bytes in a time, such as 1MB/s, in the same forms."),
        key(
            "on_rate",
            Kind::Words(&["delay", "close"]),
            "What exceeds messages or bytes waits (delay, the default), or closes with 1008 (close).",
        ),
        key(
            "max_tunnels",
            Kind::Or(&[COUNT, Kind::Object(&MAX_TUNNELS)]),
            "WebSockets of this rule open at once, or {route, client}: more are refused with 503 or 429.",
        ),
        key("max_age", TIME_OR_OFF, "The age at which a WebSocket is closed with 1001, up to a tenth earlier."),
        key("idle", TIME_OR_OFF, "The silence of both sides after which it is closed with 1001."),
        key(
            "ping",
            TIME_OR_OFF,
            "The silence of both sides after which the proxy pings both; who does not answer for as long is gone.",
        ),
        key("strict", Kind::Switch, "true: a frame that breaks RFC 6455 closes with 1002. Otherwise it is counted."),
        key(
            "on_lag",
            Kind::Words(&["backpressure", "close", "drop_oldest"]),
            "Where one side takes less than the other sends and limits.tunnel_buffer is full: the sender is slowed down \
             (backpressure, the default), the WebSocket closed with 1013 (close), or the oldest whole uncompressed messages \
             left out and counted (drop_oldest).",
        ),
        key(
            "allowed_origins",
            Kind::OneOrList(&Kind::Text),
            "Whose pages may open a WebSocket: https://app.example.com or https://*.example.com. The host's own may \
             always, and clients without an Origin; others get 403. Default: all.",
        ),
    ],
};

const SIZES: Kind = Kind::Or(&[SIZE_OR_UNLIMITED, Kind::Object(&SIDES_SIZE)]);

pub(in crate::config) static SIDES_SIZE: Object = Object {
    what: "a size for each side",
    name: "sides_size",
    keys: &[
        key("client", SIZE_OR_UNLIMITED, "For what the client sends; default unlimited."),
        key("server", SIZE_OR_UNLIMITED, "For what the server sends; default unlimited."),
    ],
};

const RATES: Kind = Kind::Or(&[Kind::Text, Kind::Object(&SIDES_RATE)]);

pub(in crate::config) static SIDES_RATE: Object = Object {
    what: "a rate for each side",
    name: "sides_rate",
    keys: &[
        key("client", Kind::Text, "For what the client sends; default unlimited."),
        key("server", Kind::Text, "For what the server sends; default unlimited."),
    ],
};

pub(super) const COUNT: Kind = Kind::Or(&[Kind::Count(1, u32::MAX as u64), Kind::Unlimited]);

pub(in crate::config) static MAX_TUNNELS: Object = Object {
    what: "`max_tunnels`",
    name: "max_tunnels",
    keys: &[
        key("route", COUNT, "Of the rule; default unlimited."),
        key("client", COUNT, "Of one client address, /64 for IPv6; default unlimited."),
    ],
};

//! The keys of what a rule does where an attempt fails or no endpoint is up.

use super::{Key, Kind, Object, TIME_OR_OFF, elsewhere, key};

const RETRY_FORMS: Kind = Kind::Or(&[Kind::Off, Kind::Object(&RETRY_OBJECT)]);
const WAIT_FORMS: Kind = Kind::Or(&[Kind::Duration, Kind::Off, Kind::Object(&WAIT_OBJECT)]);

pub(super) const RETRY: Key = key(
    "retry",
    RETRY_FORMS,
    "When a request is sent again, to another endpoint first; never once an answer has begun. off is never.",
);

pub(super) const WAIT: Key = key(
    "wait",
    WAIT_FORMS,
    "How long requests and WebSocket handshakes are held while no endpoint is up or accepts connections, instead of \
     being refused; default off.",
);

pub(in crate::config) static RETRY_OBJECT: Object = Object {
    what: "`retry`",
    name: "retry",
    keys: &[
        key(
            "causes",
            Kind::OneOrList(&Kind::Text),
            "What may be tried again: connect (nothing was sent), reset (a kept connection closed before a byte came \
             back), timeout, or statuses such as 503; all but connect only for requests that may be sent twice. \
             Default [connect, reset].",
        ),
        key("retries", Kind::Count(1, 10), "Attempts after the first; default 2."),
        key(
            "per_try",
            TIME_OR_OFF,
            "How long an attempt may wait for its first byte before it counts as a timeout; default off.",
        ),
        key(
            "budget",
            Kind::Share,
            "Retries beside the requests of the upstream; default 20%. Connects that failed added no load and don't \
             count.",
        ),
        key(
            "hedge",
            TIME_OR_OFF,
            "How long an endpoint may take to answer before another one is asked as well; the first answer is taken, and \
             the other request given up. Only requests without a body that may be sent twice, within `budget`; default \
             off.",
        ),
    ],
};

pub(in crate::config) static WAIT_OBJECT: Object = Object {
    what: "`wait`",
    name: "wait",
    keys: &[
        key("for", Kind::Duration, "How long a request is held."),
        key("requests", Kind::Count(1, 1_000_000), "Requests of one upstream held at once; default 100."),
        key("bytes", Kind::Size, "Bytes of them held at once; default 1MiB."),
    ],
};

/// What a listener knows of a connection before there is a request.
pub(in crate::config) static LISTENER_TIMEOUTS: Object = Object {
    what: "`timeouts` of a listener",
    name: "listener_timeouts",
    keys: &[
        key("tls_handshake", TIME_OR_OFF, "How long a TLS handshake may take; default as for the file."),
        key("head", TIME_OR_OFF, "How long a whole request head may take; default as for the file."),
        key("keep_alive", TIME_OR_OFF, "How long an idle connection is kept; default as for the file."),
        elsewhere("body", "belongs to a rule or to `defaults:`"),
        elsewhere("first_byte", "belongs to a rule or to `defaults:`"),
        elsewhere("idle", "belongs to a rule or to `defaults:`"),
        elsewhere("write", "belongs to a rule or to `defaults:`"),
        elsewhere("total", "belongs to a rule or to `defaults:`"),
    ],
};

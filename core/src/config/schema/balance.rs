//! The keys that say how an upstream chooses among its endpoints.

use super::{Key, Kind, Object, TIME_OR_OFF, key};

const WAYS: Kind = Kind::Or(&[
    Kind::Words(&["round_robin", "random", "weighted_random", "least_requests", "peak_ewma"]),
    Kind::Object(&BALANCE_HASH),
]);

pub(super) const BALANCE: Key = key(
    "balance",
    WAYS,
    "How an endpoint is chosen: round_robin (by weight; the default), random, weighted_random, least_requests (streams \
     count), peak_ewma (latency by load) or {hash: …}.",
);

pub(super) const SLOW_START: Key = key(
    "slow_start",
    TIME_OR_OFF,
    "How long an endpoint that came up or was added gets less than its share, growing; default off.",
);

pub(super) const WEIGHT: Key =
    key("weight", Kind::Count(1, 65_536), "Its share of the requests beside the others'; default 1.");

pub(super) const BACKUP: Key =
    key("backup", Kind::Switch, "true: it serves only while no other endpoint can; default false.");

pub(in crate::config) static BALANCE_HASH: Object = Object {
    what: "`balance`",
    name: "balance_hash",
    keys: &[
        key(
            "hash",
            Kind::Or(&[Kind::Words(&["client_ip", "path"]), Kind::Object(&HASH_KEY)]),
            "What decides, the same endpoint for the same: client_ip, path, {header}, {cookie} or {query}. Consistent: \
             an endpoint that comes or goes moves its own share alone. Requests without it take turns.",
        ),
        key(
            "max_load",
            Kind::Share,
            "The most load of one endpoint, beside the average of its weight, such as 125%; what is above goes to the \
             next one. Default: no bound.",
        ),
    ],
};

pub(in crate::config) static HASH_KEY: Object = Object {
    what: "a thing to hash",
    name: "hash_key",
    keys: &[
        key("header", Kind::Text, "The first value of this field."),
        key("cookie", Kind::Text, "The value of this cookie."),
        key("query", Kind::Text, "The value of this parameter of the query."),
    ],
};

pub(super) const MAX_REQUESTS: Key = key(
    "max_requests",
    Kind::Or(&[Kind::Count(1, u32::MAX as u64), Kind::Unlimited]),
    "Exchanges, streams and tunnels that it has at once; what is above waits for its turn. Default unlimited.",
);

const BOUNDS_FORM: Kind = Kind::Object(&BOUNDS);

pub(super) const UPSTREAM_LIMITS: Key =
    key("limits", BOUNDS_FORM, "How much all endpoints do at once, and who waits for a turn.");

pub(in crate::config) static BOUNDS: Object = Object {
    what: "the `limits` of an upstream",
    name: "upstream_limits",
    keys: &[
        key(
            "connections",
            Kind::Or(&[Kind::Count(1, u32::MAX as u64), Kind::Unlimited]),
            "Exchanges, streams and tunnels at once, each on a connection of its own; default unlimited.",
        ),
        key(
            "queue",
            Kind::Or(&[Kind::Count(1, 1_000_000), Kind::Off]),
            "Requests that wait where that or a max_requests is reached; default 1024. What is above gets 503 overloaded.",
        ),
        key("queue_timeout", Kind::Duration, "How long one waits; default 5s."),
    ],
};

const STICKY_FORM: Kind = Kind::Object(&STICKY_OBJECT);

pub(super) const STICKY: Key =
    key("sticky", STICKY_FORM, "What ties a client to the endpoint that it has; default nothing.");

pub(in crate::config) static STICKY_OBJECT: Object = Object {
    what: "`sticky`",
    name: "sticky",
    keys: &[
        key("cookie", Kind::Text, "A cookie of the proxy's, signed, set with the first answer (a 101 too); its name."),
        key("ttl", Kind::Duration, "How long it binds; renewed when half is over. Default 2h."),
        key("when_set", Kind::Text, "Set it only where the application sets this cookie of its own."),
        key("group", Kind::Text, "Upstreams with the same group share it: HTTP and WebSocket of the same servers."),
        key(
            "app_cookie",
            Kind::Text,
            "Instead: the same endpoint for the same value of this cookie of the application's.",
        ),
    ],
};

const SHARE_FORMS: Kind = Kind::Or(&[Kind::Share, Kind::Object(&SHARE_OBJECT)]);

pub(super) const SHARE: Key = key("share", SHARE_FORMS, "This share of the requests: 5%, or {of: 5%, by: client_ip}.");

const HASHED: Kind = Kind::Or(&[Kind::Words(&["client_ip", "path"]), Kind::Object(&HASH_KEY)]);

pub(in crate::config) static SHARE_OBJECT: Object = Object {
    what: "`share`",
    name: "share",
    keys: &[
        key("of", Kind::Share, "How many of the requests."),
        key(
            "by",
            HASHED,
            "What stays on its side, the same for the same: client_ip, {header}, {cookie}, {query} or path. Who has no \
             such thing is not among them. Default: each request falls as it may.",
        ),
    ],
};

pub(super) const DEFAULT_ORIGIN: Key = key(
    "default_origin",
    Kind::Text,
    "The Origin that a WebSocket handshake without one gets on its way up, such as http://127.0.0.1; default none.",
);

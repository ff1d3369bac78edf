//! The keys about the health of endpoints, and about the resolver of their names.

use super::rules::FORMS;
use super::{Key, Kind, Object, TIME_OR_OFF, elsewhere, key};

const COUNT: Kind = Kind::Count(1, 1000);
const PORT: Key = key("port", Kind::Count(1, 65_535), "The port to ask at; default the endpoint's own.");
const PATH: Key = key("path", Kind::Text, "Path and query; default /.");
const HEADERS: Key = key(
    "headers",
    Kind::Map(&Kind::Text),
    "Further header fields by name. Host replaces the endpoint's own name, which is the default.",
);
const USERNAME: Key = key("username", Kind::Text, "Basic authentication: the name; goes with `password`.");
const PASSWORD: Key = key("password", Kind::Text, "Basic authentication: the password; goes with `username`.");
const MATCHED: Key = key("match", Kind::Object(&MATCH), "What the answer must look like.");

const HEALTH_FORMS: Kind = Kind::Or(&[Kind::Text, Kind::Object(&HEALTH)]);
const OUTLIER_FORMS: Kind = Kind::Or(&[Kind::Off, Kind::Object(&OUTLIER)]);

pub(super) const HEALTH_KEY: Key =
    key("health", HEALTH_FORMS, "How endpoints are probed; a path is {http: path}. Several checks must all pass.");

pub(super) const OUTLIER_KEY: Key = key(
    "outlier",
    OUTLIER_FORMS,
    "When failing traffic takes an endpoint out for a while. On by default where there are several endpoints.",
);

pub(super) const TAGS: Key =
    key("tags", Kind::OneOrList(&Kind::Text), "Words by which another upstream can take in this endpoint: `from`.");

pub(super) const FROM: Key = key(
    "from",
    Kind::Text,
    "In the place of `endpoints`: those of another upstream that have one of the tags under `tags`.",
);

pub(super) const TAGS_WANTED: Key =
    key("tags", Kind::OneOrList(&Kind::Text), "With `from`: endpoints that have any of these tags.");

pub(in crate::config) static HEALTH: Object = Object {
    what: "`health`",
    name: "health",
    keys: &[
        key(
            "http",
            Kind::OneOrList(&Kind::Or(&[Kind::Text, Kind::Object(&HTTP_CHECK)])),
            "An HTTP request; a text is its path.",
        ),
        key(
            "ws",
            Kind::OneOrList(&Kind::Or(&[Kind::Text, Kind::Object(&WS_CHECK)])),
            "A WebSocket handshake; a text is its path.",
        ),
        key("tcp", Kind::Or(&[Kind::Switch, Kind::Object(&TCP_CHECK)]), "That a connection is accepted."),
        key(
            "grpc",
            Kind::Or(&[Kind::Switch, Kind::Text, Kind::Object(&GRPC_CHECK)]),
            "The health service of gRPC; a text is the service asked about.",
        ),
        key("interval", Kind::Duration, "From one probe to the next, give or take a tenth; default 5s."),
        key("timeout", Kind::Duration, "For a whole probe; default 2s."),
        key("fails", COUNT, "Failures in a row that take an endpoint out; default 3. The first probe decides alone."),
        key("passes", COUNT, "Successes in a row that bring it back; default 2."),
        elsewhere("pass", "is written `passes`"),
        elsewhere("path", "stands under `http:` or `ws:`"),
        elsewhere("port", "stands under `http:`, `ws:`, `tcp:` or `grpc:`"),
    ],
};

pub(in crate::config) static HTTP_CHECK: Object = Object {
    what: "an HTTP check",
    name: "http_check",
    keys: &[
        PATH,
        PORT,
        key("method", Kind::Text, "The method; default GET."),
        HEADERS,
        key("body", Kind::Text, "What is sent as a body."),
        USERNAME,
        PASSWORD,
        MATCHED,
        elsewhere("uri", "is written `path`"),
    ],
};

pub(in crate::config) static WS_CHECK: Object = Object {
    what: "a WebSocket check",
    name: "ws_check",
    keys: &[PATH, PORT, HEADERS, USERNAME, PASSWORD, MATCHED, elsewhere("uri", "is written `path`")],
};

pub(in crate::config) static TCP_CHECK: Object = Object { what: "a TCP check", name: "tcp_check", keys: &[PORT] };

pub(in crate::config) static GRPC_CHECK: Object = Object {
    what: "a gRPC check",
    name: "grpc_check",
    keys: &[key("service", Kind::Text, "The service asked about; default the server as a whole."), PORT],
};

pub(in crate::config) static MATCH: Object = Object {
    what: "`match`",
    name: "match",
    keys: &[
        key(
            "status",
            Kind::OneOrList(&Kind::Or(&[Kind::Count(100, 999), Kind::Text])),
            "Statuses and ranges of them, such as 200-399, the default; for `ws` it is 101, and then a true one.",
        ),
        key("headers", Kind::Map(&FORMS), "Header fields by name, with the forms of a condition."),
        key("body", FORMS, "The body (its first 64KiB), with the forms of a condition: text, {contains}, {regex}."),
        elsewhere("statusCodes", "is written `status`"),
    ],
};

pub(in crate::config) static OUTLIER: Object = Object {
    what: "`outlier`",
    name: "outlier",
    keys: &[
        key(
            "failures",
            Kind::Or(&[COUNT, Kind::Off]),
            "Failures in a row that eject: no connection, a reset, no answer in time, status 500, 502, 503 or 504; default 5.",
        ),
        key(
            "latency",
            TIME_OR_OFF,
            "A mean time to the first byte beyond this, and beyond twice that of the others, ejects; default off.",
        ),
        key("hold", Kind::Duration, "How long a first ejection lasts, each one in a row twice as long; default 10s."),
        key("max_hold", Kind::Duration, "How long one may last at most; default 5m."),
        key("max_ejected", Kind::Share, "How much of the upstream may be ejected at once; default 50%."),
        key(
            "panic",
            Kind::Or(&[Kind::Share, Kind::Off]),
            "Where less of the upstream than this is up, the ejected serve too; default 30%.",
        ),
    ],
};

pub(in crate::config) static DNS: Object = Object {
    what: "`dns`",
    name: "dns",
    keys: &[
        key(
            "servers",
            Kind::OneOrList(&Kind::Text),
            "The servers to ask, as 10.0.0.2, 127.0.0.1:5353 or [::1]:53; default those of the system.",
        ),
        key("min_ttl", Kind::Duration, "An answer holds at least so long; default 1s."),
        key(
            "max_ttl",
            Kind::Duration,
            "An answer holds at most so long, whatever its TTL; default 30s. A connect that fails asks again at once.",
        ),
    ],
};

//! The keys of a route and its rules: conditions, actions, policies.

use super::balance::SHARE;
use super::cache::CACHE_KEY;
use super::flow::{BANDWIDTH, DETECT, MIRROR};
use super::jwt::JWT;
use super::patience::{RETRY, WAIT};
use super::policies::{
    ALLOW, API_KEYS, AUTH, BASIC_AUTH, CLIENT_CERT, CONCURRENCY, COOKIES, CORS, DENY, ERROR_PAGES, FORWARD_AUTH,
    MAINTENANCE, MAX_CONNECTIONS, METHODS, QUERY, RATE_LIMIT, REQUEST_HEADERS, RESPONSE_HEADERS, REWRITE,
    SECURITY_HEADERS, USE,
};
use super::site::{COMPRESS, FALLBACK, FILES, TRY};
use super::sse::SSE_KEY;
use super::tls::TLS_FORM;
use super::websocket::{CLOSE_CODE, WEBSOCKET_KEY};
use super::{Key, Kind, Object, SIZE_OR_UNLIMITED, TIME_OR_OFF, elsewhere, key};

pub(in crate::config) static RULE: Object = Object {
    what: "a rule",
    name: "rule",
    keys: &[
        key("when", Kind::Object(&CONDITION), "When the rule holds; without it always. Rules are tried in order."),
        key(
            "to",
            Kind::OneOrList(&Kind::Text),
            "Forward to an upstream's name, an address (:3000, host:3000, http://host, unix:/path) or a list of addresses.",
        ),
        key(
            "redirect",
            Kind::Text,
            "Send the client elsewhere. Facts in braces: {host} {path} {query} {uri} {scheme} {port} {client_ip} \
             {request_id} {header.NAME} {cookie.NAME}.",
        ),
        key("respond", Kind::Text, "Answer with this text."),
        key(
            "builtin",
            Kind::Words(&["health", "ready", "metrics"]),
            "Answer about the proxy itself: health is 200 while it lives; ready is 503 once it goes away; metrics is for \
             Prometheus.",
        ),
        key(
            "status",
            Kind::Count(200, 599),
            "The status of redirect (301, 302, 303, 307 or 308; default 308) or of respond (200 to 599; default 200).",
        ),
        key(
            "strip_prefix",
            Kind::Or(&[Kind::Switch, Kind::Text]),
            "Take this prefix off the path on its way up; true is the key's own path.",
        ),
        key("add_prefix", Kind::Text, "Put this in front of the path on its way up."),
        key("replace_prefix", Kind::Text, "Put this in the place of the key's own path on its way up."),
        HOST,
        UPGRADE,
        MAX_BODY,
        key(
            "inherit",
            Kind::Switch,
            "false: what `defaults` and the listener forbid (max_body, allow, deny) does not bind this rule. Otherwise every \
             level must let a request pass.",
        ),
        key(
            "timeouts",
            Kind::Object(&RULE_TIMEOUTS),
            "Time-outs of this rule, over those of `defaults` entry by entry.",
        ),
        ACCESS_LOG,
        ON_REMOVE_KEY,
        ALLOW,
        DENY,
        METHODS,
        MAINTENANCE,
        CORS,
        REWRITE,
        QUERY,
        REQUEST_HEADERS,
        RESPONSE_HEADERS,
        SECURITY_HEADERS,
        COOKIES,
        ERROR_PAGES,
        USE,
        key("also", Kind::OneOrList(&Kind::Text), "Further hosts that the same rules serve."),
        FILES,
        FALLBACK,
        TRY,
        PATHS_KEY,
        MAX_CONNECTIONS,
        CONCURRENCY,
        BANDWIDTH,
        RATE_LIMIT,
        CLIENT_CERT,
        BASIC_AUTH,
        JWT,
        API_KEYS,
        FORWARD_AUTH,
        AUTH,
        DETECT,
        MIRROR,
        WEBSOCKET_KEY,
        SSE_KEY,
        COMPRESS,
        CACHE_KEY,
        RETRY,
        WAIT,
        elsewhere(
            "headers",
            "stands under `when:` as a condition; to change fields write `request_headers` or `response_headers`",
        ),
        elsewhere("listener", "is a condition; write it under `when:`"),
        elsewhere("endpoints", "stands under `upstreams:`; a rule names addresses by `to: [ … ]`"),
        elsewhere("balance", "belongs to an upstream; name one under `upstreams:`"),
        elsewhere("pool", "belongs to an upstream; name one under `upstreams:`"),
        elsewhere("health", "belongs to an upstream; name one under `upstreams:`"),
        elsewhere("proxy_pass", TO),
        elsewhere("reverse_proxy", TO),
        elsewhere("proxy", TO),
        elsewhere("backend", TO),
        elsewhere("upstream", TO),
        elsewhere("service", TO),
        elsewhere("server", TO),
        elsewhere("match", "is written `when`"),
        elsewhere("root", "is written `files`"),
        elsewhere("file_server", "is written `files`"),
        elsewhere("listing", LISTING),
        elsewhere("browse", LISTING),
        elsewhere("autoindex", LISTING),
        elsewhere("index", "stands under `files`, as in `files: {dir: ./dist, index: index.html}`"),
        elsewhere("cache_control", "stands under `files`, as in `files: {dir: ./dist, cache_control: off}`"),
        elsewhere("try_files", "is written `fallback: /index.html`, or `try: [files, to]`"),
        elsewhere("return", "is written `respond` or `redirect`"),
        elsewhere("gzip", "is written `compress`"),
        elsewhere("encode", "is written `compress`"),
    ],
};

const TO: &str = "is written `to`";

const LISTING: &str = "stands under `files`, as in `files: {dir: ./dist, listing: true}`";

pub(super) const HOST: Key = key(
    "host",
    Kind::Text,
    "The Host that the upstream sees: preserve (the client's, the default), upstream (the endpoint's own) or a name. \
     The one nearest the endpoint wins.",
);

pub(super) const UPGRADE: Key = key(
    "upgrade",
    Kind::Or(&[Kind::OneOrList(&Kind::Text), Kind::Off]),
    "The upgrades that may become tunnels, in all; default [websocket].",
);

pub(super) const MAX_BODY: Key = key(
    "max_body",
    SIZE_OR_UNLIMITED,
    "The largest request body; default 100MiB. Every level must let a request pass.",
);

pub(super) const ACCESS_LOG: Key = key("access_log", Kind::Switch, "off: no access line for these requests.");

const ON_REMOVE_FORMS: Kind = Kind::Or(&[Kind::Words(&["keep"]), Kind::Object(&ON_REMOVE)]);

pub(super) const ON_REMOVE_KEY: Key = key(
    "on_remove",
    ON_REMOVE_FORMS,
    "What a reload that removes the rule does to its streams and tunnels: keep, or end them after a time \
     (default {drain: 5m}).",
);

pub(in crate::config) static ON_REMOVE: Object = Object {
    what: "`on_remove`",
    name: "on_remove",
    keys: &[
        key(
            "drain",
            Kind::Duration,
            "Streams and tunnels are ended after this time, one after the other in its last part (`drain.spread`); \
             default 5m.",
        ),
        key("close", CLOSE_CODE, "They are ended at once, WebSockets with this code."),
    ],
};

pub(super) const PATHS_KEY: Key =
    key("paths", Kind::Object(&PATHS), "What becomes of encoded slashes and of empty segments in paths.");

pub(in crate::config) static PATHS: Object = Object {
    what: "`paths`",
    name: "paths",
    keys: &[
        key(
            "encoded_slash",
            Kind::Words(&["opaque", "reject"]),
            "What %2F in a path is: opaque, no slash, and forwarded as it came (default), or answered 400 (reject). Where a \
             slash in its place would lead to another answer, it is 400 anyway.",
        ),
        key(
            "merge_slashes",
            Kind::Switch,
            "Whether an upstream gets /a//b as /a/b; default true. Routes and policies see /a/b in any case.",
        ),
    ],
};

pub(in crate::config) static RULE_TIMEOUTS: Object = Object {
    what: "the `timeouts` of a rule",
    name: "rule_timeouts",
    keys: &[
        key("body", TIME_OR_OFF, "Between bytes of a request body; default 30s."),
        key("connect", TIME_OR_OFF, "For a connection to an endpoint; default 3s."),
        key("first_byte", TIME_OR_OFF, "From the request sent whole to the first byte of its answer; default 60s."),
        key("idle", TIME_OR_OFF, "Between bytes of an answer, not for streams; default 60s."),
        key("tunnel_fin", TIME_OR_OFF, "After one side of a tunnel has ended; default 30s."),
        key("write", TIME_OR_OFF, "Not one byte taken while data waits, streams and tunnels too; default 60s."),
        key("total", TIME_OR_OFF, "For a whole exchange; default off."),
        elsewhere("head", BEFORE_A_RULE),
        elsewhere("keep_alive", BEFORE_A_RULE),
        elsewhere("tls_handshake", BEFORE_A_RULE),
    ],
};

const BEFORE_A_RULE: &str = "is counted before a rule is known; it stands under the `timeouts:` of the whole file";

pub(super) const FORMS: Kind = Kind::OneOrList(&Kind::Or(&[Kind::Text, Kind::Object(&TEXT_FORM)]));

pub(in crate::config) static CONDITION: Object = Object {
    what: "a condition",
    name: "condition",
    keys: &[
        key("methods", Kind::OneOrList(&Kind::Text), "Methods, such as GET."),
        key(
            "headers",
            Kind::Map(&FORMS),
            "Header fields by name: text, {regex}, {prefix}, {contains} or {present}, or a list.",
        ),
        key("query", Kind::Map(&FORMS), "Parameters of the query by name, as with headers."),
        key("cookies", Kind::Map(&FORMS), "Cookies by name, as with headers."),
        key("client_ip", Kind::OneOrList(&Kind::Text), "Networks of the client, such as 10.0.0.0/8."),
        key("listener", Kind::OneOrList(&Kind::Text), "Names of listeners."),
        key(
            "protocol",
            Kind::OneOrList(&Kind::Words(&["http", "websocket", "sse", "grpc"])),
            "Kinds of exchange: http is none of the others.",
        ),
        key(
            "path",
            Kind::OneOrList(&Kind::Or(&[Kind::Text, Kind::Object(&PATH_FORM)])),
            "Paths on segment boundaries as in a key, {exact} or {regex}.",
        ),
        key("not", Kind::Object(&CONDITION), "This must not hold."),
        key("any", Kind::List(&Kind::Object(&CONDITION)), "At least one of these must hold."),
        SHARE,
        key("tls", Kind::Object(&TLS_FORM), "What is known of the client's TLS."),
        elsewhere("method", "is written `methods`"),
        elsewhere("host", "can't be a condition; the host stands in the key of the route"),
    ],
};

pub(in crate::config) static TEXT_FORM: Object = Object {
    what: "a form of text",
    name: "text_form",
    keys: &[
        key("regex", Kind::Text, "A regular expression that matches somewhere; in single quotes."),
        key("prefix", Kind::Text, "The text begins with this."),
        key("contains", Kind::Text, "The text has this somewhere."),
        key("present", Kind::Switch, "true: it is there at all; false: it is not there."),
    ],
};

pub(in crate::config) static PATH_FORM: Object = Object {
    what: "a form of path",
    name: "path_form",
    keys: &[
        key("exact", Kind::Text, "Exactly this path."),
        key("regex", Kind::Text, "A regular expression on the canonical path; in single quotes."),
    ],
};

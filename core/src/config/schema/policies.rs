//! The keys of policies: what may stand in a rule, under `defaults:`, on a listener and under `policies:`.
//!
//! One table of keys for all levels; where a key can't stand, its level leaves it out.

use super::flow::{BANDWIDTH, DETECT};
use super::jwt::JWT;
use super::rules::CONDITION;
use super::store::STORE;
use super::{Key, Kind, Object, elsewhere, key};

const WHO: Kind = Kind::OneOrList(&Kind::Or(&[Kind::Text, Kind::Object(&CONDITION)]));
const TEXTS: Kind = Kind::OneOrList(&Kind::Text);
const TEXT_OR_OFF: Kind = Kind::Or(&[Kind::Text, Kind::Off]);
const RATES: Kind = Kind::OneOrList(&Kind::Object(&RATE_LIMIT_KEYS));
const CONCURRENCIES: Kind = Kind::OneOrList(&Kind::Object(&CONCURRENCY_KEYS));
const TEXT_OR_LIMIT_KEY: Kind = Kind::Or(&[Kind::Text, Kind::Object(&LIMIT_KEY)]);
const BASIC_OR_OFF: Kind = Kind::Or(&[Kind::Object(&BASIC_KEYS), Kind::Off]);
const KEYS_OR_OFF: Kind = Kind::Or(&[Kind::Object(&API_KEYS_KEYS), Kind::Off]);
const FORWARD_OR_OFF: Kind = Kind::Or(&[Kind::Object(&FORWARD_KEYS), Kind::Off]);
const WAYS: Kind = Kind::List(&Kind::Words(&["client_cert", "api_keys", "jwt", "basic_auth", "forward_auth"]));
const SWITCH_OR_CERT: Kind = Kind::Or(&[Kind::Switch, Kind::Object(&CLIENT_CERT_KEYS)]);
const SWITCH_OR_SECURITY: Kind = Kind::Or(&[Kind::Switch, Kind::Object(&SECURITY)]);
const CORS_OR_OFF: Kind = Kind::Or(&[Kind::Object(&CORS_KEYS), Kind::Off]);

pub(super) const ALLOW: Key = key(
    "allow",
    WHO,
    "Who may ask: networks, names of lists, conditions; any of them. All others get 403. Every level must let a request \
     pass.",
);

pub(super) const DENY: Key = key(
    "deny",
    WHO,
    "Who may not: networks, names of lists, conditions; any of them gets 403. Asked before `allow`; adds up over levels.",
);

pub(super) const RATE_LIMIT: Key = key(
    "rate_limit",
    RATES,
    "How often a key may ask, or a list of such limits; more gets 429. Adds up over levels; each level counts its own.",
);

pub(super) const CONCURRENCY: Key =
    key("concurrency", CONCURRENCIES, "How many exchanges of a key may be under way at once; more gets 429.");

pub(super) const MAX_CONNECTIONS: Key = key(
    "max_connections",
    Kind::Count(1, u32::MAX as u64),
    "How many exchanges of a route may be under way at once, streams and tunnels too; more gets 429.",
);

pub(super) const BASIC_AUTH: Key = key(
    "basic_auth",
    BASIC_OR_OFF,
    "A name and a password of a file; others get 401. The nearest level wins; off takes it away.",
);

pub(super) const API_KEYS: Key = key(
    "api_keys",
    KEYS_OR_OFF,
    "A key of a file of hashes; others get 401. The upstream doesn't see it. The nearest level wins.",
);

pub(super) const FORWARD_AUTH: Key = key(
    "forward_auth",
    FORWARD_OR_OFF,
    "A service that is asked before each request: 2xx lets pass, any other answer is the client's. The nearest level wins.",
);

pub(super) const CLIENT_CERT: Key = key(
    "client_cert",
    SWITCH_OR_CERT,
    "A certificate that the listener's `client_auth` has verified, anybody's or one of those named; others get 403.",
);

pub(super) const AUTH: Key = key(
    "auth",
    Kind::Object(&AUTH_KEYS),
    "{any: [api_keys, basic_auth]}: one of these ways to prove who asks is enough; each that is given and not named here \
     must hold.",
);

pub(super) const METHODS: Key =
    key("methods", TEXTS, "Methods that pass, others get 405; GET lets HEAD pass. Default: all.");

pub(super) const MAINTENANCE: Key =
    key("maintenance", Kind::Switch, "true: everything is answered 503; default false.");

pub(super) const REQUEST_HEADERS: Key = key(
    "request_headers",
    Kind::Object(&HEADER_EDITS),
    "Fields of the request on its way up: {set, add, remove, default}. Levels merge by name.",
);

pub(super) const RESPONSE_HEADERS: Key = key(
    "response_headers",
    Kind::Object(&HEADER_EDITS),
    "Fields of every answer, the proxy's own too: {set, add, remove, default}. Levels merge by name.",
);

pub(super) const SECURITY_HEADERS: Key = key(
    "security_headers",
    SWITCH_OR_SECURITY,
    "true: HSTS over TLS, nosniff, frame, referrer and permissions policies, each where the answer doesn't have it.",
);

pub(super) const CORS: Key =
    key("cors", CORS_OR_OFF, "Which pages of other origins may read answers. Preflights are answered here.");

pub(super) const COOKIES: Key =
    key("cookies", Kind::Object(&COOKIE_FLAGS), "Attributes that the upstream's cookies get where they lack them.");

pub(super) const ERROR_PAGES: Key = key(
    "error_pages",
    Kind::Map(&Kind::Text),
    "Files that the proxy's own answers show, by status (404) or class (5xx): .html, .json or .txt, each for clients that \
     take that form.",
);

pub(super) const REWRITE: Key = key(
    "rewrite",
    Kind::Object(&REWRITE_KEYS),
    "A path that a regular expression matches goes up as another: {regex: '^/old/(.*)', to: '/new/{1}'}.",
);

pub(super) const QUERY: Key =
    key("query", Kind::Object(&QUERY_EDITS), "Parameters of the query on its way up: {set, remove}.");

pub(super) const USE: Key = key("use", TEXTS, "Policies by their name under `policies:`.");

pub(in crate::config) static RATE_LIMIT_KEYS: Object = Object {
    what: "`rate_limit`",
    name: "rate_limit",
    keys: &[
        LIMITED_BY,
        key("rate", Kind::Text, "How often: 50/s, 1000/min, 100/h, 10/d."),
        key("burst", Kind::Count(1, 1_000_000_000), "How many at once from rest; default those of a second."),
        key("dry_run", Kind::Switch, "true: counts, and lets pass; default false."),
        STORE,
    ],
};

pub(in crate::config) static CONCURRENCY_KEYS: Object = Object {
    what: "`concurrency`",
    name: "concurrency",
    keys: &[LIMITED_BY, key("max", Kind::Count(1, u32::MAX as u64), "How many at once.")],
};

const LIMITED_BY: Key = key(
    "key",
    TEXT_OR_LIMIT_KEY,
    "What counts apart: client_ip (default; IPv6 by /64), route, {header: x}, {cookie: c}, or a text with facts.",
);

pub(in crate::config) static LIMIT_KEY: Object = Object {
    what: "the key of a limit",
    name: "limit_key",
    keys: &[
        key("header", Kind::Text, "The value of this field."),
        key("cookie", Kind::Text, "The value of this cookie."),
        key("claim", Kind::Text, "The value of this claim of a verified token."),
    ],
};

pub(in crate::config) static BASIC_KEYS: Object = Object {
    what: "`basic_auth`",
    name: "basic_auth",
    keys: &[
        key("file", Kind::Text, "Lines of NAME:HASH as `htpasswd -B` makes them: bcrypt, argon2 or {SHA}. Followed."),
        key("realm", Kind::Text, "What a browser shows; default restricted."),
    ],
};

pub(in crate::config) static API_KEYS_KEYS: Object = Object {
    what: "`api_keys`",
    name: "api_keys",
    keys: &[
        key("file", Kind::Text, "Lines of NAME:HASH, the hash of the key by SHA-256 in hexadecimal. Followed."),
        key("header", Kind::Text, "The field with the key; default x-api-key. authorization takes `Bearer KEY`."),
    ],
};

pub(in crate::config) static FORWARD_KEYS: Object = Object {
    what: "`forward_auth`",
    name: "forward_auth",
    keys: &[
        key("url", Kind::Text, "Where to ask: http://auth:9000/verify."),
        key(
            "copy_headers",
            TEXTS,
            "Fields of the answer that the upstream gets; what the client says in them never counts.",
        ),
    ],
};

pub(in crate::config) static CLIENT_CERT_KEYS: Object = Object {
    what: "`client_cert`",
    name: "client_cert",
    keys: &[
        key("names", TEXTS, "Names in its subjectAltName: DNS names and URIs."),
        key("subjects", TEXTS, "Subjects, as upstreams read them in x-client-cert-subject."),
        key("fingerprints", TEXTS, "SHA-256 of the certificate in hexadecimal, with or without colons."),
    ],
};

pub(in crate::config) static AUTH_KEYS: Object = Object {
    what: "`auth`",
    name: "auth",
    keys: &[
        key("any", WAYS, "One of these is enough."),
        key("all", WAYS, "Each of these must hold; as without the key."),
    ],
};

pub(in crate::config) static HEADER_EDITS: Object = Object {
    what: "edits of headers",
    name: "header_edits",
    keys: &[
        key("set", Kind::Map(&Kind::Text), "One line with this value, in the place of all with that name."),
        key("add", Kind::Map(&TEXTS), "A line more, or several."),
        key("remove", TEXTS, "No line with that name."),
        key("default", Kind::Map(&Kind::Text), "This value where there is no line with that name."),
    ],
};

pub(in crate::config) static QUERY_EDITS: Object = Object {
    what: "`query`",
    name: "query_edits",
    keys: &[
        key("set", Kind::Map(&Kind::Text), "One value, in the place of all with that name."),
        key("remove", TEXTS, "No value with that name."),
    ],
};

pub(in crate::config) static REWRITE_KEYS: Object = Object {
    what: "`rewrite`",
    name: "rewrite",
    keys: &[
        key("regex", Kind::Text, "A regular expression on the canonical path; in single quotes."),
        key("to", Kind::Text, "The new path, groups as {1}; with a ? the new query too."),
    ],
};

pub(in crate::config) static SECURITY: Object = Object {
    what: "`security_headers`",
    name: "security_headers",
    keys: &[
        key("hsts", Kind::Or(&[Kind::Duration, Kind::Off]), "Strict-Transport-Security over TLS; default 365d."),
        key("csp", TEXT_OR_OFF, "Content-Security-Policy; default off."),
        key(
            "frame",
            Kind::Or(&[Kind::Words(&["deny", "sameorigin"]), Kind::Off]),
            "X-Frame-Options; default sameorigin.",
        ),
        key("referrer", TEXT_OR_OFF, "Referrer-Policy; default strict-origin-when-cross-origin."),
        key("permissions", TEXT_OR_OFF, "Permissions-Policy; default no camera, place, microphone, payment or USB."),
    ],
};

pub(in crate::config) static CORS_KEYS: Object = Object {
    what: "`cors`",
    name: "cors",
    keys: &[
        key("origins", TEXTS, "Whose pages: https://app.example.com, https://*.example.com, or *."),
        key("methods", TEXTS, "Methods that a preflight may ask for; default all."),
        key("headers", TEXTS, "Fields that a preflight may ask for; default all."),
        key("expose", TEXTS, "Fields of answers that pages may read."),
        key("credentials", Kind::Switch, "Whether requests with cookies count; default false, never with *."),
        key("max_age", Kind::Duration, "How long browsers may remember a preflight; default 10m."),
    ],
};

pub(in crate::config) static COOKIE_FLAGS: Object = Object {
    what: "`cookies`",
    name: "cookie_flags",
    keys: &[
        key("secure", Kind::Switch, "Secure; default false."),
        key("http_only", Kind::Switch, "HttpOnly; default false."),
        key("same_site", Kind::Words(&["lax", "strict", "none"]), "SameSite."),
    ],
};

/// What stands under a name in `policies:`.
pub(in crate::config) static POLICIES: Object = Object {
    what: "a named policy",
    name: "policies",
    keys: &[
        ALLOW,
        DENY,
        METHODS,
        MAINTENANCE,
        REQUEST_HEADERS,
        RESPONSE_HEADERS,
        SECURITY_HEADERS,
        CORS,
        COOKIES,
        ERROR_PAGES,
        RATE_LIMIT,
        MAX_CONNECTIONS,
        CONCURRENCY,
        BANDWIDTH,
        CLIENT_CERT,
        BASIC_AUTH,
        API_KEYS,
        FORWARD_AUTH,
        AUTH,
        JWT,
        DETECT,
        elsewhere("to", "is what a rule does; it can't be a policy"),
        elsewhere("use", "can't stand here: a named policy takes in no other"),
        elsewhere("mirror", "copies the requests of one rule; write it there"),
        elsewhere("rewrite", "changes the path of one rule; write it there"),
        elsewhere("query", "changes the query of one rule; write it there"),
    ],
};

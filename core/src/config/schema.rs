//! The keys of the language in one table: what each means, what may stand there.
//!
//! The walk of a file (`raw`) asks it which keys are known; the JSON Schema for editors (`schema::json`) is printed
//! from it. So a key cannot be accepted without a text that explains it.

mod acme;
mod admin;
mod balance;
mod cache;
mod flow;
mod health;
pub(super) mod json;
mod jwt;
mod logging;
mod patience;
mod policies;
mod rules;
mod settings;
mod site;
mod sse;
mod store;
mod tls;
mod tracing;
mod websocket;

pub(super) use acme::{ACME, EAB};
pub(super) use admin::{ADMIN, REGISTRY};
pub(super) use balance::{BALANCE_HASH, BOUNDS, HASH_KEY, SHARE_OBJECT, STICKY_OBJECT};
pub(super) use cache::{CACHE, CACHE_KEYS, CACHE_STORE};
pub(super) use flow::{DETECT_KEYS, MIRROR_KEYS};
pub(super) use health::{DNS, GRPC_CHECK, HEALTH, HTTP_CHECK, MATCH, OUTLIER, TCP_CHECK, WS_CHECK};
pub(super) use jwt::{JWT_KEYS, TOKEN_PLACE};
pub(super) use logging::{ACCESS_LOG, LOG};
pub(super) use patience::{LISTENER_TIMEOUTS, RETRY_OBJECT, WAIT_OBJECT};
pub(super) use policies::{
    API_KEYS_KEYS, AUTH_KEYS, BASIC_KEYS, CLIENT_CERT_KEYS, CONCURRENCY_KEYS, COOKIE_FLAGS, CORS_KEYS, FORWARD_KEYS,
    HEADER_EDITS, LIMIT_KEY, POLICIES, QUERY_EDITS, RATE_LIMIT_KEYS, REWRITE_KEYS, SECURITY,
};
pub(super) use rules::{CONDITION, ON_REMOVE, PATH_FORM, PATHS, RULE, RULE_TIMEOUTS, TEXT_FORM};
pub(super) use settings::{
    DEFAULTS, DRAIN, ENDPOINT, FILE, FORWARDED, HTTP2, LIMITS, LISTENER, POOL, TIMEOUTS, UPSTREAM,
};
pub(super) use site::{COMPRESS_OBJECT, FILES_OBJECT};
pub(super) use sse::{MAX_STREAMS, RESUME, SESSION_KEY, SSE};
pub(super) use store::{REDIS_KEYS, STORE_KEYS};
pub(super) use tls::{CERTIFICATE, HOST_TLS, LISTENER_TLS, TLS_FORM, UPSTREAM_TLS};
pub(super) use tracing::TRACING;
pub(super) use websocket::{MAX_TUNNELS, SIDES_RATE, SIDES_SIZE, WEBSOCKET};

/// A mapping with a fixed set of keys.
#[derive(Debug)]
pub(super) struct Object {
    /// What it is, for error texts: `a rule`.
    pub(super) what: &'static str,
    /// Its name among the definitions of the JSON Schema.
    pub(super) name: &'static str,
    pub(super) keys: &'static [Key],
}

/// One key of an object.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// One or two sentences; the default where there is one.
    pub(super) doc: &'static str,
    pub(super) kind: Kind,
    pub(super) status: Status,
}

/// Whether a key stands in its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Status {
    Built,
    /// It belongs elsewhere; the words follow the key in the error.
    Elsewhere(&'static str),
}

/// What may stand as a value. It describes for editors; the walk is what decides.
#[derive(Debug)]
pub(super) enum Kind {
    /// Any text.
    Text,
    /// `true`, `false`, `on` or `off`.
    Switch,
    /// `off` or `false`.
    Off,
    /// `unlimited`.
    Unlimited,
    Duration,
    Size,
    ByteRate,
    /// A number of per cent.
    Share,
    /// A plain number between the two.
    Count(u64, u64),
    /// One of these words.
    Words(&'static [&'static str]),
    Object(&'static Object),
    /// A mapping from names that the file chooses.
    Map(&'static Kind),
    List(&'static Kind),
    /// One of these, or a list of them.
    OneOrList(&'static Kind),
    Or(&'static [Kind]),
}

impl Object {
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The names of the keys that work.
    pub(super) fn built(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().filter(|key| key.status == Status::Built).map(|key| key.name)
    }
}

/// What a mapping that people give a text instead looks like, by the name of its object.
pub(super) fn example(object: &str) -> Option<&'static str> {
    Some(match object {
        "rate_limit" => "`rate_limit` is a mapping: {rate: 10/s}",
        "concurrency" => "`concurrency` is a mapping: {max: 100}",
        "websocket" => "WebSockets pass without it; `websocket` is a mapping of what bounds them: {max_age: 24h}",
        "sse" => "event streams pass without it; `sse` is a mapping of what bounds them: {max_streams: 1000}",
        "cors" => "`cors` is a mapping: {origins: [https://app.example.com]}",
        "retry" => "write off, or a mapping such as {retries: 2}",
        "sticky" => "`sticky` is a mapping: {cookie: session}",
        "rule_timeouts" | "timeouts" => "`timeouts` is a mapping: {first_byte: 30s}",
        "drain" => "`drain` is a mapping: {http: 30s}",
        "limits" => "`limits` is a mapping: {head: 64KiB}",
        "pool" => "`pool` is a mapping: {idle: 128}",
        "outlier" => "`outlier` is a mapping of what ejects an endpoint: {failures: 5}",
        "header_edits" => "it is a mapping: {set: {x-name: value}}",
        "condition" => "`when` is a mapping: {methods: [GET]}",
        "listener_tls" => "write auto, passthrough, or {certificates: [{cert: a.pem, key: a.key}]}",
        _ => return None,
    })
}

const fn key(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, doc, kind, status: Status::Built }
}

const fn elsewhere(name: &'static str, mend: &'static str) -> Key {
    Key { name, doc: "Stands elsewhere.", kind: Kind::Text, status: Status::Elsewhere(mend) }
}

const TIME_OR_OFF: Kind = Kind::Or(&[Kind::Duration, Kind::Off]);
const SIZE_OR_UNLIMITED: Kind = Kind::Or(&[Kind::Size, Kind::Unlimited]);

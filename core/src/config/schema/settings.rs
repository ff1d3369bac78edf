//! The keys of the file itself, of listeners and upstreams, and of the settings of the whole proxy.

use super::balance::{BACKUP, BALANCE, DEFAULT_ORIGIN, MAX_REQUESTS, SLOW_START, STICKY, UPSTREAM_LIMITS, WEIGHT};
use super::cache::{CACHE_KEY, CACHE_STORE};
use super::flow::{BANDWIDTH, DETECT};
use super::health::{DNS, FROM, HEALTH_KEY, OUTLIER_KEY, TAGS, TAGS_WANTED};
use super::jwt::JWT;
use super::logging::{ACCESS_LOG, LOG};
use super::patience::{LISTENER_TIMEOUTS, RETRY, WAIT};
use super::policies::{
    ALLOW, API_KEYS, AUTH, BASIC_AUTH, CLIENT_CERT, CONCURRENCY, COOKIES, CORS, DENY, ERROR_PAGES, FORWARD_AUTH,
    MAINTENANCE, MAX_CONNECTIONS, METHODS, POLICIES, RATE_LIMIT, REQUEST_HEADERS, RESPONSE_HEADERS, SECURITY_HEADERS,
    USE,
};
use super::rules::{
    ACCESS_LOG as RULE_ACCESS_LOG, HOST, MAX_BODY, ON_REMOVE_KEY, PATHS_KEY, RULE, RULE_TIMEOUTS, UPGRADE,
};
use super::site::COMPRESS;
use super::sse::SSE_KEY;
use super::store::REDIS;
use super::tls::{LISTENER_TLS, UPSTREAM_TLS};
use super::websocket::{CLOSE_CODE, WEBSOCKET_KEY};
use super::{ACME, ADMIN, Kind, Object, REGISTRY, SIZE_OR_UNLIMITED, TIME_OR_OFF, elsewhere, key};

pub(in crate::config) static FILE: Object = Object {
    what: "the configuration",
    name: "file",
    keys: &[
        key(
            "listen",
            Kind::OneOrList(&Kind::Or(&[Kind::Text, Kind::Object(&LISTENER)])),
            "Where connections are accepted: :80, host:80, [::1]:80, unix:/path or fd:3. \
             Default: 127.0.0.1 and [::1], port 80 or else 8080.",
        ),
        key(
            "routes",
            Kind::Map(&Kind::Or(&[
                Kind::Text,
                Kind::Object(&RULE),
                Kind::List(&Kind::Or(&[Kind::Text, Kind::Object(&RULE)])),
            ])),
            "What answers, by host[/path]; host is a name, *.suffix or *. An address, an upstream's name, a list of \
             addresses, a rule, or a list of rules.",
        ),
        key(
            "upstreams",
            Kind::Map(&Kind::Or(&[Kind::OneOrList(&Kind::Text), Kind::Object(&UPSTREAM)])),
            "Named groups of endpoints that do the work.",
        ),
        key(
            "trusted_proxies",
            Kind::OneOrList(&Kind::Text),
            "Networks whose forwarded headers and PROXY headers are believed; default [].",
        ),
        key("forwarded", Kind::Object(&FORWARDED), "Which forwarding headers upstreams get."),
        key("timeouts", Kind::Object(&TIMEOUTS), "About progress, never about what moves; off is no time-out."),
        key("limits", Kind::Object(&LIMITS), "Bounds on heads and connections."),
        key("drain", Kind::Object(&DRAIN), "How long a shutdown waits."),
        key(
            "access_log",
            Kind::Or(&[Kind::Text, Kind::Off, Kind::Object(&ACCESS_LOG)]),
            "Where access lines go: stdout (default), stderr, a file's path, or off.",
        ),
        key("log", Kind::Object(&LOG), "The proxy's own log."),
        key("dns", Kind::Object(&DNS), "Who is asked for the names of endpoints, and for how long an answer holds."),
        key(
            "admin",
            Kind::Or(&[Kind::Text, Kind::Off, Kind::Object(&ADMIN)]),
            "Where the admin plane listens, on this machine alone; default 127.0.0.1:9900. Besides, always a unix \
             socket.",
        ),
        key("registry", Kind::Object(&REGISTRY), "Routes that are registered while the proxy runs."),
        key(
            "state_dir",
            Kind::Text,
            "Where the control socket, token, certificates, cache and registered routes are kept; default \
             $XDG_STATE_HOME/switchboard, else ~/.local/state/switchboard, without HOME /var/lib/switchboard. Can't change \
             by reload.",
        ),
        key(
            "workers",
            Kind::Or(&[Kind::Words(&["auto"]), Kind::Count(1, 1024)]),
            "Worker threads; default auto, one per core. Can't change by reload.",
        ),
        key(
            "acme",
            Kind::Object(&ACME),
            "Where certificates for public names come from, on listeners with `tls: auto`.",
        ),
        key("defaults", Kind::Object(&DEFAULTS), "What holds for every rule that doesn't say otherwise."),
        key("include", Kind::OneOrList(&Kind::Text), "Further files, as paths or patterns beside this one."),
        key(
            "lists",
            Kind::Map(&Kind::Text),
            "Files of networks, one a line, by name: for `allow`, `deny` and `client_ip`.",
        ),
        key("policies", Kind::Map(&Kind::Object(&POLICIES)), "Policies by name, for `use:` in rules."),
        key("http2", Kind::Object(&HTTP2), "Bounds of HTTP/2 connections."),
        key("tracing", Kind::Object(&super::TRACING), "Where traces go, and how many."),
        key(
            "cache",
            Kind::Object(&CACHE_STORE),
            "How much of kept answers is held; rules say by `cache:` what is kept.",
        ),
        REDIS,
        elsewhere("max_body", "stands under `defaults:` or in a rule"),
        elsewhere("rules", "is written `routes`"),
        elsewhere("server", "is written `routes`, by host and path"),
        elsewhere("servers", "is written `routes`, by host and path"),
        elsewhere("http", "is written `routes`, by host and path"),
        elsewhere("frontend", "is written `listen` and `routes`"),
        elsewhere("upstream", "is written `upstreams`"),
        elsewhere("backend", "is written `upstreams`"),
        elsewhere("backends", "is written `upstreams`"),
        elsewhere("services", "is written `upstreams`"),
        elsewhere("entrypoints", "is written `listen`"),
        elsewhere("gzip", "is written `compress`, in a rule or under `defaults:`"),
    ],
};

pub(in crate::config) static LISTENER: Object = Object {
    what: "a listener",
    name: "listener",
    keys: &[
        key(
            "bind",
            Kind::Text,
            "The address: :80, host:80, [::1]:80, unix:/path or fd:3. Port 0 lets the system choose.",
        ),
        key("name", Kind::Text, "The name for conditions, logs and metrics; default the address."),
        key(
            "proxy_protocol",
            Kind::Or(&[Kind::Off, Kind::Words(&["accept", "require"])]),
            "Whether connections from trusted_proxies begin with a PROXY header; default off.",
        ),
        key(
            "max_connections",
            Kind::Or(&[Kind::Count(1, u32::MAX as u64), Kind::Unlimited]),
            "The most connections open at once; default unlimited.",
        ),
        key(
            "tls",
            Kind::Or(&[Kind::Words(&["auto", "passthrough"]), Kind::Off, Kind::Object(&LISTENER_TLS)]),
            "What is done with TLS: auto (certificates come by themselves), passthrough (nothing is decrypted), off \
             (default), or in detail.",
        ),
        key(
            "https_redirect",
            Kind::Switch,
            "Whether a plain listener sends requests for hosts that have TLS to the listener that has it; default true.",
        ),
        key(
            "h2c",
            Kind::Switch,
            "Whether clients may begin with HTTP/2 without TLS (prior knowledge); HTTP/1 goes on beside it. Default false.",
        ),
        key(
            "max_body",
            SIZE_OR_UNLIMITED,
            "The largest request body on it, whatever a rule allows; default what the rule says.",
        ),
        key(
            "timeouts",
            Kind::Object(&LISTENER_TIMEOUTS),
            "Time-outs of its connections, over those of the file: {tls_handshake, head, keep_alive}.",
        ),
        ALLOW,
        DENY,
        RATE_LIMIT,
        elsewhere("http2", "stands at the top of the file, for all listeners"),
        elsewhere("port", "is part of `bind`, as in `bind: 127.0.0.1:80`"),
        elsewhere("address", "is written `bind`"),
        elsewhere("ssl", "is written `tls`, as in `tls: auto`"),
        elsewhere("cert", "stands under `tls:`, as in `tls: {certificates: [{cert: a.pem, key: a.key}]}`"),
        elsewhere("key", "stands under `tls:`, as in `tls: {certificates: [{cert: a.pem, key: a.key}]}`"),
    ],
};

pub(in crate::config) static UPSTREAM: Object = Object {
    what: "an upstream",
    name: "upstream",
    keys: &[
        key(
            "endpoints",
            Kind::OneOrList(&Kind::Or(&[Kind::Text, Kind::Object(&ENDPOINT)])),
            "The addresses: :3000, host:3000, [::1]:3000, http://host, https://host, ws://host, wss://host, h2c://host or unix:/path.",
        ),
        BALANCE,
        key("pool", Kind::Object(&POOL), "Bounds on idle connections."),
        HOST,
        STICKY,
        HEALTH_KEY,
        OUTLIER_KEY,
        FROM,
        TAGS_WANTED,
        UPSTREAM_LIMITS,
        key("tls", Kind::Object(&UPSTREAM_TLS), "How TLS to its https:// and wss:// endpoints is done."),
        key(
            "send_proxy_protocol",
            Kind::Or(&[Kind::Off, Kind::Words(&["v1", "v2"])]),
            "Whether each connection begins with who the client is (PROXY protocol); then none is shared. Default off.",
        ),
        SLOW_START,
        DEFAULT_ORIGIN,
        elsewhere("timeouts", "stands in a rule, under `defaults:` or for the whole file"),
        elsewhere("servers", "is written `endpoints`"),
        elsewhere("server", "is written `endpoints`"),
        elsewhere("policy", "is written `balance`"),
        elsewhere("lb_policy", "is written `balance`"),
        elsewhere("least_conn", "is written `balance: least_requests`"),
        elsewhere("ip_hash", "is written `balance: {hash: client_ip}`"),
    ],
};

pub(in crate::config) static ENDPOINT: Object = Object {
    what: "an endpoint",
    name: "endpoint",
    keys: &[
        key(
            "address",
            Kind::Text,
            "Where to connect: :3000, host:3000, [::1]:3000, http://host, https://host, ws://host, wss://host, h2c://host or unix:/path.",
        ),
        HOST,
        WEIGHT,
        BACKUP,
        MAX_REQUESTS,
        TAGS,
    ],
};

pub(in crate::config) static POOL: Object = Object {
    what: "`pool`",
    name: "pool",
    keys: &[
        key("idle", Kind::Count(1, 1_000_000), "Connections kept idle for over a second; default 128. off keeps none."),
        key("idle_timeout", Kind::Duration, "How long one is kept idle; default 50s."),
        key("max_age", Kind::Duration, "How old one may grow; default 10m."),
    ],
};

pub(in crate::config) static FORWARDED: Object = Object {
    what: "`forwarded`",
    name: "forwarded",
    keys: &[
        key("x_forwarded", Kind::Switch, "X-Forwarded-For, -Proto, -Host, -Port and X-Real-IP; default true."),
        key("rfc7239", Kind::Switch, "Forwarded; default false."),
        key("via", Kind::Switch, "Via; default false."),
    ],
};

pub(in crate::config) static TIMEOUTS: Object = Object {
    what: "`timeouts`",
    name: "timeouts",
    keys: &[
        key("tls_handshake", TIME_OR_OFF, "For a client's TLS handshake; default 10s."),
        key("head", TIME_OR_OFF, "For a whole request head; default 10s."),
        key("body", TIME_OR_OFF, "Between bytes of a request body; default 30s."),
        key("keep_alive", TIME_OR_OFF, "Between requests on a connection; default 75s."),
        key("connect", TIME_OR_OFF, "For a connection to an endpoint; default 3s."),
        key("first_byte", TIME_OR_OFF, "From the request sent whole to the first byte of its answer; default 60s."),
        key("idle", TIME_OR_OFF, "Between bytes of an answer, not for streams; default 60s."),
        key("tunnel_fin", TIME_OR_OFF, "After one side of a tunnel has ended; default 30s."),
        key("write", TIME_OR_OFF, "Not one byte taken while data waits, streams and tunnels too; default 60s."),
        key("total", TIME_OR_OFF, "For a whole exchange; default off."),
    ],
};

pub(in crate::config) static LIMITS: Object = Object {
    what: "`limits`",
    name: "limits",
    keys: &[
        key("head", Kind::Size, "Bytes of a request head, 1KiB to 1MiB; default 32KiB."),
        key("field", Kind::Size, "Bytes of one field line; default 16KiB."),
        key("fields", Kind::Count(1, 10_000), "Field lines of a head; default 100."),
        key("target", Kind::Size, "Bytes of a request target; default 8KiB."),
        key("trailers", Kind::Size, "Bytes of a trailer section; default 8KiB."),
        key(
            "body_min_rate",
            Kind::Or(&[Kind::ByteRate, Kind::Off]),
            "The least average rate of a request body after its first 10s; default 256B/s.",
        ),
        key(
            "connections_per_client",
            Kind::Or(&[Kind::Count(1, u32::MAX as u64), Kind::Off]),
            "Connections of one client address, /64 for IPv6; default off.",
        ),
        key(
            "requests_per_connection",
            Kind::Or(&[Kind::Count(1, u32::MAX as u64), Kind::Unlimited]),
            "Requests on one connection; default 1000.",
        ),
        key("connection_age", TIME_OR_OFF, "Age at which a connection is closed after its next answer; default 1h."),
        key("tunnel_buffer", Kind::Size, "Bytes that a tunnel holds per direction for a slow reader; default 64KiB."),
        key(
            "tunnel_memory",
            Kind::Size,
            "Bytes that all tunnels together hold for slow readers, 1MiB to 1TiB; where they do, each holds at most 1KiB more; \
             default 256MiB.",
        ),
        key(
            "memory",
            Kind::Or(&[Kind::Words(&["auto"]), Kind::Size, Kind::Unlimited]),
            "Bytes of memory, 16MiB or more. At 92% of it connections end with their next answer, at 95% requests are answered \
             503, at 98% no connection is accepted; default auto: what the control group (a container's, a service's) allows.",
        ),
    ],
};

pub(in crate::config) static HTTP2: Object = Object {
    what: "`http2`",
    name: "http2",
    keys: &[
        key("streams", Kind::Count(1, 10_000), "Streams of a client open at once on one connection; default 100."),
        key(
            "stream_window",
            Kind::Size,
            "Bytes under way on one stream, 65535B to 2GiB; default 64KiB. Grows to connection_window while all is taken.",
        ),
        key("connection_window", Kind::Size, "Bytes under way on all streams of a connection; default 1MiB."),
        key(
            "resets_per_10s",
            Kind::Count(1, 1_000_000),
            "Streams reset by either side within 10s before the connection is closed; default 200.",
        ),
    ],
};

pub(in crate::config) static DRAIN: Object = Object {
    what: "`drain`",
    name: "drain",
    keys: &[
        key("http", Kind::Duration, "How long requests in flight may go on; default 30s."),
        key("tunnels", Kind::Duration, "How long streams and tunnels may go on; default 5m."),
        key(
            "announce",
            Kind::Duration,
            "How long everything goes on as before while load balancers are told to look elsewhere; default 0s.",
        ),
        key(
            "spread",
            Kind::Duration,
            "Streams and tunnels are ended one after the other, in this last part of their time; default 60s.",
        ),
        key("code", CLOSE_CODE, "The code of the Close that WebSockets get; default 1012 (service restart)."),
    ],
};

pub(in crate::config) static DEFAULTS: Object = Object {
    what: "`defaults`",
    name: "defaults",
    keys: &[
        MAX_BODY,
        key(
            "timeouts",
            Kind::Object(&RULE_TIMEOUTS),
            "Time-outs of every rule, over those of the file entry by entry.",
        ),
        HOST,
        UPGRADE,
        RULE_ACCESS_LOG,
        ON_REMOVE_KEY,
        RETRY,
        WAIT,
        ALLOW,
        DENY,
        METHODS,
        MAINTENANCE,
        CORS,
        REQUEST_HEADERS,
        RESPONSE_HEADERS,
        SECURITY_HEADERS,
        COOKIES,
        ERROR_PAGES,
        USE,
        RATE_LIMIT,
        MAX_CONNECTIONS,
        CONCURRENCY,
        BANDWIDTH,
        CLIENT_CERT,
        BASIC_AUTH,
        JWT,
        API_KEYS,
        FORWARD_AUTH,
        AUTH,
        DETECT,
        WEBSOCKET_KEY,
        SSE_KEY,
        COMPRESS,
        CACHE_KEY,
        PATHS_KEY,
        elsewhere("to", "is what one rule does; it can't be a default"),
    ],
};

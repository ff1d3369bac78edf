//! What an operator said, valid by construction: the middle one of the three forms of a configuration.
//!
//! `text` and `raw` make it out of a file, `snapshot` compiles it for the data path. There is no `Option` here that
//! "must be Some": what a file may leave out has its default filled in. Equality is by value: a reload is a diff of these.

mod acme;
mod admin;
mod balance;
mod cache;
mod defaults;
mod diff;
mod error;
mod health;
mod http2;
mod json;
mod load;
mod patience;
mod policy;
mod raw;
mod report;
mod schema;
mod scope;
mod seats;
mod site;
pub mod sse;
mod store;
mod suggest;
mod text;
mod tls;
mod token;
mod tracing;
mod value;
pub mod websocket;
mod words;

pub use acme::{Acme, Challenge, ExternalAccount};
pub use admin::{Admin, Clash, Registry};
pub use balance::{Balance, Bounds, HashKey, Share, ShareOf, Sticky};
pub use cache::{Cache, CacheStore, QueryKey};
pub use defaults::{MAX_BODY, ON_REMOVE_DRAIN};
pub use diff::{Change, ChangeKind, Diff, Subject, diff};
pub use error::{ConfigError, ErrorKind, Excerpt, Place, Warning, WarningKind};
pub use health::{Check, CheckKind, Dns, Expect, Health, HttpCheck, Login, Outlier, Secret, WebSocketCheck};
pub use http2::Http2;
pub use load::{Loaded, NoSource, Source, load, load_bytes};
pub use patience::{Causes, Retry, Wait};
pub use policy::{
    ApiKeys, BasicAuth, Concurrency, CookieFlags, Cors, Detect, ErrorPage, ForwardAuth, HeaderEdit, LimitKey,
    LimitScope, Mirror, OriginPattern, PageForm, PageStatus, Policies, QueryEdits, RateLimit, Rewrite, SecurityHeaders,
    Verdict,
};
pub use schema::json::json_schema;
pub use scope::{Registered, Scope};
pub use site::{Compress, Compression, Site};
pub use sse::Sse;
pub use store::Redis;
pub use tls::{
    CertificateFiles, Certificates, ClientAuth, Digest, EndpointScheme, HostTls, Inspected, ListenerTls, PairPart,
    PemFile, ProxyVersion, TlsPolicy, TlsVersion, UpstreamTls,
};
pub use token::{Jwt, TokenAlgorithm, TokenKeys, TokenPlace};
pub use tracing::{Builtin, Tracing};
pub use value::address::is_h2c;
pub use value::{duration, regex};
pub use websocket::WebSocket;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where connections are accepted. Never empty: without `listen:` it holds the defaults of CONFIG.md.
    pub listeners: Vec<Listener>,
    /// Routes by their key as normalised (`host[/path]`), in the order of the key.
    pub routes: BTreeMap<RouteKey, Route>,
    /// Named upstreams, and the anonymous ones that routes give by address (their name is the address as written,
    /// or the list of addresses joined by `,`).
    pub upstreams: BTreeMap<String, Upstream>,
    /// Peers whose forwarded headers and PROXY headers are believed.
    pub trusted_proxies: Vec<Cidr>,
    /// Which forwarding headers are written.
    pub forwarded: Forwarded,
    /// The time-outs outside of routes; a rule's own are merged over them entry by entry.
    pub timeouts: Timeouts,
    /// Limits of connections and heads.
    pub limits: Limits,
    /// Bounds of HTTP/2 connections.
    pub http2: Http2,
    /// How much of answers is kept.
    pub cache: CacheStore,
    /// What `defaults:` says of answers, for those that no route gives.
    pub unrouted: Option<Box<Policies>>,
    /// How long a shutdown waits.
    pub drain: Drain,
    /// Networks by the name of their list; conditions hold them too, filled in.
    pub lists: BTreeMap<String, Vec<Cidr>>,
    /// Where access lines go.
    pub access_log: AccessLog,
    /// The proxy's own log.
    pub log: Log,
    /// Who is asked for the names of endpoints.
    pub dns: Dns,
    /// Where the admin plane can be reached.
    pub admin: Admin,
    /// What becomes of registered routes.
    pub registry: Registry,
    /// Where traces go.
    pub tracing: Tracing,
    /// Where the control socket lives.
    pub state_dir: PathBuf,
    /// Where certificates for public names come from.
    pub acme: Acme,
    /// Where limits with `store: redis` count.
    pub redis: Option<Redis>,
    /// Number of worker threads; `None` is one per core (`auto`). Can't change by reload.
    pub workers: Option<usize>,
    /// The files this was read from (the main one first), for the file watch.
    pub files: Vec<PathBuf>,
}

/// One socket to accept on.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Where it binds.
    pub bind: Bind,
    /// The name for conditions, logs and metrics; the bind text where none was given.
    pub name: String,
    /// Whether a PROXY header is expected.
    pub proxy_protocol: ProxyProtocol,
    /// The most connections open at once on it; `None` is `unlimited` (the process-wide bound still holds).
    pub max_connections: Option<u64>,
    /// Time-outs of its connections, where it has its own.
    pub timeouts: Option<Timeouts>,
    /// The largest request body; `None` leaves it to rules.
    pub max_body: Option<u64>,
    /// What it forbids to every rule: `allow` and `deny`.
    pub policies: Option<Box<Policies>>,
    /// What is done with TLS; `None` is a plain listener.
    pub tls: Option<ListenerTls>,
    /// Whether a plain listener sends requests for hosts that have TLS to the listener that has it (default on).
    pub https_redirect: bool,
    /// Whether clients may begin with HTTP/2 on it without TLS (prior knowledge, RFC 9113 §3.3).
    pub h2c: bool,
}

/// Where a listener binds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bind {
    /// `:80`: all addresses of both families.
    Any(u16),
    /// `host:80`, `[::1]:80`. Port 0 lets the system choose.
    Ip(IpAddr, u16),
    /// `unix:/run/x.sock`
    Unix(PathBuf),
    /// `fd:3`, a listening socket that was inherited.
    Fd(i32),
    /// No `listen:` at all: 127.0.0.1 and `[::1]`, port 80 where it may be bound, else 8080.
    Default,
}

/// Whether connections begin with a PROXY protocol header (v1 or v2). Only `trusted_proxies` may send one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// None is read.
    Off,
    /// One is read where a trusted peer sends it.
    Accept,
    /// A connection without one, or from a peer that is not trusted, is dropped.
    Require,
}

/// The key of a route, normalised: host in lower case without trailing dot, path without trailing slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteKey {
    /// Which hosts.
    pub host: HostPattern,
    /// The path prefix, on segment boundaries. Empty for "the whole host", else starts with `/`.
    pub path: String,
}

impl RouteKey {
    /// Reads `host[/path]`, normalised.
    ///
    /// # Errors
    /// In words that name the mend.
    pub fn parse(text: &str) -> Result<Self, String> {
        value::host::key(text).map_err(|fault| match fault {
            value::Fault::Value { expected, mend } => format!("`{text}` is not {expected}: {mend}"),
        })
    }
}

impl std::fmt::Display for RouteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            HostPattern::Exact(name) => write!(f, "{name}{}", self.path),
            HostPattern::Suffix(suffix) => write!(f, "*.{suffix}{}", self.path),
            HostPattern::Any => write!(f, "*{}", self.path),
        }
    }
}

/// Which hosts a key stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// One name (or IP literal).
    Exact(String),
    /// `*.suffix`: any depth below, not the suffix itself. Stored without `*.`.
    Suffix(String),
    /// `*`
    Any,
}

/// A key's rules, in order. Never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Tried in order; the first whose `when` holds answers.
    pub rules: Vec<Rule>,
    /// Further hosts that the same rules serve (`also:`).
    pub also: Vec<HostPattern>,
}

/// One rule of a route.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// When it holds; `None` is always.
    pub when: Option<Condition>,
    /// What it does.
    pub action: Action,
    /// The `Host` that the upstream sees.
    pub host: HostHeader,
    /// How the path changes on its way up.
    pub path_edit: PathEdit,
    /// Upgrade tokens that may become tunnels, lower case. Default: `websocket` alone.
    pub upgrade: Vec<String>,
    /// Largest request body in bytes; `None` is `unlimited`. Default 100 MiB.
    pub max_body: Option<u64>,
    /// Time-outs, already merged with the outer levels.
    pub timeouts: Timeouts,
    /// Whether exchanges of this rule appear in the access log.
    pub access_log: bool,
    /// What happens to streams and tunnels when the rule is removed.
    pub on_remove: OnRemove,
    /// Limits of its WebSockets; `None` where it has none.
    pub websocket: Option<WebSocket>,
    /// Limits of its event streams; `None` where it has none.
    pub sse: Option<Sse>,
    /// Its policies, merged with those of the levels around it; `None` where there is none.
    pub policies: Option<Box<Policies>>,
    /// Whether what its listener forbids binds it too (`inherit`).
    pub inherit: bool,
    /// When a request is sent again.
    pub retry: Retry,
    /// How requests are held while no endpoint can take them; `None` is not at all.
    pub wait: Option<Wait>,
    /// What is compressed on the way to the client.
    pub compress: Compression,
    /// What of its answers is kept; `None` is nothing.
    pub cache: Option<Box<Cache>>,
}

impl Rule {
    /// The names of the upstreams that it asks.
    pub fn upstreams(&self) -> impl Iterator<Item = &str> {
        match &self.action {
            Action::Proxy(name) => Some(name.as_str()),
            Action::Files { then, .. } => then.as_deref(),
            Action::Redirect { .. } | Action::Respond { .. } | Action::Builtin(_) => None,
        }
        .into_iter()
    }
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Hash)]
pub enum Action {
    /// `to:` the upstream of that name in `Config::upstreams`.
    Proxy(String),
    /// `redirect:` to a template, with a status of 301, 302, 303, 307 or 308 (default 308).
    Redirect {
        /// The `Location` template, facts as `{name}`.
        to: Template,
        /// The status.
        status: u16,
    },
    /// `files:` of a directory.
    Files {
        /// The directory, and how it is served.
        site: Site,
        /// The upstream that is asked where there is no file (`try: [files, to]`).
        then: Option<String>,
    },
    /// `respond:` a fixed text, with a status (default 200).
    Respond {
        /// The body.
        body: String,
        /// The status.
        status: u16,
    },
    /// `builtin:` an answer about the proxy itself.
    Builtin(Builtin),
}

/// A text with facts in braces, checked when it was read: `https://example.com{uri}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template {
    /// Literal pieces and facts, in order.
    pub parts: Vec<TemplatePart>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TemplatePart {
    /// Text as it is.
    Literal(String),
    /// A fact of the request.
    Fact(Fact),
}

/// A fact of the request that templates may name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// `{host}` without port
    Host,
    /// `{path}` as received
    Path,
    /// `{query}` without `?`, empty where there is none
    Query,
    /// `{uri}`: path and query as received
    Uri,
    /// `{scheme}`
    Scheme,
    /// `{port}` of the listener that the client asked for
    Port,
    /// `{client_ip}`
    ClientIp,
    /// `{request_id}`
    RequestId,
    /// `{header.NAME}`, lower case; the first value
    Header(String),
    /// `{cookie.NAME}`
    Cookie(String),
    /// `{claim.NAME}` of a token that `jwt` has verified
    Claim(String),
    /// `{1}`: a group of the expression of `rewrite`
    Group(u8),
}

/// How the path changes on its way to the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathEdit {
    /// Forwarded as received.
    Keep,
    /// `strip_prefix`: the prefix (starts with `/`, no trailing slash) is taken off on a segment boundary; `/` where nothing is left.
    Strip(String),
    /// `add_prefix`
    Add(String),
    /// `replace_prefix`: the key's own path is replaced by this.
    Replace {
        /// The key's own path (may be empty).
        from: String,
        /// What stands there instead.
        to: String,
    },
}

/// The `Host` that an upstream sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// As the client sent it.
    Preserve,
    /// The endpoint's own name and port.
    Upstream,
    /// This name.
    Name(String),
}

/// What happens to a rule's streams and tunnels when a reload removes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRemove {
    /// Nothing: they end by themselves.
    Keep,
    /// They are ended after this time (default 5 min).
    Drain(Duration),
    /// They are ended at once, WebSockets with this code.
    Close(u16),
}

/// A condition. All parts must hold; within a part any of the values.
#[derive(Clone, Debug, PartialEq, Default, Hash)]
pub struct Condition {
    /// Methods, as written (they are case-sensitive).
    pub methods: Vec<String>,
    /// Field name in lower case → forms.
    pub headers: BTreeMap<String, Vec<TextMatch>>,
    /// Query parameter (decoded) → forms.
    pub query: BTreeMap<String, Vec<TextMatch>>,
    /// Cookie → forms.
    pub cookies: BTreeMap<String, Vec<TextMatch>>,
    /// Client addresses.
    pub client_ip: Vec<Cidr>,
    /// Listener names.
    pub listener: Vec<String>,
    /// Kinds of exchange.
    pub protocol: Vec<Protocol>,
    /// Paths.
    pub path: Vec<PathMatch>,
    /// This share of the requests.
    pub share: Option<ShareOf>,
    /// `tls: {client_cert: …}`: whether the client has shown a certificate that was verified.
    pub client_cert: Option<bool>,
    /// `not:` this must not hold.
    pub not: Option<Box<Condition>>,
    /// `any:` at least one of these must hold; empty is no demand.
    pub any: Vec<Condition>,
}

/// A form of text in a condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TextMatch {
    /// Exactly this.
    Exact(String),
    /// Begins with this.
    Prefix(String),
    /// Has this somewhere.
    Contains(String),
    /// A regular expression (checked; linear time) that matches somewhere.
    Regex(String),
    /// There at all (`true`) or not there (`false`).
    Present(bool),
}

/// A form of path in a condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathMatch {
    /// On segment boundaries, as in a key.
    Prefix(String),
    /// Exactly this.
    Exact(String),
    /// A regular expression on the canonical path.
    Regex(String),
}

/// The kind of an exchange, as `when: {protocol: …}` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Anything that is none of the others.
    Http,
    /// An upgrade request for `websocket`.
    Websocket,
    /// A request that accepts `text/event-stream`.
    Sse,
    /// A request whose content type begins with `application/grpc`.
    Grpc,
}

/// A network: an address and the number of leading bits that count. Host bits are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr {
    /// The network's address.
    pub address: IpAddr,
    /// Leading bits: 0–32 or 0–128.
    pub bits: u8,
}

impl Cidr {
    /// Tells whether `ip` lies in the network. An IPv4 address that came in IPv6 dress (`::ffff:a.b.c.d`) is the IPv4 one.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                u32::from(ip) & mask == u32::from(net)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                u128::from(ip) & mask == u128::from(net)
            }
            _ => false,
        }
    }
}

/// A group of endpoints. Endpoints are never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// In order, as written.
    pub endpoints: Vec<Endpoint>,
    /// Bounds on kept connections.
    pub pool: Pool,
    /// The `Host` for all its endpoints, where the upstream says so (nearer than the rule's).
    pub host: Option<HostHeader>,
    /// How an endpoint is chosen.
    pub balance: Balance,
    /// How long an endpoint that came up gets less than its share; `None` is not at all.
    pub slow_start: Option<Duration>,
    /// How much it does at once.
    pub limits: Bounds,
    /// How its endpoints are probed; `None` is not at all.
    pub health: Option<Health>,
    /// When failing traffic takes one of them out; `None` is `off`.
    pub outlier: Option<Outlier>,
    /// How TLS to those of its endpoints is done that are spoken to over it.
    pub tls: UpstreamTls,
    /// Whether connections to its endpoints begin with who the client is.
    pub send_proxy_protocol: Option<ProxyVersion>,
    /// What ties a client to an endpoint.
    pub sticky: Option<Sticky>,
    /// The `Origin` of a WebSocket handshake that has none.
    pub default_origin: Option<String>,
}

/// One address of an upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// As written: part of its identity.
    pub written: String,
    /// Where to connect.
    pub address: Address,
    /// How to speak to it.
    pub scheme: EndpointScheme,
    /// The `Host` for this endpoint, where it says so (nearest of all).
    pub host: Option<HostHeader>,
    /// Its share of the requests beside the others' (default 1).
    pub weight: u32,
    /// Serves only while no other endpoint can.
    pub backup: bool,
    /// Exchanges and tunnels that it may have at once; `None` is `unlimited`.
    pub max_requests: Option<u32>,
    /// By which another upstream can take it in.
    pub tags: Vec<String>,
    /// Whose seat on a ring it has taken ([`Config::seated_after`]); `None` is its own.
    pub seat: Option<String>,
}

/// Where to connect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// `:3000`: 127.0.0.1, then `[::1]`.
    Loopback(u16),
    /// An IP address and a port (80 where a scheme stands without one).
    Ip(IpAddr, u16),
    /// A name that is resolved again and again, and a port.
    Name(String, u16),
    /// `srv://_http._tcp.example.com`: a service whose hosts and ports are resolved again and again.
    Srv(String),
    /// `unix:/path`
    Unix(PathBuf),
}

/// Bounds on idle upstream connections, per endpoint and over all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// How many are kept idle (default 128).
    pub idle: u32,
    /// How long one is kept idle (default 50 s, below the 60 s that servers commonly wait).
    pub idle_timeout: Duration,
    /// How old one may grow (default 10 min).
    pub max_age: Duration,
}

/// Which forwarding headers go to upstreams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// `X-Forwarded-For/-Proto/-Host/-Port` and `X-Real-IP` (default on).
    pub x_forwarded: bool,
    /// `Forwarded` of RFC 7239 (default off).
    pub rfc7239: bool,
    /// `Via` (default off).
    pub via: bool,
}

/// Time-outs. They are about progress, never about something that moves. `None` is `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a client's TLS handshake, from accept (10 s).
    pub tls_handshake: Option<Duration>,
    /// For a whole head, from its first byte or from accept (10 s).
    pub head: Option<Duration>,
    /// Between bytes of a request body (30 s).
    pub body: Option<Duration>,
    /// Between requests on a connection (75 s).
    pub keep_alive: Option<Duration>,
    /// For a connection to an endpoint (3 s).
    pub connect: Option<Duration>,
    /// From the request sent whole to the first byte of its answer (60 s).
    pub first_byte: Option<Duration>,
    /// Between bytes of an answer (60 s); not for streams.
    pub idle: Option<Duration>,
    /// After one side of a tunnel has ended (30 s).
    pub tunnel_fin: Option<Duration>,
    /// Not one byte taken while data waits (60 s).
    pub write: Option<Duration>,
    /// For a whole exchange (off).
    pub total: Option<Duration>,
}

impl Timeouts {
    /// The same without those that a stream would reach which rests: between bytes of a body, and for the first of an
    /// answer.
    #[must_use]
    pub const fn for_streams(self) -> Self {
        Self { body: None, first_byte: None, ..self }
    }
}

/// Limits of connections and heads. `None` is `unlimited` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request head (32 KiB).
    pub head: u32,
    /// Bytes of one field line (16 KiB).
    pub field: u32,
    /// Field lines (100).
    pub fields: u32,
    /// Bytes of a request target (8 KiB).
    pub target: u32,
    /// Bytes of a trailer section (8 KiB).
    pub trailers: u32,
    /// Least average rate of a request body in bytes per second, after its first 10 s (256).
    pub body_min_rate: Option<u64>,
    /// Connections of one client address (off); /64 for IPv6.
    pub connections_per_client: Option<u32>,
    /// Requests on one connection (1000).
    pub requests_per_connection: Option<u32>,
    /// Age at which a connection is closed after its next answer (1 h).
    pub connection_age: Option<Duration>,
    /// Bytes that a tunnel holds per direction while its reader is slow (64 KiB).
    pub tunnel_buffer: u32,
    /// Bytes that all tunnels hold for slow readers (256 MiB).
    pub tunnel_memory: u64,
}

/// How a shutdown goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// For requests in flight (30 s).
    pub http: Duration,
    /// For streams and tunnels (5 min).
    pub tunnels: Duration,
    /// How long the proxy goes on as before, while it says already that it is not ready (none).
    pub announce: Duration,
    /// Over how long streams are ended one after the other (60 s, within `tunnels`).
    pub spread: Duration,
    /// The code that WebSockets are closed with (1012).
    pub code: u16,
}

/// Where access lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// The sink.
    pub to: LogSink,
    /// The form of a line.
    pub format: LogFormat,
    /// Query parameters whose values are masked besides the built-in ones, lower case.
    pub redact: Vec<String>,
}

/// The proxy's own log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Which lines.
    pub level: LogLevel,
    /// The form of a line.
    pub format: LogFormat,
    /// The sink.
    pub to: LogSink,
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSink {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, appended to, reopened on SIGUSR1.
    File(PathBuf),
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Which lines of the proxy's own log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Errors only.
    Error,
    /// And warnings.
    Warn,
    /// And what an operator wants to know.
    Info,
    /// And what a developer wants to know.
    Debug,
}

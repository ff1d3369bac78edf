//! What an operator said, valid by construction: the middle one of the three forms of a configuration.
//!
//! `text` and `raw` make it out of a file, `snapshot` compiles it for the data path. There is no `Option` here that
//! "must be Some": what a file may leave out has its default filled in. Equality is by value: a reload is a diff of these.

mod acme;
mod admin;
mod balance;
mod bounds;
mod cache;
mod condition;
mod defaults;
mod diff;
mod error;
mod health;
mod http2;
mod identity;
mod json;
mod load;
mod logging;
mod paths;
mod patience;
mod policy;
mod raw;
mod report;
mod route;
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
mod upstream;
mod value;
mod warning;
pub mod websocket;
mod words;

pub use acme::{Acme, Challenge, ExternalAccount};
pub use admin::{Admin, Clash, Registry};
pub use balance::{Balance, Bounds, HashKey, Share, ShareOf, Sticky};
pub use bounds::{Drain, Limits, Memory, Timeouts};
pub use cache::{Cache, CacheStore, QueryKey};
pub use condition::{Cidr, Condition, PathMatch, Protocol, TextMatch};
pub use defaults::{MAX_BODY, ON_REMOVE_DRAIN};
pub use diff::{Change, ChangeKind, Diff, Subject, diff};
pub use error::{ConfigError, ErrorKind, Excerpt, Place, Warning};
pub use health::{Check, CheckKind, Dns, Expect, Health, HttpCheck, Login, Outlier, Secret, WebSocketCheck};
pub use http2::Http2;
pub use identity::{ApiKeys, BasicAuth, ClientCert, ForwardAuth, WayKind};
pub use load::{Loaded, NoSource, Source, load, load_bytes};
pub use logging::{AccessLog, Log, LogFormat, LogLevel, LogSink};
pub use paths::{EncodedSlash, Paths};
pub use patience::{Causes, Retry, Wait};
pub use policy::{
    Concurrency, CookieFlags, Cors, Detect, ErrorPage, HeaderEdit, LimitKey, LimitScope, Mirror, OriginPattern,
    PageForm, PageStatus, Policies, QueryEdits, RateLimit, Rewrite, SecurityHeaders, Verdict,
};
pub use route::{
    Action, Fact, HostHeader, HostPattern, OnRemove, PathEdit, Route, RouteKey, Rule, Template, TemplatePart,
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
pub use upstream::{Address, Endpoint, Pool, Upstream};
pub use value::address::is_h2c;
pub use value::amount::{duration_text, size_text};
pub use value::{duration, regex};
pub use warning::WarningKind;
pub use websocket::WebSocket;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

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

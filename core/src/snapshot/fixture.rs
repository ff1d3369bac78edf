//! Configurations and requests in few words, for the tests of routes, templates and snapshots.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Snapshot;
use crate::config::{
    AccessLog, Action, Address, Bind, CacheStore, Config, Drain, Endpoint, Fact, Forwarded, HostHeader, HostPattern,
    Limits, Listener, Log, LogFormat, LogLevel, LogSink, OnRemove, PathEdit, Paths, ProxyProtocol, Retry, Route,
    RouteKey, Rule, Template, TemplatePart, Timeouts, Upstream,
};
use crate::message::{Field, Fields, Name, Span, Version};
use crate::route::{Facts, FindError, ListenerId, NoTrace, Trail};
use crate::target::Destination;

const NO_TIMEOUTS: Timeouts = Timeouts {
    tls_handshake: None,
    head: None,
    body: None,
    keep_alive: None,
    connect: None,
    first_byte: None,
    idle: None,
    tunnel_fin: None,
    write: None,
    total: None,
};

pub(crate) fn key(text: &str) -> RouteKey {
    let (host, path) = text.split_at(text.find('/').unwrap_or(text.len()));
    RouteKey { host: pattern(host), path: path.to_owned() }
}

pub(crate) fn pattern(host: &str) -> HostPattern {
    match host.strip_prefix("*.") {
        Some(suffix) => HostPattern::Suffix(suffix.to_owned()),
        None if host == "*" => HostPattern::Any,
        None => HostPattern::Exact(host.to_owned()),
    }
}

/// A rule that answers with a text: the text names the rule in tests.
pub(crate) fn respond(body: &str) -> Rule {
    Rule {
        when: None,
        action: Action::Respond { body: body.to_owned(), status: 200 },
        host: HostHeader::Preserve,
        path_edit: PathEdit::Keep,
        paths: Paths::default(),
        upgrade: vec!["websocket".to_owned()],
        max_body: None,
        timeouts: NO_TIMEOUTS,
        access_log: true,
        on_remove: OnRemove::Keep,
        websocket: None,
        sse: None,
        policies: None,
        inherit: true,
        retry: Retry::default(),
        wait: None,
        compress: crate::config::Compression::default(),
        cache: None,
    }
}

pub(crate) fn proxy(upstream: &str) -> Rule {
    Rule { action: Action::Proxy(upstream.to_owned()), ..respond("") }
}

pub(crate) fn upstream(endpoints: &[(&str, Address)]) -> Upstream {
    let endpoint = |(written, address): &(&str, Address)| Endpoint::at((*written).to_owned(), address.clone());
    Upstream::of(endpoints.iter().map(endpoint).collect())
}

pub(crate) fn listener(name: &str) -> Listener {
    let (proxy_protocol, name) = (ProxyProtocol::Off, name.to_owned());
    Listener { bind: Bind::Any(80), name, proxy_protocol, max_connections: None, ..Listener::default() }
}

pub(crate) fn config(routes: impl IntoIterator<Item = (String, Vec<Rule>)>) -> Config {
    let route = |(text, rules): (String, Vec<Rule>)| (key(&text), Route { rules, also: Vec::new() });
    Config {
        listeners: vec![listener("public"), listener("inner")],
        routes: routes.into_iter().map(route).collect(),
        upstreams: BTreeMap::new(),
        trusted_proxies: Vec::new(),
        forwarded: Forwarded { x_forwarded: true, rfc7239: false, via: false },
        timeouts: NO_TIMEOUTS,
        cache: CacheStore::default(),
        http2: crate::config::Http2::default(),
        limits: Limits {
            head: 32 << 10,
            field: 16 << 10,
            fields: 100,
            target: 8 << 10,
            trailers: 8 << 10,
            body_min_rate: None,
            connections_per_client: None,
            requests_per_connection: None,
            connection_age: None,
            tunnel_buffer: 64 << 10,
            tunnel_memory: 256 << 20,
            memory: crate::config::Memory::Unlimited,
        },
        lists: BTreeMap::new(),
        drain: Drain { tunnels: Duration::from_secs(300), ..Drain::default() },
        access_log: AccessLog { to: LogSink::Off, format: LogFormat::Auto, redact: Vec::new() },
        log: Log { level: LogLevel::Info, format: LogFormat::Auto, to: LogSink::Stderr },
        admin: crate::config::Admin::default(),
        registry: crate::config::Registry::default(),
        tracing: crate::config::Tracing::default(),
        state_dir: "state".into(),
        acme: crate::config::Acme::default(),
        redis: None,
        unrouted: None,
        workers: None,
        dns: crate::config::Dns::default(),
        files: Vec::new(),
    }
}

/// A snapshot of keys that answer with their own text.
pub(crate) fn keys(keys: &[&str]) -> Snapshot {
    let routes = keys.iter().map(|key| ((*key).to_owned(), vec![respond(key)]));
    Snapshot::compile(&config(routes)).expect("a test's configuration compiles")
}

/// A template from text with facts in braces, of those that tests use.
pub(crate) fn template(text: &str) -> Template {
    let mut parts = Vec::new();
    for piece in text.split_inclusive('}') {
        let (literal, fact) = piece.split_once('{').unwrap_or((piece, ""));
        if !literal.is_empty() {
            parts.push(TemplatePart::Literal(literal.to_owned()));
        }
        let fact = match fact.trim_end_matches('}') {
            "" => continue,
            "host" => Fact::Host,
            "path" => Fact::Path,
            "query" => Fact::Query,
            "uri" => Fact::Uri,
            "scheme" => Fact::Scheme,
            "port" => Fact::Port,
            "client_ip" => Fact::ClientIp,
            "request_id" => Fact::RequestId,
            named => match named.split_once('.').expect("a known fact") {
                ("header", name) => Fact::Header(name.to_owned()),
                ("claim", name) => Fact::Claim(name.to_owned()),
                (_, name) => Fact::Cookie(name.to_owned()),
            },
        };
        parts.push(TemplatePart::Fact(fact));
    }
    Template { parts }
}

/// A request of a client at 192.0.2.1 on the first listener.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) host: String,
    pub(crate) client: Option<&'static str>,
    pub(crate) listener: u32,
    pub(crate) head: Vec<u8>,
    pub(crate) fields: Fields,
}

impl Request {
    /// `GET` of `host` and target in one text: `example.com/path?query`.
    pub(crate) fn get(url: &str) -> Self {
        let (host, target) = url.split_at(url.find('/').unwrap_or(url.len()));
        Self {
            method: "GET".to_owned(),
            target: if target.is_empty() { "/".to_owned() } else { target.to_owned() },
            host: host.to_owned(),
            client: Some("192.0.2.1"),
            listener: 0,
            head: Vec::new(),
            fields: Fields::new(),
        }
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        self.method = method.to_owned();
        self
    }

    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let mut add = |bytes: &[u8]| {
            let start = u32::try_from(self.head.len()).expect("a short head");
            self.head.extend_from_slice(bytes);
            Span { start, end: u32::try_from(self.head.len()).expect("a short head") }
        };
        let (name_id, name, _) = (Name::find(name.as_bytes()), add(name.as_bytes()), add(b": "));
        let value = add(value.as_ref());
        let line = Span { start: name.start, end: add(b"\r\n").end };
        self.fields.push(Field { name_id, name, value, line, dropped: false });
        self
    }

    /// Lends the facts of the request.
    pub(crate) fn facts<T>(&self, use_facts: impl FnOnce(&Facts<'_>) -> T) -> T {
        let host = (!self.host.is_empty()).then_some(self.host.as_bytes());
        let version = if host.is_some() { Version::Http11 } else { Version::Http10 };
        let destination = Destination::parse(self.method.as_bytes(), self.target.as_bytes(), host, version)
            .expect("a test's request has a sound target");
        use_facts(&Facts {
            method: self.method.as_bytes(),
            destination: &destination,
            fields: &self.fields,
            head: &self.head,
            client_ip: self.client.map(|ip| ip.parse().expect("an address")),
            listener: ListenerId(self.listener),
            listener_port: 8080,
            scheme: "http",
            client_cert: false,
            claims: &crate::policy::claims::NONE,
            request_id: b"id-1",
        })
    }

    /// The text that the found rule answers with. Searches with a trace and without, which must agree.
    pub(crate) fn answer(&self, snapshot: &Snapshot) -> Result<String, FindError> {
        self.facts(|facts| {
            let found = snapshot.find(facts, &mut NoTrace);
            assert_eq!(snapshot.find(facts, &mut Trail::default()), found, "a trace changed the answer");
            assert_eq!(snapshot.explain(facts).answer, found);
            found.map(|id| match &snapshot.rule(id).action {
                super::Action::Respond { body, .. } => body.to_string(),
                other => format!("{other:?}"),
            })
        })
    }
}

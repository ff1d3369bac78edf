//! The values that hold where a file says nothing: the last section of CONFIG.md, in one place.
//!
//! The walk of a file starts from these; tests and the proxy without a file use them as they are.

use super::{
    AccessLog, Acme, Address, Admin, Balance, Bind, Bounds, Config, Dns, Drain, Endpoint, EndpointScheme, Forwarded,
    Http2, Limits, Listener, Log, LogFormat, LogLevel, LogSink, Memory, Outlier, Pool, ProxyProtocol, Timeouts,
    Upstream, UpstreamTls,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The largest request body of a rule that says nothing: 100 MiB.
pub const MAX_BODY: u64 = 100 * 1024 * 1024;

/// How long the streams of a removed rule may go on where it says nothing.
pub const ON_REMOVE_DRAIN: Duration = Duration::from_mins(5);

/// Where the control socket lives where neither `state_dir:` nor the environment tells.
pub(super) const STATE_DIR: &str = "/var/lib/switchboard";

impl Default for Config {
    /// An empty registry on the default listeners. [`super::load()`] with an empty text also finds `state_dir`.
    fn default() -> Self {
        Self {
            listeners: vec![Listener::default()],
            routes: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            trusted_proxies: Vec::new(),
            forwarded: Forwarded::default(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            drain: Drain::default(),
            lists: BTreeMap::new(),
            access_log: AccessLog::default(),
            http2: Http2::default(),
            cache: super::CacheStore::default(),
            log: Log::default(),
            dns: Dns::default(),
            admin: Admin::default(),
            registry: super::Registry::default(),
            tracing: super::Tracing::default(),
            state_dir: PathBuf::from(STATE_DIR),
            acme: Acme::default(),
            redis: None,
            unrouted: None,
            workers: None,
            files: Vec::new(),
        }
    }
}

impl Default for Listener {
    /// What holds without `listen:`.
    fn default() -> Self {
        Self {
            bind: Bind::Default,
            name: "default".to_owned(),
            proxy_protocol: ProxyProtocol::Off,
            max_connections: None,
            timeouts: None,
            max_body: None,
            policies: None,
            tls: None,
            https_redirect: true,
            h2c: false,
        }
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self { idle: 128, idle_timeout: Duration::from_secs(50), max_age: Duration::from_mins(10) }
    }
}

impl Upstream {
    /// An upstream that says nothing but its endpoints.
    #[must_use]
    pub fn of(endpoints: Vec<Endpoint>) -> Self {
        Self {
            endpoints,
            pool: Pool::default(),
            host: None,
            balance: Balance::default(),
            slow_start: None,
            limits: Bounds::default(),
            health: None,
            outlier: Some(Outlier::default()),
            tls: UpstreamTls::default(),
            send_proxy_protocol: None,
            sticky: None,
            default_origin: None,
        }
    }
}

impl Endpoint {
    /// An endpoint that says nothing but its address.
    #[must_use]
    pub fn at(written: String, address: Address) -> Self {
        let scheme = EndpointScheme::of(&written);
        Self {
            written,
            address,
            scheme,
            host: None,
            weight: 1,
            backup: false,
            max_requests: None,
            tags: Vec::new(),
            seat: None,
        }
    }
}

impl Default for Forwarded {
    fn default() -> Self {
        Self { x_forwarded: true, rfc7239: false, via: false }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = |count| Some(Duration::from_secs(count));
        Self {
            tls_handshake: seconds(10),
            head: seconds(10),
            body: seconds(30),
            keep_alive: seconds(75),
            connect: seconds(3),
            first_byte: seconds(60),
            idle: seconds(60),
            tunnel_fin: seconds(30),
            write: seconds(60),
            total: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 32 * 1024,
            field: 16 * 1024,
            fields: 100,
            target: 8 * 1024,
            trailers: 8 * 1024,
            body_min_rate: Some(256),
            connections_per_client: None,
            requests_per_connection: Some(1000),
            connection_age: Some(Duration::from_hours(1)),
            tunnel_buffer: 64 * 1024,
            tunnel_memory: 256 << 20,
            memory: Memory::Auto,
        }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            http: Duration::from_secs(30),
            tunnels: Duration::from_mins(5),
            announce: Duration::ZERO,
            spread: Duration::from_mins(1),
            code: 1012,
        }
    }
}

impl Default for AccessLog {
    fn default() -> Self {
        Self { to: LogSink::Stdout, format: LogFormat::Auto, redact: Vec::new() }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel::Info, format: LogFormat::Auto, to: LogSink::Stderr }
    }
}

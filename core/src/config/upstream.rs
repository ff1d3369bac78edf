//! Upstreams as they were checked: endpoints, where these are, and how connections to them are kept.
//!
//! How an upstream chooses, probes and speaks TLS stands in files of their own. Names are not resolved here.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Balance, Bounds, EndpointScheme, Health, HostHeader, Outlier, ProxyVersion, Sticky, UpstreamTls};

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
    /// Whose seat on a ring it has taken ([`Config::seated_after`](super::Config::seated_after)); `None` is its own.
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
    /// How many are kept idle for longer than a second (default 128).
    pub idle: u32,
    /// How long one is kept idle (default 50 s, below the 60 s that servers commonly wait).
    pub idle_timeout: Duration,
    /// How old one may grow (default 10 min).
    pub max_age: Duration,
}

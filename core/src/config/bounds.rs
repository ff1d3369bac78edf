//! Time-outs, limits and how a shutdown goes, with their defaults (SECURITY §4 has the reasons).
//!
//! All of them are about one exchange, one connection or the whole proxy; those of a rule or an upstream stand there.

use std::time::Duration;

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
    /// Memory that the proxy may take before it gives things up.
    pub memory: Memory,
}

/// How much memory there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Memory {
    /// What the control group allows, where it allows only so much.
    #[default]
    Auto,
    /// So many bytes of the process' own.
    Bytes(u64),
    /// Nobody asks.
    Unlimited,
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

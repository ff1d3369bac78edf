//! Why the proxy answered by itself: the one table of codes, statuses and sentences.
//!
//! Every answer that no upstream made carries one of these in `x-switchboard-reason`, in its body and in the access log.
//! The codes are an interface: they may be added to, never renamed.

/// Why the proxy, not an upstream, decided how an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The request broke the rules of HTTP/1 or carried something that is never forwarded.
    BadRequest,
    /// The head is larger than `limits.head`, `limits.field` or `limits.fields` allow.
    HeadTooLarge,
    /// The request target is longer than `limits.target`.
    TargetTooLong,
    /// The body is larger than the route's `max_body`.
    BodyTooLarge,
    /// The head did not arrive whole within `timeouts.head`.
    HeadTimeout,
    /// The body stopped or trickled: `timeouts.body`, `limits.body_min_rate`.
    BodyTimeout,
    /// No route matches host and path.
    NoRoute,
    /// The directory of the route has no such file.
    NoFile,
    /// The content is no longer as the request wants it (`If-Match`, `If-Unmodified-Since`).
    PreconditionFailed,
    /// No part that the request asks for lies within the content.
    RangeNotSatisfiable,
    /// The authority is not served on this connection.
    Misdirected,
    /// The method is never forwarded (CONNECT, TRACE) or not allowed on this route.
    MethodNotAllowed,
    /// The HTTP version is not one that this listener speaks.
    UnsupportedVersion,
    /// A policy of the route refuses this client.
    Denied,
    /// A policy that looks for attacks cannot look at all that the request holds (`detect`).
    Uninspected,
    /// The route asks for an identity that the request does not prove.
    Unauthorized,
    /// A rate limit is spent.
    RateLimited,
    /// The route is closed for maintenance.
    Maintenance,
    /// No endpoint can be used: none resolves, or all are down.
    NoEndpoint,
    /// A limit on connections or memory is reached.
    Overloaded,
    /// The proxy is going away.
    Draining,
    /// No endpoint accepted the connection.
    ConnectRefused,
    /// No endpoint accepted the connection within `timeouts.connect`.
    ConnectTimeout,
    /// The TLS handshake with the endpoint failed.
    TlsFailed,
    /// The endpoint reset or closed the connection before a whole head came.
    UpstreamReset,
    /// The endpoint's answer broke the rules of HTTP.
    UpstreamBadResponse,
    /// The endpoint agreed to an upgrade in a way that proves nothing.
    UpgradeFailed,
    /// No byte of an answer came within `timeouts.first_byte`.
    ResponseTimeout,
    /// Only a stored answer was wanted (`only-if-cached`), and none can be given.
    NotCached,
    /// The rule has sent the request to the proxy itself, and it came to the same rule again.
    Loop,
    /// The client went away first; nobody reads this answer, so it stands in logs only.
    ClientGone,
    /// A WebSocket's message or frame is longer than `max_message` or `max_frame`: closed with 1009.
    MessageTooLong,
    /// A WebSocket's frame breaks RFC 6455 where `strict` is on: closed with 1002.
    FrameFault,
    /// Neither side of a WebSocket sent anything for `websocket.idle`: closed with 1001.
    TunnelIdle,
    /// A WebSocket reached `websocket.max_age`: closed with 1001.
    TunnelAge,
    /// One side of a WebSocket answered no ping of the proxy's.
    PeerDead,
    /// One side of a WebSocket was too slow to read, where `on_lag` is `close`: closed with 1013.
    SlowPeer,
    /// A file became shorter, or could not be read any further, while it was served; the answer was cut off.
    FileChanged,
    /// The proxy failed at something that is not the client's or the endpoint's fault.
    Internal,
}

impl Reason {
    /// Every reason, in the order of the table in the docs.
    pub const ALL: [Self; 39] = [
        Self::BadRequest,
        Self::HeadTooLarge,
        Self::TargetTooLong,
        Self::BodyTooLarge,
        Self::HeadTimeout,
        Self::BodyTimeout,
        Self::NoRoute,
        Self::NoFile,
        Self::PreconditionFailed,
        Self::RangeNotSatisfiable,
        Self::Misdirected,
        Self::MethodNotAllowed,
        Self::UnsupportedVersion,
        Self::Denied,
        Self::Uninspected,
        Self::Unauthorized,
        Self::RateLimited,
        Self::Maintenance,
        Self::NoEndpoint,
        Self::Overloaded,
        Self::Draining,
        Self::ConnectRefused,
        Self::ConnectTimeout,
        Self::TlsFailed,
        Self::UpstreamReset,
        Self::UpstreamBadResponse,
        Self::UpgradeFailed,
        Self::ResponseTimeout,
        Self::NotCached,
        Self::Loop,
        Self::ClientGone,
        Self::MessageTooLong,
        Self::FrameFault,
        Self::TunnelIdle,
        Self::TunnelAge,
        Self::PeerDead,
        Self::SlowPeer,
        Self::FileChanged,
        Self::Internal,
    ];

    /// The stable code, as headers and logs carry it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::HeadTooLarge => "head_too_large",
            Self::TargetTooLong => "target_too_long",
            Self::BodyTooLarge => "body_too_large",
            Self::HeadTimeout => "head_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::NoRoute => "no_route",
            Self::NoFile => "no_file",
            Self::PreconditionFailed => "precondition_failed",
            Self::RangeNotSatisfiable => "range_not_satisfiable",
            Self::Misdirected => "misdirected",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::UnsupportedVersion => "unsupported_version",
            Self::Denied => "denied",
            Self::Uninspected => "uninspected",
            Self::Unauthorized => "unauthorized",
            Self::RateLimited => "rate_limited",
            Self::Maintenance => "maintenance",
            Self::NoEndpoint => "no_endpoint",
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
            Self::ConnectRefused => "connect_refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::TlsFailed => "tls_failed",
            Self::UpstreamReset => "upstream_reset",
            Self::UpstreamBadResponse => "upstream_bad_response",
            Self::UpgradeFailed => "upgrade_failed",
            Self::ResponseTimeout => "response_timeout",
            Self::NotCached => "not_cached",
            Self::Loop => "loop",
            Self::ClientGone => "client_gone",
            Self::MessageTooLong => "message_too_long",
            Self::FrameFault => "frame_fault",
            Self::TunnelIdle => "tunnel_idle",
            Self::TunnelAge => "tunnel_age",
            Self::PeerDead => "peer_dead",
            Self::SlowPeer => "slow_peer",
            Self::FileChanged => "file_changed",
            Self::Internal => "internal",
        }
    }

    /// The status of the answer (RFC 9110 §15); 499 for what only logs see.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Denied | Self::Uninspected => 403,
            Self::NoRoute | Self::NoFile => 404,
            Self::MethodNotAllowed => 405,
            Self::HeadTimeout | Self::BodyTimeout => 408,
            Self::PreconditionFailed => 412,
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::RangeNotSatisfiable => 416,
            Self::Misdirected => 421,
            Self::RateLimited => 429,
            Self::HeadTooLarge => 431,
            Self::ClientGone
            | Self::MessageTooLong
            | Self::FrameFault
            | Self::TunnelIdle
            | Self::TunnelAge
            | Self::PeerDead
            | Self::SlowPeer => 499,
            Self::FileChanged | Self::Internal => 500,
            Self::ConnectRefused
            | Self::TlsFailed
            | Self::UpstreamReset
            | Self::UpstreamBadResponse
            | Self::UpgradeFailed => 502,
            Self::Maintenance | Self::NoEndpoint | Self::Overloaded | Self::Draining => 503,
            Self::ConnectTimeout | Self::ResponseTimeout | Self::NotCached => 504,
            Self::UnsupportedVersion => 505,
            Self::Loop => 508,
        }
    }
}

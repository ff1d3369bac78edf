//! What a rule says of its WebSockets. All of it is unlimited or off where nothing is said.

use std::sync::Arc;
use std::time::Duration;

use super::OriginPattern;

/// The limits of a rule's WebSockets, and what is done for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebSocket {
    /// Payload bytes of a message, as on the wire; one that is longer closes with 1009.
    pub max_message: Both<u64>,
    /// The same of a frame.
    pub max_frame: Both<u64>,
    /// Messages in a time.
    pub messages: Both<Rate>,
    /// Bytes in a time, as on the wire.
    pub bytes: Both<Rate>,
    /// What happens beyond these two.
    pub on_rate: OnRate,
    /// Open at once, of this rule and of one client of it (/64 for IPv6).
    pub max_tunnels: MaxTunnels,
    /// The age at which one is closed with 1001, up to a tenth earlier.
    pub max_age: Option<Duration>,
    /// The silence of both sides after which one is closed with 1001.
    pub idle: Option<Duration>,
    /// The silence of both sides after which the proxy pings both; one that does not answer for as long is gone.
    pub ping: Option<Duration>,
    /// What happens where one side takes less than the other sends.
    pub on_lag: OnLag,
    /// Whether a frame that breaks RFC 6455 closes with 1002.
    pub strict: bool,
    /// The origins whose pages may open one, besides the host's own; `None` is all.
    pub allowed_origins: Option<Arc<[OriginPattern]>>,
}

/// A limit for what each side sends; `None` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Both<T> {
    /// For the client.
    pub client: Option<T>,
    /// For the server.
    pub server: Option<T>,
}

impl<T> Default for Both<T> {
    fn default() -> Self {
        Self { client: None, server: None }
    }
}

/// So many in a time. As many may come at once after a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many; never zero.
    pub count: u64,
    /// In which time.
    pub per: Duration,
}

/// What happens to what comes faster than a rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRate {
    /// It waits: the sender is slowed down.
    #[default]
    Delay,
    /// The WebSocket is closed with 1008.
    Close,
}

/// What happens where one side of a WebSocket takes less than the other sends, and `limits.tunnel_buffer` is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLag {
    /// The sender is slowed down.
    #[default]
    Backpressure,
    /// The WebSocket is closed with 1013.
    Close,
    /// The oldest whole messages that are not compressed are left out.
    DropOldest,
}

/// Bounds on WebSockets open at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaxTunnels {
    /// Of the rule.
    pub route: Option<u32>,
    /// Of one client of it.
    pub client: Option<u32>,
}

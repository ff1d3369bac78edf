//! What a rule says of its event streams. All of it is unlimited or off where nothing is said.

use std::time::Duration;

use super::websocket::MaxTunnels;

/// The limits of a rule's event streams, and what is done for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sse {
    /// The silence after which the client gets a comment.
    pub heartbeat: Option<Duration>,
    /// Streams open at once, of this rule and of one client of it (/64 for IPv6).
    pub max_streams: MaxTunnels,
    /// What is kept for clients that come back.
    pub resume: Option<Resume>,
}

/// What is kept of each session's stream, so that a client that connects again gets what it missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// Events of one session.
    pub events: u32,
    /// Their age (`for`).
    pub age: Duration,
    /// What tells sessions apart.
    pub key: SessionKey,
    /// Bytes of all sessions of the rule.
    pub memory: u32,
}

/// What tells sessions apart. Requests without it have none, and nothing is kept for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionKey {
    /// The value of a cookie.
    Cookie(String),
    /// The value of a header field, its name in lower case.
    Header(String),
}

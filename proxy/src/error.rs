//! What can go wrong in an exchange, and whose doing it was.
//!
//! Stages return a `ProxyError`; `exchange::serve` alone turns it into an answer (invariant 4) and logs it once.

use std::io;

use switchboard_core::access;
use switchboard_core::reason::Reason;

/// Whose doing it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client's.
    Downstream,
    /// The endpoint's.
    Upstream,
    /// Our own.
    Proxy,
}

impl From<Side> for access::Side {
    fn from(side: Side) -> Self {
        match side {
            Side::Downstream => Self::Client,
            Side::Upstream => Self::Upstream,
            Side::Proxy => Self::Proxy,
        }
    }
}

/// Whether the same request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It may have been acted on, or the client is the cause.
    Never,
    /// Not a byte of it was sent: any method may go again, to another endpoint.
    Unsent,
    /// A kept connection was closed before it took a byte: any method may go again, to the same endpoint too.
    Unwritten,
    /// A kept connection was closed before a byte came back: what may be sent twice may go again.
    Stale,
    /// A fresh one was: the request itself may be the cause, so it may go to another endpoint only.
    Lost,
    /// No first byte came in time: what may be sent twice may go again, where the rule says so.
    Late,
}

/// An exchange that ended without an upstream's answer.
#[derive(Debug)]
pub struct ProxyError {
    /// Whose doing it was.
    pub side: Side,
    /// What the client is told.
    pub reason: Reason,
    /// Whether another attempt is allowed.
    pub retry: Retry,
    /// A sentence for the person who reads the answer; never an address, never an error text of the system.
    pub detail: &'static str,
    /// What the system said; for the log.
    pub source: Option<io::Error>,
    /// Fields that the answer has besides its own.
    pub fields: Option<Box<[(&'static str, String)]>>,
}

impl ProxyError {
    /// The client did what may not be done.
    pub const fn client(reason: Reason, detail: &'static str) -> Self {
        Self { side: Side::Downstream, reason, retry: Retry::Never, detail, source: None, fields: None }
    }

    /// The endpoint failed.
    pub const fn upstream(reason: Reason, detail: &'static str) -> Self {
        Self { side: Side::Upstream, reason, retry: Retry::Never, detail, source: None, fields: None }
    }

    /// We failed, or refuse.
    pub const fn own(reason: Reason, detail: &'static str) -> Self {
        Self { side: Side::Proxy, reason, retry: Retry::Never, detail, source: None, fields: None }
    }

    /// The client is gone: nobody reads an answer.
    pub const fn gone() -> Self {
        Self::client(Reason::ClientGone, "")
    }

    /// Adds what the system said.
    pub fn because(mut self, source: io::Error) -> Self {
        self.source = Some(source);
        self
    }

    /// Gives the answer further fields.
    pub fn with(mut self, fields: Vec<(&'static str, String)>) -> Self {
        self.fields = (!fields.is_empty()).then(|| fields.into());
        self
    }

    /// Says that another attempt is allowed.
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

//! The access record: what the proxy says about one exchange when it has ended, as one line.
//!
//! `exchange` fills it and writes it once, into the worker's log buffer; another thread takes it from there. Everything
//! in it is borrowed and nothing is allocated: a line costs well under a microsecond. Bytes that came from outside are
//! escaped so that a line stays a line, and values that look like credentials are masked.

pub mod escape;
mod json;
mod number;
pub mod redact;
mod text;

use std::net::IpAddr;
use std::time::Duration;

pub use redact::Redact;

use crate::trace::TraceId;

/// What is known of an exchange at its end. What did not happen is `None` or empty, and is left out of the line.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When it ended, as [`Stamp::rfc3339`](crate::stamp::Stamp::rfc3339) gives it.
    pub time: [u8; 24],
    /// The id that the answer carries too.
    pub request_id: &'a [u8],
    /// The trace that it is a part of, where traces are on.
    pub trace: Option<TraceId>,
    /// The client's address; `None` is written as `unix`.
    pub client: Option<IpAddr>,
    /// The route's key.
    pub route: &'a str,
    /// The upstream's name.
    pub upstream: &'a str,
    /// The endpoint as the configuration writes it.
    pub endpoint: &'a str,
    /// How many endpoints were asked; 0 where none was.
    pub attempt: u32,
    /// The method as received.
    pub method: &'a [u8],
    /// The host as received, with its port.
    pub host: &'a [u8],
    /// The path as received.
    pub path: &'a [u8],
    /// The query as received, without `?`.
    pub query: &'a [u8],
    /// `HTTP/1.1` and its like.
    pub protocol: &'static str,
    /// The version of TLS, `TLSv1.3`; empty on a plain connection.
    pub tls: &'static str,
    /// The name that the client asked for in its TLS handshake; empty where it asked for none, or there was none.
    pub sni: &'a [u8],
    /// The status that the client got; 0 where it got none.
    pub status: u16,
    /// The status that the upstream gave; 0 where it gave none.
    pub upstream_status: u16,
    /// Why the proxy answered or broke off: a code of [`Reason`](crate::reason::Reason), `respond` or `redirect`.
    pub reason: &'static str,
    /// What was wrong in particular, in words; empty where the reason says it all.
    pub detail: &'static str,
    /// What the cache did: `hit`, `miss`, `pass` and its like; empty where the rule has none.
    pub cache: &'static str,
    /// Bytes of the request's body, or from the client through the tunnel.
    pub bytes_in: u64,
    /// Bytes of the answer with its head, or to the client through the tunnel.
    pub bytes_out: u64,
    /// From the request's whole head to the last byte of the answer.
    pub total: Duration,
    /// For the connection to the endpoint; `None` where a kept one was used.
    pub connect: Option<Duration>,
    /// From the request's whole head to the first byte of the upstream's answer.
    pub first_byte: Option<Duration>,
    /// From the choice of an endpoint to the last byte of its answer.
    pub upstream_total: Option<Duration>,
    /// The user agent as received.
    pub user_agent: &'a [u8],
    /// The tunnel that the exchange turned into, and for how long.
    pub tunnel: Option<Tunnel<'a>>,
    /// Who ended it, where it did not end by itself.
    pub ended_by: Option<Side>,
}

/// A tunnel that an exchange became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel<'a> {
    /// The upgrade token.
    pub kind: &'a str,
    /// How long it lasted.
    pub duration: Duration,
    /// The longest that one side took nothing while data waited for it.
    pub lag: Duration,
    /// What of WebSocket passed through it; none where it is something else.
    pub frames: Option<Frames>,
}

/// What of WebSocket passed through a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    /// Messages of the client.
    pub messages_in: u64,
    /// Messages of the endpoint.
    pub messages_out: u64,
    /// The payload of the longest message, as on the wire.
    pub longest: u64,
    /// Frames that break RFC 6455 and passed.
    pub faults: u32,
    /// Messages that were dropped because their reader was too slow.
    pub dropped: u64,
    /// Who sent a Close first, and with which code; 1005 is none.
    pub closed: Option<(Side, u16)>,
    /// The longest that a Pong took.
    pub slowest_pong: Option<Duration>,
}

/// Who ended an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client.
    Client,
    /// The endpoint.
    Upstream,
    /// The proxy: a limit, a time-out, a drain.
    Proxy,
}

impl Side {
    /// The word in the line.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Proxy => "proxy",
        }
    }
}

impl Record<'_> {
    /// Appends it as one JSON object and a line feed.
    pub fn write_json(&self, redact: &Redact, out: &mut Vec<u8>) {
        json::write(self, redact, out);
    }

    /// Appends it as one line for people, aligned, with terminal colours where `colours` says so.
    pub fn write_text(&self, redact: &Redact, colours: bool, out: &mut Vec<u8>) {
        text::write(self, redact, colours, out);
    }
}

#[cfg(test)]
mod tests;

//! The answer on its way down: what of it ends at this hop, and the head that a client reads.
//!
//! The exchange calls [`examine_response`] once per head, interim ones too, and [`write_response`] when it knows how
//! the body will be delimited. It adds nothing to what an upstream says of itself: `Server` and `Date` pass as they are.

use super::connection::{Options, drop_nominated};
use super::write::{framing_line, kept_lines, line, via_line};
use super::{Framing, HOP_BY_HOP, Rejected};
use crate::message::{Fields, Name, Version};
use crate::reason::Reason;

/// What an answer says to this hop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseHop {
    /// `Connection: close`
    pub close: bool,
    /// `Connection: keep-alive`
    pub keep_alive: bool,
}

/// Reads what an answer says to this hop, and marks as dropped what it nominates for removal.
///
/// # Errors
///
/// [`Reason::UpstreamBadResponse`] where `Connection` nominates a field that must not be removed or has over 32 options. An option that is no
/// token is passed over: it removes nothing, and servers that add their own are about.
pub fn examine_response(fields: &mut Fields, bytes: &[u8]) -> Result<ResponseHop, Rejected> {
    let mut asks = Options::default();
    for field in fields.named(Name::Connection) {
        asks.add(field.value.of(bytes));
    }
    if asks.too_many() {
        return Err(bad("The answer's Connection fields hold more than 32 options."));
    }
    if asks.nominates {
        drop_nominated(fields, bytes)
            .map_err(|_| bad("The answer's Connection nominates a field that must not be removed on the way."))?;
    }
    Ok(ResponseHop { close: asks.close, keep_alive: asks.keep_alive })
}

const fn bad(detail: &'static str) -> Rejected {
    Rejected { reason: Reason::UpstreamBadResponse, detail }
}

/// What the client is told about its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Nothing: HTTP/1.1 stays open.
    Implied,
    /// It stays open: for HTTP/1.0 clients that asked for it.
    KeepAlive,
    /// It ends with this answer.
    Close,
}

/// What an answer's head says, beyond the lines that are kept.
#[derive(Clone, Copy, Debug)]
pub struct ResponsePlan<'a> {
    /// Three digits.
    pub status: u16,
    /// The phrase as received; it may be empty.
    pub phrase: &'a [u8],
    /// How the body is delimited.
    pub framing: Framing,
    /// What is said about the connection. With `upgrade` nothing is.
    pub persistence: Persistence,
    /// The protocol of a verified 101.
    pub upgrade: Option<&'a [u8]>,
    /// The version in which the upstream answered, if `Via` is wanted.
    pub via: Option<Version>,
    /// The id of the exchange, if the answer is to carry it; an id of the upstream's own is then left out.
    pub request_id: Option<&'a [u8]>,
    /// Lines that policies add, each with its CRLF.
    pub lines: &'a [u8],
}

/// Appends the head of an answer to `out`, up to and with the empty line. The version is always 1.1, our own, whatever
/// the two ends speak (RFC 9112 §2.3).
pub fn write_response(out: &mut Vec<u8>, fields: &Fields, bytes: &[u8], plan: &ResponsePlan<'_>) {
    out.reserve(bytes.len() + 128);
    out.extend_from_slice(b"HTTP/1.1 ");
    super::write::decimal(out, u64::from(plan.status));
    // The space stands also before an empty phrase (RFC 9112 §4).
    line(out, b" ", plan.phrase);
    let rewritten = HOP_BY_HOP
        .with(Name::XRequestId, plan.request_id.is_some())
        .with(Name::ContentLength, plan.framing != Framing::Declared);
    kept_lines(out, fields, bytes, rewritten);
    out.extend_from_slice(plan.lines);
    framing_line(out, plan.framing);
    if let Some(token) = plan.upgrade {
        line(out, b"connection: upgrade\r\nupgrade: ", token);
    } else {
        match plan.persistence {
            Persistence::Implied => {}
            Persistence::KeepAlive => out.extend_from_slice(b"connection: keep-alive\r\n"),
            Persistence::Close => out.extend_from_slice(b"connection: close\r\n"),
        }
    }
    if let Some(received) = plan.via {
        via_line(out, received);
    }
    if let Some(id) = plan.request_id {
        line(out, b"x-request-id: ", id);
    }
    out.extend_from_slice(b"\r\n");
}

//! The request as it came: what of it is believed, what this hop is asked, what is dropped.
//!
//! The exchange calls [`examine`] once, before routing conditions and policies read the fields; `head` writes what an
//! upstream reads for each attempt; `vouched` what a cache has to know of it. None looks at a body or chooses an endpoint.

mod head;
mod vouched;

use std::net::IpAddr;

use super::chain::{self, Told};
use super::connection::{Options, drop_nominated, options};
use super::passed;
use super::{Peer, Rejected};
use crate::config::Cidr;
use crate::message::{Field, Fields, Name, Span, Version};
use crate::reason::Reason;

pub use head::{RequestPlan, write_request};

/// How a request came in.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Its method.
    pub method: &'a [u8],
    /// Its version.
    pub version: Version,
    /// Who sent it.
    pub peer: &'a Peer,
    /// Whose word counts.
    pub trusted_proxies: &'a [Cidr],
}

/// What a request says to this hop. Spans are into the head's buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// The client's address: the peer's, or what trusted peers say about it. `None` behind a unix socket.
    pub client: Option<IpAddr>,
    /// `Host` as it came.
    pub host: Option<Span>,
    /// The one protocol that the client would change to: `Upgrade` holds exactly one token and `Connection` says so.
    /// `websocket::examine` decides what comes of it.
    pub upgrade: Option<Span>,
    /// The request id of a trusted peer, if it is 1–128 visible ASCII bytes. Else the proxy gives one.
    pub request_id: Option<Span>,
    /// For OPTIONS: how many hops it may still make (RFC 9110 §7.6.2). At 0 the proxy answers it itself.
    pub max_forwards: Option<u32>,
    /// Whether the client takes trailers (`TE: trailers`).
    pub te_trailers: bool,
    /// Whether the client waits for a 100 before it sends the body (RFC 9110 §10.1.1).
    pub expect_continue: bool,
    /// `Connection: close`
    pub close: bool,
    /// `Connection: keep-alive`
    pub keep_alive: bool,
    /// It brings marks of rules that sent it to this proxy, as whoever sent it says; see [`super::marks`].
    pub passed: bool,
    /// What a trusted peer says; for others the peer's block stands.
    told: Option<Told>,
}

impl Hop {
    /// The scheme that the client used, in lower case, as far as it can be known: `ws` and `wss` are `http` and `https`.
    #[must_use]
    pub fn scheme(&self, bytes: &[u8], peer: &Peer) -> &'static str {
        let Some(proto) = self.told.and_then(|told| told.proto) else { return peer.scheme().text() };
        match proto.of(bytes).last() {
            Some(b's' | b'S') if proto.of(bytes).len() != 2 => "https",
            _ => "http",
        }
    }
}

/// Reads what a request says to this hop, and marks as dropped what nobody may believe.
///
/// # Errors
///
/// [`Reason::BadRequest`] for a `Connection` that is malformed, has over 32 options or nominates a field that must not
/// be removed, for a `Max-Forwards` of OPTIONS that is no number, and for a trusted chain of over 100 hops.
pub fn examine(fields: &mut Fields, bytes: &[u8], arrival: &Arrival<'_>) -> Result<Hop, Rejected> {
    let trusted = arrival.peer.trusted();
    let mut hop = Hop { client: arrival.peer.ip(), ..Hop::default() };
    let mut asks = Options::default();
    let mut upgrade = Offer::None;
    for field in fields.all_mut() {
        match field.name_id {
            Name::Other if is_unwelcome(field.name.of(bytes), trusted) => {
                field.dropped = true;
                hop.passed |= passed::is_marks(field, bytes);
            }
            Name::Other => {}
            Name::Host => hop.host = Some(field.value),
            Name::Connection => asks.add(field.value.of(bytes)),
            Name::Upgrade => upgrade.add(field.value, bytes),
            Name::Te => {
                hop.te_trailers |= options(field.value.of(bytes)).any(|te| te.eq_ignore_ascii_case(b"trailers"))
            }
            Name::Expect if field.value.of(bytes).eq_ignore_ascii_case(b"100-continue") => {
                // In HTTP/1.0 it means nothing (RFC 9110 §10.1.1). The writer adds it where the plan says so.
                hop.expect_continue = arrival.version != Version::Http10;
                field.dropped = true;
            }
            Name::MaxForwards if arrival.method == b"OPTIONS" => hop.count_down(field, bytes)?,
            Name::XRequestId if trusted => {
                hop.request_id = Some(field.value).filter(|id| is_request_id(id.of(bytes)));
            }
            Name::Forwarded
            | Name::XForwardedFor
            | Name::XForwardedProto
            | Name::XForwardedHost
            | Name::XForwardedPort
            | Name::XForwardedPrefix
            | Name::XForwardedServer
            | Name::XRealIp
            | Name::XRequestId
            | Name::XOriginalUrl
            | Name::XRewriteUrl => field.dropped |= !trusted,
            // What a CGI program would take for the address of its own proxy.
            Name::Proxy => field.dropped = true,
            Name::KeepAlive
            | Name::ProxyConnection
            | Name::ContentLength
            | Name::TransferEncoding
            | Name::Trailer
            | Name::Expect
            | Name::ContentType
            | Name::Accept
            | Name::Authorization
            | Name::ProxyAuthorization
            | Name::ProxyAuthenticate
            | Name::ProxyAuthenticationInfo
            | Name::Cookie
            | Name::SetCookie
            | Name::CacheControl
            | Name::UserAgent
            | Name::Via
            | Name::MaxForwards
            | Name::SecWebSocketKey
            | Name::SecWebSocketVersion
            | Name::SecWebSocketAccept
            | Name::SecWebSocketProtocol
            | Name::SecWebSocketExtensions
            | Name::Http2Settings
            | Name::Origin => {}
        }
    }
    if asks.malformed {
        return Err(bad("A Connection field holds something that is not a token."));
    }
    if asks.too_many() {
        return Err(bad("The Connection fields hold more than 32 options."));
    }
    hop.close = asks.close;
    hop.keep_alive = asks.keep_alive;
    // HTTP/2 has no Connection to name it in (RFC 9113 §8.2.2).
    hop.te_trailers &= asks.te || arrival.version == Version::Http2;
    if asks.upgrade {
        hop.upgrade = upgrade.token();
    }
    if trusted {
        let told = chain::told(fields, bytes, arrival)?;
        hop.client = told.client.or(hop.client);
        hop.told = Some(told);
    }
    if asks.nominates {
        drop_nominated(fields, bytes)
            .map_err(|_| bad("Connection nominates a field that must not be removed on the way."))?;
    }
    Ok(hop)
}

const fn bad(detail: &'static str) -> Rejected {
    Rejected { reason: Reason::BadRequest, detail }
}

impl Hop {
    fn count_down(&mut self, field: &mut Field, bytes: &[u8]) -> Result<(), Rejected> {
        let digits = field.value.of(bytes);
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) || self.max_forwards.is_some() {
            return Err(bad("Max-Forwards must be one number."));
        }
        let value =
            digits.iter().fold(0_u32, |sum, digit| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
        self.max_forwards = Some(value);
        field.dropped = true;
        Ok(())
    }
}

/// What the `Upgrade` lines offer.
#[derive(Clone, Copy)]
enum Offer {
    None,
    One(Span),
    Several,
}

impl Offer {
    fn add(&mut self, value: Span, bytes: &[u8]) {
        let is_one =
            value.start < value.end && value.of(bytes).iter().all(|&byte| super::connection::is_token_byte(byte));
        *self = match self {
            Self::None if is_one => Self::One(value),
            Self::None | Self::One(_) | Self::Several => Self::Several,
        };
    }

    const fn token(self) -> Option<Span> {
        match self {
            Self::One(token) => Some(token),
            Self::None | Self::Several => None,
        }
    }
}

/// Tells whether a field with a name of no other meaning is kept from policies and upstreams.
///
/// Every name with `_` or `.` is: CGI, WSGI and PHP spell `X-User`, `X_User` and `X.User` alike, so such a name can
/// pass for one that the proxy or a policy has set, whichever that is.
fn is_unwelcome(name: &[u8], trusted: bool) -> bool {
    has_alias_byte(name)
        || (matches!(name, [b'x' | b'X', b'-', ..] | [b'c' | b'C', b'l' | b'L', ..]) && is_reserved(name, trusted))
}

/// Tells whether `_` or `.` is in a name: eight bytes at a time, the last eight overlapping those before.
fn has_alias_byte(name: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    // A byte that equals the one looked for becomes zero, and only from a zero does a borrow reach the top bit.
    let has = |word: u64, byte: u8| {
        let word = word ^ (ONES * u64::from(byte));
        word.wrapping_sub(ONES) & !word & (ONES << 7) != 0
    };
    let either = |bytes: &[u8; 8]| {
        let word = u64::from_ne_bytes(*bytes);
        has(word, b'_') || has(word, b'.')
    };
    match name.last_chunk() {
        Some(last) => either(last) || name.as_chunks().0.iter().any(either),
        None => name.iter().any(|byte| matches!(byte, b'_' | b'.')),
    }
}

/// Ours alone is `x-switchboard-`; the word of proxies are `x-forwarded-`, `x-client-cert` and RFC 9440's `client-cert`.
fn is_reserved(name: &[u8], trusted: bool) -> bool {
    begins(name, &[b"x-switchboard-"])
        || (!trusted && begins(name, &[b"x-forwarded-", b"x-client-cert", b"client-cert"]))
}

/// Whether a text begins with one of these, without regard to case.
fn begins(text: &[u8], prefixes: &[&[u8]]) -> bool {
    prefixes.iter().any(|prefix| text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)))
}

fn is_request_id(id: &[u8]) -> bool {
    (1..=128).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

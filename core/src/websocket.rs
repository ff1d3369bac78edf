//! Upgrades (RFC 9110 §7.8), and above all the WebSocket handshake (RFC 6455 §4), as bytes.
//!
//! The exchange asks [`examine`] what a request's `Upgrade` comes to, before it dials, and [`verify_101`] whether an
//! upstream has really agreed, before it makes a tunnel. Subprotocols, extensions and `Origin` pass from end to end:
//! a client that is answered with one that it did not offer fails the connection itself (RFC 6455 §4.1), so they are
//! not judged here. What flows afterwards is [`frame`]'s.

pub mod frame;
pub mod rate;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use crate::forwarding::{Framing, Hop, Rejected};
use crate::message::{Fields, Name, Version};
use crate::reason::Reason;

/// The only protocol whose handshake the proxy knows; others go by their token alone.
const WEBSOCKET: &str = "websocket";

/// What a server appends to the key before it hashes (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What a request's `Upgrade` comes to. It owns what the answer is held against, so the request's head need not outlive
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// Nothing: the request goes up without `Upgrade`.
    None,
    /// A WebSocket, and the `Sec-WebSocket-Accept` that proves the upstream's consent.
    WebSocket([u8; 28]),
    /// Another protocol of the rule's list, in its spelling.
    Other(Box<str>),
}

impl Upgrade {
    /// The token to offer upstream and to answer with; `None` where nothing is offered.
    #[must_use]
    pub fn token(&self) -> Option<&[u8]> {
        match self {
            Self::None => None,
            Self::WebSocket(_) => Some(WEBSOCKET.as_bytes()),
            Self::Other(token) => Some(token.as_bytes()),
        }
    }
}

/// Decides what a request's `Upgrade` comes to. `allowed` is the rule's list, in lower case.
///
/// An offer of several protocols, of one that is not in the list, or in HTTP/1.0 comes to nothing (RFC 9110 §7.8 lets
/// a server ignore it); except that a WebSocket handshake with a wrong method, version or body is refused.
///
/// # Errors
///
/// [`Reason::BadRequest`] for a WebSocket handshake that breaks RFC 6455 §4.1. One with another
/// `Sec-WebSocket-Version` than 13 passes, for the upstream to say 426 and which versions it speaks.
pub fn examine(
    fields: &Fields,
    bytes: &[u8],
    hop: &Hop,
    request: &Handshake<'_>,
    allowed: &[String],
) -> Result<Upgrade, Rejected> {
    let Some(offered) = hop.upgrade.map(|token| token.of(bytes)) else { return Ok(Upgrade::None) };
    let Some(token) = allowed.iter().find(|token| offered.eq_ignore_ascii_case(token.as_bytes())) else {
        return Ok(Upgrade::None);
    };
    if token != WEBSOCKET {
        return Ok(if request.version == Version::Http10 {
            Upgrade::None
        } else {
            Upgrade::Other(token.as_str().into())
        });
    }
    if request.version == Version::Http10 {
        return Err(bad("A WebSocket handshake needs HTTP/1.1."));
    }
    if request.method != b"GET" {
        return Err(bad("A WebSocket handshake needs the method GET."));
    }
    if !matches!(request.framing, Framing::None | Framing::Length(0)) {
        return Err(bad("A WebSocket handshake has no body."));
    }
    if only(fields, Name::SecWebSocketVersion, bytes).is_none() {
        return Err(bad("A WebSocket handshake needs one Sec-WebSocket-Version."));
    }
    match only(fields, Name::SecWebSocketKey, bytes) {
        Some(key) if !key.is_empty() => Ok(Upgrade::WebSocket(accept(key))),
        _ => Err(bad("A WebSocket handshake needs one Sec-WebSocket-Key.")),
    }
}

/// The parts of a request that a handshake depends on, besides its fields.
#[derive(Clone, Copy, Debug)]
pub struct Handshake<'a> {
    /// The method.
    pub method: &'a [u8],
    /// The version.
    pub version: Version,
    /// How the request's body is delimited.
    pub framing: Framing,
}

/// Why an upstream's 101 is no consent. The upstream connection is closed and the client reads `upgrade_failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeFault {
    /// Nobody offered an upgrade.
    Unasked,
    /// `Upgrade` is missing, there twice, or not what was offered.
    Token,
    /// `Connection` does not say `upgrade`.
    Connection,
    /// `Sec-WebSocket-Accept` is missing, there twice, or not made from the client's key.
    Accept,
}

impl UpgradeFault {
    /// One sentence for the answer and the log.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Unasked => "The upstream answered 101 to a request that offered no upgrade.",
            Self::Token => "The upstream's 101 does not name the protocol that was offered in Upgrade.",
            Self::Connection => "The upstream's 101 has no Connection: upgrade.",
            Self::Accept => "The upstream's 101 has no Sec-WebSocket-Accept that fits the client's key.",
        }
    }
}

/// Tells whether a 101 agrees to what was offered (RFC 6455 §4.1). It asks nothing of other statuses: those are
/// ordinary answers whatever their `Upgrade` says.
///
/// # Errors
///
/// The first thing that is wrong with it.
pub fn verify_101(fields: &Fields, bytes: &[u8], upgrade: &Upgrade) -> Result<(), UpgradeFault> {
    let offered = upgrade.token().ok_or(UpgradeFault::Unasked)?;
    if !only(fields, Name::Upgrade, bytes).is_some_and(|token| token.eq_ignore_ascii_case(offered)) {
        return Err(UpgradeFault::Token);
    }
    let mut options =
        fields.named(Name::Connection).flat_map(|field| field.value.of(bytes).split(|&byte| byte == b','));
    if !options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade")) {
        return Err(UpgradeFault::Connection);
    }
    match upgrade {
        Upgrade::WebSocket(accept) if only(fields, Name::SecWebSocketAccept, bytes) != Some(accept) => {
            Err(UpgradeFault::Accept)
        }
        Upgrade::WebSocket(_) | Upgrade::Other(_) | Upgrade::None => Ok(()),
    }
}

/// The `Sec-WebSocket-Key` of a handshake that the proxy makes itself, for a client that has none (RFC 8441 §5.1).
#[must_use]
pub fn key(nonce: [u8; 16]) -> [u8; 24] {
    let mut text = [0; 24];
    // 16 bytes make 24 characters, so it always fits.
    let _ = STANDARD.encode_slice(nonce, &mut text);
    text
}

/// The `Sec-WebSocket-Accept` for a key (RFC 6455 §4.2.2): the key as it stands, of whatever form.
#[must_use]
pub fn accept(key: &[u8]) -> [u8; 28] {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    let mut text = [0; 28];
    // 20 bytes make 28 characters, so it always fits; if it did not, zeroes would match no answer.
    let _ = STANDARD.encode_slice(hash.finalize(), &mut text);
    text
}

/// The value of a field that is there exactly once.
fn only<'a>(fields: &Fields, name: Name, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let mut found = fields.named(name);
    let value = found.next()?.value.of(bytes);
    found.next().is_none().then_some(value)
}

const fn bad(detail: &'static str) -> Rejected {
    Rejected { reason: Reason::BadRequest, detail }
}

#[cfg(test)]
mod tests;

//! Heads that go out: lines as our own writers made them, encoded into header blocks.
//!
//! What only HTTP/1 understands is left out (RFC 9113 §8.2.2). Nothing here judges a peer.

use super::hpack::{put_field, put_indexed_status};
use super::{is_of_http1, line_at, lines, may_trail};
use crate::forwarding::Scheme;
use crate::message::Name;
use crate::websocket;

/// What the lines of an answer say besides their fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// It agrees to a tunnel.
    pub(super) switches: bool,
}

/// Encodes the lines of an answer. A 101 becomes 200: HTTP/2 opens a tunnel with that (RFC 8441 §5). `None` where there is
/// no status line.
pub(super) fn put_answer(lines: &[u8], out: &mut Vec<u8>) -> Option<Answer> {
    let first = line_at(lines, 0)?;
    let status: [u8; 3] = first.get(9..12)?.try_into().ok()?;
    let switches = status == *b"101";
    put_indexed_status(out, if switches { *b"200" } else { status });
    put_fields(lines.get(first.len() + 2..)?, out, |name| switches && name == Name::SecWebSocketAccept);
    let status = status.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit.wrapping_sub(b'0')));
    Some(Answer { status, switches })
}

/// What the lines of a request say besides their fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// It asks for a tunnel, and this is what HTTP/1 would prove the consent with.
    pub accept: Option<[u8; 28]>,
    /// Its answer has no body, whatever it declares.
    pub(super) is_head: bool,
}

/// Encodes the lines of a request. An upgrade to WebSocket becomes an extended CONNECT (RFC 8441 §4). `None` for other
/// upgrades, which HTTP/2 has not, and where there is no request line.
pub(super) fn put_request(text: &[u8], scheme: Scheme, out: &mut Vec<u8>) -> Option<Request> {
    let first = line_at(text, 0)?;
    let rest = text.get(first.len() + 2..)?;
    let mut parts = first.split(|byte| *byte == b' ');
    let (method, target) = (parts.next()?, parts.next()?);
    let (mut host, mut upgrade, mut key): (&[u8], Option<&[u8]>, &[u8]) = (&[], None, &[]);
    for line in lines(rest) {
        let value = rest.get(line.value).unwrap_or_default();
        match Name::find(rest.get(line.name).unwrap_or_default()) {
            Name::Host => host = value,
            Name::Upgrade => upgrade = Some(value),
            Name::SecWebSocketKey => key = value,
            _ => {}
        }
    }
    let tunnel = match upgrade {
        Some(token) if token.eq_ignore_ascii_case(b"websocket") => true,
        Some(_) => return None,
        None => false,
    };
    put_field(out, b":method", if tunnel { b"CONNECT" } else { method });
    if tunnel {
        put_field(out, b":protocol", b"websocket");
    }
    put_field(out, b":scheme", scheme.text().as_bytes());
    put_field(out, b":authority", host);
    put_field(out, b":path", target);
    put_fields(rest, out, |name| name == Name::Host || (tunnel && name == Name::SecWebSocketKey));
    Some(Request { accept: tunnel.then(|| websocket::accept(key)), is_head: method == b"HEAD" })
}

/// Encodes trailer lines, without those that may not come late.
pub(super) fn put_trailers(text: &[u8], out: &mut Vec<u8>) {
    for line in lines(text) {
        let name = text.get(line.name).unwrap_or_default();
        if may_trail(name) && !is_of_http1(Name::find(name)) {
            put_field(out, name, text.get(line.value).unwrap_or_default());
        }
    }
}

/// Encodes the fields of lines, without those of HTTP/1 alone and those that `skips`.
fn put_fields(text: &[u8], out: &mut Vec<u8>, skips: impl Fn(Name) -> bool) {
    for line in lines(text) {
        let name = text.get(line.name).unwrap_or_default();
        let known = Name::find(name);
        if !is_of_http1(known) && !skips(known) {
            put_field(out, name, text.get(line.value).unwrap_or_default());
        }
    }
}

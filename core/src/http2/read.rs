//! Decoded blocks, read as heads and trailers: what RFC 9113 §8 forbids is refused, the rest gets the form that all
//! versions share.
//!
//! A WebSocket's extended CONNECT (RFC 8441) becomes the GET with `Upgrade` that it stands for, so that everything above
//! judges it as one.

use super::hpack::{Block, Piece};
use super::{Builder, Malformed, may_trail};
use crate::forwarding::Scheme;
use crate::http1::{Framing, RequestHead, ResponseHead};
use crate::message::{Name, Version};
use crate::websocket;

/// What a request is held against.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How its connection came in.
    pub scheme: Scheme,
    /// Whether the peer may speak for another one, whose scheme is its own.
    pub trusted: bool,
    /// Fields at most.
    pub fields: usize,
    /// What a handshake's key is made of.
    pub nonce: [u8; 16],
}

/// The pseudo-fields of a request.
#[derive(Debug, Default)]
struct Pseudo<'a> {
    method: Option<&'a [u8]>,
    scheme: Option<&'a [u8]>,
    authority: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
    protocol: Option<&'a [u8]>,
}

/// Writes a request's head into `out` and `head`; `ended` where no frame follows it.
///
/// # Errors
/// What makes it malformed, or `TooLarge`.
pub fn request(
    block: &Block,
    ended: bool,
    terms: &Terms,
    out: &mut Vec<u8>,
    head: &mut RequestHead,
) -> Result<(), Malformed> {
    if block.is_cut {
        out.clear();
        head.clear();
        head.version = Version::Http2;
        return Err(Malformed::TooLarge);
    }
    let (pseudo, fields) = pseudo_fields(block)?;
    let method = pseudo.method.filter(|method| is_token(method)).ok_or(Malformed::Method)?;
    let tunnel = match pseudo.protocol {
        Some(protocol) if protocol.eq_ignore_ascii_case(b"websocket") && method == b"CONNECT" => true,
        Some(_) => return Err(Malformed::Protocol),
        None => false,
    };
    let authority = authority(&pseudo, block, fields)?;
    let target = target(&pseudo, method, tunnel, terms, authority)?;
    let method = if tunnel { b"GET" } else { method };
    let mut lines = Builder::request(out, head, method, target, terms.fields);
    lines.line(Name::Host, b"host", authority);
    for piece in fields {
        let (name, value) = (piece.name.of(&block.bytes), piece.value.of(&block.bytes));
        // The key is HTTP/1's, and ours to make.
        if piece.known == Name::Host || (tunnel && matches!(piece.known, Name::SecWebSocketKey | Name::ContentLength)) {
            continue;
        }
        lines.known_field(piece.known, name, value)?;
    }
    if tunnel {
        lines.line(Name::Connection, b"connection", b"upgrade");
        lines.line(Name::Upgrade, b"upgrade", b"websocket");
        lines.line(Name::SecWebSocketKey, b"sec-websocket-key", &websocket::key(terms.nonce));
    }
    let length = lines.length();
    if ended && length.is_some_and(|length| length > 0) {
        return Err(Malformed::Length);
    }
    lines.finish_request(head, ended || tunnel);
    Ok(())
}

/// Writes an answer's head into `out` and `head`; `ended` where no frame follows it. With `accept` it answers an extended
/// CONNECT: a 2xx opens the tunnel, and becomes the 101 that it stands for.
///
/// # Errors
/// What makes it malformed, or `TooLarge`.
pub fn answer(
    block: &Block,
    ended: bool,
    accept: Option<[u8; 28]>,
    most: usize,
    out: &mut Vec<u8>,
    head: &mut ResponseHead,
) -> Result<(), Malformed> {
    if block.is_cut {
        return Err(Malformed::TooLarge);
    }
    let status = status(block).ok_or(Malformed::Status)?;
    let accept = accept.filter(|_| (200..300).contains(&status));
    let status = if accept.is_some() { 101 } else { status };
    let mut lines = Builder::answer(out, head, status, most);
    for piece in block.pieces.get(1..).unwrap_or_default() {
        lines.known_field(piece.known, piece.name.of(&block.bytes), piece.value.of(&block.bytes))?;
    }
    if let Some(accept) = accept {
        lines.line(Name::Connection, b"connection", b"upgrade");
        lines.line(Name::Upgrade, b"upgrade", b"websocket");
        lines.line(Name::SecWebSocketAccept, b"sec-websocket-accept", &accept);
    }
    lines.finish_answer(head, ended);
    Ok(())
}

/// The status of an answer, where it is a number that may stand there: 101 may not (RFC 9113 §8.6).
pub(super) fn status(block: &Block) -> Option<u16> {
    let first = block.pieces.first()?;
    let digits: &[u8; 3] = first.value.of(&block.bytes).try_into().ok()?;
    if first.name.of(&block.bytes) != b":status" || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let status = digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    (status >= 100 && status != 101).then_some(status)
}

/// Writes trailers as lines, without those that may not come late (SECURITY case 31).
///
/// # Errors
/// What makes the message malformed: pseudo-fields too (§8.1).
pub(super) fn trailers(block: &Block, out: &mut Vec<u8>) -> Result<(), Malformed> {
    for piece in &block.pieces {
        let (name, value) = (piece.name.of(&block.bytes), piece.value.of(&block.bytes));
        Builder::check(piece.known, name, value)?;
        if may_trail(name) {
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
    }
    Ok(())
}

/// Takes the pseudo-fields off the front; one that is unknown, twice there, or behind a field is refused (§8.3).
fn pseudo_fields(block: &Block) -> Result<(Pseudo<'_>, &[Piece]), Malformed> {
    let mut pseudo = Pseudo::default();
    let is_pseudo = |piece: &Piece| piece.name.of(&block.bytes).first() == Some(&b':');
    let count = block.pieces.iter().take_while(|piece| is_pseudo(piece)).count();
    let (first, fields) = block.pieces.split_at_checked(count).unwrap_or_default();
    for piece in first {
        let place = match piece.name.of(&block.bytes) {
            b":method" => &mut pseudo.method,
            b":scheme" => &mut pseudo.scheme,
            b":authority" => &mut pseudo.authority,
            b":path" => &mut pseudo.path,
            b":protocol" => &mut pseudo.protocol,
            _ => return Err(Malformed::Pseudo),
        };
        if place.replace(piece.value.of(&block.bytes)).is_some() {
            return Err(Malformed::Pseudo);
        }
    }
    Ok((pseudo, fields))
}

/// The target of a request line (§8.3.1, §8.5).
fn target<'a>(
    pseudo: &Pseudo<'a>,
    method: &[u8],
    tunnel: bool,
    terms: &Terms,
    authority: &'a [u8],
) -> Result<&'a [u8], Malformed> {
    if method == b"CONNECT" && !tunnel {
        // An authority in place of a path; it is refused above, with a sentence.
        return match (pseudo.scheme, pseudo.path) {
            (None, None) => Ok(authority),
            _ => Err(Malformed::Pseudo),
        };
    }
    // Another scheme than the connection's would make links and cookies of the wrong one (case 84).
    match pseudo.scheme {
        Some(b"http" | b"https") if terms.trusted => {}
        Some(scheme) if scheme == terms.scheme.text().as_bytes() => {}
        Some(_) | None => return Err(Malformed::Scheme),
    }
    let path = pseudo.path.ok_or(Malformed::Path)?;
    let begins = path.first() == Some(&b'/') || (path == b"*" && method == b"OPTIONS");
    // Case 83: what could be read in two ways behind us.
    let plain = path.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#');
    if begins && plain { Ok(path) } else { Err(Malformed::Path) }
}

/// The one authority: `:authority`, or `Host` alone; two that differ could be read in two ways (case 86).
fn authority<'a>(pseudo: &Pseudo<'a>, block: &'a Block, fields: &[Piece]) -> Result<&'a [u8], Malformed> {
    let mut hosts = fields.iter().filter(|piece| piece.known == Name::Host).map(|piece| piece.value.of(&block.bytes));
    let found = match (pseudo.authority, hosts.next(), hosts.next()) {
        (_, _, Some(_)) | (None, None, None) => return Err(Malformed::Authority),
        (Some(pseudo), None, None) => pseudo,
        (None, Some(host), None) => host,
        (Some(pseudo), Some(host), None) if pseudo.eq_ignore_ascii_case(host) => pseudo,
        (Some(_), Some(_), None) => return Err(Malformed::Authority),
    };
    if !found.is_empty() && found.iter().all(u8::is_ascii_graphic) { Ok(found) } else { Err(Malformed::Authority) }
}

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// What a request's or an answer's framing says about the payload that is to come.
#[must_use]
pub const fn declared(framing: Framing) -> Option<u64> {
    match framing {
        Framing::Frames(length) => length,
        _ => None,
    }
}

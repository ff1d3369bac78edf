//! What a trusted peer says about the client: `X-Forwarded-*`, or `Forwarded` (RFC 7239) where it sends no list.
//!
//! Called by `request` for trusted peers only. An address is believed as far as the hops to its right are trusted; what
//! can't be read ends the belief, and what stands left of it is neither believed nor passed on.

use std::net::{IpAddr, SocketAddr};

use super::Rejected;
use super::connection::is_token_byte;
use super::request::Arrival;
use crate::config::Cidr;
use crate::message::{Fields, Name, Span};
use crate::reason::Reason;

/// The longest chain that is read. No request has passed a hundred proxies; a client may claim so.
const MAX_HOPS: u32 = 100;

/// What the lines of a trusted peer come to. Spans are into the head's buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The client's address; `None` where the peer names none that can be read.
    pub(super) client: Option<IpAddr>,
    /// Where the part of X-Forwarded-For begins that is passed on.
    pub(super) chain: Option<u32>,
    /// Whether the `Forwarded` lines are passed on: all of them were well-formed.
    pub(super) forwarded: bool,
    /// The scheme that the client used.
    pub(super) proto: Option<Span>,
    /// The host that the client asked for.
    pub(super) host: Option<Span>,
    /// The port that the client connected to.
    pub(super) port: Option<Span>,
}

/// Reads the lines of a trusted peer, those that `Connection` nominates too: a client behind that peer must not be
/// able to hide itself by nominating what the peer wrote.
pub(super) fn told(fields: &Fields, bytes: &[u8], arrival: &Arrival<'_>) -> Result<Told, Rejected> {
    let mut walk = Walk::new(arrival.trusted_proxies);
    let mut listed = false;
    for field in lines(fields, Name::XForwardedFor) {
        listed = true;
        let mut start = field.start;
        for token in field.of(bytes).split(|&byte| byte == b',') {
            walk.step(parse_node(token.trim_ascii()), Element { start, ..Element::default() })?;
            // A field is at most 4 GiB by the type of its span, so its tokens are.
            start = start.saturating_add(u32::try_from(token.len()).unwrap_or(u32::MAX)).saturating_add(1);
        }
    }
    let mut told = Told { client: walk.client, chain: walk.first, ..Told::default() };
    let mut walk = Walk::new(arrival.trusted_proxies);
    let (mut seen, mut sound) = (false, true);
    for field in lines(fields, Name::Forwarded) {
        seen = true;
        sound = sound && forwarded_line(bytes, field, &mut walk)?;
    }
    told.forwarded = seen && sound;
    let mut element = Element::default();
    if told.forwarded && !listed {
        told.client = walk.client;
        element = walk.element;
    }
    told.proto = single(fields, Name::XForwardedProto).or(element.proto).filter(|span| is_scheme(span.of(bytes)));
    told.host = single(fields, Name::XForwardedHost).or(element.host).filter(|span| !span.of(bytes).is_empty());
    told.port = single(fields, Name::XForwardedPort).filter(|span| parse_port(span.of(bytes)));
    Ok(told)
}

/// The values of the lines with a name, dropped ones too.
fn lines(fields: &Fields, name: Name) -> impl Iterator<Item = Span> {
    fields.all().iter().filter(move |field| field.name_id == name).map(|field| field.value)
}

/// The value of a line that is there exactly once. Of two, neither can be called the peer's.
fn single(fields: &Fields, name: Name) -> Option<Span> {
    let mut found = lines(fields, name);
    found.next().filter(|_| found.next().is_none())
}

fn is_scheme(text: &[u8]) -> bool {
    ["http", "https", "ws", "wss"].iter().any(|scheme| text.eq_ignore_ascii_case(scheme.as_bytes()))
}

fn parse_port(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_digit) && std::str::from_utf8(text).is_ok_and(|text| text.parse::<u16>().is_ok())
}

/// Reads an address, with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:80`. No zones: they mean nothing on another machine.
pub(super) fn parse_node(text: &[u8]) -> Option<IpAddr> {
    // The longest: a bracketed IPv6 address with an embedded IPv4 one and a port.
    if text.len() > 53 || text.contains(&b'%') {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let ip = match bare {
        Some(inner) => IpAddr::V6(inner.parse().ok()?),
        None => text.parse().or_else(|_| text.parse::<SocketAddr>().map(|end| end.ip())).ok()?,
    };
    Some(ip.to_canonical())
}

/// One hop's entry of a chain.
#[derive(Clone, Copy, Debug, Default)]
struct Element {
    start: u32,
    proto: Option<Span>,
    host: Option<Span>,
}

/// The walk from the nearest hop to the client, taken in one pass from the other end: the answer is the last address
/// that is not trusted, or else the first one behind the last that can't be read.
struct Walk<'a> {
    trusted: &'a [Cidr],
    client: Option<IpAddr>,
    /// The client's own entry.
    element: Element,
    /// Where the readable part begins.
    first: Option<u32>,
    hops: u32,
}

impl<'a> Walk<'a> {
    fn new(trusted: &'a [Cidr]) -> Self {
        Self { trusted, client: None, element: Element::default(), first: None, hops: 0 }
    }

    /// Takes in the next entry to the right; `None` for one that can't be read as an address.
    fn step(&mut self, address: Option<IpAddr>, element: Element) -> Result<(), Rejected> {
        self.hops += 1;
        if self.hops > MAX_HOPS {
            let detail = "The forwarding fields name more than 100 hops.";
            return Err(Rejected { reason: Reason::BadRequest, detail });
        }
        let Some(ip) = address else {
            (self.client, self.first, self.element) = (None, None, Element::default());
            return Ok(());
        };
        self.first.get_or_insert(element.start);
        if self.client.is_none() || !self.trusted.iter().any(|network| network.contains(ip)) {
            (self.client, self.element) = (Some(ip), element);
        }
        Ok(())
    }
}

/// Reads one `Forwarded` line (RFC 7239 §4) and walks over its elements. Tells whether it is well-formed.
fn forwarded_line(bytes: &[u8], line: Span, walk: &mut Walk<'_>) -> Result<bool, Rejected> {
    let mut cursor = Cursor { bytes, at: line.start, end: line.end };
    loop {
        let mut element = Element { start: cursor.at, ..Element::default() };
        let mut node = None;
        let mut empty = true;
        loop {
            cursor.skip_space();
            if let Some(name) = cursor.token() {
                empty = false;
                let Some(value) = cursor.value() else { return Ok(false) };
                let slot = match name.of(bytes) {
                    name if name.eq_ignore_ascii_case(b"for") => &mut node,
                    name if name.eq_ignore_ascii_case(b"proto") => &mut element.proto,
                    name if name.eq_ignore_ascii_case(b"host") => &mut element.host,
                    _ => &mut None,
                };
                // Each parameter at most once (RFC 7239 §4).
                if slot.replace(value).is_some() {
                    return Ok(false);
                }
            }
            cursor.skip_space();
            if !cursor.take(b';') {
                break;
            }
        }
        if !empty {
            walk.step(node.and_then(|node| parse_node(node.of(bytes))), element)?;
        }
        if !cursor.take(b',') {
            return Ok(cursor.at == cursor.end);
        }
    }
}

/// A place in a line. It never goes beyond the line's end.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: u32,
    end: u32,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        if self.at < self.end { self.bytes.get(self.at as usize).copied() } else { None }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += u32::from(found);
        found
    }

    fn skip_while(&mut self, holds: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&holds) {
            self.at += 1;
        }
    }

    fn skip_space(&mut self) {
        self.skip_while(|byte| byte == b' ' || byte == b'\t');
    }

    fn token(&mut self) -> Option<Span> {
        let start = self.at;
        self.skip_while(is_token_byte);
        (self.at > start).then_some(Span { start, end: self.at })
    }

    /// `=` and a token or a quoted string; of the latter what stands between the quotes, in which an escape is left as
    /// it is: no address, scheme or host needs one, so such a value is unreadable, not wrong.
    fn value(&mut self) -> Option<Span> {
        if !self.take(b'=') {
            return None;
        }
        if !self.take(b'"') {
            return self.token();
        }
        let start = self.at;
        loop {
            self.skip_while(|byte| byte != b'"' && byte != b'\\');
            let end = self.at;
            if self.take(b'"') {
                return Some(Span { start, end });
            }
            if !self.take(b'\\') || self.peek().is_none() {
                return None;
            }
            self.at += 1;
        }
    }
}

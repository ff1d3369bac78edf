//! The head that an upstream reads: the kept lines in runs, and what the proxy says about the client.
//!
//! Written for each attempt from what `examine` found. It reads no field that `examine` has not judged.

use super::{Hop, Told};
use crate::forwarding::write::{address, framing_line, kept_lines, line, number_line, via_line};
use crate::forwarding::{Framing, HOP_BY_HOP, Names, Peer};
use crate::message::{Fields, Name, Span, Version};
use crate::policy::edits::HeadEdits;

/// The lines of a request that are written anew or end here.
const REWRITTEN: Names = HOP_BY_HOP.and(&[
    Name::Host,
    Name::Http2Settings,
    Name::Forwarded,
    Name::XForwardedFor,
    Name::XForwardedProto,
    Name::XForwardedHost,
    Name::XForwardedPort,
    Name::XRealIp,
    Name::XRequestId,
]);

/// What an attempt's head says, beyond the lines that are kept.
#[derive(Clone, Copy, Debug)]
pub struct RequestPlan<'a> {
    /// The method as received.
    pub method: &'a [u8],
    /// The target in origin form, already edited.
    pub target: &'a [u8],
    /// The `Host` that the upstream sees.
    pub host: &'a [u8],
    /// How the body is delimited.
    pub framing: Framing,
    /// The protocol to offer, from `websocket::examine`.
    pub upgrade: Option<&'a [u8]>,
    /// The id of the exchange.
    pub request_id: &'a [u8],
    /// Whether `Expect: 100-continue` goes up: what [`Hop::expect_continue`] says, unless the proxy answers 100 itself.
    pub expect_continue: bool,
    /// Whether the upstream connection is for this request alone.
    pub close: bool,
    /// The version in which the request was received, for `Via`.
    pub version: Version,
    /// What policies change: the edits, and the lines that come.
    pub edits: Option<(&'a HeadEdits, &'a [u8])>,
}

/// Appends the head of an attempt to `out`, up to and with the empty line. `fields` and `hop` are as
/// [`super::examine`] left them.
pub fn write_request(out: &mut Vec<u8>, fields: &Fields, bytes: &[u8], peer: &Peer, hop: &Hop, plan: &RequestPlan<'_>) {
    // One growth at most. What we add beside the lines that came is rarely longer than this.
    out.reserve(bytes.len() + peer.block().len() + 256);
    out.extend_from_slice(plan.method);
    out.push(b' ');
    out.extend_from_slice(plan.target);
    line(out, b" HTTP/1.1\r\nhost: ", plan.host);
    let start = out.len();
    kept_lines(out, fields, bytes, REWRITTEN);
    framing_line(out, plan.framing);
    connection_lines(out, hop, plan);
    if plan.expect_continue {
        out.extend_from_slice(b"expect: 100-continue\r\n");
    }
    if let Some(left) = hop.max_forwards {
        number_line(out, b"max-forwards: ", u64::from(left.saturating_sub(1)));
    }
    let writes = peer.forwarded();
    if writes.x_forwarded {
        match &hop.told {
            None => out.extend_from_slice(peer.block()),
            Some(told) => told_lines(out, fields, bytes, peer, hop, told),
        }
        let host = hop.told.and_then(|told| told.host).or(hop.host);
        if let Some(host) = host {
            line(out, b"x-forwarded-host: ", host.of(bytes));
        }
    }
    // What a trusted proxy says of its client's certificate stands as it came.
    if hop.told.is_none() {
        out.extend_from_slice(peer.certificate());
    }
    if writes.rfc7239 {
        forwarded_lines(out, fields, bytes, peer, hop);
    }
    if writes.via {
        via_line(out, plan.version);
    }
    if let Some((edits, lines)) = plan.edits {
        edits.strip_own(out, start);
        out.extend_from_slice(lines);
    }
    out.extend_from_slice(b"x-request-id: ");
    out.extend_from_slice(plan.request_id);
    out.extend_from_slice(b"\r\n\r\n");
}

fn connection_lines(out: &mut Vec<u8>, hop: &Hop, plan: &RequestPlan<'_>) {
    // Each of the two fields must be named in Connection (RFC 9110 §7.8, §10.1.4).
    let connection: &[u8] = match (plan.upgrade.is_some(), hop.te_trailers, plan.close) {
        (false, false, false) => return,
        (false, false, true) => b"close",
        (false, true, false) => b"te",
        (false, true, true) => b"te, close",
        (true, false, _) => b"upgrade",
        (true, true, _) => b"upgrade, te",
    };
    line(out, b"connection: ", connection);
    if let Some(token) = plan.upgrade {
        line(out, b"upgrade: ", token);
    }
    if hop.te_trailers {
        out.extend_from_slice(b"te: trailers\r\n");
    }
}

/// The lines that stand in place of the peer's block where the peer is trusted: what it says, and itself.
fn told_lines(out: &mut Vec<u8>, fields: &Fields, bytes: &[u8], peer: &Peer, hop: &Hop, told: &Told) {
    let before = out.len();
    out.extend_from_slice(b"x-forwarded-for: ");
    let mut any = false;
    let lines = fields.all().iter().filter(|field| field.name_id == Name::XForwardedFor);
    for value in lines.map(|field| field.value) {
        let Some(from) = told.chain.filter(|&from| from < value.end) else { continue };
        let kept = Span { start: value.start.max(from), end: value.end };
        separate(out, &mut any);
        out.extend_from_slice(kept.of(bytes).trim_ascii());
    }
    // The client may be known by `Forwarded` alone.
    if let Some(client) = told.client.filter(|_| told.chain.is_none()) {
        separate(out, &mut any);
        address(out, client);
    }
    if let Some(ip) = peer.ip() {
        separate(out, &mut any);
        address(out, ip);
    }
    if any {
        out.extend_from_slice(b"\r\n");
    } else {
        out.truncate(before);
    }
    if let Some(client) = hop.client {
        out.extend_from_slice(b"x-real-ip: ");
        address(out, client);
        out.extend_from_slice(b"\r\n");
    }
    let proto = told.proto.map_or(peer.scheme().text().as_bytes(), |proto| proto.of(bytes));
    line(out, b"x-forwarded-proto: ", proto);
    match (told.port, told.proto, peer.local_port()) {
        (Some(port), _, _) => line(out, b"x-forwarded-port: ", port.of(bytes)),
        // Our port beside the scheme of somebody else's would be neither's.
        (None, None, Some(port)) => number_line(out, b"x-forwarded-port: ", u64::from(port)),
        (None, Some(_), _) | (None, None, None) => {}
    }
}

fn separate(out: &mut Vec<u8>, any: &mut bool) {
    if std::mem::replace(any, true) {
        out.extend_from_slice(b", ");
    }
}

/// `Forwarded` (RFC 7239): what a trusted peer sent, and an element of ours as a line of its own, which appends it.
fn forwarded_lines(out: &mut Vec<u8>, fields: &Fields, bytes: &[u8], peer: &Peer, hop: &Hop) {
    use std::io::Write as _;
    if hop.told.is_some_and(|told| told.forwarded) {
        for field in fields.all().iter().filter(|field| field.name_id == Name::Forwarded) {
            line(out, b"forwarded: ", field.value.of(bytes));
        }
    }
    // A port or a bracket makes it a quoted string (RFC 7239 §6). Writing to a vector can't fail.
    let _ = match peer.address() {
        Some(end) => write!(out, "forwarded: for=\"{end}\""),
        None => write!(out, "forwarded: for=unknown"),
    };
    if let Some(host) = hop.host {
        out.extend_from_slice(b";host=\"");
        for &byte in host.of(bytes) {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(byte);
        }
        out.push(b'"');
    }
    out.extend_from_slice(b";proto=");
    out.extend_from_slice(peer.scheme().text().as_bytes());
    out.extend_from_slice(b"\r\n");
}

//! Heads between lines and the frame layer's own form.
//!
//! Above `http` an outgoing head is lines, whoever added to it; here they are read back into fields. What only HTTP/1
//! understands is left out (RFC 9113 §8.2.2). Lines come from our own writers: nothing here judges a peer.

use std::io;

use bytes::Bytes;
use h2::ext::Protocol;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use switchboard_core::forwarding::Scheme;
use switchboard_core::http2;
use switchboard_core::message::Name;
use switchboard_core::websocket;

/// An answer's head on its way to a client.
pub(super) struct Answer {
    pub(super) head: Response<()>,
    /// It agrees to a tunnel.
    pub(super) switches: bool,
}

/// Reads the lines of an answer. A 101 becomes 200: HTTP/2 opens a tunnel with that (RFC 8441 §5).
pub(super) fn answer(lines: &[u8]) -> io::Result<Answer> {
    let first = http2::line_at(lines, 0).unwrap_or_default();
    let rest = lines.get(first.len() + 2..).unwrap_or_default();
    let status = StatusCode::from_bytes(first.get(9..12).unwrap_or_default()).map_err(io::Error::other)?;
    let switches = status == StatusCode::SWITCHING_PROTOCOLS;
    let mut head = Response::new(());
    *head.status_mut() = if switches { StatusCode::OK } else { status };
    *head.headers_mut() = fields(rest, |name| switches && name == Name::SecWebSocketAccept)?;
    Ok(Answer { head, switches })
}

/// A request's head on its way to an endpoint.
pub(super) struct Asked {
    pub(super) head: Request<()>,
    /// It asks for a tunnel, and this is what HTTP/1 would prove the consent with.
    pub(super) accept: Option<[u8; 28]>,
}

/// Reads the lines of a request. An upgrade to WebSocket becomes an extended CONNECT (RFC 8441 §4).
///
/// # Errors
/// `Unsupported` for other upgrades: HTTP/2 has none.
pub(super) fn request(lines: &[u8], scheme: Scheme) -> io::Result<Asked> {
    let first = http2::line_at(lines, 0).unwrap_or_default();
    let rest = lines.get(first.len() + 2..).unwrap_or_default();
    let mut parts = first.split(|byte| *byte == b' ');
    let (method, target) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (mut host, mut upgrade, mut key): (&[u8], Option<&[u8]>, &[u8]) = (&[], None, &[]);
    for line in http2::lines(rest) {
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
        Some(_) => return Err(io::ErrorKind::Unsupported.into()),
        None => false,
    };
    let uri = Uri::builder().scheme(scheme.text()).authority(host).path_and_query(target);
    let mut head = Request::new(());
    *head.method_mut() = if tunnel { Method::CONNECT } else { Method::from_bytes(method).map_err(io::Error::other)? };
    *head.uri_mut() = uri.build().map_err(io::Error::other)?;
    *head.headers_mut() = fields(rest, |name| name == Name::Host || (tunnel && name == Name::SecWebSocketKey))?;
    if tunnel {
        head.extensions_mut().insert(Protocol::from_static("websocket"));
    }
    Ok(Asked { head, accept: tunnel.then(|| websocket::accept(key)) })
}

/// Reads trailer lines. They may be empty.
pub(super) fn trailers(lines: &[u8]) -> HeaderMap {
    if lines.is_empty() {
        return HeaderMap::new();
    }
    // A trailer that can't be said is left out rather than the body cut: trailers are never needed to read it.
    fields(lines, |_| false).unwrap_or_default()
}

/// Writes the trailers of a stream as lines, without those that may not come late (SECURITY case 31).
pub(super) fn trailer_lines(fields: &HeaderMap) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in fields.iter().filter(|(name, _)| http2::may_trail(name.as_str().as_bytes())) {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value.as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

/// The fields of lines, without those of HTTP/1 alone and those that `skips`.
fn fields(lines: &[u8], skips: impl Fn(Name) -> bool) -> io::Result<HeaderMap> {
    // One copy for all values, which then share it.
    let block = Bytes::copy_from_slice(lines);
    let mut map = HeaderMap::with_capacity(16);
    for line in http2::lines(&block) {
        let name = block.get(line.name).unwrap_or_default();
        let known = Name::find(name);
        if http2::is_of_http1(known) || skips(known) {
            continue;
        }
        let name = HeaderName::from_bytes(name).map_err(io::Error::other)?;
        let value = HeaderValue::from_maybe_shared(block.slice(line.value)).map_err(io::Error::other)?;
        map.try_append(name, value).map_err(io::Error::other)?;
    }
    Ok(map)
}

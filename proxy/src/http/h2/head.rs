//! Heads that come, from the frame layer's form into the one that all versions share.
//!
//! The rules are `core::http2`'s; this only takes the frame layer's types apart. A WebSocket's extended CONNECT
//! (RFC 8441) becomes the GET with `Upgrade` that it stands for, so that everything above judges it as one.

use h2::ext::Protocol;
use http::{Method, request, response};
use switchboard_core::forwarding::Scheme;
use switchboard_core::http2::{Builder, Malformed};
use switchboard_core::message::Name;
use switchboard_core::websocket;

use crate::desk::Desk;

/// What a request is held against.
pub(super) struct Terms {
    /// How its connection came in.
    pub(super) scheme: Scheme,
    /// Whether the peer may speak for another one, whose scheme is its own.
    pub(super) trusted: bool,
    /// Fields at most.
    pub(super) fields: usize,
}

/// Puts a request's head on `desk`; `ended` where nothing follows it. `nonce` is for a handshake.
pub(super) fn request(
    parts: &request::Parts,
    ended: bool,
    terms: &Terms,
    nonce: [u8; 16],
    desk: &mut Desk,
) -> Result<(), Malformed> {
    let tunnel = match parts.extensions.get::<Protocol>() {
        Some(protocol) if protocol.as_str().eq_ignore_ascii_case("websocket") => true,
        Some(_) => return Err(Malformed::Protocol),
        None => false,
    };
    check_scheme(parts, terms)?;
    let authority = authority(parts)?;
    let method = if tunnel { Method::GET.as_str() } else { parts.method.as_str() };
    let target = match parts.uri.path_and_query() {
        Some(path) if path.as_str().starts_with('/') || path.as_str() == "*" => path.as_str().as_bytes(),
        // CONNECT has an authority in place of a path (RFC 9113 §8.5); it is refused above, with a sentence.
        None if parts.method == Method::CONNECT => authority,
        Some(_) | None => return Err(Malformed::Path),
    };
    let Desk { input, request, output, .. } = desk;
    let mut head = Builder::request(output, request, method.as_bytes(), target, terms.fields);
    head.line(Name::Host, b"host", authority);
    for (name, value) in &parts.headers {
        let known = Name::find(name.as_str().as_bytes());
        // The key is HTTP/1's, and ours to make.
        if known == Name::Host || (tunnel && matches!(known, Name::SecWebSocketKey | Name::ContentLength)) {
            continue;
        }
        head.field(name.as_str().as_bytes(), value.as_bytes())?;
    }
    if tunnel {
        head.line(Name::Connection, b"connection", b"upgrade");
        head.line(Name::Upgrade, b"upgrade", b"websocket");
        head.line(Name::SecWebSocketKey, b"sec-websocket-key", &websocket::key(nonce));
    }
    head.finish_request(request, ended || tunnel);
    input.put(output);
    Ok(())
}

/// Puts an answer's head on `desk`; `ended` where nothing follows it. With `accept` it answers an extended CONNECT: a
/// 2xx opens the tunnel, and becomes the 101 that it stands for.
pub(super) fn answer(
    parts: &response::Parts,
    ended: bool,
    accept: Option<[u8; 28]>,
    fields: usize,
    desk: &mut Desk,
) -> Result<(), Malformed> {
    let Desk { answer_input, answer, output, .. } = desk;
    let accept = accept.filter(|_| parts.status.is_success());
    let status = if accept.is_some() { 101 } else { parts.status.as_u16() };
    let mut head = Builder::answer(output, answer, status, fields);
    for (name, value) in &parts.headers {
        head.field(name.as_str().as_bytes(), value.as_bytes())?;
    }
    if let Some(accept) = accept {
        head.line(Name::Connection, b"connection", b"upgrade");
        head.line(Name::Upgrade, b"upgrade", b"websocket");
        head.line(Name::SecWebSocketAccept, b"sec-websocket-accept", &accept);
    }
    head.finish_answer(answer, ended);
    answer_input.clear();
    answer_input.put(output);
    Ok(())
}

/// A scheme that isn't the connection's would make links and cookies of the wrong one (case 84).
fn check_scheme(parts: &request::Parts, terms: &Terms) -> Result<(), Malformed> {
    match parts.uri.scheme_str() {
        Some(scheme) if scheme != terms.scheme.text() && !terms.trusted => Err(Malformed::Scheme),
        Some(_) | None => Ok(()),
    }
}

/// The one authority: `:authority`, or `Host` alone; two that differ could be read in two ways (case 86).
fn authority(parts: &request::Parts) -> Result<&[u8], Malformed> {
    let pseudo = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let mut hosts = parts.headers.get_all(http::header::HOST).iter().map(|value| value.as_bytes());
    match (pseudo, hosts.next(), hosts.next()) {
        (_, _, Some(_)) | (None, None, None) => Err(Malformed::Authority),
        (Some(pseudo), None, None) => Ok(pseudo),
        (None, Some(host), None) => Ok(host),
        (Some(pseudo), Some(host), None) if pseudo.eq_ignore_ascii_case(host) => Ok(pseudo),
        (Some(_), Some(_), None) => Err(Malformed::Authority),
    }
}

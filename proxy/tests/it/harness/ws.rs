//! The handshake of RFC 6455 as bytes, and just enough of its frames to see them pass.

use super::{Message, Wire};

/// The key of RFC 6455 §1.3; its accept value is known, so nothing here needs a hash.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What a server answers to `KEY`.
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// An upgrade request to `host` with these further lines.
pub(crate) fn upgrade(host: &str, path: &str, lines: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
    )
}

/// A proper 101 with these further lines.
pub(crate) fn switching(lines: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n{lines}\r\n"
    )
}

/// At an origin: reads the upgrade request and agrees.
#[track_caller]
pub(crate) fn agree(wire: &mut Wire) -> Option<Message> {
    let request = wire.request()?;
    assert_eq!(request.field("sec-websocket-key"), Some(KEY));
    wire.send(switching(""));
    Some(request)
}

/// At a client: upgrades and asserts a verified 101.
#[track_caller]
pub(crate) fn open(wire: &mut Wire, host: &str, path: &str) -> Message {
    wire.send(upgrade(host, path, ""));
    let answer = wire.head();
    assert_eq!(answer.status(), 101, "{answer:#?}");
    assert_eq!(answer.field("sec-websocket-accept"), Some(ACCEPT));
    answer
}

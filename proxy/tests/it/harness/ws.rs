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

/// The first byte of a whole message of text, of a Close, and of others.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8A;

/// The key that our clients mask with.
const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

/// A frame; masked as a client's, or not as a server's.
pub(crate) fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        short @ ..126 => bytes.push(mask | u8::try_from(short).unwrap()),
        medium @ ..0x1_0000 => {
            bytes.push(mask | 126);
            bytes.extend(u16::try_from(medium).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(mask | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    if !masked {
        bytes.extend(payload);
        return bytes;
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// Reads one frame: its first byte and its payload, unmasked. `None` at the connection's end.
#[track_caller]
pub(crate) fn next_frame(wire: &mut Wire) -> Option<(u8, Vec<u8>)> {
    let head = wire.exactly_or_end(2)?;
    let form = match head[1] & 0x7F {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let length = match form {
        0 => usize::from(head[1] & 0x7F),
        _ => wire.exactly(form).iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
    };
    let key = if head[1] & 0x80 != 0 { wire.exactly(4) } else { vec![0; 4] };
    let payload = wire.exactly(length);
    Some((head[0], payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect()))
}

/// Asserts that the next frame is a Close with this code.
#[track_caller]
pub(crate) fn expect_close(wire: &mut Wire, code: u16) {
    let (first, payload) = next_frame(wire).expect("the connection ended without a Close");
    assert_eq!((first, &payload[..]), (CLOSE, &code.to_be_bytes()[..]));
}

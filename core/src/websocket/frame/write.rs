//! The two frames that the proxy makes itself: Close and Ping (RFC 6455 §5.5), masked where they go to a server.

use super::head::{CLOSE, FIN, PING};

/// How a frame of ours is masked: towards a server with a key (RFC 6455 §5.3), towards a client not at all.
///
/// The key hides nothing here, it only has to differ: our payloads are not an attacker's choice.
pub type Mask = Option<[u8; 4]>;

/// Appends a Close with `code`.
pub fn write_close(out: &mut Vec<u8>, code: u16, mask: Mask) {
    write(out, CLOSE, &code.to_be_bytes(), mask);
}

/// Appends a Ping with `payload`, by which its Pong is known.
pub fn write_ping(out: &mut Vec<u8>, payload: [u8; 8], mask: Mask) {
    write(out, PING, &payload, mask);
}

/// Tells whether the frame at the start of `bytes` is the Pong of [`write_ping`] with `payload`.
#[must_use]
pub fn is_pong_of(bytes: &[u8], payload: [u8; 8]) -> bool {
    match bytes {
        [0x8A, 8, rest @ ..] => rest.starts_with(&payload),
        [0x8A, 0x88, rest @ ..] => match rest.split_first_chunk::<4>() {
            Some((key, rest)) => {
                rest.len() >= payload.len()
                    && rest.iter().zip(payload).zip(key.iter().cycle()).all(|((byte, own), key)| byte ^ key == own)
            }
            None => false,
        },
        _ => false,
    }
}

/// A control frame: its payload always fits the short length.
fn write<const N: usize>(out: &mut Vec<u8>, opcode: u8, payload: &[u8; N], mask: Mask) {
    const { assert!(N <= 125, "a control frame has at most 125 bytes (RFC 6455 §5.5)") };
    #[expect(clippy::cast_possible_truncation, reason = "at most 125, as the line above asserts")]
    let length = N as u8;
    out.extend_from_slice(&[FIN | opcode, length | if mask.is_some() { 0x80 } else { 0 }]);
    out.extend(mask.into_iter().flatten());
    let key = mask.unwrap_or_default();
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

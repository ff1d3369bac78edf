//! A WebSocket echo for whole frames of up to 64 KiB, as `load` sends them. Called by the origin after an upgrade request.
//! No fragments, no control frames: it is an echo to measure with, not an implementation.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The answer to the one key that `load` uses, the example of RFC 6455 §1.3.
const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Echoes each frame unmasked until the client closes.
pub(crate) async fn echo(mut client: TcpStream) -> io::Result<()> {
    client.write_all(SWITCHING).await?;
    let mut input = Vec::with_capacity(512);
    let mut output = Vec::with_capacity(512);
    while client.read_buf(&mut input).await? > 0 {
        output.clear();
        let mut rest = &input[..];
        while let Some((frame, behind)) = split_frame(rest) {
            unmask(frame, &mut output);
            rest = behind;
        }
        input.drain(..input.len() - rest.len());
        client.write_all(&output).await?;
    }
    Ok(())
}

/// Bytes of a frame's head in front of its mask.
fn head(second: u8) -> usize {
    match second & 0x7f {
        126 => 4,
        127 => 10,
        _ => 2,
    }
}

/// The first whole masked frame and what is behind it.
fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let second = *bytes.get(1)?;
    let head = head(second);
    let length = match head {
        2 => usize::from(second & 0x7f),
        _ => bytes.get(2..head)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
    };
    bytes.split_at_checked(head + 4 + length)
}

/// Appends the same frame as a server's.
fn unmask(frame: &[u8], output: &mut Vec<u8>) {
    let (head, rest) = frame.split_at(head(frame[1]));
    output.extend_from_slice(&[head[0], head[1] & 0x7f]);
    output.extend_from_slice(&head[2..]);
    let (mask, payload) = rest.split_at(4);
    let mask = [mask[0], mask[1], mask[2], mask[3]];
    // By words, which the compiler makes vectors of: what the echo takes is the load's processor time.
    let (words, tail) = payload.as_chunks::<4>();
    let mask_word = u32::from_ne_bytes(mask);
    output.extend(words.iter().flat_map(|word| (u32::from_ne_bytes(*word) ^ mask_word).to_ne_bytes()));
    output.extend(tail.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
}

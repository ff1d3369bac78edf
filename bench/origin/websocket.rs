//! A WebSocket echo for short frames, as `load` sends them. Called by the origin after an upgrade request.
//! No fragments, no control frames, no frame over 125 bytes: it is an echo to measure with, not an implementation.

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
            output.extend_from_slice(&[frame[0], frame[1] & 0x7f]);
            let (mask, payload) = frame[2..].split_at(4);
            output.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            rest = behind;
        }
        input.drain(..input.len() - rest.len());
        client.write_all(&output).await?;
    }
    Ok(())
}

/// The first whole masked frame and what is behind it.
fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(bytes.get(1)? & 0x7f);
    bytes.split_at_checked(2 + 4 + length)
}

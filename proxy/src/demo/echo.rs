//! The WebSocket of a demo workspace, sans-I/O: bytes of a client in, frames for it out (RFC 6455 §5).
//!
//! Text comes back with the workspace's name before it, binary as it came. It is as strict as a server must be, so that
//! the demo shows the proxy and not the leniency of its origin.

/// The largest message: a person types them.
const MOST: usize = 1 << 20;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// Status codes of RFC 6455 §7.4.1.
const PROTOCOL_ERROR: u16 = 1002;
const NOT_UTF8: u16 = 1007;
const TOO_BIG: u16 = 1009;

/// One connection.
#[derive(Debug)]
pub(super) struct Echo {
    name: &'static str,
    /// The opcode of the message that is under way, and its fragments so far.
    message: Option<(u8, Vec<u8>)>,
}

/// Whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// More may come.
    Open,
    /// The close frame is in `out`; nothing follows it.
    Closed,
}

/// One frame, unmasked.
struct Frame {
    fin: bool,
    opcode: u8,
    payload: Vec<u8>,
    len: usize,
}

impl Echo {
    /// Starts behind the handshake.
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, message: None }
    }

    /// Takes whole frames from the front of `input` and appends what is answered to `out`.
    pub(super) fn receive(&mut self, input: &mut Vec<u8>, out: &mut Vec<u8>) -> Flow {
        loop {
            let result = match frame(input) {
                Ok(None) => return Flow::Open,
                Ok(Some(frame)) => {
                    input.drain(..frame.len);
                    self.take(frame, out)
                }
                Err(code) => Err(code),
            };
            match result {
                Ok(Flow::Open) => {}
                Ok(Flow::Closed) => return Flow::Closed,
                Err(code) => {
                    write(out, CLOSE, &[&code.to_be_bytes()]);
                    return Flow::Closed;
                }
            }
        }
    }

    fn take(&mut self, frame: Frame, out: &mut Vec<u8>) -> Result<Flow, u16> {
        match frame.opcode {
            PING => write(out, PONG, &[&frame.payload]),
            PONG => {}
            CLOSE => {
                write(out, CLOSE, &[closing(&frame.payload)?]);
                return Ok(Flow::Closed);
            }
            TEXT | BINARY if self.message.is_none() => self.grow(frame.opcode, Vec::new(), frame, out)?,
            CONTINUATION => {
                let (opcode, so_far) = self.message.take().ok_or(PROTOCOL_ERROR)?;
                self.grow(opcode, so_far, frame, out)?;
            }
            _ => return Err(PROTOCOL_ERROR),
        }
        Ok(Flow::Open)
    }

    /// Adds a fragment, and answers where it was the last.
    fn grow(&mut self, opcode: u8, mut message: Vec<u8>, frame: Frame, out: &mut Vec<u8>) -> Result<(), u16> {
        if message.len() + frame.payload.len() > MOST {
            return Err(TOO_BIG);
        }
        message.extend_from_slice(&frame.payload);
        if !frame.fin {
            self.message = Some((opcode, message));
        } else if opcode == BINARY {
            write(out, BINARY, &[&message]);
        } else if std::str::from_utf8(&message).is_ok() {
            write(out, TEXT, &[self.name.as_bytes(), b": ", &message]);
        } else {
            return Err(NOT_UTF8);
        }
        Ok(())
    }
}

/// Reads the frame at the front; `None` where it is not whole yet. Errors are status codes.
fn frame(input: &[u8]) -> Result<Option<Frame>, u16> {
    let [first, second, rest @ ..] = input else { return Ok(None) };
    let (fin, opcode) = (first & 0x80 != 0, first & 0x0F);
    let control = opcode & 0x8 != 0;
    let short = second & 0x7F;
    // No extension was agreed on, clients mask, and a control frame is whole and short (§5.2, §5.3, §5.5).
    if first & 0x70 != 0 || second & 0x80 == 0 || (control && (!fin || short > 125)) {
        return Err(PROTOCOL_ERROR);
    }
    let (length, rest) = match short {
        126 => {
            let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (u64::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (u64::from_be_bytes(*length), rest)
        }
        short => (u64::from(short), rest),
    };
    let length = usize::try_from(length).ok().filter(|length| *length <= MOST).ok_or(TOO_BIG)?;
    let Some((mask, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    let Some(masked) = rest.get(..length) else { return Ok(None) };
    let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Ok(Some(Frame { fin, opcode, payload, len: input.len() - rest.len() + length }))
}

/// What to answer a close with: its own status, where it has one that may be sent (§7.4).
fn closing(payload: &[u8]) -> Result<&[u8], u16> {
    match payload {
        [] => Ok(&[]),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let sendable = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            if !sendable {
                Err(PROTOCOL_ERROR)
            } else if std::str::from_utf8(reason).is_err() {
                Err(NOT_UTF8)
            } else {
                Ok(payload.get(..2).unwrap_or_default())
            }
        }
        [_] => Err(PROTOCOL_ERROR),
    }
}

/// Appends one frame of a server: whole and not masked.
fn write(out: &mut Vec<u8>, opcode: u8, payload: &[&[u8]]) {
    let length: usize = payload.iter().map(|part| part.len()).sum();
    out.push(0x80 | opcode);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => out.push(short),
        (_, Ok(middle)) => {
            out.push(126);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        (_, Err(_)) => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    payload.iter().for_each(|part| out.extend_from_slice(part));
}

#[cfg(test)]
mod tests;

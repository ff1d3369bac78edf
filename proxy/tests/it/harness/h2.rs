//! A client of HTTP/2 that sends frames as bytes, right or wrong, and reads what comes back.
//!
//! Fields are written as literals without indexing and without Huffman coding. Of answers it reads the status.

use super::{Proxy, Wire};

/// Types of frames (RFC 9113 §6).
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Flags.
pub(crate) const NONE: u8 = 0;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const WITH_PRIORITY: u8 = 32;

/// What clients send first.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The error code of a RST_STREAM or GOAWAY.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// The status of an answer's HEADERS: its first field, indexed or a literal in Huffman's digits.
    pub(crate) fn status(&self) -> u16 {
        assert_eq!(self.kind, HEADERS);
        let [first, rest @ ..] = self.payload.as_slice() else { panic!("an empty header block") };
        let indexed = [200, 204, 206, 304, 400, 404, 500];
        match *first {
            // The size of the dynamic table may be updated first.
            0x20..=0x3f => Self { payload: rest.to_vec(), ..self.clone() }.status(),
            0x88..=0x8e => indexed[usize::from(first - 0x88)],
            0x48 | 0x08 | 0x18 if rest[0] & 0x80 == 0 => String::from_utf8_lossy(&rest[1..4]).parse().unwrap(),
            0x48 | 0x08 | 0x18 => digits(&rest[1..=usize::from(rest[0] & 0x7f)]),
            other => panic!("the first field is no status: {other:#x}"),
        }
    }
}

/// Three digits in the code of RFC 7541 Appendix B: 0, 1 and 2 have five bits, the others six.
fn digits(bytes: &[u8]) -> u16 {
    let bits: Vec<u16> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u16::from(byte >> bit & 1))).collect();
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        let take = |from: usize, count: usize| bits[from..from + count].iter().fold(0, |sum, bit| sum << 1 | bit);
        let five = take(at, 5);
        let (digit, used) = if five <= 2 { (five, 5) } else { (take(at, 6) - 0x19 + 3, 6) };
        number = number * 10 + digit;
        at += used;
    }
    number
}

/// A frame as bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field, as a literal that is never indexed.
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let mut out = Vec::new();
        if text.len() < 127 {
            out.push(u8::try_from(text.len()).unwrap());
        } else {
            out.push(127);
            let mut left = text.len() - 127;
            while left >= 128 {
                out.push(u8::try_from(left % 128 + 128).unwrap());
                left /= 128;
            }
            out.push(u8::try_from(left).unwrap());
        }
        out.extend_from_slice(text.as_bytes());
        out
    };
    [vec![0x10], text(name), text(value)].concat()
}

/// Several fields.
pub(crate) fn fields(list: &[(&str, &str)]) -> Vec<u8> {
    list.iter().flat_map(|(name, value)| field(name, value)).collect()
}

/// The fields of a request for `/` at `t.test`, and further ones.
pub(crate) fn request(method: &str, further: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "http"), (":path", "/"), (":authority", "t.test")];
    [fields(&pseudo), fields(further)].concat()
}

/// A whole GET on a stream.
pub(crate) fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, request("GET", &[]))
}

/// A connection of raw frames.
pub(crate) struct Frames {
    wire: Wire,
}

impl Frames {
    /// Connects and sends nothing.
    #[track_caller]
    pub(crate) fn connect(proxy: &Proxy) -> Self {
        Self { wire: proxy.connect() }
    }

    /// Connects, and sends the preface and SETTINGS.
    #[track_caller]
    pub(crate) fn begin(proxy: &Proxy) -> Self {
        Self::begin_with(proxy, &[])
    }

    /// As `begin`, with settings (identifier, value).
    #[track_caller]
    pub(crate) fn begin_with(proxy: &Proxy, settings: &[(u16, u32)]) -> Self {
        let mut frames = Self::connect(proxy);
        let payload: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        frames.offer([PREFACE.to_vec(), frame(SETTINGS, NONE, 0, payload)].concat());
        frames
    }

    /// Sends bytes; the peer may have closed.
    pub(crate) fn offer(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.offer(bytes);
    }

    /// The socket.
    pub(crate) fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// The next frame; `None` where the connection has ended. SETTINGS are acknowledged on the way.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let header = self.wire.exactly_or_end(9)?;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let payload = self.wire.exactly_or_end(usize::try_from(length).unwrap())?;
        let stream = u32::from_be_bytes(header[5..9].try_into().unwrap());
        let frame = Frame { kind: header[3], flags: header[4], stream, payload };
        if frame.kind == SETTINGS && frame.flags & ACK == 0 {
            self.offer(self::frame(SETTINGS, ACK, 0, []));
        }
        Some(frame)
    }

    /// Waits for a frame that `wanted` accepts; panics where the connection ends first.
    #[track_caller]
    pub(crate) fn wait(&mut self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            match self.next() {
                Some(frame) if wanted(&frame) => return frame,
                Some(_) => {}
                None => panic!("the connection ended before {what}"),
            }
        }
    }

    /// Waits for the status of the answer on a stream.
    #[track_caller]
    pub(crate) fn status(&mut self, stream: u32) -> u16 {
        self.wait("an answer", |frame| frame.kind == HEADERS && frame.stream == stream).status()
    }

    /// Waits for the reset of a stream, and tells its code.
    #[track_caller]
    pub(crate) fn reset_of(&mut self, stream: u32) -> u32 {
        self.wait("a reset", |frame| frame.kind == RST_STREAM && frame.stream == stream).code()
    }

    /// Reads to the end of the connection: the code of the last GOAWAY, if one came.
    #[track_caller]
    pub(crate) fn goodbye(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next() {
            if frame.kind == GOAWAY {
                code = Some(frame.code());
            }
        }
        code
    }
}

//! Frames as they stand on the wire: 9-byte headers, error codes, settings (RFC 9113 §4, §6, §7).
//!
//! Reads and writes; what a frame means to a connection is decided in `connection`.

/// What clients send before their first frame (RFC 9113 §3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The largest payload that we take: what holds where SETTINGS say nothing (§6.5.2). We send none that is larger either.
pub(super) const MAX_FRAME: usize = 16 * 1024;

/// The largest window there can be (§6.9.1).
pub(super) const MAX_WINDOW: i64 = (1 << 31) - 1;

/// The window that holds until SETTINGS say otherwise (§6.9.2).
pub(super) const INITIAL_WINDOW: u32 = 65_535;

pub(super) const ACK: u8 = 0x1;
pub(super) const END_STREAM: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
pub(super) const WITH_PRIORITY: u8 = 0x20;

/// The type of a frame (§6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data = 0,
    Headers = 1,
    Priority = 2,
    Reset = 3,
    Settings = 4,
    Push = 5,
    Ping = 6,
    GoAway = 7,
    WindowUpdate = 8,
    Continuation = 9,
    /// A type that we don't know and therefore ignore (§5.5).
    Other = 255,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of the payload.
    pub(super) length: usize,
    pub(super) kind: Kind,
    pub(super) flags: u8,
    /// The stream; 0 is the connection. Without its reserved bit.
    pub(super) stream: u32,
}

impl Header {
    /// Bytes of a header.
    pub(super) const SIZE: usize = 9;

    pub(super) fn read(bytes: &[u8; Self::SIZE]) -> Self {
        let [a, b, c, kind, flags, d, e, f, g] = *bytes;
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::Headers,
            2 => Kind::Priority,
            3 => Kind::Reset,
            4 => Kind::Settings,
            5 => Kind::Push,
            6 => Kind::Ping,
            7 => Kind::GoAway,
            8 => Kind::WindowUpdate,
            9 => Kind::Continuation,
            _ => Kind::Other,
        };
        let stream = u32::from_be_bytes([d & 0x7f, e, f, g]);
        Self { length: u32::from_be_bytes([0, a, b, c]) as usize, kind, flags, stream }
    }

    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether its length is one that its type has (§4.2, §6).
    pub(super) const fn fits(&self) -> bool {
        match self.kind {
            Kind::Priority => self.length == 5,
            Kind::Reset | Kind::WindowUpdate => self.length == 4,
            Kind::Ping => self.length == 8,
            Kind::Settings if self.has(ACK) => self.length == 0,
            Kind::Settings => self.length.is_multiple_of(6) && self.length <= MAX_FRAME,
            Kind::GoAway => self.length >= 8 && self.length <= MAX_FRAME,
            Kind::Data | Kind::Headers | Kind::Push | Kind::Continuation | Kind::Other => self.length <= MAX_FRAME,
        }
    }
}

/// Appends a frame's header. A `length` is far below 2²⁴: what we send has at most [`MAX_FRAME`] bytes.
pub(super) fn put_header(out: &mut Vec<u8>, length: usize, kind: Kind, flags: u8, stream: u32) {
    let [_, a, b, c] = u32::try_from(length).unwrap_or(0).to_be_bytes();
    let [d, e, f, g] = stream.to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind as u8, flags, d, e, f, g]);
}

/// Appends a frame whose payload is one number.
pub(super) fn put_number(out: &mut Vec<u8>, kind: Kind, stream: u32, number: u32) {
    put_header(out, 4, kind, 0, stream);
    out.extend_from_slice(&number.to_be_bytes());
}

/// The number in the first four bytes, without its reserved bit.
pub(super) fn number(payload: &[u8]) -> u32 {
    payload.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes) & 0x7fff_ffff)
}

/// An error code (§7), as we send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Nothing is wrong.
    None = 0x0,
    /// The peer broke the protocol.
    Protocol = 0x1,
    /// We failed.
    Internal = 0x2,
    /// The peer sent more than its window, or opened ours beyond all bounds.
    FlowControl = 0x3,
    /// A frame on a stream that has ended.
    StreamClosed = 0x5,
    /// A frame of a wrong size.
    FrameSize = 0x6,
    /// The stream was not looked at.
    Refused = 0x7,
    /// The stream is wanted no more.
    Cancel = 0x8,
    /// A header block that can't be decoded.
    Compression = 0x9,
    /// Too much of something.
    Calm = 0xb,
}

/// What a peer has announced (§6.5.2, RFC 8441 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) table_size: u32,
    pub(super) streams: u32,
    pub(super) window: u32,
    pub(super) max_frame: u32,
    pub(super) connect_protocol: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { table_size: 4096, streams: u32::MAX, window: INITIAL_WINDOW, max_frame: 16_384, connect_protocol: false }
    }
}

impl Settings {
    /// Takes over what a frame says. `by_client` is whose frame it is.
    ///
    /// # Errors
    /// The code of the connection error that a value is.
    pub(super) fn take(&mut self, payload: &[u8], by_client: bool) -> Result<(), Code> {
        for setting in payload.chunks_exact(6) {
            let [a, b, c, d, e, f] = *setting else { continue };
            let value = u32::from_be_bytes([c, d, e, f]);
            match (u16::from_be_bytes([a, b]), value) {
                (1, size) => self.table_size = size,
                (2, 0) => {}
                (2, 1) if by_client => {}
                (3, streams) => self.streams = streams,
                (4, window) if i64::from(window) <= MAX_WINDOW => self.window = window,
                (4, _) => return Err(Code::FlowControl),
                (5, 16_384..=0xff_ffff) => self.max_frame = value,
                // Once allowed it can't be taken back (RFC 8441 §3).
                (8, 1) => self.connect_protocol = true,
                (8, 0) if !self.connect_protocol => {}
                (2 | 5 | 8, _) => return Err(Code::Protocol),
                // The size of lists is advice, and unknown settings are ignored.
                _ => {}
            }
        }
        Ok(())
    }
}

//! One frame's head as bytes (RFC 6455 §5.2). The scanner reads it; it judges nothing.

/// The first bytes of a frame: 2 to 14, and for a Close also the code behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// FIN, RSV and opcode as they came.
    pub(super) first: u8,
    pub(super) masked: bool,
    /// Bytes of the head itself.
    pub(super) size: u8,
    /// A longer form than the length needs, or one of 2^63 or more.
    pub(super) long_form: bool,
    /// Bytes of payload.
    pub(super) length: u64,
    /// The code of a Close that has one, unmasked.
    pub(super) code: Option<u16>,
}

/// The bit that ends a message.
pub(super) const FIN: u8 = 0x80;
/// The bits of extensions.
pub(super) const RSV: u8 = 0x70;
/// The opcodes.
pub(super) const CONTINUATION: u8 = 0;
pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

impl Head {
    /// Reads the head at the start of `bytes`; nothing while some of it has still to come.
    #[inline]
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let [first, second, rest @ ..] = bytes else { return None };
        let masked = *second & 0x80 != 0;
        let (length, mut size, shortest) = match second & 0x7F {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 4, 126),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), 10, 1 << 16),
            short => (u64::from(short), 2, 0),
        };
        if masked {
            size += 4;
        }
        let behind = bytes.get(usize::from(size)..)?;
        let code = match first & 0xF {
            CLOSE if length >= 2 => {
                let [high, low] = *behind.first_chunk()?;
                let key = if masked { bytes.get(usize::from(size) - 4..)?.first_chunk()? } else { &[0; 4] };
                Some(u16::from_be_bytes([high ^ key[0], low ^ key[1]]))
            }
            _ => None,
        };
        let long_form = length < shortest || length >> 63 != 0;
        Some(Self { first: *first, masked, size, long_form, length, code })
    }

    pub(super) const fn opcode(&self) -> u8 {
        self.first & 0xF
    }

    pub(super) const fn is_control(&self) -> bool {
        self.first & 8 != 0
    }

    pub(super) const fn is_final(&self) -> bool {
        self.first & FIN != 0
    }
}

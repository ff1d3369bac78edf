//! The HTTP/1 codec, sans-I/O and strict: bytes in, spans and framing out (RFC 9112).
//!
//! The data path parses request and response heads with it and decodes bodies in place; it never reads, writes, waits or
//! repairs. What the RFC lets a proxy reject, it rejects, at the first byte that shows it, and every verdict is the same
//! however the bytes were split on their way. In the steady state nothing is allocated: heads are cleared and reused.
//!
//! The scanner is our own rather than `httparse`: heads that arrive byte by byte are scanned once and not from the start
//! again, errors have kinds that explain themselves, and there is nothing to undo (`httparse` takes bare LF, bytes above
//! 0x7F in targets and obs-fold). A browser's head of 301 bytes and six fields takes 2,060 instructions from the first
//! byte to known names, framing and connection options; `httparse` takes 2,000 for the tokens alone.

mod body;
mod chunked;
mod error;
mod fields;
mod request;
mod response;
pub(crate) mod scan;
mod trailers;
mod version;
mod write;

#[cfg(test)]
mod tests;

pub use body::{BodyDecoder, Decoded};
pub use chunked::ChunkedDecoder;
pub use error::{ChunkError, HeadError};
pub use request::RequestHead;
pub use response::ResponseHead;
pub use write::{CHUNK_SUFFIX, LAST_CHUNK, LAST_CHUNK_LINE, chunk_prefix};

use crate::config::Limits;

/// Whether a trailer with this name is left out on its way (case 31).
pub(crate) fn is_dropped_trailer(name: &[u8]) -> bool {
    trailers::is_dropped(name)
}

/// The most that a head may hold. All numbers are bytes, but for `fields`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// The whole head with its blank line.
    pub head: usize,
    /// One field line with its CRLF.
    pub field: usize,
    /// How many field lines.
    pub fields: usize,
    /// The request target. Response heads have none.
    pub target: usize,
}

impl From<&Limits> for HeadLimits {
    fn from(limits: &Limits) -> Self {
        let bytes = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        Self {
            head: bytes(limits.head),
            field: bytes(limits.field),
            fields: bytes(limits.fields),
            target: bytes(limits.target),
        }
    }
}

/// How far the parse of a head has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All bytes were fine and more are needed: call again with the same bytes and what follows them.
    Partial,
    /// The head is whole; its `len` says where the body begins.
    Complete,
}

/// How the end of a body is found (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// There is no body. In a request also `Content-Length: 0` is [`Framing::Length`], not this.
    #[default]
    None,
    /// Exactly this many bytes, at most 2⁶³ − 1.
    Length(u64),
    /// Chunks, then a trailer section.
    Chunked,
    /// Whatever comes until the connection is closed. Responses only.
    Close,
    /// HTTP/2 has frames for it, below everything that reads a body; the length that was declared, if one was. The
    /// frame layer has held it against the bytes (RFC 9113 §8.1.1). This codec never finds it.
    Frames(Option<u64>),
}

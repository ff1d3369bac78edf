//! One decoder for all framings, used for both directions of an exchange.
//!
//! The relay reads into a buffer, lets this take the coding off, and asks it at the end of the connection whether the body
//! was whole. It owns no bytes but trailers.

use super::{ChunkError, ChunkedDecoder, Framing};

/// What one call of a decoder made of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of the buffer that belong to the body, coding included.
    pub consumed: usize,
    /// Bytes of payload, now at the front of the buffer.
    pub produced: usize,
    /// Whether the body is whole. What is left of the buffer belongs to the next message.
    pub done: bool,
}

/// Where the end of a body is looked for.
#[derive(Clone, Debug)]
pub enum BodyDecoder {
    /// No body.
    None,
    /// So many bytes more.
    Length {
        /// Bytes that have still to come.
        left: u64,
    },
    /// Chunks. Apart from the rest, which is small and moves with every message.
    Chunked(Box<ChunkedDecoder>),
    /// Until the connection ends.
    Close,
}

impl BodyDecoder {
    /// Makes the decoder of a framing. `trailer_limit` is `limits.trailers` in bytes.
    #[must_use]
    pub fn new(framing: Framing, trailer_limit: usize) -> Self {
        match framing {
            Framing::None => Self::None,
            Framing::Length(left) => Self::Length { left },
            Framing::Chunked => Self::Chunked(Box::new(ChunkedDecoder::new(trailer_limit))),
            // The end of the frames is the end of the source, and a source that breaks off fails instead of ending.
            Framing::Close | Framing::Frames(_) => Self::Close,
        }
    }

    /// Decodes in place: afterwards `buf[..produced]` is payload and `buf[consumed..]` is as it was.
    ///
    /// # Errors
    /// The coding is broken; only chunks can be.
    pub fn decode(&mut self, buf: &mut [u8]) -> Result<Decoded, ChunkError> {
        let n = match self {
            Self::None => 0,
            Self::Length { left } => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.len());
                *left -= n as u64;
                n
            }
            Self::Chunked(decoder) => return decoder.decode(buf),
            Self::Close => buf.len(),
        };
        Ok(Decoded { consumed: n, produced: n, done: self.is_done() })
    }

    /// Whether the body is whole. One that ends with the connection never is.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match self {
            Self::None => true,
            Self::Length { left } => *left == 0,
            Self::Chunked(decoder) => decoder.is_done(),
            Self::Close => false,
        }
    }

    /// Whether the end of the connection here is the end of the body; false is a truncated one (RFC 9112 §8).
    #[must_use]
    pub fn finish_on_eof(&self) -> bool {
        matches!(self, Self::Close) || self.is_done()
    }

    /// Bytes that are known to come still; `None` where only the bytes themselves will tell.
    #[must_use]
    pub fn declared_left(&self) -> Option<u64> {
        match self {
            Self::None => Some(0),
            Self::Length { left } => Some(*left),
            Self::Chunked(_) | Self::Close => None,
        }
    }

    /// Payload that has been promised and not come: the rest of the length, or of the chunk that has begun.
    #[must_use]
    pub fn announced(&self) -> u64 {
        match self {
            Self::None | Self::Close => 0,
            Self::Length { left } => *left,
            Self::Chunked(decoder) => decoder.chunk_left(),
        }
    }

    /// Counts payload that went past without being seen: the kernel moved it. Only for bodies of a declared length and
    /// those that end with the connection; chunks have to be seen.
    pub fn skip(&mut self, bytes: u64) {
        if let Self::Length { left } = self {
            *left = left.saturating_sub(bytes);
        }
    }

    /// The trailer lines that may be forwarded, each with its CRLF; empty but for chunks that had some and are done.
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        match self {
            Self::Chunked(decoder) if decoder.is_done() => decoder.trailers(),
            Self::None | Self::Length { .. } | Self::Chunked(_) | Self::Close => &[],
        }
    }
}

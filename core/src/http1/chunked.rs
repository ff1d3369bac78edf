//! The chunked coding, decoded in place (RFC 9112 §7.1).
//!
//! Both directions of the relay use it through `BodyDecoder`, draining included: all its bounds hold whether somebody
//! wants the payload or not. It allocates only when trailer fields come.

use super::ChunkError;
use super::body::Decoded;
use super::scan::is_token_byte;
use super::trailers::Trailers;

/// Bytes of one size line before its LF (case 25). A size takes 16 at most; extensions in the wild are short signatures.
const MAX_SIZE_LINE: u16 = 256;
/// Bytes of extensions in a whole body (case 28).
const MAX_EXTENSIONS: u32 = 4096;
/// Framing that nobody asks about: the ratio below is tested only beyond it (case 28).
const FREE_OVERHEAD: u64 = 64 << 10;
/// Bytes of framing to one of payload. Honest one-byte chunks have 5.
const MAX_OVERHEAD_RATIO: u64 = 16;
/// Hexadecimal digits of 64 bits.
const MAX_DIGITS: u8 = 16;

/// Where in the coding the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Size,
    Extension(Extension),
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// The byte after the last chunk's line: the section is nearly always empty.
    TrailersOrEnd,
    EndLf,
    Trailers,
    Done,
}

/// Where in `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )` the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    /// Behind white space; only `;` may follow.
    Before,
    NameStart,
    Name,
    AfterName,
    ValueStart,
    Token,
    Quoted,
    Escaped,
    QuotedEnd,
}

/// Takes chunks apart as they arrive.
#[derive(Clone, Debug)]
pub struct ChunkedDecoder {
    stage: Stage,
    /// Of the chunk at hand; while its line is read, the size so far.
    left: u64,
    digits: u8,
    line: u16,
    extensions: u32,
    framing: u64,
    payload: u64,
    trailers: Trailers,
}

impl ChunkedDecoder {
    /// Makes a decoder for one body whose trailer section may have `trailer_limit` bytes (`limits.trailers`).
    #[must_use]
    pub fn new(trailer_limit: usize) -> Self {
        Self {
            stage: Stage::Size,
            left: 0,
            digits: 0,
            line: 0,
            extensions: 0,
            framing: 0,
            payload: 0,
            trailers: Trailers::new(trailer_limit),
        }
    }

    /// Decodes as much as `buf` holds and moves the payload to its front.
    ///
    /// Afterwards `buf[..produced]` is payload, and `buf[consumed..]` is untouched: nothing of it belongs to the body once
    /// `done` is set, and it is empty before. The bytes between are scrap.
    ///
    /// # Errors
    /// The first thing that is wrong. Payload before it may have been produced, but is lost with the body.
    pub fn decode(&mut self, buf: &mut [u8]) -> Result<Decoded, ChunkError> {
        let (mut at, mut produced) = (0, 0);
        while let Some(&byte) = buf.get(at) {
            match self.stage {
                Stage::Done => break,
                Stage::Data => {
                    let n = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len() - at);
                    if produced != at {
                        buf.copy_within(at..at + n, produced);
                    }
                    at += n;
                    produced += n;
                    self.left -= n as u64;
                    if self.left == 0 {
                        self.stage = Stage::DataCr;
                    }
                }
                Stage::Trailers => {
                    let (taken, ended) = self.trailers.feed(buf.get(at..).unwrap_or_default())?;
                    at += taken;
                    if ended {
                        self.stage = Stage::Done;
                    }
                }
                Stage::TrailersOrEnd if byte != b'\r' => self.stage = Stage::Trailers,
                stage => {
                    self.stage = self.step(stage, byte)?;
                    at += 1;
                }
            }
        }
        Ok(Decoded { consumed: at, produced, done: self.is_done() })
    }

    /// Payload of the chunk at hand that has still to come; 0 between chunks and while a size is being read.
    #[must_use]
    pub fn chunk_left(&self) -> u64 {
        if matches!(self.stage, Stage::Data) { self.left } else { 0 }
    }

    /// Whether the blank line behind the trailer section has come.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// The trailer lines that may be forwarded, as they came, each with its CRLF and without the blank line. Whole only
    /// when the body is done.
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        self.trailers.lines()
    }

    /// Takes one byte of framing.
    fn step(&mut self, stage: Stage, byte: u8) -> Result<Stage, ChunkError> {
        self.framing += 1;
        match (stage, byte) {
            (Stage::Size | Stage::Extension(_) | Stage::SizeLf, _) => self.size_line(stage, byte),
            (Stage::DataCr, b'\r') => Ok(Stage::DataLf),
            (Stage::DataLf, b'\n') => Ok(Stage::Size),
            (Stage::DataCr | Stage::DataLf, _) => Err(ChunkError::DataTooLong),
            (Stage::EndLf, b'\n') => Ok(Stage::Done),
            (Stage::EndLf, _) => Err(ChunkError::BareCr),
            // The other stages take many bytes at once, or none; a CR is all that gets here.
            (Stage::TrailersOrEnd | Stage::Data | Stage::Trailers | Stage::Done, _) => Ok(Stage::EndLf),
        }
    }

    fn size_line(&mut self, stage: Stage, byte: u8) -> Result<Stage, ChunkError> {
        self.line += 1;
        match (stage, byte) {
            (Stage::SizeLf, b'\n') => return self.size_known(),
            (Stage::SizeLf, _) => return Err(ChunkError::BareCr),
            _ if self.line > MAX_SIZE_LINE => return Err(ChunkError::SizeLineTooLong),
            (Stage::Extension(Extension::Quoted | Extension::Escaped), b'\n') => return Err(ChunkError::BadExtension),
            (_, b'\n') => return Err(ChunkError::BareLf),
            _ => {}
        }
        if let Stage::Extension(at) = stage {
            return self.extension(at, byte);
        }
        match byte {
            b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' if self.digits == MAX_DIGITS => Err(ChunkError::SizeTooLarge),
            b'0'..=b'9' => Ok(self.digit(byte - b'0')),
            b'a'..=b'f' => Ok(self.digit(byte - b'a' + 10)),
            b'A'..=b'F' => Ok(self.digit(byte - b'A' + 10)),
            _ if self.digits == 0 => Err(ChunkError::BadSize),
            b'\r' => Ok(Stage::SizeLf),
            b';' => Ok(Stage::Extension(Extension::NameStart)),
            b' ' | b'\t' => Ok(Stage::Extension(Extension::Before)),
            _ => Err(ChunkError::BadSize),
        }
    }

    fn digit(&mut self, value: u8) -> Stage {
        self.left = (self.left << 4) | u64::from(value);
        self.digits += 1;
        Stage::Size
    }

    fn extension(&mut self, at: Extension, byte: u8) -> Result<Stage, ChunkError> {
        self.extensions += 1;
        if self.extensions > MAX_EXTENSIONS {
            return Err(ChunkError::TooMuchOverhead);
        }
        at.next(byte).ok_or(ChunkError::BadExtension)
    }

    /// The line of a chunk is whole: its data follows, or the trailer section.
    fn size_known(&mut self) -> Result<Stage, ChunkError> {
        (self.digits, self.line) = (0, 0);
        self.payload = match self.payload.checked_add(self.left) {
            Some(sum) if i64::try_from(sum).is_ok() => sum,
            _ => return Err(ChunkError::SizeTooLarge),
        };
        if self.framing > FREE_OVERHEAD && self.framing / MAX_OVERHEAD_RATIO > self.payload {
            return Err(ChunkError::TooMuchOverhead);
        }
        Ok(if self.left == 0 { Stage::TrailersOrEnd } else { Stage::Data })
    }
}

impl Extension {
    /// The stage behind `byte`, which is no LF; `None` where it may not stand here.
    fn next(self, byte: u8) -> Option<Stage> {
        let blank = matches!(byte, b' ' | b'\t');
        let next = match (self, byte) {
            (Self::Name | Self::Token | Self::QuotedEnd, b'\r') => return Some(Stage::SizeLf),
            (Self::Before | Self::Name | Self::AfterName | Self::Token | Self::QuotedEnd, b';') => Self::NameStart,
            (Self::Name | Self::AfterName, b'=') => Self::ValueStart,
            (Self::NameStart | Self::Name, _) if is_token_byte(byte) => Self::Name,
            (Self::ValueStart | Self::Token, _) if is_token_byte(byte) => Self::Token,
            (Self::Before | Self::NameStart | Self::AfterName | Self::ValueStart, _) if blank => self,
            (Self::Name, _) if blank => Self::AfterName,
            (Self::Token | Self::QuotedEnd, _) if blank => Self::Before,
            (Self::ValueStart, b'"') => Self::Quoted,
            (Self::Quoted, b'"') => Self::QuotedEnd,
            (Self::Quoted, b'\\') => Self::Escaped,
            (Self::Quoted | Self::Escaped, b'\t' | b' '..=b'~' | 0x80..) => Self::Quoted,
            _ => return None,
        };
        Some(Stage::Extension(next))
    }
}

//! Encoders of content: bytes in, encoded bytes out, at once where the body is a stream.
//!
//! A pump has one where an answer is compressed. Levels are low and windows small: what one read brings is encoded on the
//! worker's loop, and memory is bounded by stream and by worker.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write as _};
use std::rc::Rc;
use std::task::{Context, Poll};

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;
use switchboard_core::content::Coding;
use zstd::stream::raw::CParameter;
use zstd::stream::write::Encoder as ZstdEncoder;

use super::{Pump, PumpError};
use crate::transport::Transport;

/// Encoders of one worker at once; beyond that answers go as they are. With at most some 1.5 MiB each.
const MOST: usize = 128;

/// Levels, chosen for what they cost: about the ratio that others give at theirs, for less time.
const GZIP_LEVEL: u32 = 3;
const BROTLI_LEVEL: i32 = 4;
const ZSTD_LEVEL: i32 = 2;

/// Windows as powers of two: 256 KiB. A client needs as much to decode.
const WINDOW: u8 = 18;

/// How many encoders a worker has in use.
#[derive(Clone, Debug, Default)]
pub struct Encoders(Rc<Cell<usize>>);

/// A place among them.
#[derive(Debug)]
struct Place(Rc<Cell<usize>>);

impl Encoders {
    /// Whether there is room for one more.
    pub fn have_room(&self) -> bool {
        self.0.get() < MOST
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// One body that is encoded.
pub struct Encoder {
    kind: Kind,
    /// Nobody knows when more comes: what has come goes on at once.
    flushes: bool,
    _place: Place,
}

enum Kind {
    Gzip(GzEncoder<Vec<u8>>),
    /// `None` once it has ended: ending it takes it apart.
    Brotli(Option<Box<CompressorWriter<Vec<u8>>>>),
    Zstd(ZstdEncoder<'static, Vec<u8>>),
}

impl Encoder {
    /// Makes an encoder for a body of `length` bytes, or of nobody knows how many. `None` where there is no room for one,
    /// or nothing to do.
    pub fn new(encoders: &Encoders, coding: Coding, length: Option<u64>) -> Option<Box<Self>> {
        if !encoders.have_room() {
            return None;
        }
        let kind = match coding {
            Coding::Identity => return None,
            Coding::Gzip => Kind::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL))),
            Coding::Brotli => Kind::Brotli(Some(Box::new(brotli(length)))),
            Coding::Zstd => Kind::Zstd(zstd(length).ok()?),
        };
        encoders.0.set(encoders.0.get() + 1);
        let place = Place(Rc::clone(&encoders.0));
        Some(Box::new(Self { kind, flushes: length.is_none(), _place: place }))
    }

    /// Encodes what has come, and with `ends` the end of the body. What comes out may be nothing yet.
    ///
    /// # Errors
    /// When memory runs out.
    pub fn encode(&mut self, bytes: &[u8], ends: bool) -> io::Result<Vec<u8>> {
        let flush = self.flushes && !ends && !bytes.is_empty();
        match &mut self.kind {
            Kind::Gzip(encoder) => {
                encoder.write_all(bytes)?;
                if ends {
                    encoder.try_finish()?;
                } else if flush {
                    encoder.flush()?;
                }
                Ok(std::mem::take(encoder.get_mut()))
            }
            Kind::Brotli(slot) => {
                let Some(mut encoder) = slot.take() else { return Ok(Vec::new()) };
                encoder.write_all(bytes)?;
                if ends {
                    return Ok(encoder.into_inner());
                }
                let encoder = slot.insert(encoder);
                if flush {
                    encoder.flush()?;
                }
                Ok(std::mem::take(encoder.get_mut()))
            }
            Kind::Zstd(encoder) => {
                encoder.write_all(bytes)?;
                if ends {
                    encoder.do_finish()?;
                } else if flush {
                    encoder.flush()?;
                }
                Ok(std::mem::take(encoder.get_mut()))
            }
        }
    }
}

fn brotli(length: Option<u64>) -> CompressorWriter<Vec<u8>> {
    CompressorWriter::with_params(Vec::new(), 16 * 1024, &brotli_params(BROTLI_LEVEL, length))
}

/// Parameters of a brotli encoder for a body of `length` bytes, where that is known.
pub(super) fn brotli_params(quality: i32, length: Option<u64>) -> BrotliEncoderParams {
    BrotliEncoderParams {
        quality,
        lgwin: i32::from(WINDOW),
        size_hint: length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0),
        ..BrotliEncoderParams::default()
    }
}

fn zstd(length: Option<u64>) -> io::Result<ZstdEncoder<'static, Vec<u8>>> {
    let mut encoder = ZstdEncoder::new(Vec::new(), ZSTD_LEVEL)?;
    encoder.set_parameter(CParameter::WindowLog(u32::from(WINDOW)))?;
    if length.is_some() {
        encoder.set_pledged_src_size(length)?;
    }
    Ok(encoder)
}

impl Pump {
    /// Compresses what passes from now on.
    #[must_use]
    pub fn compressing(self, encoder: Option<Box<Encoder>>) -> Self {
        Self { encoder, ..self }
    }

    /// Encodes payload; `None` where it goes as it is.
    pub(super) fn encode(&mut self, payload: &[u8]) -> Result<Option<Vec<u8>>, PumpError> {
        let Some(encoder) = &mut self.encoder else { return Ok(None) };
        let encoded = encoder.encode(payload, self.complete).map_err(PumpError::Read)?;
        if self.complete {
            self.encoder = None;
        }
        Ok(Some(encoded))
    }

    /// Encodes payload, offers it, and lets others have their turn: encoding takes longer than copying.
    pub(super) fn poll_encode(
        &mut self,
        context: &mut Context<'_>,
        sink: &Transport,
        payload: &[u8],
    ) -> Poll<Result<(), PumpError>> {
        let encoded = self.encode(payload)?;
        self.emit(context, sink, &[], encoded.as_deref().unwrap_or(payload))?;
        if self.complete {
            return Poll::Ready(Ok(()));
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let coding = match self.kind {
            Kind::Gzip(_) => Coding::Gzip,
            Kind::Brotli(_) => Coding::Brotli,
            Kind::Zstd(_) => Coding::Zstd,
        };
        f.debug_struct("Encoder").field("coding", &coding).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::{begins_with, whole};
    use super::*;

    fn text() -> Vec<u8> {
        (0..20_000_u32).flat_map(|n| format!("{{\"number\": {n}}},\n").into_bytes()).collect()
    }

    #[test]
    fn what_is_encoded_can_be_read_again() {
        for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
            let text = text();
            let encoders = Encoders::default();
            let mut encoder = Encoder::new(&encoders, coding, Some(text.len() as u64)).expect("there is room");
            let mut out = Vec::new();
            for piece in text.chunks(65_536) {
                out.extend(encoder.encode(piece, false).expect("it encodes"));
            }
            out.extend(encoder.encode(&[], true).expect("it ends"));
            assert!(out.len() * 4 < text.len(), "{coding:?}: {} bytes", out.len());
            assert!(whole(coding, &out).expect("it can be read") == text, "{coding:?}");
        }
    }

    #[test]
    fn what_has_come_of_a_stream_can_be_read_at_once() {
        for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
            let encoders = Encoders::default();
            let mut encoder = Encoder::new(&encoders, coding, None).expect("there is room");
            let first = encoder.encode(b"{\"first\":1}\n", false).expect("it encodes");
            assert!(begins_with(coding, &first, b"{\"first\":1}\n"), "{coding:?}");
        }
    }

    #[test]
    fn there_is_a_bound_for_a_worker() {
        let encoders = Encoders::default();
        let held: Vec<_> = (0..MOST).filter_map(|_| Encoder::new(&encoders, Coding::Gzip, None)).collect();
        assert_eq!(held.len(), MOST);
        assert!(Encoder::new(&encoders, Coding::Gzip, None).is_none());
        drop(held);
        assert!(Encoder::new(&encoders, Coding::Gzip, None).is_some());
    }
}

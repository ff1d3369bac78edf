//! Chunked bodies: split-independent, equal to what a naive decoder finds, and unharmed by being coded again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_core::http1::{BodyDecoder, CHUNK_SUFFIX, ChunkError, Decoded, Framing, LAST_CHUNK_LINE, chunk_prefix};
use switchboard_fuzz::cuts;

const TRAILER_LIMIT: usize = 100;

#[derive(Debug, PartialEq)]
struct Body {
    payload: Vec<u8>,
    trailers: Vec<u8>,
    /// Bytes of the body, coding included; `None` where it has not ended.
    len: Option<usize>,
}

fuzz_target!(|bytes: &[u8]| {
    let whole = decode(bytes, &[]);
    for stops in cuts(bytes) {
        assert_eq!(decode(bytes, &stops), whole, "cut at {stops:?}");
    }
    let Ok(Body { payload, trailers, len: Some(len) }) = whole else { return };
    let (naive_payload, naive_len) = naive(bytes).expect("a stricter reader accepted it");
    assert_eq!((&payload, len), (&naive_payload, naive_len));
    assert!(trailers.len() <= TRAILER_LIMIT && (trailers.is_empty() || trailers.ends_with(b"\r\n")));

    let mut again = Vec::new();
    for chunk in payload.chunks(1 + len % 17) {
        for part in [chunk_prefix(chunk.len(), &mut [0; 18]), chunk, CHUNK_SUFFIX] {
            again.extend_from_slice(part);
        }
    }
    for part in [LAST_CHUNK_LINE, &trailers, CHUNK_SUFFIX] {
        again.extend_from_slice(part);
    }
    let second = decode(&again, &[]);
    assert_eq!(second, Ok(Body { payload, trailers, len: Some(again.len()) }));
});

fn decode(bytes: &[u8], stops: &[usize]) -> Result<Body, ChunkError> {
    let mut decoder = BodyDecoder::new(Framing::Chunked, TRAILER_LIMIT);
    let mut body = Body { payload: Vec::new(), trailers: Vec::new(), len: None };
    let mut from = 0;
    for &stop in stops.iter().chain([&bytes.len()]) {
        let mut piece = bytes[from..stop].to_vec();
        let Decoded { consumed, produced, done } = decoder.decode(&mut piece)?;
        assert!(produced <= consumed && (done || consumed == piece.len()));
        assert_eq!(piece[consumed..], bytes[from + consumed..stop]);
        assert_eq!(decoder.finish_on_eof(), done);
        body.payload.extend_from_slice(&piece[..produced]);
        if done {
            body.len = Some(from + consumed);
            break;
        }
        from = stop;
    }
    body.trailers = decoder.trailers().to_vec();
    Ok(body)
}

/// Line by line, tolerant, and with nothing in common with the decoder.
fn naive(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut payload, mut at) = (Vec::new(), 0);
    let line = |at: usize| Some((at, at + bytes[at..].windows(2).position(|w| w == b"\r\n")?));
    loop {
        let (start, end) = line(at)?;
        let size = bytes[start..end].split(|b| b";\t ".contains(b)).next()?;
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        at = end + 2;
        if size == 0 {
            break;
        }
        payload.extend_from_slice(bytes.get(at..at + size)?);
        at += size + 2;
    }
    loop {
        let (start, end) = line(at)?;
        at = end + 2;
        if start == end {
            return Some((payload, at));
        }
    }
}

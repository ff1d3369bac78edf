//! Takes a coding off a body that a policy has to read, within bounds: a few bytes can stand for a great many (case 158).

use std::io::{self, Read};

use switchboard_core::content::Coding;

/// How much may come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Bytes at most.
    pub bytes: usize,
    /// Times the size of what went in at most; small bodies may grow to 64 KiB whatever this says.
    pub ratio: usize,
}

/// What every body may grow to: a ratio says nothing about a few bytes.
const ALWAYS: usize = 64 * 1024;

impl Default for Limit {
    fn default() -> Self {
        Self { bytes: 10 * 1024 * 1024, ratio: 100 }
    }
}

/// Why a body was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecoded {
    /// It grows beyond the limit.
    TooLarge,
    /// It is not what its coding says, or it ends too early.
    Malformed,
}

/// Decodes a whole body.
///
/// # Errors
/// Where it is malformed, or grows beyond `limit`.
pub fn decode(coding: Coding, bytes: &[u8], limit: Limit) -> Result<Vec<u8>, Undecoded> {
    let most = bytes.len().saturating_mul(limit.ratio).max(ALWAYS).min(limit.bytes);
    let mut out = Vec::new();
    let room = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    reader(coding, bytes)
        .and_then(|reader| reader.take(room).read_to_end(&mut out))
        .map_err(|_| Undecoded::Malformed)?;
    if out.len() > most { Err(Undecoded::TooLarge) } else { Ok(out) }
}

fn reader<'a>(coding: Coding, bytes: &'a [u8]) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match coding {
        Coding::Identity => Box::new(bytes),
        Coding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
        Coding::Brotli => Box::new(brotli::Decompressor::new(bytes, 4096)),
        Coding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(bytes)?;
            // RFC 9659: 8 MiB, which is 2 to the 23rd.
            decoder.window_log_max(23)?;
            Box::new(decoder)
        }
    })
}

/// Whether what has come of a body so far begins with this, once it is decoded.
#[cfg(test)]
pub(super) fn begins_with(coding: Coding, bytes: &[u8], start: &[u8]) -> bool {
    let mut found = vec![0; start.len()];
    reader(coding, bytes).and_then(|mut reader| reader.read_exact(&mut found)).is_ok() && found == start
}

#[cfg(test)]
mod tests {
    use super::super::encode::{Encoder, Encoders};
    use super::*;

    #[test]
    fn case_158_a_bomb_is_not_unpacked() {
        let zeros = vec![0; 20 << 20];
        for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
            let mut encoder = Encoder::new(&Encoders::default(), coding, None).expect("there is room");
            let bomb = encoder.encode(&zeros, true).expect("it encodes");
            assert_eq!(decode(coding, &bomb, Limit::default()), Err(Undecoded::TooLarge), "{coding:?}");
            let capped = Limit { bytes: 1000, ratio: 1 << 20 };
            assert_eq!(decode(coding, &bomb, capped), Err(Undecoded::TooLarge), "{coding:?}");
        }
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_malformed() {
        for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
            let mut encoder = Encoder::new(&Encoders::default(), coding, None).expect("there is room");
            let whole = encoder.encode(&b"some text ".repeat(100), true).expect("it encodes");
            let cut = whole.get(..whole.len() / 2).unwrap_or_default();
            assert_eq!(decode(coding, cut, Limit::default()), Err(Undecoded::Malformed), "{coding:?}");
            assert_eq!(
                decode(coding, b"\xff\xff no coding", Limit::default()),
                Err(Undecoded::Malformed),
                "{coding:?}"
            );
        }
        assert_eq!(decode(Coding::Identity, b"as it is", Limit::default()), Ok(b"as it is".to_vec()));
    }
}

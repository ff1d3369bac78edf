//! Takes a coding off a body that a policy has to read, within bounds: a few bytes can stand for a great many (case 158).

use std::io::{self, Read};

#[cfg(test)]
use switchboard_core::content::Coding;

/// How much may come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Bytes that are wanted; what would come behind them stays packed.
    pub bytes: usize,
    /// So many times its size a body may grow, where that many bytes come out of it.
    pub ratio: usize,
}

/// A body grows beyond what its size allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bomb;

/// Takes a coding, by its name in lower case, off the beginning of a body. Where the body is cut off or malformed, what
/// came before that is what there is. `None` where nobody here can unpack it.
///
/// # Errors
/// Where it grows beyond the ratio.
pub fn beginning(coding: &[u8], bytes: &[u8], limit: Limit) -> Option<Result<Vec<u8>, Bomb>> {
    let reader = reader(coding, bytes)?;
    let mut out = Vec::new();
    let _ = reader.and_then(|reader| reader.take(limit.bytes as u64).read_to_end(&mut out));
    let grown = out.len() >= limit.bytes && out.len() > bytes.len().saturating_mul(limit.ratio);
    Some(if grown { Err(Bomb) } else { Ok(out) })
}

fn reader<'a>(coding: &[u8], bytes: &'a [u8]) -> Option<io::Result<Box<dyn Read + 'a>>> {
    Some(Ok(match coding {
        b"gzip" | b"x-gzip" => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
        b"deflate" => Box::new(flate2::read::ZlibDecoder::new(bytes)),
        b"br" => Box::new(brotli::Decompressor::new(bytes, 4096)),
        b"zstd" => return Some(zstd(bytes)),
        _ => return None,
    }))
}

fn zstd<'a>(bytes: &'a [u8]) -> io::Result<Box<dyn Read + 'a>> {
    let mut decoder = zstd::stream::read::Decoder::new(bytes)?;
    // RFC 9659: 8 MiB, which is 2 to the 23rd.
    decoder.window_log_max(23)?;
    Ok(Box::new(decoder))
}

/// A whole body, decoded; `None` where it is malformed or ends too early.
#[cfg(test)]
pub(super) fn whole(coding: Coding, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    reader(coding.token().as_bytes(), bytes)?.and_then(|mut reader| reader.read_to_end(&mut out)).ok()?;
    Some(out)
}

/// Whether what has come of a body so far begins with this, once it is decoded.
#[cfg(test)]
pub(super) fn begins_with(coding: Coding, bytes: &[u8], start: &[u8]) -> bool {
    let mut found = vec![0; start.len()];
    let reader = reader(coding.token().as_bytes(), bytes).expect("it is known here");
    reader.and_then(|mut reader| reader.read_exact(&mut found)).is_ok() && found == start
}

#[cfg(test)]
mod tests {
    use super::super::encode::{Encoder, Encoders};
    use super::*;

    const CODINGS: [Coding; 3] = [Coding::Gzip, Coding::Brotli, Coding::Zstd];

    fn encoded(coding: Coding, text: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::new(&Encoders::default(), coding, None).expect("there is room");
        encoder.encode(text, true).expect("it encodes")
    }

    #[test]
    fn case_158_a_bomb_is_not_unpacked() {
        for coding in CODINGS {
            let name = coding.token().as_bytes();
            // No more is made of it than is wanted, however much there would be; and that is told from a text.
            let bomb = encoded(coding, &vec![0; 20 << 20]);
            let most = Limit { bytes: 10 << 20, ratio: 100 };
            assert_eq!(beginning(name, &bomb, most), Some(Err(Bomb)), "{coding:?}");
            let all = Limit { bytes: 1000, ratio: 1 << 20 };
            assert_eq!(beginning(name, &bomb, all), Some(Ok(vec![0; 1000])), "{coding:?}");
            let text: Vec<u8> = (0..20_000_u32).flat_map(|n| format!("{n} ").into_bytes()).collect();
            let limit = Limit { bytes: 64 * 1024, ratio: 100 };
            assert_eq!(
                beginning(name, &encoded(coding, &text), limit),
                Some(Ok(text[..64 * 1024].to_vec())),
                "{coding:?}"
            );
        }
    }

    #[test]
    fn what_is_cut_off_ends_where_it_is_cut() {
        let text = (0..5_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes()).collect::<Vec<u8>>();
        let limit = Limit { bytes: 1 << 20, ratio: 100 };
        for coding in CODINGS {
            let (name, packed) = (coding.token().as_bytes(), encoded(coding, &text));
            assert_eq!(whole(coding, &packed).as_deref(), Some(&*text), "{coding:?}");
            let cut = &packed[..packed.len() / 2];
            assert_eq!(whole(coding, cut), None, "{coding:?}");
            let begun = beginning(name, cut, limit).expect("it is known").expect("it is none");
            assert!(text.starts_with(&begun) && begun.len() < text.len(), "{coding:?}: {}", begun.len());
            assert_eq!(beginning(name, b"\xff\xff no coding", limit), Some(Ok(Vec::new())), "{coding:?}");
        }
        assert_eq!(beginning(b"compress", b"x", limit), None);
    }
}

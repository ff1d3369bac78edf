//! Finding the first byte that does not belong, eight bytes at a time.
//!
//! Heads, reason phrases and trailers are scanned with it. It never judges: callers look at the byte where it stopped.

use crate::message::Span;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Which bytes a token may have (RFC 9110 §5.6.2).
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let marks = b"!#$%&'*+-.^_`|~";
    let mut i = 0;
    while i < marks.len() {
        table[marks[i] as usize] = true;
        i += 1;
    }
    let mut byte = 0_u8;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() {
            table[byte as usize] = true;
        }
        byte += 1;
    }
    table
};

/// Tells whether `byte` may stand in a token.
pub(super) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// Tells whether all of `bytes` is one token.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| is_token_byte(b))
}

/// The index, at or after `from`, of the first byte that is not of a token, or the length.
pub(super) fn token_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().position(|&b| !is_token_byte(b)).unwrap_or(rest.len())
}

/// The index, at or after `from`, of the first control character (HTAB is none here), or the length.
pub(super) fn value_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        at = first(bytes, at, |word| below(word, 0x20) | equal(word, 0x7F), |b| b < 0x20 || b == 0x7F);
        // Tabs are rare enough in values to stop at each of them.
        if bytes.get(at) != Some(&b'\t') {
            return at;
        }
        at += 1;
    }
}

/// The index, at or after `from`, of the first byte that is not printable ASCII or is a space, or the length.
pub(super) fn target_end(bytes: &[u8], from: usize) -> usize {
    first(bytes, from, |word| below(word, 0x21) | equal(word, 0x7F) | (word & HIGHS), |b| !b.is_ascii_graphic())
}

/// Makes a span; both ends lie within `limits.head`, which is far below 4 GiB.
pub(super) fn span(start: usize, end: usize) -> Span {
    #[expect(clippy::cast_possible_truncation, reason = "the window that is scanned is cut to u32::MAX bytes")]
    Span { start: start as u32, end: end as u32 }
}

/// `bytes[start..end]` without white space around it, as a span (RFC 9110 §5.6.3).
pub(super) fn trimmed(bytes: &[u8], mut start: usize, mut end: usize) -> Span {
    let blank = |at: usize| matches!(bytes.get(at), Some(b' ' | b'\t'));
    while start < end && blank(start) {
        start += 1;
    }
    while start < end && blank(end - 1) {
        end -= 1;
    }
    span(start, end)
}

/// Marks the bytes of `word` that are below `limit` (≤ 0x80). Only the lowest mark is exact: borrows run upwards.
fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGHS
}

/// Marks the bytes of `word` that equal `byte`. Only the lowest mark is exact.
fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * u64::from(byte)), 1)
}

/// The first index, at or after `from`, of a byte that `marks` (in words) and `is` (in bytes) find, or the length.
#[inline(always)]
fn first(bytes: &[u8], from: usize, marks: impl Fn(u64) -> u64, is: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let (words, tail) = rest.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let found = marks(u64::from_le_bytes(*word));
        if found != 0 {
            return from + i * 8 + (found.trailing_zeros() / 8) as usize;
        }
    }
    from + words.len() * 8 + tail.iter().position(|&b| is(b)).unwrap_or(tail.len())
}

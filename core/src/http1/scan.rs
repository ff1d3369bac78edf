//! Finding the first byte that does not belong, sixteen bytes at a time.
//!
//! Heads, reason phrases and trailers are scanned with it, and fields of HTTP/2. It never judges: callers look at the byte where it stopped.
//! Blocks are compared with vector instructions, through a crate that has them on every machine, without `unsafe` here.

use wide::u8x16;

use crate::block::{BLOCK, is, within};
use crate::message::Span;

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

/// The index, at or after `from`, of the first byte that is not of a token, or the length. For methods, which are short.
pub(super) fn method_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().position(|&b| !is_token_byte(b)).unwrap_or(rest.len())
}

/// The same for field names.
#[inline(always)]
pub(super) fn token_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        at = first(bytes, at, |block| {
            let letters = within(block | u8x16::splat(0x20), b'a', b'z');
            !(letters | within(block, b'0', b'9') | is(block, b'-'))
        });
        // The other marks are rare enough in names to stop at each of them.
        match bytes.get(at) {
            Some(&byte) if is_token_byte(byte) => at += 1,
            _ => return at,
        }
    }
}

/// The index of the first byte that is not of a token, or that is an upper-case letter, or the length: for names in HTTP/2.
#[inline(always)]
pub(crate) fn lower_token_end(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        at = first(bytes, at, |block| !(within(block, b'a', b'z') | within(block, b'0', b'9') | is(block, b'-')));
        match bytes.get(at) {
            Some(&byte) if is_token_byte(byte) && !byte.is_ascii_uppercase() => at += 1,
            _ => return at,
        }
    }
}

/// The index, at or after `from`, of the first control character (HTAB is none here), or the length.
#[inline(always)]
pub(crate) fn value_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        at = first(bytes, at, |block| within(block, 0, 0x1F) | is(block, 0x7F));
        if bytes.get(at) != Some(&b'\t') {
            return at;
        }
        at += 1;
    }
}

/// The index, at or after `from`, of the first byte that is not printable ASCII or is a space, or the length.
#[inline]
pub(super) fn target_end(bytes: &[u8], from: usize) -> usize {
    first(bytes, from, |block| !within(block, b'!', b'~'))
}

/// Makes a span; both ends lie within `limits.head`, which is far below 4 GiB.
pub(super) fn span(start: usize, end: usize) -> Span {
    #[expect(clippy::cast_possible_truncation, reason = "the window that is scanned is cut to u32::MAX bytes")]
    Span { start: start as u32, end: end as u32 }
}

/// `bytes[start..end]` without white space around it, as a span (RFC 9110 §5.6.3).
#[inline(always)]
pub(super) fn trimmed(bytes: &[u8], start: usize, end: usize) -> Span {
    match bytes.get(start..end) {
        // What nearly all write: one space in front and none behind.
        Some([b' ', first, .., last]) if *first > b' ' && *last > b' ' => span(start + 1, end),
        text => trimmed_at_length(text.unwrap_or_default(), start),
    }
}

fn trimmed_at_length(text: &[u8], start: usize) -> Span {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let before = text.iter().take_while(|b| blank(b)).count();
    let behind = text.iter().skip(before).rev().take_while(|b| blank(b)).count();
    span(start + before, start + text.len() - behind)
}

/// The first index, at or after `from`, of a byte that `stop` marks, or the length. `stop` must mark 0.
#[inline(always)]
fn first(bytes: &[u8], from: usize, stop: impl Fn(u8x16) -> u8x16 + Copy) -> usize {
    let (blocks, tail) = bytes.get(from..).unwrap_or_default().as_chunks::<BLOCK>();
    let mut at = from;
    for block in blocks {
        let marks = stop(u8x16::new(*block)).to_bitmask();
        if marks != 0 {
            return at + marks.trailing_zeros() as usize;
        }
        at += BLOCK;
    }
    at + first_in_tail(bytes, tail, stop)
}

/// The same for less than a block, the tail of `bytes`: once for each head, so it may stay out of the way of the loop.
#[inline(never)]
fn first_in_tail(bytes: &[u8], tail: &[u8], stop: impl Fn(u8x16) -> u8x16) -> usize {
    let marks = match bytes.last_chunk() {
        // The last block overlaps with what was seen before; that is shifted out.
        Some(last) => stop(u8x16::new(*last)).to_bitmask() >> (BLOCK - tail.len()),
        None => {
            let mut block = [0; BLOCK];
            for (to, from) in block.iter_mut().zip(tail) {
                *to = *from;
            }
            stop(u8x16::new(block)).to_bitmask()
        }
    };
    // Nothing marked, or the zeros behind the tail.
    (marks.trailing_zeros() as usize).min(tail.len())
}

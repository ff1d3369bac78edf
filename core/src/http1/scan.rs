//! Finding the first byte that does not belong, sixteen bytes at a time.
//!
//! Heads, reason phrases and trailers are scanned with it. It never judges: callers look at the byte where it stopped.
//! Blocks are compared in a form that compilers turn into vector instructions on every machine, without `unsafe`.

use crate::message::Span;

const BLOCK: usize = 16;

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
        at = first(bytes, at, |b| !(b.is_ascii_alphanumeric() | (b == b'-')));
        // The other marks are rare enough in names to stop at each of them.
        match bytes.get(at) {
            Some(&byte) if is_token_byte(byte) => at += 1,
            _ => return at,
        }
    }
}

/// The index, at or after `from`, of the first control character (HTAB is none here), or the length.
#[inline(always)]
pub(super) fn value_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        at = first(bytes, at, |b| (b < 0x20) | (b == 0x7F));
        if bytes.get(at) != Some(&b'\t') {
            return at;
        }
        at += 1;
    }
}

/// The index, at or after `from`, of the first byte that is not printable ASCII or is a space, or the length.
#[inline]
pub(super) fn target_end(bytes: &[u8], from: usize) -> usize {
    first(bytes, from, |b| !b.is_ascii_graphic())
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

/// The first index, at or after `from`, of a byte that `stop` finds, or the length. `stop` must find 0.
#[inline(always)]
fn first(bytes: &[u8], from: usize, stop: impl Fn(u8) -> bool + Copy) -> usize {
    let (blocks, tail) = bytes.get(from..).unwrap_or_default().as_chunks::<BLOCK>();
    let mut at = from;
    for block in blocks {
        if let Some(index) = first_in(block, stop) {
            return at + index;
        }
        at += BLOCK;
    }
    at + first_in_tail(tail, stop)
}

/// The same for less than a block: once for each head, so it may stay out of the way of the loop.
#[inline(never)]
fn first_in_tail(tail: &[u8], stop: impl Fn(u8) -> bool) -> usize {
    let mut block = [0; BLOCK];
    for (to, from) in block.iter_mut().zip(tail) {
        *to = *from;
    }
    // The zeros behind the tail stop it at the latest.
    first_in(&block, stop).unwrap_or(tail.len())
}

/// The first index of a byte of the block that `stop` finds.
#[inline(always)]
fn first_in(block: &[u8; BLOCK], stop: impl Fn(u8) -> bool) -> Option<usize> {
    let marks: [u8; BLOCK] = std::array::from_fn(|i| if stop(block[i]) { 0xFF } else { 0 });
    let any = marks.iter().fold(0, |any, mark| any | mark) != 0;
    any.then(|| (u128::from_le_bytes(marks).trailing_zeros() / 8) as usize)
}

//! Byte ranges (RFC 9110 §14): which part of some content is asked for, and how several go into one answer.

use std::ops::Range;

/// Ranges that one request may ask for; with more the whole is given (§14.2 leaves that open). More is no reader's need
/// and a cheap way to make work.
pub const MOST_RANGES: usize = 8;

/// What a `Range` asks of content of a known size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// All of it: there is no range, or none that can be heeded.
    Whole,
    /// One part.
    One(Range<u64>),
    /// Several parts, in the order asked, of fewer bytes together than the whole.
    Several(Vec<Range<u64>>),
    /// 416: all of them lie behind its end.
    Outside,
}

impl Ranges {
    /// Reads the value of a `Range` for content of `size` bytes. What is malformed, or another unit, is ignored.
    #[must_use]
    pub fn read(value: &[u8], size: u64) -> Self {
        let Some(list) = set_of_bytes(value) else { return Self::Whole };
        let mut found = Vec::new();
        let mut asked = 0;
        for spec in list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|spec| !spec.is_empty()) {
            asked += 1;
            match one(spec, size) {
                None => return Self::Whole,
                Some(range) if range.is_empty() => {}
                Some(_) if asked > MOST_RANGES => return Self::Whole,
                Some(range) => found.push(range),
            }
        }
        let total = found.iter().fold(0_u64, |sum, range| sum.saturating_add(range.end - range.start));
        match (found.as_slice(), asked) {
            (_, 0) => Self::Whole,
            ([], _) => Self::Outside,
            ([only], _) => Self::One(only.clone()),
            // Parts that overlap, or are all of it in pieces, cost more than the whole.
            _ if total >= size => Self::Whole,
            _ => Self::Several(found),
        }
    }
}

fn set_of_bytes(value: &[u8]) -> Option<&[u8]> {
    let (unit, rest) = value.trim_ascii().split_at_checked(5)?;
    let list = rest.trim_ascii_start().strip_prefix(b"=")?;
    unit.eq_ignore_ascii_case(b"bytes").then_some(list)
}

/// One spec: `None` where it is malformed, empty where it lies outside.
fn one(spec: &[u8], size: u64) -> Option<Range<u64>> {
    let dash = spec.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (spec.get(..dash)?.trim_ascii(), spec.get(dash + 1..)?.trim_ascii());
    match (number(first)?, number(last)?) {
        (None, None) => None,
        (None, Some(suffix)) => Some(size.saturating_sub(suffix)..size),
        (Some(first), None) => Some(first.min(size)..size),
        (Some(first), Some(last)) if last < first => None,
        (Some(first), Some(last)) => Some(first.min(size)..last.saturating_add(1).min(size)),
    }
}

/// Digits as a number, at most the largest there is; nothing is `Some(None)`.
fn number(digits: &[u8]) -> Option<Option<u64>> {
    if digits.is_empty() {
        return Some(None);
    }
    let mut value = 0_u64;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
    }
    Some(Some(value))
}

/// The value of `Content-Range` for a part.
#[must_use]
pub fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1))
}

/// What stands before one of several parts (RFC 2046 §5.1.1). `boundary` is in no part: it is a number that nobody knew.
#[must_use]
pub fn part_head(boundary: &str, first: bool, content_type: &[u8], range: &Range<u64>, size: u64) -> Vec<u8> {
    let mut head = Vec::with_capacity(128);
    head.extend_from_slice(if first { b"--" } else { b"\r\n--" });
    head.extend_from_slice(boundary.as_bytes());
    head.extend_from_slice(b"\r\ncontent-type: ");
    head.extend_from_slice(content_type);
    head.extend_from_slice(b"\r\ncontent-range: ");
    head.extend_from_slice(content_range(range, size).as_bytes());
    head.extend_from_slice(b"\r\n\r\n");
    head
}

/// What stands behind the last part.
#[must_use]
pub fn parts_end(boundary: &str) -> Vec<u8> {
    [b"\r\n--", boundary.as_bytes(), b"--\r\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_136_ranges_of_a_thousand_bytes() {
        let check = |value: &str, expect| assert_eq!(Ranges::read(value.as_bytes(), 1000), expect, "{value}");
        use Ranges::{One, Outside, Several, Whole};
        check("bytes=0-499", One(0..500));
        check("bytes=500-999", One(500..1000));
        check("bytes=500-", One(500..1000));
        check("bytes=-500", One(500..1000));
        check("bytes=-5000", One(0..1000));
        check("bytes=999-99999", One(999..1000));
        check("BYTES = 0-0", One(0..1));
        check("bytes=0-0,-1", Several(vec![0..1, 999..1000]));
        check("bytes=0-0, ,999-", Several(vec![0..1, 999..1000]));
        check("bytes=1000-", Outside);
        check("bytes=-0", Outside);
        check("bytes=1000-2000,3000-", Outside);
        check("bytes=0-1,5000-", One(0..2));
        check("bytes=", Whole);
        check("bytes=,", Whole);
        check("bytes=-", Whole);
        check("bytes=5-4", Whole);
        check("bytes=a-4", Whole);
        check("bytes=0x0-4", Whole);
        check("bytes 0-4", Whole);
        check("lines=0-4", Whole);
        check("bytes=0-1,nonsense", Whole);
        // Overlapping ones, all of it in pieces, and too many.
        check("bytes=0-999,0-999", Whole);
        check("bytes=0-499,500-999", Whole);
        check("bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14", Several((0..8).map(|n| n * 2..n * 2 + 1).collect()));
        check("bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16", Whole);
        // CVE-2017-7529: sums of huge numbers.
        check("bytes=-9223372036854775608,-9223372036854775608", Whole);
        check("bytes=0-99999999999999999999999999999999", One(0..1000));
        check("bytes=99999999999999999999999999999999-", Outside);
    }

    #[test]
    fn nothing_of_an_empty_content_can_be_had() {
        assert_eq!(Ranges::read(b"bytes=0-", 0), Ranges::Outside);
        assert_eq!(Ranges::read(b"bytes=-1", 0), Ranges::Outside);
    }

    #[test]
    fn parts_stand_between_boundaries() {
        let head = part_head("b", true, b"text/plain", &(0..5), 10);
        assert_eq!(head, b"--b\r\ncontent-type: text/plain\r\ncontent-range: bytes 0-4/10\r\n\r\n");
        assert!(part_head("b", false, b"text/plain", &(0..5), 10).starts_with(b"\r\n--b\r\n"));
        assert_eq!(parts_end("b"), b"\r\n--b--\r\n");
    }
}

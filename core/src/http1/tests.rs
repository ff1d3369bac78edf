//! Tests of the codec. What all tables share: each input is parsed whole, cut in two at every place, and byte by byte,
//! and all of these must say the same. The files are named after what they feed; tests after the cases that they show.

use super::*;
use crate::message::{Fields, Span, Version};

mod chunks;
mod mutation;
mod request;
mod request_line;
mod response;

const LIMITS: HeadLimits = HeadLimits { head: 32 << 10, field: 16 << 10, fields: 100, target: 8 << 10 };

/// Both kinds of head, so that one function can feed them.
trait Head: Default {
    /// All that a head says.
    type Facts: PartialEq + std::fmt::Debug;
    fn parse(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Progress, HeadError>;
    fn clear(&mut self);
    fn facts(&self) -> Self::Facts;
}

type RequestFacts = (Span, Span, Version, Fields, usize, Framing, [bool; 4]);

impl Head for RequestHead {
    type Facts = RequestFacts;

    fn parse(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Progress, HeadError> {
        Self::parse(self, bytes, limits)
    }

    fn clear(&mut self) {
        Self::clear(self);
    }

    fn facts(&self) -> RequestFacts {
        let flags = [self.keep_alive, self.expect_continue, self.upgrade, self.length_dropped];
        (self.method, self.target, self.version, self.fields.clone(), self.len, self.framing, flags)
    }
}

impl Head for ResponseHead {
    type Facts = (u16, Span, Version, Fields, usize, Result<Framing, HeadError>, [bool; 3]);

    fn parse(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Progress, HeadError> {
        Self::parse(self, bytes, limits)
    }

    fn clear(&mut self) {
        Self::clear(self);
    }

    fn facts(&self) -> Self::Facts {
        let flags = [self.keep_alive, self.upgrade, self.length_dropped];
        (self.status, self.reason, self.version, self.fields.clone(), self.len, self.framing(b"GET"), flags)
    }
}

/// Parses prefixes of `bytes` that end at `stops`, then all of them, with one head.
fn feed<H: Head>(
    head: &mut H,
    bytes: &[u8],
    stops: impl IntoIterator<Item = usize>,
    limits: &HeadLimits,
) -> Result<Progress, HeadError> {
    head.clear();
    for stop in stops {
        if let Progress::Complete = head.parse(&bytes[..stop], limits)? {
            return Ok(Progress::Complete);
        }
    }
    head.parse(bytes, limits)
}

/// Parses a head in every way in which it can arrive, and returns it as it is when it arrives whole.
fn parse_within<H: Head>(bytes: &[u8], limits: &HeadLimits) -> Result<(Progress, H), HeadError> {
    let mut whole = H::default();
    let result = feed(&mut whole, bytes, [], limits);
    let mut head = H::default();
    // Long heads repeat themselves: a few cuts will do.
    let cuts = (0..bytes.len()).step_by(1 + bytes.len() / 500 * 37).map(|cut| cut..cut + 1);
    for stops in cuts.chain(std::iter::once(0..bytes.len())) {
        assert_eq!(feed(&mut head, bytes, stops.clone(), limits), result, "{stops:?} of {}", bytes.escape_ascii());
        if result == Ok(Progress::Complete) {
            assert_eq!(head.facts(), whole.facts(), "{stops:?} of {}", bytes.escape_ascii());
        }
    }
    result.map(|progress| (progress, whole))
}

/// Parses a request head that is whole or wrong.
fn request(bytes: impl AsRef<[u8]>) -> Result<RequestHead, HeadError> {
    let (progress, head) = parse_within::<RequestHead>(bytes.as_ref(), &LIMITS)?;
    assert_eq!(progress, Progress::Complete, "{}", bytes.as_ref().escape_ascii());
    Ok(head)
}

/// Parses a response head that is whole or wrong.
fn response(bytes: impl AsRef<[u8]>) -> Result<ResponseHead, HeadError> {
    let (progress, head) = parse_within::<ResponseHead>(bytes.as_ref(), &LIMITS)?;
    assert_eq!(progress, Progress::Complete, "{}", bytes.as_ref().escape_ascii());
    Ok(head)
}

/// Asserts that a request with each of these field lines is refused for `error`.
fn refuse_lines<L: AsRef<[u8]>>(lines: impl IntoIterator<Item = L>, error: HeadError) {
    for line in lines {
        let line = line.as_ref();
        let bytes = [b"POST / HTTP/1.1\r\nHost: a\r\n", line, b"\r\n\r\n"].concat();
        assert_eq!(request(bytes).map(|head| head.facts()), Err(error), "{}", line.escape_ascii());
    }
}

/// Asserts that the bytes are refused as soon as the last of them is there, and not before.
fn refuse_at_last_byte(bytes: &[u8], error: HeadError) {
    let (progress, _) = parse_within::<RequestHead>(&bytes[..bytes.len() - 1], &LIMITS).expect("nothing is wrong yet");
    assert_eq!(progress, Progress::Partial, "{}", bytes.escape_ascii());
    let result = parse_within::<RequestHead>(bytes, &LIMITS).map(|(progress, _)| progress);
    assert_eq!(result, Err(error), "{}", bytes.escape_ascii());
}

#[test]
fn every_error_has_a_clause_of_its_own() {
    let details = HeadError::ALL.iter().map(|e| e.detail()).chain(ChunkError::ALL.iter().map(|e| e.detail()));
    let mut seen: Vec<_> = details.collect();
    assert!(seen.iter().all(|detail| !detail.ends_with('.') && !detail.starts_with(char::is_uppercase)
        || detail.starts_with("Content-Length")
        || detail.starts_with("Transfer-Encoding")
        || detail.starts_with("Connection")));
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count);
}

#[test]
fn chunk_lines_are_written() {
    for (len, line) in [(1, "1"), (15, "f"), (16, "10"), (0x2_0000, "20000"), (usize::MAX, "ffffffffffffffff")] {
        assert_eq!(chunk_prefix(len, &mut [0; 18]), format!("{line}\r\n").as_bytes());
    }
}

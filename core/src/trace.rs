//! The context of a trace as a request carries it (W3C Trace Context): read, and written for the next hop.
//!
//! `exchange` makes one for each request where traces are on; `otlp` writes what was recorded.

pub mod otlp;

/// The number of a trace. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(pub [u8; 16]);

/// The number of a span in it. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(pub [u8; 8]);

/// What `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The trace.
    pub trace: TraceId,
    /// The span that the sender is in.
    pub span: SpanId,
    /// Whether it is recorded.
    pub sampled: bool,
}

/// The bytes of `traceparent: …` with its CRLF, as this proxy writes it.
pub const LINE: usize = 13 + 55 + 2;

impl TraceId {
    /// As lower-case hexadecimal digits.
    #[must_use]
    pub fn hex(self) -> [u8; 32] {
        let mut text = [0; 32];
        write_hex(&self.0, &mut text);
        text
    }
}

impl Context {
    /// Reads a field's value. `None` for what is malformed, or of a form that is unknown: then a new trace begins.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (head, rest) = text.split_at_checked(55)?;
        let (version, head) = head.split_at_checked(2)?;
        let [version] = hex::<1>(version)?;
        // A later version may say more behind; version 0 says nothing (§3.2.2, §4.3).
        if version == 0xff || (version == 0 && !rest.is_empty()) || !matches!(rest.first(), None | Some(b'-')) {
            return None;
        }
        let mut parts = head.strip_prefix(b"-")?.split(|byte| *byte == b'-');
        let trace = hex::<16>(parts.next()?)?;
        let span = hex::<8>(parts.next()?)?;
        let [flags] = hex::<1>(parts.next()?)?;
        let valid = trace != [0; 16] && span != [0; 8];
        valid.then_some(Self { trace: TraceId(trace), span: SpanId(span), sampled: flags & 1 == 1 })
    }

    /// The line for the next hop.
    #[must_use]
    pub fn line(self) -> [u8; LINE] {
        let mut line = *b"traceparent: 00-00000000000000000000000000000000-0000000000000000-00\r\n";
        if let Some(place) = line.get_mut(16..48) {
            write_hex(&self.trace.0, place);
        }
        if let Some(place) = line.get_mut(49..65) {
            write_hex(&self.span.0, place);
        }
        if self.sampled {
            line[67] = b'1';
        }
        line
    }
}

/// Reads so many bytes written as lower-case digits; upper case is not allowed (§3.2.2.3).
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

fn write_hex(bytes: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

#[cfg(test)]
mod tests {
    use super::{Context, SpanId, TraceId};

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn contexts_are_read_and_written_again() {
        let check = |text: String, expect: Option<bool>| {
            let found = Context::parse(text.as_bytes());
            assert_eq!(found.map(|context| context.sampled), expect, "{text}");
            if let Some(context) = found {
                let line = format!("traceparent: 00-{TRACE}-{SPAN}-0{}\r\n", u8::from(context.sampled));
                assert_eq!(context.line(), line.as_bytes());
                assert_eq!(context.trace.hex(), TRACE.as_bytes());
            }
        };
        check(format!("00-{TRACE}-{SPAN}-01"), Some(true));
        check(format!("00-{TRACE}-{SPAN}-00"), Some(false));
        check(format!("00-{TRACE}-{SPAN}-03"), Some(true));
        check(format!("00-{TRACE}-{SPAN}-01-more"), None);
        check(format!("cc-{TRACE}-{SPAN}-01-more"), Some(true));
        check(format!("cc-{TRACE}-{SPAN}-01more"), None);
        check(format!("ff-{TRACE}-{SPAN}-01"), None);
        check(format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), None);
        check(format!("00-{TRACE}-{SPAN}"), None);
        check(format!("00-{}-{SPAN}-01", "0".repeat(32)), None);
        check(format!("00-{TRACE}-{}-01", "0".repeat(16)), None);
        check(format!("00_{TRACE}-{SPAN}-01"), None);
        check(format!("00-{TRACE}{SPAN}--01"), None);
        check(String::new(), None);
    }

    #[test]
    fn a_line_holds_what_it_is_given() {
        let context = Context { trace: TraceId([0xab; 16]), span: SpanId([0x01; 8]), sampled: false };
        let line = format!("traceparent: 00-{}-{}-00\r\n", "ab".repeat(16), "01".repeat(8));
        assert_eq!(context.line(), line.as_bytes());
    }
}

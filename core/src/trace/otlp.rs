//! Spans in the form of OTLP (`ExportTraceServiceRequest`, protobuf): the few messages that a proxy needs, written by hand.
//!
//! A generated codec and its client would be more code than the proxy itself; what is written here is one function for
//! each kind of protobuf field and one for each message. The telemetry thread calls it, never a worker.

use super::{SpanId, TraceId};

/// Which side of a call a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request that was received.
    Server,
    /// A request that was sent on.
    Client,
}

/// One span.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its trace.
    pub trace: TraceId,
    /// Its number.
    pub id: SpanId,
    /// The span that it is a part of.
    pub parent: Option<SpanId>,
    /// Which side it is.
    pub kind: Kind,
    /// Its name: the method, and the route where one was found.
    pub name: String,
    /// When it began, in nanoseconds since 1970.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// What is known of it, by names of the semantic conventions for HTTP.
    pub attributes: Vec<(&'static str, Value)>,
    /// Whether it failed.
    pub failed: bool,
}

/// What an attribute says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
}

/// The body of a request that hands over spans. `version` is that of the program.
#[must_use]
pub fn request(spans: &[Span], version: &str) -> Vec<u8> {
    let mut scope_spans = Vec::new();
    let mut scope = Vec::new();
    text(&mut scope, 1, "switchboard");
    text(&mut scope, 2, version);
    message(&mut scope_spans, 1, &scope);
    for one in spans {
        message(&mut scope_spans, 2, &span(one));
    }
    let mut resource = Vec::new();
    message(&mut resource, 1, &attribute("service.name", &Value::Text("switchboard".to_owned())));
    message(&mut resource, 1, &attribute("service.version", &Value::Text(version.to_owned())));
    let mut resource_spans = Vec::new();
    message(&mut resource_spans, 1, &resource);
    message(&mut resource_spans, 2, &scope_spans);
    let mut request = Vec::new();
    message(&mut request, 1, &resource_spans);
    request
}

fn span(span: &Span) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    message(&mut out, 1, &span.trace.0);
    message(&mut out, 2, &span.id.0);
    if let Some(parent) = span.parent {
        message(&mut out, 4, &parent.0);
    }
    text(&mut out, 5, &span.name);
    number(
        &mut out,
        6,
        match span.kind {
            Kind::Server => 2,
            Kind::Client => 3,
        },
    );
    fixed(&mut out, 7, span.start);
    fixed(&mut out, 8, span.end);
    for (name, value) in &span.attributes {
        message(&mut out, 9, &attribute(name, value));
    }
    if span.failed {
        let mut status = Vec::new();
        number(&mut status, 3, 2);
        message(&mut out, 15, &status);
    }
    out
}

fn attribute(name: &str, value: &Value) -> Vec<u8> {
    let mut inner = Vec::new();
    match value {
        Value::Text(value) => text(&mut inner, 1, value),
        Value::Number(value) => number(&mut inner, 3, *value),
    }
    let mut out = Vec::new();
    text(&mut out, 1, name);
    message(&mut out, 2, &inner);
    out
}

/// A field of wire type 2: bytes, a text or a message within.
fn message(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn text(out: &mut Vec<u8>, field: u64, value: &str) {
    message(out, field, value.as_bytes());
}

/// A field of wire type 0.
fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

/// A field of wire type 1: eight bytes.
fn fixed(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::{Kind, Span, SpanId, TraceId, Value, number, request, varint};

    #[test]
    fn numbers() {
        let check = |value, expect: &[u8]| {
            let mut out = Vec::new();
            varint(&mut out, value);
            assert_eq!(out, expect, "{value}");
        };
        check(0, &[0]);
        check(127, &[127]);
        check(300, &[0xac, 2]);
        check(u64::MAX, &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
        let mut out = Vec::new();
        number(&mut out, 15, 2);
        assert_eq!(out, [0x78, 2]);
    }

    #[test]
    fn a_span_in_its_envelope() {
        let span = Span {
            trace: TraceId([1; 16]),
            id: SpanId([2; 8]),
            parent: Some(SpanId([3; 8])),
            kind: Kind::Server,
            name: "GET a".to_owned(),
            start: 1,
            end: 2,
            attributes: vec![("a", Value::Number(7)), ("b", Value::Text("c".to_owned()))],
            failed: true,
        };
        let bytes = request(&[span], "1");
        let part: &[&[u8]] = &[
            &[0x0a, 16],
            &[1; 16],
            &[0x12, 8],
            &[2; 8],
            &[0x22, 8],
            &[3; 8],
            b"\x2a\x05GET a",
            &[0x30, 2],
            &[0x39, 1, 0, 0, 0, 0, 0, 0, 0],
            &[0x41, 2, 0, 0, 0, 0, 0, 0, 0],
            b"\x4a\x07\x0a\x01a\x12\x02\x18\x07",
            b"\x4a\x08\x0a\x01b\x12\x03\x0a\x01c",
            &[0x7a, 2, 0x18, 2],
        ];
        assert!(bytes.ends_with(&part.concat()), "{bytes:?}");
        // The outermost message is one field, as long as the rest.
        assert_eq!(bytes[0], 0x0a);
        assert_eq!(usize::from(bytes[1] & 0x7f) + (usize::from(bytes[2]) << 7), bytes.len() - 3);
    }
}

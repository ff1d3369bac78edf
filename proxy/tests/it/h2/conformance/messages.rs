//! h2spec's section 8: what requests may say.

use super::{Case, Close, PROTOCOL, Sight, Stream, case, data, odd, plain, post};
use crate::harness::h2::{DATA, END_HEADERS, END_STREAM, HEADERS, NONE, PUSH_PROMISE, field, frame, request};

/// A malformed message (RFC 9113 §8.1.1).
const MALFORMED: Sight = Stream(&[PROTOCOL]);

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const PATH: (&str, &str) = (":path", "/");
const AUTHORITY: (&str, &str) = (":authority", "t.test");

pub(super) fn cases() -> Vec<Case> {
    [fields(), pseudo_fields(), bodies()].concat()
}

fn with(name: &str, value: &str) -> Vec<u8> {
    odd(request("GET", &[(name, value)]))
}

fn fields() -> Vec<Case> {
    let second = frame(HEADERS, END_HEADERS, 1, field("x-test", "ok"));
    let late = frame(HEADERS, END_HEADERS | END_STREAM, 1, field(":method", "GET"));
    vec![
        case("http2/8.1/1", "a second HEADERS without END_STREAM", &[post(1, &[]), second], MALFORMED),
        case("http2/8.1.2/1", "an upper-case name", &[with("X-TEST", "ok")], MALFORMED),
        case("http2/8.1.2.1/1", "an unknown pseudo-field", &[with(":test", "ok")], MALFORMED),
        case("http2/8.1.2.1/2", "an answer's pseudo-field", &[with(":status", "200")], MALFORMED),
        case("http2/8.1.2.1/3", "a pseudo-field in trailers", &[post(1, &[]), late], MALFORMED),
        case(
            "http2/8.1.2.1/4",
            "a pseudo-field behind a field",
            &[plain(&[METHOD, SCHEME, AUTHORITY, ("x-test", "ok"), PATH])],
            MALFORMED,
        ),
        case("http2/8.1.2.2/1", "a field of connections", &[with("connection", "keep-alive")], MALFORMED),
        case("http2/8.1.2.2/2", "TE beyond trailers", &[with("te", "trailers, deflate")], MALFORMED),
    ]
}

fn pseudo_fields() -> Vec<Case> {
    let path = (":path", "");
    vec![
        case("http2/8.1.2.3/1", "an empty :path", &[plain(&[METHOD, SCHEME, path, AUTHORITY])], MALFORMED),
        case("http2/8.1.2.3/2", "no :method", &[plain(&[SCHEME, PATH, AUTHORITY])], MALFORMED),
        case("http2/8.1.2.3/3", "no :scheme", &[plain(&[METHOD, PATH, AUTHORITY])], MALFORMED),
        case("http2/8.1.2.3/4", "no :path", &[plain(&[METHOD, SCHEME, AUTHORITY])], MALFORMED),
        case("http2/8.1.2.3/5", "two :method", &[plain(&[METHOD, METHOD, SCHEME, PATH, AUTHORITY])], MALFORMED),
        case("http2/8.1.2.3/6", "two :scheme", &[plain(&[METHOD, SCHEME, SCHEME, PATH, AUTHORITY])], MALFORMED),
        case("http2/8.1.2.3/7", "two :path", &[plain(&[METHOD, SCHEME, PATH, PATH, AUTHORITY])], MALFORMED),
    ]
}

fn bodies() -> Vec<Case> {
    let one = [("content-length", "1")];
    let part = frame(DATA, NONE, 1, b"test");
    let push = [vec![0, 0, 0, 2], request("GET", &[])].concat();
    vec![
        case("http2/8.1.2.6/1", "another length than declared", &[post(1, &one), data(1)], MALFORMED),
        case("http2/8.1.2.6/2", "the same, in several DATA", &[post(1, &one), part, data(1)], MALFORMED),
        case("http2/8.2/1", "a client pushes", &[frame(PUSH_PROMISE, END_HEADERS, 1, push)], Close(&[PROTOCOL])),
    ]
}

//! One request in both versions: what a policy says must not depend on how it was asked.

use crate::harness::Proxy;
use crate::harness::h2::{DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, NONE, RST_STREAM, fields, frame};

/// The status of a request over HTTP/2 with prior knowledge: `(method, host, path)`, further fields, a body.
#[track_caller]
pub(super) fn over_h2(proxy: &Proxy, ask: (&str, &str, &str), further: &[(&str, &str)], body: &[u8]) -> u16 {
    let (method, host, path) = ask;
    let pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", host)];
    let block = [fields(&pseudo), fields(further)].concat();
    let mut client = Frames::begin(proxy);
    let ends = if body.is_empty() { END_STREAM } else { NONE };
    client.offer(frame(HEADERS, END_HEADERS | ends, 1, block));
    if !body.is_empty() {
        client.offer(frame(DATA, END_STREAM, 1, body));
    }
    client.status(1)
}

/// The code that a request's stream is reset with over HTTP/2: that of the connection, where all of it ends.
#[track_caller]
pub(super) fn reset_over_h2(proxy: &Proxy, ask: (&str, &str, &str), further: &[(&str, &str)]) -> u32 {
    let (method, host, path) = ask;
    let pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", host)];
    let mut client = Frames::begin(proxy);
    client.offer(frame(HEADERS, END_HEADERS | END_STREAM, 1, [fields(&pseudo), fields(further)].concat()));
    client.wait("a reset", |frame| matches!(frame.kind, RST_STREAM | GOAWAY)).code()
}

/// The status of a request over HTTP/1.1.
#[track_caller]
pub(super) fn over_h1(proxy: &Proxy, ask: (&str, &str, &str), further: &[(&str, &str)], body: &[u8]) -> u16 {
    let (method, host, path) = ask;
    let lines: String = further.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}{length}\r\n");
    proxy.ask([head.as_bytes(), body].concat()).status()
}

/// Asserts that a request has the same status in both.
#[track_caller]
pub(super) fn in_both(proxy: &Proxy, ask: (&str, &str, &str), further: &[(&str, &str)], status: u16) {
    assert_eq!(over_h1(proxy, ask, further, b""), status, "HTTP/1.1: {ask:?} {further:?}");
    assert_eq!(over_h2(proxy, ask, further, b""), status, "HTTP/2: {ask:?} {further:?}");
}

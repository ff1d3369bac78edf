//! Frames that break the rules of streams, padding and tables (SECURITY cases 95, 96 and 153): the right code, no panic,
//! and the next client is served.

use super::{assert_serves, proxy};
use crate::harness::h2::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, NONE, PADDED, PUSH_PROMISE, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, frame, get, request,
};
use crate::harness::{Origin, Proxy, on_workers};

const PROTOCOL: u32 = 1;
const FLOW_CONTROL: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE: u32 = 6;
const COMPRESSION: u32 = 9;

/// Asserts that the connection ends with one of these codes, and that the next one is served.
#[track_caller]
fn ends(proxy: &Proxy, what: &str, frames: &[Vec<u8>], code: u32) {
    let mut client = Frames::begin(proxy);
    client.offer(frames.concat());
    assert_eq!(client.goodbye(), Some(code), "{what}");
    assert_serves(proxy);
}

/// Asserts that a stream is reset with this code, and that the connection goes on.
#[track_caller]
fn resets(proxy: &Proxy, what: &str, frames: &[Vec<u8>], code: u32) {
    let mut client = Frames::begin(proxy);
    client.offer(frames.concat());
    let verdict = client.wait("a verdict", |frame| matches!(frame.kind, RST_STREAM | GOAWAY));
    assert_eq!((verdict.kind, verdict.code()), (RST_STREAM, code), "{what}");
    client.offer(get(9));
    assert_eq!(client.status(9), 200, "{what}");
}

fn on_proxies(test: impl Fn(&Proxy)) {
    on_workers(|workers| {
        let origin = Origin::ok();
        test(&proxy(workers, &origin, ""));
    });
}

fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, request("POST", &[]))
}

fn update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, NONE, stream, by.to_be_bytes())
}

#[test]
fn case_095_streams_that_are_not_open() {
    on_proxies(|proxy| {
        let data = |stream| frame(DATA, END_STREAM, stream, b"x");
        ends(proxy, "DATA before HEADERS", &[data(1)], PROTOCOL);
        ends(proxy, "DATA on a stream above", &[get(1), data(3)], PROTOCOL);
        ends(proxy, "an even stream", &[get(2)], PROTOCOL);
        ends(proxy, "DATA on an even stream", &[data(2)], PROTOCOL);
        ends(proxy, "a stream below", &[get(5), get(3)], PROTOCOL);
        ends(proxy, "RST_STREAM on an idle stream", &[frame(RST_STREAM, NONE, 7, [0; 4])], PROTOCOL);
        ends(proxy, "WINDOW_UPDATE on an idle stream", &[update(7, 1)], PROTOCOL);
        ends(proxy, "CONTINUATION of nothing", &[frame(CONTINUATION, END_HEADERS, 1, [])], PROTOCOL);
        ends(proxy, "a push", &[frame(PUSH_PROMISE, END_HEADERS, 1, [0, 0, 0, 2])], PROTOCOL);
        // The peer has ended its side: an error of the stream while it is open, of the connection when it has closed.
        let held = frame(SETTINGS, NONE, 0, [0, 4, 0, 0, 0, 0]);
        resets(proxy, "HEADERS on half-closed", &[held.clone(), get(1), get(1)], STREAM_CLOSED);
        resets(proxy, "DATA on half-closed", &[held, get(1), data(1)], STREAM_CLOSED);
        ends(proxy, "HEADERS behind a reset", &[post(1), frame(RST_STREAM, NONE, 1, [0; 4]), get(1)], STREAM_CLOSED);
    });
}

#[test]
fn case_096_padding_settings_and_windows() {
    on_proxies(|proxy| {
        let padded = |kind, length: u8, rest: &[u8]| frame(kind, 5 | PADDED, 1, [&[length], rest].concat());
        for length in [2, 3, 255] {
            ends(proxy, "HEADERS", &[padded(HEADERS, length, b"x")], PROTOCOL);
            ends(proxy, "DATA", &[post(1), padded(DATA, length, b"x")], PROTOCOL);
        }
        ends(proxy, "padding without its length", &[post(1), frame(DATA, PADDED, 1, [])], PROTOCOL);
        for length in [1, 5, 7, 12 + 5] {
            ends(proxy, "SETTINGS", &[frame(SETTINGS, NONE, 0, vec![0; length])], FRAME_SIZE);
        }
        ends(proxy, "ACK with a body", &[frame(SETTINGS, ACK, 0, [0; 6])], FRAME_SIZE);
        ends(proxy, "SETTINGS on a stream", &[frame(SETTINGS, NONE, 1, [])], PROTOCOL);
        ends(proxy, "0 on the connection", &[update(0, 0)], PROTOCOL);
        resets(proxy, "0 on a stream", &[post(1), update(1, 0)], PROTOCOL);
        let most = (1 << 31) - 1;
        ends(proxy, "the connection's window", &[update(0, most)], FLOW_CONTROL);
        resets(proxy, "a stream's window", &[post(1), update(1, most)], FLOW_CONTROL);
        for length in [0, 3, 5] {
            ends(proxy, "WINDOW_UPDATE", &[frame(WINDOW_UPDATE, NONE, 0, vec![1; length])], FRAME_SIZE);
        }
    });
}

/// A literal that is kept: name `n`, a value of so many bytes.
fn kept(length: usize) -> Vec<u8> {
    [&b"\x40\x01n\x7f"[..], &number(length - 127), &vec![b'v'; length]].concat()
}

/// The rest of an integer behind a full prefix (RFC 7541 §5.1).
fn number(mut left: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while left >= 128 {
        bytes.push(u8::try_from(left % 128 + 128).unwrap());
        left /= 128;
    }
    bytes.push(u8::try_from(left).unwrap());
    bytes
}

#[test]
fn case_153_tables_and_codes_that_grow() {
    on_proxies(|proxy| {
        let head = |block: &[u8]| frame(HEADERS, END_HEADERS | END_STREAM, 1, block);
        let with = |block: &[u8]| head(&[&request("GET", &[])[..], block].concat());
        let before = |block: &[u8]| head(&[block, &request("GET", &[])[..]].concat());
        for size in [4097, 65_536, 1 << 20] {
            let update = [&[0x3f][..], &number(size - 31)].concat();
            ends(proxy, "a table larger than 4 KiB", &[before(&update)], COMPRESSION);
        }
        ends(proxy, "a size that has no end", &[before(&[0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])], COMPRESSION);
        ends(proxy, "a length that has no end", &[with(&[0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff])], COMPRESSION);
        ends(proxy, "a text longer than its block", &[with(b"\x00\x01x\x7f\xff\x7f")], COMPRESSION);
        ends(proxy, "EOS", &[with(b"\0\x01x\xff\xe1\xff\xff\xff\xff")], COMPRESSION);
        // A size may change as often as a block has room for.
        let mut client = Frames::begin(proxy);
        client.offer(before(&b"\x20\x3f\xe1\x1f".repeat(1000)));
        assert_eq!(client.status(1), 200);
        // A text of the shortest codes is longer than its bytes: the limit counts what it becomes.
        let coded = [&b"\0\x01x\xff"[..], &number(15_000 - 127), &[0; 15_000]].concat();
        let mut client = Frames::begin(proxy);
        client.offer(with(&coded));
        assert_eq!(client.status(1), 200, "24,000 bytes");
        let two = [coded.clone(), coded].concat();
        let (one, rest) = two.split_at(15_000);
        let mut client = Frames::begin(proxy);
        client.offer(frame(HEADERS, END_STREAM, 1, [request("GET", &[]), one.to_vec()].concat()));
        client.offer(frame(CONTINUATION, NONE, 1, &rest[..15_000]));
        client.offer(frame(CONTINUATION, END_HEADERS, 1, &rest[15_000..]));
        assert_eq!(client.status(1), 431, "48,000 bytes");
    });
}

#[test]
fn case_153_entries_come_and_go_and_the_table_stays_what_it_is() {
    on_proxies(|proxy| {
        let mut client = Frames::begin(proxy);
        let mut ask = |stream: u32, block: &[u8]| {
            let block = [&request("GET", &[])[..], block].concat();
            client.offer(frame(HEADERS, END_HEADERS | END_STREAM, stream, block));
            client.wait("a verdict", |frame| frame.kind == HEADERS || frame.kind == GOAWAY)
        };
        let mut stream = 1;
        let mut floor = 0;
        for round in 0..1800 {
            if round == 300 {
                floor = proxy.resident();
            }
            assert_eq!(ask(stream, &kept(3000)).status(), 200);
            stream += 2;
        }
        let grown = proxy.resident().saturating_sub(floor);
        assert!(grown < 3072, "{grown} KiB more for 1,500 entries of 3 KiB");
        // The last entry is there, the one before it is not.
        assert_eq!(ask(stream, b"\xbe").status(), 200);
        assert_eq!(ask(stream + 2, b"\xbf").code(), COMPRESSION);
        assert_serves(proxy);
    });
}

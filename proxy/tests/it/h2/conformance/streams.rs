//! h2spec's sections 3 to 5: the preface, frames and their sizes, the states of streams.

use super::{ALIVE, Case, Close, End, Http1, PROTOCOL, REFUSED, STREAM_CLOSED, See, Send, Settings, Stream};
use super::{Answer, COMPRESSION, FRAME_SIZE, bare, case, data, get, odd, ping, post, reset, setting, steps, update};
use crate::harness::h2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, NONE, PING, PREFACE, PRIORITY, WITH_PRIORITY, field, frame,
    request,
};

pub(super) fn cases() -> Vec<Case> {
    [preface(), format(), size(), blocks(), idle(), half_closed(), closed(), identifiers(), errors()].concat()
}

fn preface() -> Vec<Case> {
    let begun = [PREFACE.to_vec(), setting(4, 65_535)].concat();
    vec![
        bare("http2/3.5/1", "our SETTINGS come first", vec![Send(begun), See(Settings)]),
        bare(
            "http2/3.5/2",
            "a preface that is none",
            vec![Send(b"INVALID CONNECTION PREFACE\r\n\r\n".to_vec()), See(Http1(400))],
        ),
    ]
}

fn unknown() -> Vec<u8> {
    frame(0x16, NONE, 0, [0; 8])
}

fn format() -> Vec<Case> {
    vec![
        case("http2/4.1/1", "an unknown type", &[unknown(), ping()], ALIVE),
        case("http2/4.1/2", "undefined flags", &[frame(PING, 0b1111_1110, 0, b"12345678")], ALIVE),
        case("http2/4.1/3", "the reserved bit", &[frame(PING, NONE, 1 << 31, b"12345678")], ALIVE),
    ]
}

fn size() -> Vec<Case> {
    let large = [request("GET", &[]), field("x", &"x".repeat(16_384))].concat();
    let body = |length| frame(DATA, END_STREAM, 1, vec![b'x'; length]);
    vec![
        case("http2/4.2/1", "DATA of 2¹⁴ bytes", &[post(1, &[]), body(16_384)], Answer(1)),
        case("http2/4.2/2", "DATA that is larger", &[post(1, &[]), body(16_385)], Stream(&[FRAME_SIZE])),
        case("http2/4.2/3", "HEADERS that are larger", &[odd(large)], Close(&[FRAME_SIZE])),
    ]
}

fn blocks() -> Vec<Case> {
    let begun = frame(HEADERS, NONE, 1, request("GET", &[]));
    let priority = frame(PRIORITY, NONE, 1, [0, 0, 0, 0, 255]);
    let rest = frame(CONTINUATION, END_HEADERS, 1, field("x", "y"));
    vec![
        case("http2/4.3/1", "a block that breaks off", &[odd(b"\x40")], Close(&[COMPRESSION])),
        case("http2/4.3/2", "PRIORITY within a block", &[begun.clone(), priority, rest.clone()], Close(&[PROTOCOL])),
        case("http2/4.3/3", "another stream within a block", &[begun, get(3), rest], Close(&[PROTOCOL])),
    ]
}

/// A CONTINUATION that continues nothing.
fn late() -> Vec<u8> {
    frame(CONTINUATION, END_HEADERS, 1, request("GET", &[]))
}

fn idle() -> Vec<Case> {
    vec![
        case("http2/5.1/1", "idle: DATA", &[data(1)], Close(&[PROTOCOL])),
        case("http2/5.1/2", "idle: RST_STREAM", &[reset(1)], Close(&[PROTOCOL])),
        case("http2/5.1/3", "idle: WINDOW_UPDATE", &[update(1, 100)], Close(&[PROTOCOL])),
        case("http2/5.1/4", "idle: CONTINUATION", &[late()], Close(&[PROTOCOL])),
    ]
}

fn half_closed() -> Vec<Case> {
    let gone = [post(1, &[]), reset(1)].concat();
    vec![
        case("http2/5.1/5", "half-closed: DATA", &[get(1), data(1)], Stream(&[STREAM_CLOSED])),
        case("http2/5.1/6", "half-closed: HEADERS", &[get(1), get(1)], Stream(&[STREAM_CLOSED])),
        case("http2/5.1/7", "half-closed: CONTINUATION", &[get(1), late()], Close(&[PROTOCOL])),
        case("http2/5.1/8", "reset: DATA", &[gone.clone(), data(1)], Stream(&[STREAM_CLOSED])),
        case("http2/5.1/9", "reset: HEADERS", &[gone.clone(), get(1)], Stream(&[STREAM_CLOSED])),
        case("http2/5.1/10", "reset: CONTINUATION", &[gone, late()], Close(&[PROTOCOL])),
    ]
}

fn closed() -> Vec<Case> {
    let after = |bytes, code| vec![Send(get(1)), See(End(1)), Send(bytes), See(Close(code))];
    vec![
        steps("http2/5.1/11", "closed: DATA", after(data(1), &[STREAM_CLOSED])),
        steps("http2/5.1/12", "closed: HEADERS", after(get(1), &[STREAM_CLOSED])),
        // A CONTINUATION without a block is wrong wherever it stands.
        steps("http2/5.1/13", "closed: CONTINUATION", after(late(), &[PROTOCOL])),
    ]
}

fn identifiers() -> Vec<Case> {
    // One more than `http2.streams`; no window keeps them all open.
    let many: Vec<u8> = (0..101).flat_map(|n| get(1 + 2 * n)).collect();
    vec![
        case("http2/5.1.1/1", "an even stream", &[get(2)], Close(&[PROTOCOL])),
        case("http2/5.1.1/2", "a smaller stream", &[get(5), get(3)], Close(&[PROTOCOL])),
        case("http2/5.1.1/3", "the same stream", &[get(5), get(5)], Stream(&[STREAM_CLOSED])),
        case("http2/5.1.2/1", "more streams than allowed", &[setting(4, 0), many], Stream(&[REFUSED])),
    ]
}

fn errors() -> Vec<Case> {
    let itself = [vec![0, 0, 0, 1, 255], request("GET", &[])].concat();
    let ranked = frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 1, itself);
    let begun = frame(HEADERS, END_STREAM, 1, request("GET", &[]));
    let wrong = frame(PING, NONE, 3, [0; 8]);
    vec![
        case("http2/5.3.1/1", "HEADERS that depend on themselves", &[ranked], Stream(&[PROTOCOL])),
        case(
            "http2/5.3.1/2",
            "PRIORITY that depends on itself",
            &[frame(PRIORITY, NONE, 2, [0, 0, 0, 2, 255])],
            Stream(&[PROTOCOL]),
        ),
        case("http2/5.4.1/1", "the end behind an error", std::slice::from_ref(&wrong), Close(&[PROTOCOL])),
        case("http2/5.4.1/2", "nothing is served behind an error", &[wrong, get(1), ping()], Close(&[PROTOCOL])),
        case("http2/5.5/1", "an unknown frame", &[unknown(), ping()], ALIVE),
        case("http2/5.5/2", "an unknown frame within a block", &[begun, unknown()], Close(&[PROTOCOL])),
    ]
}

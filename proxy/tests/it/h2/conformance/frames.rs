//! h2spec's section 6 and 7: each type of frame, and error codes.

use super::{ALIVE, Acknowledged, Answer, Case, Close, Data, FLOW_CONTROL, Over, PROTOCOL, STREAM_CLOSED, See, Send};
use super::{FRAME_SIZE, Stream, case, data, get, ping, post, setting, settings, steps, update};
use crate::harness::h2::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, NONE, PADDED, PING, PRIORITY, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, field, frame, request,
};

pub(super) fn cases() -> Vec<Case> {
    [bodies(), heads(), priority(), resets(), values(), pings(), updates(), windows(), continuation(), codes()].concat()
}

fn bodies() -> Vec<Case> {
    let padding = frame(DATA, END_STREAM | PADDED, 1, b"\x06Test");
    vec![
        case("http2/6.1/1", "DATA on 0", &[frame(DATA, END_STREAM, 0, b"test")], Close(&[PROTOCOL])),
        case("http2/6.1/2", "DATA on a half-closed stream", &[get(1), data(1)], Stream(&[STREAM_CLOSED])),
        case("http2/6.1/3", "DATA with more padding than payload", &[post(1, &[]), padding], Close(&[PROTOCOL])),
    ]
}

fn heads() -> Vec<Case> {
    let begun = frame(HEADERS, NONE, 1, request("GET", &[]));
    let whole = END_HEADERS | END_STREAM;
    let block = request("GET", &[]);
    let padding = [vec![u8::try_from(block.len() + 1).unwrap()], block.clone()].concat();
    vec![
        case(
            "http2/6.2/1",
            "PRIORITY behind HEADERS without END_HEADERS",
            &[begun.clone(), frame(PRIORITY, NONE, 1, [0, 0, 0, 0, 255])],
            Close(&[PROTOCOL]),
        ),
        case("http2/6.2/2", "another stream behind them", &[begun, get(3)], Close(&[PROTOCOL])),
        case("http2/6.2/3", "HEADERS on 0", &[frame(HEADERS, whole, 0, block)], Close(&[PROTOCOL])),
        case(
            "http2/6.2/4",
            "HEADERS with more padding than payload",
            &[frame(HEADERS, whole | PADDED, 1, padding)],
            Close(&[PROTOCOL]),
        ),
    ]
}

fn priority() -> Vec<Case> {
    let short = frame(PRIORITY, NONE, 1, [0x80, 0, 0, 1]);
    vec![
        case("http2/6.3/1", "PRIORITY on 0", &[frame(PRIORITY, NONE, 0, [0; 5])], Close(&[PROTOCOL])),
        case("http2/6.3/2", "PRIORITY of four bytes", &[post(1, &[]), short], Stream(&[FRAME_SIZE])),
    ]
}

fn resets() -> Vec<Case> {
    let short = frame(RST_STREAM, NONE, 1, [0; 3]);
    vec![
        case("http2/6.4/1", "RST_STREAM on 0", &[frame(RST_STREAM, NONE, 0, [0; 4])], Close(&[PROTOCOL])),
        case("http2/6.4/2", "RST_STREAM on an idle stream", &[super::reset(1)], Close(&[PROTOCOL])),
        case("http2/6.4/3", "RST_STREAM of three bytes", &[post(1, &[]), short], Close(&[FRAME_SIZE])),
    ]
}

fn values() -> Vec<Case> {
    let ordered = settings(&[(4, 100), (4, 1)]);
    vec![
        case("http2/6.5/1", "ACK with payload", &[frame(SETTINGS, ACK, 0, [0])], Close(&[FRAME_SIZE])),
        case("http2/6.5/2", "SETTINGS on a stream", &[frame(SETTINGS, NONE, 1, [0; 6])], Close(&[PROTOCOL])),
        case("http2/6.5/3", "SETTINGS of three bytes", &[frame(SETTINGS, NONE, 0, [0; 3])], Close(&[FRAME_SIZE])),
        case("http2/6.5.2/1", "ENABLE_PUSH 2", &[setting(2, 2)], Close(&[PROTOCOL])),
        case("http2/6.5.2/2", "INITIAL_WINDOW_SIZE 2³¹", &[setting(4, 1 << 31)], Close(&[FLOW_CONTROL])),
        case("http2/6.5.2/3", "MAX_FRAME_SIZE below 2¹⁴", &[setting(5, 16_383)], Close(&[PROTOCOL])),
        case("http2/6.5.2/4", "MAX_FRAME_SIZE above 2²⁴ − 1", &[setting(5, 1 << 24)], Close(&[PROTOCOL])),
        case("http2/6.5.2/5", "an unknown setting", &[setting(0xff, 1), ping()], ALIVE),
        steps(
            "http2/6.5.3/1",
            "the last of two values holds",
            vec![Send(ordered), See(Acknowledged), Send(get(1)), See(Data(1))],
        ),
        case("http2/6.5.3/2", "SETTINGS are acknowledged", &[setting(2, 0)], Acknowledged),
    ]
}

fn pings() -> Vec<Case> {
    vec![
        case("http2/6.7/1", "PING", &[ping()], ALIVE),
        case("http2/6.7/2", "an answer that nobody asked for", &[frame(PING, ACK, 0, b"invalid!"), ping()], ALIVE),
        case("http2/6.7/3", "PING on a stream", &[frame(PING, NONE, 1, [0; 8])], Close(&[PROTOCOL])),
        case("http2/6.7/4", "PING of six bytes", &[frame(PING, NONE, 0, [0; 6])], Close(&[FRAME_SIZE])),
        case("http2/6.8/1", "GOAWAY on a stream", &[frame(GOAWAY, NONE, 1, [0; 8])], Close(&[PROTOCOL])),
    ]
}

const MOST: u32 = (1 << 31) - 1;

fn updates() -> Vec<Case> {
    let short = frame(WINDOW_UPDATE, NONE, 0, [0, 0, 1]);
    vec![
        case("http2/6.9/1", "WINDOW_UPDATE of 0", &[update(0, 0)], Close(&[PROTOCOL])),
        case("http2/6.9/2", "WINDOW_UPDATE of 0 on a stream", &[post(1, &[]), update(1, 0)], Stream(&[PROTOCOL])),
        case("http2/6.9/3", "WINDOW_UPDATE of three bytes", &[short], Close(&[FRAME_SIZE])),
        steps(
            "http2/6.9.1/1",
            "not a byte more than the window",
            vec![Send(setting(4, 1)), See(Acknowledged), Send(get(1)), See(Data(1))],
        ),
        case(
            "http2/6.9.1/2",
            "the connection's window overflows",
            &[update(0, MOST), update(0, MOST)],
            Close(&[FLOW_CONTROL]),
        ),
        case(
            "http2/6.9.1/3",
            "a stream's window overflows",
            &[post(1, &[]), update(1, MOST), update(1, MOST)],
            Stream(&[FLOW_CONTROL]),
        ),
    ]
}

fn windows() -> Vec<Case> {
    vec![
        steps(
            "http2/6.9.2/1",
            "a setting opens the windows of streams",
            vec![
                Send(setting(4, 0)),
                See(Acknowledged),
                Send([get(1), setting(4, 1)].concat()),
                See(Acknowledged),
                See(Data(1)),
            ],
        ),
        steps(
            "http2/6.9.2/2",
            "a window below zero has to be opened above it",
            vec![
                Send(setting(4, 3)),
                See(Acknowledged),
                Send(get(1)),
                See(Data(3)),
                Send(setting(4, 2)),
                See(Acknowledged),
                Send(update(1, 2)),
                See(Data(1)),
            ],
        ),
        case("http2/6.9.2/3", "a window above 2³¹ − 1", &[setting(4, 1 << 31)], Close(&[FLOW_CONTROL])),
    ]
}

fn continuation() -> Vec<Case> {
    let block = field("x", "y");
    let begun = frame(HEADERS, END_STREAM, 1, request("GET", &[]));
    let upload = frame(HEADERS, NONE, 1, request("POST", &[]));
    let more = |flags, stream| frame(CONTINUATION, flags, stream, &block);
    let last = more(END_HEADERS, 1);
    vec![
        case("http2/6.10/1", "several", &[begun.clone(), more(NONE, 1), last.clone()], Answer(1)),
        case("http2/6.10/2", "DATA in between", &[upload.clone(), more(NONE, 1), data(1)], Close(&[PROTOCOL])),
        case("http2/6.10/3", "on 0", &[begun.clone(), more(END_HEADERS, 0)], Close(&[PROTOCOL])),
        case("http2/6.10/4", "behind a whole block", &[get(1), last.clone()], Close(&[PROTOCOL])),
        case("http2/6.10/5", "behind the last", &[begun, last.clone(), last], Close(&[PROTOCOL])),
        case("http2/6.10/6", "behind DATA", &[upload, data(1), more(NONE, 1)], Close(&[PROTOCOL])),
    ]
}

fn codes() -> Vec<Case> {
    let odd_code = 0xff_u32.to_be_bytes();
    let goaway = frame(GOAWAY, NONE, 0, [&[0; 4][..], &odd_code].concat());
    let reset = frame(RST_STREAM, NONE, 1, odd_code);
    vec![
        case("http2/7/1", "GOAWAY with an unknown code", &[goaway], Over),
        case("http2/7/2", "RST_STREAM with an unknown code", &[post(1, &[]), reset, ping()], ALIVE),
    ]
}

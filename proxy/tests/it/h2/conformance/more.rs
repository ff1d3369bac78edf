//! Cases beside h2spec's: what RFC 9113 says and nobody asks there.

use super::{ALIVE, Acknowledged, Answer, Case, Close, Data, FRAME_SIZE, PROTOCOL, See, Send, Stream};
use super::{bare, case, get, odd, ping, plain, post, setting, steps, update};
use crate::harness::h2::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, NONE, PADDED, PREFACE, RST_STREAM, field, frame, request,
};

pub(super) fn cases() -> Vec<Case> {
    [connection(), paths(), trailers(), states(), windows()].concat()
}

fn connection() -> Vec<Case> {
    vec![
        bare(
            "more/3.4",
            "no SETTINGS behind the preface",
            vec![Send([PREFACE.to_vec(), get(1)].concat()), See(Close(&[PROTOCOL]))],
        ),
        case("more/8441", "ENABLE_CONNECT_PROTOCOL 2", &[setting(8, 2)], Close(&[PROTOCOL])),
        // A client that goes away is still answered.
        case("more/6.8", "GOAWAY", &[get(1), frame(GOAWAY, NONE, 0, [0; 8])], Answer(1)),
        case(
            "more/6.1",
            "DATA with padding and without its length",
            &[post(1, &[]), frame(DATA, PADDED, 1, b"")],
            Close(&[PROTOCOL, FRAME_SIZE]),
        ),
        case(
            "more/6.3",
            "a table as large as ours",
            &[odd([b"\x3f\xe1\x1f", &request("GET", &[])[..]].concat())],
            Answer(1),
        ),
        case("more/6.1", "a request by indices", &[odd(b"\x82\x86\x84\x41\x06t.test")], Answer(1)),
        case("more/8.1", "OPTIONS", &[odd(request("OPTIONS", &[]))], Answer(1)),
    ]
}

/// Case 83: what could be read in two ways behind us.
fn paths() -> Vec<Case> {
    ["/a#b", "/a b", "/\u{1}", "x", "http://t.test/", "*"]
        .iter()
        .map(|path| {
            let list = [(":method", "GET"), (":scheme", "http"), (":path", *path), (":authority", "t.test")];
            case("more/8.3.1", "a :path that is none", &[plain(&list)], Stream(&[PROTOCOL]))
        })
        .collect()
}

fn trailers() -> Vec<Case> {
    ["X-T", "connection", ":path", "x y", ""]
        .iter()
        .map(|name| {
            let late = frame(HEADERS, END_HEADERS | END_STREAM, 1, field(name, "/"));
            case("more/8.1", "a trailer that may not be", &[post(1, &[]), late], Stream(&[PROTOCOL]))
        })
        .collect()
}

/// A stream that was closed by its reset may see what was under way; nothing of it comes back to life.
fn states() -> Vec<Case> {
    let refused = frame(RST_STREAM, NONE, 1, 7_u32.to_be_bytes());
    vec![
        case("more/5.1", "two resets", &[post(1, &[]), refused.clone(), refused.clone(), ping()], ALIVE),
        case("more/5.1", "WINDOW_UPDATE behind a reset", &[post(1, &[]), refused, update(1, 1), ping()], ALIVE),
    ]
}

fn windows() -> Vec<Case> {
    let most = (1 << 31) - 1;
    vec![
        case(
            "more/6.9.2",
            "a setting lets a stream's window overflow",
            &[post(1, &[]), update(1, most - 65_535), setting(4, 65_537)],
            Close(&[super::FLOW_CONTROL]),
        ),
        steps(
            "more/6.9.1",
            "the rest comes when the window opens",
            vec![
                Send(setting(4, 1)),
                See(Acknowledged),
                Send(get(1)),
                See(Data(1)),
                Send(update(1, 100)),
                See(Data(7)),
            ],
        ),
    ]
}

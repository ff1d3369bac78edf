//! What h2spec asks, expressed as frames: RFC 9113 section by section, RFC 7541 at the end.
//!
//! As there, an error of a stream may also be answered by a GOAWAY; but the code has to be the right one, and a close
//! without a word is none. Each case has a connection of its own; a good client is served afterwards.

mod messages;

use super::{assert_serves, proxy};
use crate::harness::h2::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, NONE, PADDED, PING, PREFACE, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, WITH_PRIORITY, field, frame, get, request,
};
use crate::harness::{Origin, Proxy, on_workers};

const PROTOCOL: u32 = 1;
const FLOW_CONTROL: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE: u32 = 6;
const REFUSED: u32 = 7;
const COMPRESSION: u32 = 9;

/// Frames on a stream that has ended.
const CLOSED: Expect = Stream(&[STREAM_CLOSED]);

/// A block that can't be decoded.
const BROKEN: Expect = Close(&[COMPRESSION]);

/// What has to come of a case.
#[derive(Clone, Copy, Debug)]
enum Expect {
    /// The stream is answered with 200.
    Answer(u32),
    /// A PING comes back with these bytes.
    Pong(&'static [u8; 8]),
    /// The stream is reset with one of these codes, or the connection ended as by `Close`.
    Stream(&'static [u32]),
    /// A GOAWAY with one of these codes.
    Close(&'static [u32]),
}

use Expect::{Answer, Close, Pong, Stream};

/// Sends frames on a fresh connection and holds what comes against what is expected.
#[track_caller]
fn check(proxy: &Proxy, what: &str, sent: &[Vec<u8>], expect: Expect) {
    let mut client = Frames::begin(proxy);
    client.offer(sent.concat());
    verdict(&mut client, what, expect);
}

#[track_caller]
fn verdict(client: &mut Frames, what: &str, expect: Expect) {
    let mut seen = Vec::new();
    loop {
        let Some(frame) = client.next() else {
            panic!("{what}: the connection ended after {seen:?}");
        };
        match (expect, frame.kind) {
            (Answer(stream), HEADERS) if frame.stream == stream => {
                assert_eq!(frame.status(), 200, "{what}");
                return;
            }
            (Pong(bytes), PING) if frame.flags & ACK != 0 => {
                assert_eq!(frame.payload, bytes, "{what}");
                return;
            }
            (Stream(codes), RST_STREAM) | (Stream(codes) | Close(codes), GOAWAY) => {
                assert!(codes.contains(&frame.code()), "{what}: code {} in {frame:?}", frame.code());
                return;
            }
            (Answer(_) | Pong(_), RST_STREAM | GOAWAY) => panic!("{what}: {frame:?}"),
            _ => seen.push((frame.kind, frame.flags, frame.stream)),
        }
    }
}

/// A PING whose answer shows that what came before it did no harm.
fn ping() -> Vec<u8> {
    frame(PING, NONE, 0, b"12345678")
}

const ALIVE: Expect = Pong(b"12345678");

/// A HEADERS frame that opens a stream whose body is to come.
fn post(stream: u32, further: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, request("POST", further))
}

/// A HEADERS frame with other fields than a good one.
fn odd(fields: Vec<u8>) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, 1, fields)
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, NONE, 0, [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

fn update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, NONE, stream, by.to_be_bytes())
}

fn with_proxies(test: impl Fn(&Proxy)) {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = proxy(workers, &origin, "");
        test(&proxy);
        assert_serves(&proxy);
    });
}

#[test]
fn section_3_the_preface() {
    with_proxies(|proxy| {
        let mut client = Frames::connect(proxy);
        client.offer([PREFACE, &frame(SETTINGS, NONE, 0, []), &get(1)].concat());
        let first = client.next().unwrap();
        assert_eq!((first.kind, first.flags & ACK), (SETTINGS, 0), "our SETTINGS are the first frame");
        assert_eq!(client.status(1), 200);
        // A preface that is none is HTTP/1, and no request of it.
        let mut client = Frames::connect(proxy);
        client.offer("INVALID CONNECTION PREFACE\r\n\r\n");
        let text = String::from_utf8_lossy(&client.wire().rest()).into_owned();
        assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
        // Something else than SETTINGS behind it.
        let mut client = Frames::connect(proxy);
        client.offer([PREFACE, &get(1)].concat());
        verdict(&mut client, "no SETTINGS", Close(&[PROTOCOL]));
    });
}

#[test]
fn section_4_frames_and_their_size() {
    with_proxies(|proxy| {
        check(proxy, "4.1 unknown type", &[frame(0xff, NONE, 0, b"xxxxxxxx"), ping()], ALIVE);
        check(proxy, "4.1 unknown flags", &[frame(PING, 0b1111_1110, 0, b"12345678")], ALIVE);
        check(proxy, "4.1 reserved bit", &[frame(PING, NONE, 1 << 31, b"12345678")], ALIVE);
        let largest = frame(DATA, END_STREAM, 1, [b'x'; 16384]);
        check(proxy, "4.2 the largest frame", &[post(1, &[]), largest], Answer(1));
        let larger = frame(DATA, END_STREAM, 1, [b'x'; 16385]);
        check(proxy, "4.2 DATA too large", &[post(1, &[]), larger], Stream(&[FRAME_SIZE]));
        let block = [request("GET", &[]), field("x", &"x".repeat(16384))].concat();
        check(proxy, "4.2 HEADERS too large", &[frame(HEADERS, 5, 1, block)], Close(&[FRAME_SIZE]));
        check(proxy, "4.3 a broken block", &[odd(b"\xff\xff\xff\xff\xff\xff\xff".to_vec())], BROKEN);
        let begun = frame(HEADERS, END_STREAM, 1, request("GET", &[]));
        check(proxy, "4.3 PRIORITY within", &[begun.clone(), frame(PRIORITY, NONE, 1, [0; 5])], Close(&[PROTOCOL]));
        check(proxy, "4.3 HEADERS within", &[begun, get(3)], Close(&[PROTOCOL]));
    });
}

#[test]
fn section_5_1_the_states_of_streams() {
    with_proxies(|proxy| {
        let data = |stream| frame(DATA, END_STREAM, stream, b"x");
        let reset = |stream| frame(RST_STREAM, NONE, stream, 8_u32.to_be_bytes());
        check(proxy, "idle: DATA", &[data(1)], Close(&[PROTOCOL]));
        check(proxy, "idle: RST_STREAM", &[reset(1)], Close(&[PROTOCOL]));
        check(proxy, "idle: WINDOW_UPDATE", &[update(1, 100)], Close(&[PROTOCOL]));
        check(
            proxy,
            "idle: CONTINUATION",
            &[frame(CONTINUATION, END_HEADERS, 1, request("GET", &[]))],
            Close(&[PROTOCOL]),
        );
        check(proxy, "half-closed: DATA", &[get(1), data(1)], CLOSED);
        check(proxy, "half-closed: HEADERS", &[get(1), get(1)], CLOSED);
        let late = frame(CONTINUATION, END_HEADERS, 1, request("GET", &[]));
        check(proxy, "half-closed: CONTINUATION", &[get(1), late.clone()], Close(&[PROTOCOL]));
        check(proxy, "reset: DATA", &[post(1, &[]), reset(1), data(1)], CLOSED);
        check(proxy, "reset: HEADERS", &[post(1, &[]), reset(1), get(1)], CLOSED);
        check(proxy, "reset: CONTINUATION", &[post(1, &[]), reset(1), late.clone()], Close(&[PROTOCOL]));
        check(proxy, "5.1.1 an even stream", &[get(2)], Close(&[PROTOCOL]));
        check(proxy, "5.1.1 a smaller stream", &[get(5), get(3)], Close(&[PROTOCOL]));
        check(
            proxy,
            "5.3.1 a stream that depends on itself",
            &[frame(
                HEADERS,
                END_HEADERS | END_STREAM | WITH_PRIORITY,
                1,
                [vec![0, 0, 0, 1, 255], request("GET", &[])].concat(),
            )],
            Stream(&[PROTOCOL]),
        );
        check(proxy, "5.3.1 PRIORITY on itself", &[frame(PRIORITY, NONE, 2, [0, 0, 0, 2, 255])], Stream(&[PROTOCOL]));
        check(
            proxy,
            "5.5 unknown frames within a block",
            &[frame(HEADERS, END_STREAM, 1, request("GET", &[])), frame(0xff, NONE, 0, b"x")],
            Close(&[PROTOCOL]),
        );
        check(proxy, "5.4.1 after a connection error", &[frame(DATA, NONE, 0, b""), ping()], Close(&[PROTOCOL]));
        for kind in [DATA, HEADERS, CONTINUATION] {
            let mut client = Frames::begin(proxy);
            client.offer(get(1));
            client.wait("the end of the answer", |frame| {
                frame.stream == 1 && frame.flags & END_STREAM != 0 && frame.kind < 2
            });
            client.offer(frame(kind, END_STREAM | END_HEADERS, 1, request("GET", &[])));
            // A CONTINUATION without a block is wrong wherever it stands.
            let expect = if kind == CONTINUATION { Close(&[PROTOCOL]) } else { CLOSED };
            verdict(&mut client, "closed", expect);
        }
    });
}

#[test]
fn section_5_1_2_more_streams_than_allowed() {
    on_workers(|workers| {
        let origin = Origin::silent();
        let proxy = proxy(workers, &origin, "http2: { streams: 4 }\n");
        let mut client = Frames::begin(&proxy);
        client.wait("SETTINGS", |frame| frame.kind == SETTINGS && frame.flags & ACK == 0);
        client.wait("our SETTINGS' acknowledgement", |frame| frame.kind == SETTINGS && frame.flags & ACK != 0);
        client.offer((0..5).flat_map(|n| get(1 + 2 * n)).collect::<Vec<u8>>());
        verdict(&mut client, "the fifth", Stream(&[REFUSED]));
    });
}

#[test]
fn section_6_1_to_6_4_data_headers_priority_reset() {
    with_proxies(|proxy| {
        check(proxy, "DATA on 0", &[frame(DATA, NONE, 0, b"x")], Close(&[PROTOCOL]));
        check(proxy, "DATA padded", &[post(1, &[]), frame(DATA, END_STREAM | PADDED, 1, b"\x03ok\0\0\0")], Answer(1));
        check(
            proxy,
            "DATA padding",
            &[post(1, &[]), frame(DATA, END_STREAM | PADDED, 1, b"\x06Test")],
            Close(&[PROTOCOL]),
        );
        check(
            proxy,
            "DATA padded, empty",
            &[post(1, &[]), frame(DATA, PADDED, 1, b"")],
            Close(&[PROTOCOL, FRAME_SIZE]),
        );
        check(proxy, "HEADERS on 0", &[frame(HEADERS, 5, 0, request("GET", &[]))], Close(&[PROTOCOL]));
        let padded = [vec![4], request("GET", &[]), vec![0; 4]].concat();
        check(proxy, "HEADERS padded", &[frame(HEADERS, 5 | PADDED, 1, padded)], Answer(1));
        let much = [vec![255], request("GET", &[])].concat();
        check(proxy, "HEADERS padding", &[frame(HEADERS, 5 | PADDED, 1, much)], Close(&[PROTOCOL]));
        let first = [vec![0, 0, 0, 0, 15], request("GET", &[])].concat();
        check(proxy, "HEADERS with priority", &[frame(HEADERS, 5 | WITH_PRIORITY, 1, first)], Answer(1));
        check(proxy, "PRIORITY", &[frame(PRIORITY, NONE, 1, [0, 0, 0, 0, 15]), get(1)], Answer(1));
        check(proxy, "PRIORITY on 0", &[frame(PRIORITY, NONE, 0, [0; 5])], Close(&[PROTOCOL]));
        check(proxy, "PRIORITY of 4 bytes", &[post(1, &[]), frame(PRIORITY, NONE, 1, [0; 4])], Stream(&[FRAME_SIZE]));
        check(proxy, "RST_STREAM on 0", &[frame(RST_STREAM, NONE, 0, [0; 4])], Close(&[PROTOCOL]));
        check(
            proxy,
            "RST_STREAM of 3 bytes",
            &[post(1, &[]), frame(RST_STREAM, NONE, 1, [0; 3])],
            Close(&[FRAME_SIZE]),
        );
        check(
            proxy,
            "RST_STREAM with an unknown code",
            &[post(1, &[]), frame(RST_STREAM, NONE, 1, [0xff; 4]), ping()],
            ALIVE,
        );
    });
}

#[test]
fn section_6_5_settings() {
    with_proxies(|proxy| {
        check(proxy, "SETTINGS", &[setting(3, 100), ping()], ALIVE);
        check(proxy, "ACK with payload", &[frame(SETTINGS, ACK, 0, [0])], Close(&[FRAME_SIZE]));
        check(proxy, "on a stream", &[frame(SETTINGS, NONE, 1, [])], Close(&[PROTOCOL]));
        check(proxy, "of 3 bytes", &[frame(SETTINGS, NONE, 0, [0; 3])], Close(&[FRAME_SIZE]));
        check(proxy, "ENABLE_PUSH 2", &[setting(2, 2)], Close(&[PROTOCOL]));
        check(proxy, "INITIAL_WINDOW_SIZE 2³¹", &[setting(4, 1 << 31)], Close(&[FLOW_CONTROL]));
        check(proxy, "MAX_FRAME_SIZE 16383", &[setting(5, 16383)], Close(&[PROTOCOL]));
        check(proxy, "MAX_FRAME_SIZE 2²⁴", &[setting(5, 1 << 24)], Close(&[PROTOCOL]));
        check(proxy, "an unknown setting", &[setting(0xff, 1), ping()], ALIVE);
        check(proxy, "ENABLE_CONNECT_PROTOCOL 2", &[setting(8, 2)], Close(&[PROTOCOL]));
        // 6.5.3: several in one frame, the last counts; an acknowledgement comes for each frame.
        let twice = [
            [&4_u16.to_be_bytes()[..], &100_u32.to_be_bytes()].concat(),
            [&4_u16.to_be_bytes()[..], &1_u32.to_be_bytes()].concat(),
        ]
        .concat();
        let mut client = Frames::begin(proxy);
        client.wait("the acknowledgement", |frame| frame.kind == SETTINGS && frame.flags & ACK != 0);
        client.offer([frame(SETTINGS, NONE, 0, twice), get(1)].concat());
        client.wait("the second acknowledgement", |frame| frame.kind == SETTINGS && frame.flags & ACK != 0);
        let data = client.wait("DATA", |frame| frame.kind == DATA);
        assert_eq!(data.payload, b"o", "the window was one byte");
    });
}

#[test]
fn section_6_7_and_6_8_ping_and_goaway() {
    with_proxies(|proxy| {
        check(proxy, "PING", &[ping()], ALIVE);
        check(proxy, "an unasked PING ACK", &[frame(PING, ACK, 0, b"invalid!"), ping()], ALIVE);
        check(proxy, "PING on a stream", &[frame(PING, NONE, 1, [0; 8])], Close(&[PROTOCOL]));
        check(proxy, "PING of 6 bytes", &[frame(PING, NONE, 0, [0; 6])], Close(&[FRAME_SIZE]));
        check(proxy, "GOAWAY on a stream", &[frame(GOAWAY, NONE, 1, [0; 8])], Close(&[PROTOCOL]));
        // A client that goes away is still answered.
        check(proxy, "GOAWAY", &[get(1), frame(GOAWAY, NONE, 0, [0; 8])], Answer(1));
    });
}

#[test]
fn section_6_9_flow_control() {
    with_proxies(|proxy| {
        check(proxy, "0 on the connection", &[update(0, 0)], Close(&[PROTOCOL]));
        check(proxy, "0 on a stream", &[post(1, &[]), update(1, 0)], Stream(&[PROTOCOL]));
        check(proxy, "of 3 bytes", &[frame(WINDOW_UPDATE, NONE, 0, [0; 3])], Close(&[FRAME_SIZE]));
        let most = (1 << 31) - 1;
        check(proxy, "the connection's overflows", &[update(0, most), update(0, most)], Close(&[FLOW_CONTROL]));
        check(
            proxy,
            "a stream's overflows",
            &[post(1, &[]), update(1, most), update(1, most)],
            Stream(&[FLOW_CONTROL]),
        );
        check(
            proxy,
            "6.9.2 overflows by a setting",
            &[post(1, &[]), update(1, most - 65535), setting(4, 65536 + 1)],
            Close(&[FLOW_CONTROL]),
        );
        // 6.9.1: not a byte more than the window, and the rest when it opens.
        let mut client = Frames::begin_with(proxy, &[(4, 1)]);
        client.offer(get(1));
        let data = client.wait("DATA", |frame| frame.kind == DATA);
        assert_eq!((data.payload.as_slice(), data.flags & END_STREAM), (b"o".as_slice(), 0));
        client.offer(update(1, 1));
        let data = client.wait("DATA", |frame| frame.kind == DATA && !frame.payload.is_empty());
        assert_eq!(data.payload, b"k");
        // 6.9.2: a window that a setting made negative has to be opened above zero again.
        let mut client = Frames::begin_with(proxy, &[(4, 0)]);
        client.offer([get(1), setting(4, 2)].concat());
        let data = client.wait("DATA", |frame| frame.kind == DATA && !frame.payload.is_empty());
        assert_eq!(data.payload, b"ok");
    });
}

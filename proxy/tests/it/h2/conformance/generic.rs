//! h2spec's generic cases: what every server has to take.

use super::{ALIVE, Acknowledged, Answer, Case, End, Over, See, Send, Settings, Step};
use super::{Data, Pong, bare, case, data, get, odd, ping, post, reset, setting, settings, steps, update};
use crate::harness::h2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, NONE, PADDED, PING, PREFACE, PRIORITY, WITH_PRIORITY,
    field, frame, request,
};

pub(super) fn cases() -> Vec<Case> {
    [vec![first_frame()], states(), bodies(), heads(), priorities(), others(), messages(), fields()].concat()
}

fn first_frame() -> Case {
    let begun = [PREFACE.to_vec(), setting(4, 65_535)].concat();
    bare("generic/1/1", "our SETTINGS come first", vec![Send(begun), See(Settings)])
}

/// A PRIORITY frame: whom the stream depends on, and its weight.
fn priority(stream: u32, on: u32, weight: u8) -> Vec<u8> {
    frame(PRIORITY, NONE, stream, [&on.to_be_bytes()[..], &[weight]].concat())
}

fn states() -> Vec<Case> {
    // No window keeps a stream half-closed.
    let held = [setting(4, 0), get(1)].concat();
    let closed = |then: Vec<u8>| vec![Send(get(1)), See(End(1)), Send(then), See(ALIVE)];
    vec![
        case("generic/2/1", "PRIORITY on an idle stream", &[priority(1, 0, 255), ping()], ALIVE),
        case("generic/2/2", "WINDOW_UPDATE on a half-closed stream", &[held.clone(), update(1, 1)], Data(1)),
        case("generic/2/3", "PRIORITY on a half-closed stream", &[held, priority(1, 0, 255), update(1, 1)], Data(1)),
        case("generic/2/4", "RST_STREAM on a half-closed stream", &[get(1), reset(1), ping()], ALIVE),
        steps("generic/2/5", "PRIORITY on a closed stream", closed([priority(1, 0, 255), ping()].concat())),
    ]
}

fn bodies() -> Vec<Case> {
    let more = frame(DATA, NONE, 1, b"test");
    let padded = frame(DATA, END_STREAM | PADDED, 1, b"\x06testpadded");
    vec![
        case("generic/3.1/1", "DATA", &[post(1, &[]), data(1)], Answer(1)),
        case("generic/3.1/2", "several DATA", &[post(1, &[]), more, data(1)], Answer(1)),
        case("generic/3.1/3", "DATA with padding", &[post(1, &[]), padded], Answer(1)),
    ]
}

fn heads() -> Vec<Case> {
    let padded = [vec![8], request("GET", &[]), vec![0; 8]].concat();
    let ranked = [vec![0, 0, 0, 0, 255], request("GET", &[])].concat();
    let whole = END_HEADERS | END_STREAM;
    vec![
        case("generic/3.2/1", "HEADERS", &[get(1)], Answer(1)),
        case("generic/3.2/2", "HEADERS with padding", &[frame(HEADERS, whole | PADDED, 1, padded)], Answer(1)),
        case("generic/3.2/3", "HEADERS with priority", &[frame(HEADERS, whole | WITH_PRIORITY, 1, ranked)], Answer(1)),
    ]
}

fn priorities() -> Vec<Case> {
    let exclusive = frame(PRIORITY, NONE, 1, [0x80, 0, 0, 0, 0]);
    vec![
        case("generic/3.3/1", "PRIORITY of weight 1", &[priority(1, 0, 0), get(1)], Answer(1)),
        case("generic/3.3/2", "PRIORITY of weight 256", &[priority(1, 0, 255), get(1)], Answer(1)),
        case("generic/3.3/3", "PRIORITY that depends on a stream", &[priority(3, 1, 0), get(1)], Answer(1)),
        case("generic/3.3/4", "PRIORITY, exclusive", &[exclusive, get(1)], Answer(1)),
        case(
            "generic/3.3/5",
            "PRIORITY on a stream, a request on a lower one",
            &[priority(3, 0, 255), get(1)],
            Answer(1),
        ),
    ]
}

fn others() -> Vec<Case> {
    let values = settings(&[(1, 4096), (2, 1), (3, 100), (4, 65_535), (5, 16_384), (6, 100)]);
    let goaway = frame(GOAWAY, NONE, 0, b"\0\0\0\0\0\0\0\0switched");
    let block = request("GET", &[("x-a", "b")]);
    let (one, rest) = block.split_at(5);
    let (two, three) = rest.split_at(5);
    let begun = frame(HEADERS, END_STREAM, 1, one);
    let more = |flags, block: &[u8]| frame(CONTINUATION, flags, 1, block);
    vec![
        case("generic/3.4/1", "RST_STREAM", &[post(1, &[]), reset(1), ping()], ALIVE),
        case("generic/3.5/1", "SETTINGS", &[values], Acknowledged),
        case("generic/3.7/1", "PING", &[frame(PING, NONE, 0, b"switched")], Pong(b"switched")),
        case("generic/3.8/1", "GOAWAY", &[goaway], Over),
        case("generic/3.9/1", "WINDOW_UPDATE on the connection", &[update(0, 1), ping()], ALIVE),
        case("generic/3.9/2", "WINDOW_UPDATE on a stream", &[get(1), update(1, 1)], Answer(1)),
        case("generic/3.10/1", "CONTINUATION", &[begun.clone(), more(END_HEADERS, rest)], Answer(1)),
        case("generic/3.10/2", "several CONTINUATION", &[begun, more(NONE, two), more(END_HEADERS, three)], Answer(1)),
    ]
}

fn messages() -> Vec<Case> {
    let late = frame(HEADERS, END_HEADERS | END_STREAM, 1, field("x-test", "ok"));
    let announced = post(1, &[("trailer", "x-test")]);
    vec![
        case("generic/4/1", "GET", &[get(1)], Answer(1)),
        case("generic/4/2", "HEAD", &[odd(request("HEAD", &[]))], Answer(1)),
        case("generic/4/3", "POST", &[post(1, &[]), data(1)], Answer(1)),
        case("generic/4/4", "POST with trailers", &[announced, frame(DATA, NONE, 1, b"test"), late], Answer(1)),
    ]
}

/// `user-agent` is entry 58 of the static table; `custom-key: custom-value` stands so in RFC 7541 C.4.3.
fn fields() -> Vec<Case> {
    const CODED_NAME: &[u8] = b"\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f";
    const CODED_VALUE: &[u8] = b"\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf";
    const NAME: &[u8] = b"\x06x-test";
    const VALUE: &[u8] = b"\x04test";
    let with = |parts: &[&[u8]]| vec![Send(odd([request("GET", &[]), parts.concat()].concat())), See(Answer(1))];
    let before = |block: &[u8]| vec![Send(odd([block, &request("GET", &[])].concat())), See(Answer(1))];
    let list: [(&str, &str, Vec<Step>); 15] = [
        ("generic/5/1", "a field by its index", with(&[b"\xba"])),
        ("generic/5/2", "a literal to be kept, its name by index", with(&[b"\x7a", VALUE])),
        ("generic/5/3", "the same in Huffman's code", with(&[b"\x7a", CODED_VALUE])),
        ("generic/5/4", "a literal to be kept, its name new", with(&[b"\x40", NAME, VALUE])),
        ("generic/5/5", "the same in Huffman's code", with(&[b"\x40", CODED_NAME, CODED_VALUE])),
        ("generic/5/6", "a literal not kept, its name by index", with(&[b"\x0f\x2b", VALUE])),
        ("generic/5/7", "the same in Huffman's code", with(&[b"\x0f\x2b", CODED_VALUE])),
        ("generic/5/8", "a literal not kept, its name new", with(&[b"\0", NAME, VALUE])),
        ("generic/5/9", "the same in Huffman's code", with(&[b"\0", CODED_NAME, CODED_VALUE])),
        ("generic/5/10", "a literal never kept, its name by index", with(&[b"\x1f\x2b", VALUE])),
        ("generic/5/11", "the same in Huffman's code", with(&[b"\x1f\x2b", CODED_VALUE])),
        ("generic/5/12", "a literal never kept, its name new", with(&[b"\x10", NAME, VALUE])),
        ("generic/5/13", "the same in Huffman's code", with(&[b"\x10", CODED_NAME, CODED_VALUE])),
        ("generic/5/14", "a table of size 0", before(b"\x20")),
        ("generic/5/15", "the table's size changed twice", before(b"\x20\x3f\xe1\x1f")),
    ];
    list.into_iter().map(|(id, what, list)| steps(id, what, list)).collect()
}

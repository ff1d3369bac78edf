//! What h2spec asks, as one table: the sections and numbers are h2spec's, what is sent and what has to come are frames.
//!
//! h2spec bears a close without a word where a GOAWAY is due; here the code has to be the right one and the socket has to
//! end behind it. An error of a stream may be an error of the connection, as there. Each case has a connection of its own.

mod frames;
mod generic;
mod hpack;
mod messages;
mod more;
mod streams;

use super::{assert_serves, proxy};
use crate::harness::h2::{
    ACK, DATA, END_HEADERS, END_STREAM, Frame, Frames, GOAWAY, HEADERS, NONE, PING, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, fields, frame, request,
};
use crate::harness::{Origin, Proxy, on_workers};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Error codes (RFC 9113 §7).
const PROTOCOL: u32 = 1;
const FLOW_CONTROL: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE: u32 = 6;
const REFUSED: u32 = 7;
const COMPRESSION: u32 = 9;

/// The body of every answer.
const BODY: &str = "switched";

/// What a case waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// The next frame is SETTINGS, and no acknowledgement.
    Settings,
    /// SETTINGS of ours are acknowledged.
    Acknowledged,
    /// A stream is answered with 200.
    Answer(u32),
    /// The next DATA that is not empty has so many bytes.
    Data(usize),
    /// An answer ends.
    End(u32),
    /// A PING comes back with these bytes.
    Pong(&'static [u8; 8]),
    /// A stream is reset with one of these codes, or the connection ends as by `Close`.
    Stream(&'static [u32]),
    /// A GOAWAY with one of these codes, and the end of the connection.
    Close(&'static [u32]),
    /// The end of the connection, without blame.
    Over,
    /// An answer in HTTP/1 with this status, and the end of the connection.
    Http1(u16),
}

use Sight::{Acknowledged, Answer, Close, Data, End, Http1, Over, Pong, Settings, Stream};

/// The answer to [`ping`]: what came before it did no harm.
const ALIVE: Sight = Pong(b"12345678");

/// One thing that a case does.
#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    See(Sight),
}

use Step::{See, Send};

/// A case: h2spec's section and number, in words what happens, and the steps.
#[derive(Clone, Debug)]
struct Case {
    id: &'static str,
    what: &'static str,
    /// The preface and SETTINGS are sent first.
    begins: bool,
    steps: Vec<Step>,
}

/// A case that sends frames and waits for one thing.
fn case(id: &'static str, what: &'static str, sent: &[Vec<u8>], sight: Sight) -> Case {
    steps(id, what, vec![Send(sent.concat()), See(sight)])
}

/// A case of several steps.
fn steps(id: &'static str, what: &'static str, steps: Vec<Step>) -> Case {
    Case { id, what, begins: true, steps }
}

/// A case that sends its own preface.
fn bare(id: &'static str, what: &'static str, steps: Vec<Step>) -> Case {
    Case { id, what, begins: false, steps }
}

impl Case {
    /// Plays it; why it failed otherwise.
    fn play(&self, proxy: &Proxy) -> Result<(), String> {
        let mut client = if self.begins { Frames::begin(proxy) } else { Frames::connect(proxy) };
        if self.begins {
            client.wait("the acknowledgement of the first SETTINGS", is_acknowledgement);
        }
        for step in &self.steps {
            match step {
                Send(bytes) => client.offer(bytes),
                See(sight) => sight.wait(&mut client)?,
            }
        }
        Ok(())
    }
}

fn is_acknowledgement(frame: &Frame) -> bool {
    frame.kind == SETTINGS && frame.flags & ACK != 0
}

impl Sight {
    /// Reads until it comes; fails where it can't come any more.
    fn wait(self, client: &mut Frames) -> Result<(), String> {
        if let Http1(status) = self {
            let text = String::from_utf8_lossy(&client.wire().rest()).into_owned();
            return judge(text.starts_with(&format!("HTTP/1.1 {status} ")), &text);
        }
        let mut passed = Vec::new();
        while let Some(frame) = client.next() {
            if let Some(verdict) = self.weigh(&frame) {
                let ended = verdict.is_err() || frame.kind != GOAWAY || client.goodbye().is_none();
                return verdict.and(judge(ended, "a second GOAWAY"));
            }
            passed.push((frame.kind, frame.flags, frame.stream));
        }
        judge(self == Over, &format!("the connection ended after {passed:?}"))
    }

    /// Whether a frame is what is waited for (`Ok`), rules it out (`Err`), or neither.
    fn weigh(self, frame: &Frame) -> Option<Result<(), String>> {
        let says = format!("{frame:?}");
        Some(match (self, frame.kind) {
            (Settings, _) => judge(frame.kind == SETTINGS && frame.flags & ACK == 0, &says),
            (Acknowledged, SETTINGS) if is_acknowledgement(frame) => Ok(()),
            (Answer(stream), HEADERS) if frame.stream == stream => judge(frame.status() == 200, &says),
            (Data(length), DATA) if !frame.payload.is_empty() => judge(frame.payload.len() == length, &says),
            (End(stream), DATA | HEADERS) if frame.stream == stream && frame.flags & END_STREAM != 0 => Ok(()),
            (Pong(bytes), PING) if frame.flags & ACK != 0 => judge(frame.payload == bytes, &says),
            (Stream(codes), RST_STREAM) | (Stream(codes) | Close(codes), GOAWAY) => {
                judge(codes.contains(&frame.code()), &says)
            }
            (Over, GOAWAY) if frame.code() == 0 => return None,
            (_, RST_STREAM | GOAWAY) => Err(says),
            _ => return None,
        })
    }
}

fn judge(good: bool, says: &str) -> Result<(), String> {
    if good { Ok(()) } else { Err(says.to_owned()) }
}

/// A PING that has to come back.
fn ping() -> Vec<u8> {
    frame(PING, NONE, 0, b"12345678")
}

/// A whole GET.
fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, request("GET", &[]))
}

/// A HEADERS frame that opens a stream whose body is to come.
fn post(stream: u32, further: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, request("POST", further))
}

/// A HEADERS frame with this block, behind which nothing comes.
fn odd(block: impl AsRef<[u8]>) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, 1, block)
}

/// A whole request with these pseudo-fields and fields alone.
fn plain(list: &[(&str, &str)]) -> Vec<u8> {
    odd(fields(list))
}

/// SETTINGS of one value.
fn setting(id: u16, value: u32) -> Vec<u8> {
    settings(&[(id, value)])
}

fn settings(list: &[(u16, u32)]) -> Vec<u8> {
    let one = |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(SETTINGS, NONE, 0, list.iter().flat_map(one).collect::<Vec<u8>>())
}

fn update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, NONE, stream, by.to_be_bytes())
}

fn data(stream: u32) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, b"test")
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, NONE, stream, 8_u32.to_be_bytes())
}

/// All cases.
fn table() -> Vec<Case> {
    [generic::cases(), streams::cases(), frames::cases(), messages::cases(), hpack::cases()].concat()
}

/// How many cases each of h2spec's sections has. Its releases count 146; two came later.
const COUNTS: [(&str, usize); 49] = [
    ("generic/1", 1),
    ("generic/2", 5),
    ("generic/3.1", 3),
    ("generic/3.10", 2),
    ("generic/3.2", 3),
    ("generic/3.3", 5),
    ("generic/3.4", 1),
    ("generic/3.5", 1),
    ("generic/3.7", 1),
    ("generic/3.8", 1),
    ("generic/3.9", 2),
    ("generic/4", 4),
    ("generic/5", 15),
    ("hpack/2.3.3", 2),
    ("hpack/4.2", 1),
    ("hpack/5.2", 3),
    ("hpack/6.1", 1),
    ("hpack/6.3", 1),
    ("http2/3.5", 2),
    ("http2/4.1", 3),
    ("http2/4.2", 3),
    ("http2/4.3", 3),
    ("http2/5.1", 13),
    ("http2/5.1.1", 3),
    ("http2/5.1.2", 1),
    ("http2/5.3.1", 2),
    ("http2/5.4.1", 2),
    ("http2/5.5", 2),
    ("http2/6.1", 3),
    ("http2/6.10", 6),
    ("http2/6.2", 4),
    ("http2/6.3", 2),
    ("http2/6.4", 3),
    ("http2/6.5", 3),
    ("http2/6.5.2", 5),
    ("http2/6.5.3", 2),
    ("http2/6.7", 4),
    ("http2/6.8", 1),
    ("http2/6.9", 3),
    ("http2/6.9.1", 3),
    ("http2/6.9.2", 3),
    ("http2/7", 2),
    ("http2/8.1", 1),
    ("http2/8.1.2", 1),
    ("http2/8.1.2.1", 4),
    ("http2/8.1.2.2", 2),
    ("http2/8.1.2.3", 7),
    ("http2/8.1.2.6", 2),
    ("http2/8.2", 1),
];

#[test]
fn the_table_has_every_case_of_h2spec() {
    let ids: BTreeSet<&str> = table().iter().map(|case| case.id).collect();
    assert_eq!((ids.len(), table().len()), (148, 148), "each case once");
    let mut counts = BTreeMap::new();
    for id in ids {
        *counts.entry(id.rsplit_once('/').unwrap().0).or_insert(0) += 1;
    }
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), COUNTS);
}

#[test]
fn every_case_of_h2spec_passes() {
    play(&table());
}

#[test]
fn what_h2spec_does_not_ask_passes_too() {
    play(&more::cases());
}

/// Plays cases against one proxy, and tells all that failed.
#[track_caller]
fn play(cases: &[Case]) {
    on_workers(|workers| {
        let origin = Origin::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len()));
        let proxy = proxy(workers, &origin, "");
        let failed: Vec<String> = cases
            .iter()
            .filter_map(|case| {
                let played = catch_unwind(AssertUnwindSafe(|| case.play(&proxy)));
                let why = played.unwrap_or_else(|_| Err("it waited in vain, see above".to_owned())).err()?;
                Some(format!("{} {}: {why}", case.id, case.what))
            })
            .collect();
        eprintln!("{} cases, {} failed", cases.len(), failed.len());
        assert!(failed.is_empty(), "{}", failed.join("\n"));
        assert_serves(&proxy);
    });
}

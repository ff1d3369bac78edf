//! Two connections of ours that talk to each other, in pieces of any size, and what windows and ends do.

use std::io::IoSlice;

use super::*;
use crate::forwarding::Scheme;
use crate::http1::RequestHead;
use crate::http2::frame::put_header;
use crate::http2::read::{self, Terms};

const BOUNDS: Http2 = Http2 { streams: 4, stream_window: 64 << 10, connection_window: 1 << 20, resets: 200 };

/// What happened on a server, as text.
#[derive(Default)]
struct Log(Vec<String>);

struct Pair {
    client: Connection,
    server: Connection,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    opened: Vec<Key>,
    log: Log,
}

impl Pair {
    fn new() -> Self {
        let end = |role| Connection::new(role, BOUNDS, 32 * 1024, Moment::ZERO);
        let (client, server) = (end(Role::Client), end(Role::Server));
        Self { client, server, to_server: Vec::new(), to_client: Vec::new(), opened: Vec::new(), log: Log::default() }
    }

    /// Moves all bytes, at most `step` at once, until nobody has more to say.
    fn pump(&mut self, step: usize) {
        loop {
            let moved = carry(&mut self.client, &mut self.server, &mut self.to_server, step, |core, event| {
                self.log.note(core, event);
                if let Event::Request(key, _) = event {
                    self.opened.push(key);
                }
            }) | carry(&mut self.server, &mut self.client, &mut self.to_client, step, |_, _| {});
            if !moved {
                return;
            }
        }
    }

    fn ask(&mut self, lines: &str, ends: bool) -> Key {
        let key = self.client.open();
        self.client.send_request(key, lines.as_bytes(), Scheme::Http, ends).expect("it may be asked");
        key
    }
}

impl Log {
    fn note(&mut self, core: &Connection, event: Event) {
        if let Event::Request(..) = event {
            let terms = Terms { scheme: Scheme::Http, trusted: false, fields: 100, nonce: [0; 16] };
            let (mut out, mut head) = (Vec::new(), RequestHead::default());
            read::request(core.block(), false, &terms, &mut out, &mut head).expect("it is well-formed");
            self.0.push(String::from_utf8_lossy(&out).into_owned());
        }
    }
}

/// Gives `to` at most `step` more bytes of what `from` says.
fn carry(
    from: &mut Connection,
    to: &mut Connection,
    held: &mut Vec<u8>,
    step: usize,
    mut tell: impl FnMut(&Connection, Event),
) -> bool {
    let count = from.outgoing().len().min(step);
    held.extend_from_slice(&from.outgoing()[..count]);
    from.sent(count);
    let mut rest = held.as_slice();
    while let Some(event) = to.next(&mut rest, Moment::ZERO).expect("nothing is wrong") {
        tell(to, event);
    }
    *held = rest.to_vec();
    count > 0
}

const POST: &str = "POST /up HTTP/1.1\r\nHost: t.test\r\nContent-Length: 20000\r\nX-Long: ";

#[test]
fn any_split_gives_the_same() {
    let mut seen = Vec::new();
    for step in [1, 7, 9, 10, 1000, 100_000] {
        let mut pair = Pair::new();
        // A head that needs CONTINUATION frames.
        let head = format!("{POST}{}\r\n\r\n", "y".repeat(17_000));
        pair.pump(step);
        let key = pair.ask(&head, false);
        let (mut sent, mut got) = (0, Vec::new());
        let mut rounds = 0;
        while got.len() < 20_000 {
            rounds += 1;
            assert!(rounds < 100, "nothing moves");
            let piece = [b'z'; 5_000];
            let left = 20_000 - sent;
            let piece = &piece[..left.min(piece.len())];
            sent += pair.client.send_data(key, &[IoSlice::new(piece)], left == piece.len()).unwrap_or(0);
            pair.pump(step);
            let Some(up) = pair.opened.first().copied() else { continue };
            let mut buffer = vec![0; 3_000];
            while let Read::Bytes(count) = pair.server.read(up, &mut buffer) {
                got.extend_from_slice(&buffer[..count]);
            }
            pair.pump(step);
        }
        assert_eq!(pair.server.read(pair.opened[0], &mut [0]), Read::End);
        seen.push((pair.log.0.concat(), got));
    }
    assert!(seen.windows(2).all(|two| two[0] == two[1]));
    assert!(seen[0].0.starts_with("POST /up HTTP/2.0\r\nhost: t.test\r\ncontent-length: 20000\r\nx-long: yyy"));
}

#[test]
fn not_more_than_the_window_is_sent_or_held() {
    let mut pair = Pair::new();
    pair.pump(1 << 20);
    let key = pair.ask("POST / HTTP/1.1\r\nHost: t.test\r\n\r\n", false);
    let piece = vec![b'x'; 1 << 20];
    let mut sent = 0;
    for _ in 0..10 {
        sent += pair.client.send_data(key, &[IoSlice::new(&piece)], false).expect("it is open");
        pair.pump(1 << 20);
    }
    assert_eq!(sent, 64 << 10, "nobody has read");
    let mut buffer = vec![0; 40 << 10];
    assert_eq!(pair.server.read(pair.opened[0], &mut buffer), Read::Bytes(40 << 10));
    pair.pump(1 << 20);
    sent = pair.client.send_data(key, &[IoSlice::new(&piece)], false).expect("it is open");
    assert_eq!(sent, 40 << 10, "as much as was taken");
    // Streams that are given back give their part of the connection's window back.
    pair.pump(1 << 20);
    pair.server.release(pair.opened[0]);
    pair.pump(1 << 20);
    assert!(pair.client.is_gone(key));
    assert_eq!(pair.server.window_in + i64::from(pair.server.owed), 1 << 20);
}

/// When the reader of an upload takes what has come, in one round trip.
#[derive(Clone, Copy)]
enum Takes {
    /// Each frame as it comes.
    AtOnce,
    /// All, in pieces, once the round trip's last frame is there.
    Behind,
    /// One piece of so many bytes.
    Piece(usize),
}

/// An upload over a way on which a byte takes a round to arrive: how many rounds it needs.
fn rounds(pair: &mut Pair, size: usize, takes: Takes) -> usize {
    pair.pump(1 << 20);
    let key = pair.ask("POST / HTTP/1.1\r\nHost: t.test\r\n\r\n", false);
    pair.pump(1 << 20);
    let up = *pair.opened.last().expect("it was opened");
    let piece = vec![b'x'; 1 << 20];
    let (mut sent, mut got, mut rounds) = (0, 0, 0);
    while got < size {
        rounds += 1;
        let mut way = Vec::new();
        while let Some(count @ 1..) =
            pair.client.send_data(key, &[IoSlice::new(&piece[..(size - sent).min(1 << 20)])], false)
        {
            sent += count;
            way.extend_from_slice(pair.client.outgoing());
            pair.client.sent(pair.client.outgoing().len());
        }
        let mut rest = way.as_slice();
        while pair.server.next(&mut rest, Moment::ZERO).expect("nothing is wrong").is_some() {
            if matches!(takes, Takes::AtOnce) {
                got += taken(&mut pair.server, up, 1 << 20, usize::MAX);
            }
        }
        got += match takes {
            Takes::AtOnce => 0,
            Takes::Behind => taken(&mut pair.server, up, 16 << 10, usize::MAX),
            Takes::Piece(size) => taken(&mut pair.server, up, size, 1),
        };
        pair.pump(1 << 20);
    }
    pair.client.abort(key);
    pair.client.release(key);
    pair.pump(1 << 20);
    pair.server.release(up);
    rounds
}

/// Takes payload by reads of at most `size` bytes, `times` at most, and tells how much it was.
fn taken(server: &mut Connection, up: Key, size: usize, times: usize) -> usize {
    let mut buffer = vec![0; size];
    let mut got = 0;
    for _ in 0..times {
        let Read::Bytes(count @ 1..) = server.read(up, &mut buffer) else { break };
        got += count;
    }
    got
}

#[test]
fn a_window_grows_where_all_is_taken_at_once() {
    for takes in [Takes::AtOnce, Takes::Behind] {
        let mut pair = Pair::new();
        let needed = rounds(&mut pair, 16 << 20, takes);
        assert!(needed < 50, "{needed} rounds; with the first window it would be 256");
        // Gone is the stream, and by and by what it had widened the connection's window by.
        assert!(pair.server.window_in + i64::from(pair.server.owed) <= 2 << 20);
        for _ in 0..40 {
            rounds(&mut pair, 60 << 10, Takes::AtOnce);
        }
        assert_eq!((pair.server.excess, pair.server.spare), (0, 1 << 20));
        assert_eq!(pair.server.window_in + i64::from(pair.server.owed), 1 << 20);
    }
}

#[test]
fn a_window_stays_where_it_is_taken_slowly() {
    let mut pair = Pair::new();
    rounds(&mut pair, 4 << 20, Takes::Piece(20 << 10));
    assert_eq!(pair.server.spare, 1 << 20, "nothing was lent");
}

#[test]
fn what_was_sent_is_not_kept_where_a_byte_is_always_left() {
    let mut pair = Pair::new();
    pair.pump(1 << 20);
    let key = pair.ask("POST / HTTP/1.1\r\nHost: t.test\r\n\r\n", false);
    pair.pump(1 << 20);
    let (piece, mut buffer) = (vec![b'x'; 16 << 10], vec![0; 64 << 10]);
    let mut sent = 0;
    while sent < 4 << 20 {
        sent += pair.client.send_data(key, &[IoSlice::new(&piece)], false).expect("it is open");
        let all_but_one = pair.client.outgoing().len().saturating_sub(1);
        carry(&mut pair.client, &mut pair.server, &mut pair.to_server, all_but_one, |_, _| {});
        while let Read::Bytes(1..) = pair.server.read(pair.opened[0], &mut buffer) {}
        carry(&mut pair.server, &mut pair.client, &mut pair.to_client, usize::MAX, |_, _| {});
        assert!(pair.client.out.len() <= 2 * UNSENT, "{} bytes are kept of {sent}", pair.client.out.len());
    }
}

#[test]
fn streams_beyond_the_limit_are_refused_and_may_be_sent_again() {
    let mut pair = Pair::new();
    pair.pump(1 << 20);
    let keys: Vec<Key> = (0..5).map(|_| pair.ask("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n", true)).collect();
    pair.pump(1 << 20);
    assert_eq!(pair.opened.len(), 4);
    assert_eq!(pair.client.read(keys[4], &mut []), Read::Lost(Loss::Unprocessed));
    assert_eq!(pair.client.read(keys[0], &mut []), Read::Nothing);
}

#[test]
fn a_connection_ends_in_two_steps() {
    let mut pair = Pair::new();
    pair.pump(1 << 20);
    let first = pair.ask("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n", true);
    pair.pump(1 << 20);
    pair.server.leave();
    assert!(!pair.server.is_over());
    pair.pump(1 << 20);
    assert!(!pair.client.may_open());
    let up = pair.opened[0];
    pair.server.send_answer(up, b"HTTP/1.1 204 No Content\r\n\r\n", true).expect("it is open");
    pair.server.release(up);
    pair.pump(1 << 20);
    assert_eq!(pair.client.read(first, &mut [0]), Read::End);
    pair.client.release(first);
    assert!(pair.server.is_over() && pair.client.is_over());
}

/// Frames of no payload but a number, as a peer writes them.
fn numbered(kind: Kind, id: u32, number: u32) -> Vec<u8> {
    let mut frame = Vec::new();
    put_header(&mut frame, 4, kind, 0, id);
    frame.extend_from_slice(&number.to_be_bytes());
    frame
}

/// Gives what a peer says to a connection.
fn hear(core: &mut Connection, bytes: &[u8]) -> Result<(), Fault> {
    let mut rest = bytes;
    while core.next(&mut rest, Moment::ZERO)?.is_some() {}
    Ok(())
}

#[test]
fn who_answers_each_frame_with_two_updates_floods_nobody() {
    let mut pair = Pair::new();
    pair.ask("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n", true);
    pair.pump(1 << 20);
    let up = pair.opened[0];
    pair.server.send_answer(up, b"HTTP/1.1 200 OK\r\n\r\n", false).expect("it is open");
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..1000 {
        let sent = pair.server.send_data(up, &[IoSlice::new(&piece)], false).expect("it is open");
        assert!(sent > 3 * 16_384, "{sent}");
        let outgoing = pair.server.outgoing().len();
        pair.server.sent(outgoing);
        for _ in 0..4 {
            for id in [0, 1] {
                assert!(hear(&mut pair.server, &numbered(Kind::WindowUpdate, id, 16_384)).is_ok());
            }
        }
    }
}

#[test]
fn what_comes_late_for_a_stream_that_we_reset_is_no_fault_however_many_end_meanwhile() {
    let mut pair = Pair::new();
    let get = "GET / HTTP/1.1\r\nHost: t.test\r\n\r\n";
    pair.ask(get, false);
    pair.pump(1 << 20);
    let first = pair.opened.remove(0);
    pair.server.reset(first, Code::Cancel);
    pair.server.release(first);
    for _ in 0..300 {
        let key = pair.ask(get, true);
        pair.pump(1 << 20);
        let up = pair.opened.remove(0);
        pair.server.send_answer(up, b"HTTP/1.1 204 No Content\r\n\r\n", true).expect("it is open");
        pair.server.release(up);
        pair.pump(1 << 20);
        assert_eq!(pair.client.read(key, &mut [0]), Read::End);
        pair.client.release(key);
    }
    assert!(hear(&mut pair.server, &numbered(Kind::Data, 1, 0)).is_ok());
}

#[test]
fn an_idle_connection_holds_nothing() {
    let mut pair = Pair::new();
    for _ in 0..10 {
        let key = pair.ask("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n", true);
        pair.pump(1 << 20);
        let up = pair.opened.pop().expect("it was opened");
        pair.server.send_answer(up, b"HTTP/1.1 200 OK\r\n\r\n", false).expect("it is open");
        assert_eq!(pair.server.send_data(up, &[IoSlice::new(b"hello")], true), Some(5));
        pair.pump(1 << 20);
        let mut buffer = [0; 9];
        assert_eq!(pair.client.read(key, &mut buffer), Read::Bytes(5));
        pair.client.release(key);
        pair.server.release(up);
        pair.pump(1 << 20);
    }
    assert_eq!((pair.server.held(), pair.server.out.capacity(), pair.client.held()), (0, 0, 0));
}

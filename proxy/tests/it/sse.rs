//! Cases 118 and 119: event streams and everything else that flows, with nothing to configure.

mod course;
mod resume;

use crate::harness::{Ending, Origin, Pair, Wire, on_workers};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// An origin that sends this head to each request and hands the connection to the test.
fn streaming(head: &'static str) -> (Origin, Receiver<Wire>) {
    let (give, take) = channel();
    let give = Mutex::new(give);
    let origin = Origin::start(move |wire, _| {
        if wire.request().is_some() {
            wire.send(head);
            // At its end a test takes no more.
            let _ = give.lock().unwrap().send(wire.take());
        }
    });
    (origin, take)
}

const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const NDJSON: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";
const GET: &str = "GET /sse HTTP/1.1\r\nHost: t.test\r\nAccept: text/event-stream\r\nLast-Event-ID: 7\r\n\r\n";

/// Reads the next piece of a stream, whatever its framing.
#[track_caller]
fn expect_piece(client: &mut Wire, chunked: bool, piece: &str) {
    if chunked {
        assert_eq!(String::from_utf8(client.chunk()).unwrap(), piece);
    } else {
        client.expect(piece);
    }
}

#[test]
fn case_118_each_event_arrives_before_the_next_is_sent() {
    on_workers(|workers| {
        for head in [EVENTS, CHUNKED, NDJSON] {
            let (origin, take) = streaming(head);
            let pair = Pair::new(workers, origin);
            let mut client = pair.proxy.send(GET);
            // The head comes at once, before any event.
            let answer = client.head();
            assert_eq!(answer.status(), 200);
            assert!(head.contains(answer.field("content-type").unwrap()));
            assert_eq!(pair.origin.wait_request(0).field("last-event-id"), Some("7"));
            let chunked_here = answer.field("transfer-encoding") == Some("chunked");
            let mut server = take.recv().unwrap();
            for n in 0..50 {
                let event = format!("data: {n}\n\n");
                if head == EVENTS {
                    server.send(&event);
                } else {
                    server.send(format!("{:x}\r\n{event}\r\n", event.len()));
                }
                expect_piece(&mut client, chunked_here, &event);
            }
            if head != EVENTS {
                server.send("0\r\n\r\n");
            }
            drop(server);
            if chunked_here {
                assert!(client.chunk().is_empty());
                client.expect("\r\n");
            } else {
                client.ends();
            }
        }
    });
}

#[test]
fn case_118_no_timeout_on_what_streams() {
    on_workers(|workers| {
        let (origin, take) = streaming(CHUNKED);
        let more = "timeouts: { body: 200ms, keep_alive: 200ms, first_byte: 200ms, idle: 200ms, write: 200ms }\n";
        let pair = Pair::with(workers, origin, more);
        let mut client = pair.proxy.send(GET);
        assert_eq!(client.head().status(), 200);
        let mut server = take.recv().unwrap();
        for _ in 0..3 {
            let mut other = pair.proxy.connect();
            other.send("GET / HTTP/1.1\r\nHost: unknown.test\r\n\r\n");
            assert_eq!(other.response().status(), 404);
            assert_eq!(other.gone(), Ending::Closed);
        }
        assert!(!client.stirred(), "a quiet stream was ended");
        server.send("9\r\n: alive\n\n\r\n");
        assert_eq!(client.chunk(), b": alive\n\n");
    });
}

#[test]
fn case_119_client_gone() {
    on_workers(|workers| {
        for reset in [false, true] {
            let (origin, take) = streaming(CHUNKED);
            let pair = Pair::new(workers, origin);
            let before = pair.proxy.idle_sockets();
            let mut client = pair.proxy.send(GET);
            assert_eq!(client.head().status(), 200);
            let mut server = take.recv().unwrap();
            let start = Instant::now();
            if reset {
                client.reset()
            } else {
                drop(client)
            }
            // Nothing is written meanwhile: FIN or RST alone must be enough.
            server.gone();
            assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
            drop(server);
            pair.proxy.wait_sockets(before);
            let line = pair.proxy.wait_access_of("/sse");
            assert_eq!(line["reason"], "client_gone", "{line}");
        }
    });
}

#[test]
fn stream_that_the_origin_cuts_is_seen_to_be_cut() {
    on_workers(|workers| {
        let (origin, take) = streaming(CHUNKED);
        let pair = Pair::new(workers, origin);
        let mut client = pair.proxy.send(GET);
        assert_eq!(client.head().status(), 200);
        let mut server = take.recv().unwrap();
        server.send("6\r\ndata: \r\n");
        assert_eq!(client.chunk(), b"data: ");
        drop(server);
        // No last chunk is made up: the client must see that something is missing (SECURITY.md §3.2).
        let rest = client.rest();
        assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    });
}

#[test]
fn client_that_sent_a_byte_and_left_is_gone() {
    on_workers(|workers| {
        let (origin, take) = streaming(CHUNKED);
        let pair = Pair::new(workers, origin);
        for reset in [false, true] {
            let mut client = pair.proxy.send(GET);
            assert_eq!(client.head().status(), 200);
            let mut server = take.recv().unwrap();
            // A byte of the next request must not hide that nobody is there any more.
            client.send("G");
            std::thread::park_timeout(Duration::from_millis(50));
            if reset {
                client.reset()
            } else {
                drop(client)
            }
            server.gone();
        }
    });
}

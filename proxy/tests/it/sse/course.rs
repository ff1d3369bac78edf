//! What the proxy adds to event streams: signs of life, bounds on how many, and an end between two events.

use super::{CHUNKED, EVENTS, GET, expect_piece, streaming};
use crate::harness::{Origin, Pair, Proxy, Wire, on_workers, poll, run};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// A proxy whose one rule says this of its event streams.
fn with_sse(workers: usize, sse: &str) -> (Proxy, Origin, Receiver<Wire>) {
    let (origin, take) = streaming(CHUNKED);
    let rule = format!("routes:\n  t.test: {{ to: \"{}\", sse: {sse} }}\n", origin.address());
    (Proxy::start(workers, &rule), origin, take)
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// The milliseconds of a `retry:` that stands alone.
#[track_caller]
fn retry_of(piece: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(piece);
    let millis = text.strip_prefix("retry: ").and_then(|rest| rest.strip_suffix("\n\n"));
    millis.and_then(|millis| millis.parse().ok()).unwrap_or_else(|| panic!("no retry: {text:?}"))
}

#[test]
fn silent_streams_get_comments_between_events() {
    on_workers(|workers| {
        let (proxy, _origin, take) = with_sse(workers, "{ heartbeat: 200ms }");
        let start = Instant::now();
        let mut client = proxy.send(GET);
        assert_eq!(client.head().status(), 200);
        let mut server = take.recv().unwrap();
        assert_eq!(client.chunk(), b":\n\n");
        assert!(start.elapsed() >= Duration::from_millis(190), "{:?}", start.elapsed());
        assert_eq!(client.chunk(), b":\n\n");
        // Never inside an event, however long that takes.
        server.send(chunk("data: a\n"));
        loop {
            match &client.chunk()[..] {
                b":\n\n" => {}
                b"data: a\n" => break,
                other => panic!("{:?}", String::from_utf8_lossy(other)),
            }
        }
        let begun = Instant::now();
        poll("three silences", || (begun.elapsed() >= Duration::from_millis(600)).then_some(()));
        assert!(!client.stirred(), "something was said inside an event");
        server.send(chunk("data: b\n\n"));
        assert_eq!(client.chunk(), b"data: b\n\n");
        assert_eq!(client.chunk(), b":\n\n");
    });
}

#[test]
fn a_drain_ends_streams_between_events_and_says_when_to_come_back() {
    on_workers(|workers| {
        for (head, http10) in [(EVENTS, false), (CHUNKED, false), (EVENTS, true)] {
            let (origin, take) = streaming(head);
            let Pair { mut proxy, origin: _origin } = Pair::with(workers, origin, "drain: { tunnels: 300ms }\n");
            let get = if http10 { GET.replace("HTTP/1.1", "HTTP/1.0") } else { GET.to_owned() };
            let mut silent = proxy.send(&get);
            assert_eq!(silent.head().status(), 200);
            let _silent = take.recv().unwrap();
            let mut talking = proxy.send(&get);
            assert_eq!(talking.head().status(), 200);
            let mut server = take.recv().unwrap();
            let half = "id: 7\ndata: ha";
            server.send(if head == CHUNKED { chunk(half) } else { half.to_owned() });
            expect_piece(&mut talking, !http10, half);
            proxy.signal("TERM");
            let told = Instant::now();
            // What is between two events ends at once.
            let words = if http10 { silent.rest() } else { silent.chunk() };
            let millis = retry_of(&words);
            assert!((1000..=5000).contains(&millis), "{millis}");
            if !http10 {
                assert!(silent.chunk().is_empty(), "the body has a proper end");
                silent.expect("\r\n");
            }
            poll("the time of both", || (told.elapsed() >= Duration::from_millis(900)).then_some(()));
            // What is inside one ends behind it, and nothing of the next is seen.
            let rest = "lf\r\n\r\nid: 8\ndata: next\n\n";
            server.send(if head == CHUNKED { chunk(rest) } else { rest.to_owned() });
            let words = if http10 { talking.rest() } else { talking.chunk() };
            assert!(words.starts_with(b"lf\r\n\r"), "{:?}", String::from_utf8_lossy(&words));
            retry_of(&words[5..]);
            if !http10 {
                assert!(talking.chunk().is_empty());
                talking.expect("\r\n");
            }
            server.gone();
            assert_eq!(proxy.wait_exit().code(), Some(0));
            let line = proxy.wait_access_of("/sse");
            assert_eq!(
                (line["reason"].as_str(), line["ended_by"].as_str()),
                (Some("draining"), Some("proxy")),
                "{line}"
            );
        }
    });
}

#[test]
fn a_drained_stream_leaves_its_connection_as_good_as_before() {
    on_workers(|workers| {
        let (origin, take) = streaming(CHUNKED);
        let pair = Pair::new(workers, origin);
        let mut client = pair.proxy.send(GET);
        assert_eq!(client.head().status(), 200);
        let mut server = take.recv().unwrap();
        let config = pair.proxy.config();
        let drain = ["drain", "t.test", "--spread", "0s", "-c", config.to_str().unwrap()];
        let said = run(pair.proxy.dir().path(), &drain);
        assert!(said.status.success(), "{said:?}");
        retry_of(&client.chunk());
        assert!(client.chunk().is_empty());
        client.expect("\r\n");
        server.gone();
        client.send(GET);
        assert_eq!(client.head().status(), 200);
        let mut server = take.recv().unwrap();
        server.send(chunk("data: again\n\n"));
        assert_eq!(client.chunk(), b"data: again\n\n");
    });
}

#[test]
fn an_event_that_never_ends_does_not_hold_a_drain_up() {
    let (origin, take) = streaming(CHUNKED);
    let Pair { mut proxy, origin: _origin } = Pair::with(1, origin, "drain: { tunnels: 100ms }\n");
    let mut client = proxy.send(GET);
    assert_eq!(client.head().status(), 200);
    let mut server = take.recv().unwrap();
    server.send(chunk("data: for ever"));
    assert_eq!(client.chunk(), b"data: for ever");
    proxy.signal("TERM");
    // Cut: no last chunk lets the half event pass for the whole.
    assert!(client.rest().is_empty());
    assert_eq!(proxy.wait_exit().code(), Some(0));
}

#[test]
fn more_streams_than_allowed_are_refused() {
    on_workers(|workers| {
        for (limit, status, reason) in
            [("{ max_streams: 2 }", 503, "overloaded"), ("{ max_streams: { client: 2 } }", 429, "rate_limited")]
        {
            let (proxy, _origin, take) = with_sse(workers, limit);
            let mut clients: Vec<(Wire, Wire)> = Vec::new();
            for _ in 0..2 {
                let mut client = proxy.send(GET);
                assert_eq!(client.head().status(), 200);
                clients.push((client, take.recv().unwrap()));
            }
            let answer = proxy.ask(GET);
            assert_eq!((answer.status(), answer.field("x-switchboard-reason")), (status, Some(reason)), "{answer:#?}");
            // The endpoint's stream is not kept for nobody.
            take.recv().unwrap().gone();
            clients.pop();
            poll("room", || (proxy.send(GET).head().status() == 200).then_some(()));
        }
    });
}

/// A proxy with everything on that keeps bytes for a while elsewhere.
fn busy_with_content(workers: usize, origin: &Origin) -> Proxy {
    let rule = format!("{{ to: \"{}\", cache: true, compress: true }}", origin.address());
    Proxy::start(workers, &format!("routes:\n  t.test: {rule}\n"))
}

/// A request that would take a compressed answer.
fn packed() -> String {
    GET.replace("Accept:", "Accept-Encoding: gzip, br\r\nAccept:")
}

/// The median of what was measured without the proxy and of the same through it: what a busy machine does to the one it does
/// to the other.
#[track_caller]
fn check_added(what: &str, [mut direct, mut through]: [Vec<Duration>; 2]) {
    let [direct, through] = [&mut direct, &mut through].map(|times| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    eprintln!("{what}: {direct:?} without the proxy, {through:?} through it");
    assert!(through <= direct + Duration::from_millis(5), "{what}: {direct:?}, {through:?} through the proxy");
}

#[test]
fn a_first_byte_is_not_kept_waiting_by_compression_and_a_cache() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            if wire.request().is_some() {
                wire.send(format!("{CHUNKED}{}", chunk("data: 0\n\n")));
                wire.gone();
            }
        });
        let proxy = busy_with_content(workers, &origin);
        let ends = [origin.address().parse().unwrap(), proxy.address()];
        let mut times = [Vec::new(), Vec::new()];
        for n in 0..200 {
            let start = Instant::now();
            let mut client = Wire::connect(ends[n % 2]);
            client.send(packed());
            let answer = client.head();
            assert_eq!(client.chunk(), b"data: 0\n\n");
            times[n % 2].push(start.elapsed());
            assert_eq!((answer.status(), answer.field("content-encoding")), (200, None), "{answer:#?}");
        }
        check_added("a connection, a head and a first event", times);
    });
}

#[test]
fn an_event_is_not_kept_waiting_by_compression_and_a_cache() {
    on_workers(|workers| {
        let (origin, take) = streaming(CHUNKED);
        let proxy = busy_with_content(workers, &origin);
        let ask = |mut client: Wire| {
            client.send(packed());
            let answer = client.head();
            assert_eq!((answer.status(), answer.field("content-encoding")), (200, None), "{answer:#?}");
            (client, take.recv().unwrap())
        };
        let ends = [ask(Wire::connect(origin.address().parse().unwrap())), ask(proxy.connect())];
        let times = ends.map(|(mut client, mut server)| {
            (0..200)
                .map(|n| {
                    let event = format!("data: {n}\n\n");
                    let start = Instant::now();
                    server.send(chunk(&event));
                    assert_eq!(client.chunk(), event.as_bytes());
                    start.elapsed()
                })
                .collect()
        });
        check_added("an event", times);
    });
}

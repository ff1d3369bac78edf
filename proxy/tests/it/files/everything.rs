//! Streams, tunnels, gRPC and ranges on a rule that has files, compression and a cache at once: each byte for byte as on a
//! rule that has none of them.

use crate::harness::{Message, Origin, Proxy, Python, TempDir, Wire, on_workers, poll, python_judge, ws};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Everything that this page is about, for a rule that has an upstream already.
fn everything(dir: &TempDir) -> String {
    fs::write(dir.file("index.html"), "home").unwrap();
    format!("files: {}, try: [files, to], compress: true, cache: true", dir.path().display())
}

/// A proxy with the same origin behind a plain rule and behind one that has everything.
fn proxy(workers: usize, origin: &Origin, dir: &TempDir) -> Proxy {
    let (to, on) = (origin.address(), everything(dir));
    Proxy::start(workers, &format!("routes:\n  plain.test: \"{to}\"\n  all.test: {{ to: \"{to}\", {on} }}\n"))
}

/// An answer without what differs from request to request, and what the cache says of itself.
fn compared(answer: &Message) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let changes = ["x-request-id", "date", "cache-status", "age"];
    let same = |(name, _): &&(String, String)| !changes.contains(&name.to_ascii_lowercase().as_str());
    let mut fields: Vec<_> = answer.fields.iter().filter(same).cloned().collect();
    fields.sort();
    (answer.status(), fields, answer.body.clone())
}

#[test]
fn events_flow_one_by_one_and_untouched() {
    on_workers(|workers| {
        let arrived = Arc::new(AtomicUsize::new(0));
        let ours = Arc::clone(&arrived);
        let origin = Origin::start(move |wire, _| {
            while wire.request().is_some() {
                wire.send(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: max-age=60\r\n\
                     Transfer-Encoding: chunked\r\n\r\n",
                );
                let before = ours.load(Ordering::SeqCst);
                for number in 0..5 {
                    let event = format!("id: {number}\ndata: {}\n\n", "event ".repeat(300 * number));
                    wire.send(format!("{:x}\r\n{event}\r\n", event.len()));
                    // The next comes only when this one has arrived.
                    poll("an event to arrive", || (ours.load(Ordering::SeqCst) > before + number).then_some(()));
                }
                wire.send("0\r\n\r\n");
            }
        });
        let dir = TempDir::new();
        let proxy = proxy(workers, &origin, &dir);
        let stream = |host: &str, lines: &str| {
            let mut wire = proxy.send(format!("GET /events HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n"));
            let head = compared(&wire.head());
            let mut body = Vec::new();
            for number in 0..5 {
                let event = format!("id: {number}\ndata: {}\n\n", "event ".repeat(300 * number));
                let mut got = Vec::new();
                while got.len() < event.len() {
                    got.extend(wire.chunk());
                }
                assert!(got == event.as_bytes(), "{host}: event {number} is another one");
                body.extend(got);
                arrived.fetch_add(1, Ordering::SeqCst);
            }
            // Who leaves before the end takes the endpoint's connection along.
            assert!(wire.chunk().is_empty(), "{host}: more than five events");
            (head, body)
        };
        let lines = "Accept: text/event-stream\r\nAccept-Encoding: gzip, br, zstd\r\n";
        let expect = stream("plain.test", lines);
        for lines in [lines, "Accept-Encoding: gzip, br, zstd\r\n"] {
            // Twice: the second is no stored one.
            assert!(stream("all.test", lines) == expect);
            assert!(stream("all.test", lines) == expect);
        }
        assert_eq!(origin.requests().len(), 5);
    });
}

#[test]
fn websockets_pass_byte_for_byte() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            if ws::agree(wire).is_some() {
                while let Some((first, payload)) = ws::next_frame(wire) {
                    wire.send(ws::frame(first, &payload, false));
                }
            }
        });
        let dir = TempDir::new();
        let proxy = proxy(workers, &origin, &dir);
        let tunnel = |host: &str| {
            let mut wire: Wire = proxy.connect();
            let head = ws::open(&mut wire, host, "/");
            assert_eq!(head.status(), 101);
            let mut raw = Vec::new();
            for size in [0, 5, 125, 126, 4096, 70_000] {
                let text = "x".repeat(size);
                wire.send(ws::frame(0x81, text.as_bytes(), true));
                let echo = ws::frame(0x81, text.as_bytes(), false);
                raw.extend(wire.exactly(echo.len()));
            }
            (compared(&head), raw)
        };
        assert!(tunnel("all.test") == tunnel("plain.test"));
        // And what is no WebSocket finds the file.
        assert_eq!(proxy.get("all.test", "/").text(), "home");
    });
}

#[test]
fn ranges_are_those_of_the_origin() {
    on_workers(|workers| {
        let text: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
        let body = text.clone();
        let origin = Origin::start(move |wire, _| {
            while let Some(request) = wire.request() {
                wire.send(ranged(&request, &body));
            }
        });
        let dir = TempDir::new();
        let proxy = proxy(workers, &origin, &dir);
        let ask = |host: &str, target: &str, lines: &str| {
            let answer = proxy.ask(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n"));
            compared(&answer)
        };
        for range in ["bytes=0-0", "bytes=100-4999", "bytes=-7", "bytes=50000-"] {
            for more in ["", "Accept-Encoding: gzip, br, zstd\r\n", "If-Range: \"one\"\r\n", "If-Range: \"two\"\r\n"] {
                let lines = format!("Range: {range}\r\n{more}");
                let path = "/lines.txt?fresh";
                let expect = ask("plain.test", path, &lines);
                if more.contains("Accept-Encoding") {
                    assert_eq!(expect.0, 206);
                }
                // Not kept: a part of it, from the origin each time; unless all of it came.
                assert!(ask("all.test", path, &lines).2 == expect.2, "{lines}");
            }
        }
        // From what is kept whole: the same bytes.
        assert_eq!(ask("all.test", "/lines.txt", "").0, 200);
        let before = origin.requests().len();
        for range in ["bytes=0-0", "bytes=100-4999", "bytes=-7", "bytes=50000-"] {
            let kept = ask("all.test", "/lines.txt", &format!("Range: {range}\r\nAccept-Encoding: gzip\r\n"));
            assert_eq!(origin.requests().len(), before, "it is kept");
            let (start, end) = span(range, text.len());
            assert!((kept.0, kept.2.as_slice()) == (206, &text.as_bytes()[start..=end]), "{range}");
        }
    });
}

/// First and last byte of a range.
fn span(range: &str, size: usize) -> (usize, usize) {
    let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), last) => (first, last.unwrap_or(size - 1).min(size - 1)),
        (Err(_), last) => (size - last.unwrap(), size - 1),
    }
}

/// The answer of an origin that knows ranges.
fn ranged(request: &Message, body: &str) -> String {
    let known = "Content-Type: text/plain\r\nETag: \"one\"\r\nCache-Control: max-age=60\r\nAccept-Ranges: bytes\r\n";
    match request.field("range").filter(|_| request.field("if-range").is_none_or(|tag| tag == "\"one\"")) {
        Some(range) => {
            let (start, end) = span(range, body.len());
            format!(
                "HTTP/1.1 206 Partial Content\r\n{known}Content-Range: bytes {start}-{end}/{}\r\nContent-Length: {}\r\n\r\n{}",
                body.len(),
                end + 1 - start,
                &body[start..=end]
            )
        }
        None => format!("HTTP/1.1 200 OK\r\n{known}Content-Length: {}\r\n\r\n{body}", body.len()),
    }
}

#[test]
fn grpc_works_in_all_its_kinds() {
    let Some(judge) = python_judge("gRPC") else { return };
    let dir = TempDir::new();
    let on = everything(&dir);
    let (_server, port) = Python::serve(&judge, include_str!("../h2/python/grpc_server.py"));
    on_workers(|workers| {
        let yaml = format!(
            "listen: {{ bind: \"127.0.0.1:0\", h2c: true }}\nroutes:\n  grpc.test: {{ to: \"h2c://127.0.0.1:{port}\", {on} }}\n  \
             down.test: {{ to: \"h2c://127.0.0.1:1\", {on} }}\n"
        );
        let proxy = Proxy::start(workers, &yaml);
        Python::run(&judge, include_str!("../h2/python/grpc_client.py"), &[&proxy.address().to_string()]);
    });
}

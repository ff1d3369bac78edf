//! Cases 22–32: chunked bodies of requests, byte by byte.

use crate::harness::{Message, Origin, Pair, on_workers};
use std::time::{Duration, Instant};

const HEAD: &str = "POST /up HTTP/1.1\r\nHost: t.test\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Keeps what comes up to the end of the connection and never answers.
fn swallower() -> Origin {
    Origin::start(|wire, _| drop(wire.rest()))
}

/// The head and a first good chunk reach the origin, then comes `bad`: the client gets 400 and the end, the origin
/// the end without a last chunk.
#[track_caller]
fn aborts(inputs: &[&[u8]], statuses: &[u16]) {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, swallower());
        for (n, bad) in inputs.iter().enumerate() {
            eprintln!("sent: {:?}", String::from_utf8_lossy(&bad[..bad.len().min(200)]));
            let mut client = proxy.send(format!("{HEAD}4\r\ngood\r\n"));
            origin.wait_bytes(n, b"good");
            client.offer(bad);
            let answer = client.response();
            assert!(statuses.contains(&answer.status()), "{answer:#?}");
            assert_eq!(answer.field("connection"), Some("close"), "{answer:#?}");
            assert!(!answer.reason().is_empty(), "{answer:#?}");
            client.ends();
            origin.wait_ended(n);
            let got = origin.received_by(n);
            assert!(!got.ends_with(b"0\r\n\r\n"), "a clean end was made up: {:?}", String::from_utf8_lossy(&got));
        }
        // All at once: the same verdict when one segment brings head and body.
        for bad in inputs {
            let mut client = proxy.send([HEAD.as_bytes(), bad].concat());
            let answer = client.response();
            assert!(statuses.contains(&answer.status()), "{:?}: {answer:#?}", String::from_utf8_lossy(bad));
            client.ends();
        }
        origin.wait_all_ended();
    });
}

#[track_caller]
fn passes(body: &str, expect: &str) -> Message {
    let last = std::cell::RefCell::new(None);
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        let answer = proxy.ask(format!("{HEAD}{body}"));
        assert_eq!(answer.status(), 200, "{body:?}");
        let request = origin.wait_request(0);
        assert_eq!(request.text(), expect, "{body:?}");
        *last.borrow_mut() = Some(request);
    });
    last.into_inner().unwrap()
}

#[test]
fn case_022_bare_lf_in_chunk_framing() {
    aborts(
        &[
            b"5\nhello\r\n0\r\n\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"5\r\nhello\r\n0\n\r\n",
            b"5\r\nhello\r\n0\r\n\n",
            b"5\r\nhello\r\n0\r\nX-T: y\n\r\n",
            b"5\r\nhello\r0\r\n\r\n",
            b"5\rhello\r\n0\r\n\r\n",
        ],
        &[400],
    );
}

#[test]
fn case_023_chunk_size_that_is_no_number() {
    aborts(
        &[
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b"+5\r\nhello\r\n0\r\n\r\n",
            b"-1\r\nhello\r\n0\r\n\r\n",
            b"5_0\r\nhello\r\n0\r\n\r\n",
            b" 5\r\nhello\r\n0\r\n\r\n",
            b"5 \r\nhello\r\n0\r\n\r\n",
            b"\r\nhello\r\n0\r\n\r\n",
            b";a=b\r\nhello\r\n0\r\n\r\n",
            b"g\r\nhello\r\n0\r\n\r\n",
            b"\"5\"\r\nhello\r\n0\r\n\r\n",
        ],
        &[400],
    );
}

#[test]
fn case_024_chunk_size_that_overflows() {
    aborts(
        &[
            b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
            b"10000000000000005\r\nhello\r\n0\r\n\r\n",
            b"00000000000000005\r\nhello\r\n0\r\n\r\n",
        ],
        &[400],
    );
    // A size that is a number but no honest one: over the route's limit, and with what came before over 64 bits.
    aborts(&[b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n", b"7fffffffffffffff\r\nhello\r\n0\r\n\r\n"], &[400, 413]);
}

#[test]
fn case_025_chunk_size_line_without_end() {
    let long = [b"5;".as_slice(), &b"a".repeat(4000)].concat();
    let zeros = b"0".repeat(4000);
    aborts(&[&long, &zeros], &[400, 413]);
}

#[test]
fn case_025_chunk_size_line_without_end_while_draining() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let more = "  r.test: { respond: early, status: 403 }\n";
        let pair = Pair::with(workers, origin, more);
        let mut client = pair.proxy.send(HEAD.replace("t.test", "r.test"));
        assert_eq!(client.response().status(), 403);
        let before = pair.proxy.ticks();
        let start = Instant::now();
        client.offer([b"5;".as_slice(), &b"a".repeat(200_000)].concat());
        let _ = client.rest();
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert!(pair.proxy.ticks() - before < 50, "it burnt {} ticks", pair.proxy.ticks() - before);
        pair.origin.assert_untouched();
    });
}

#[test]
fn case_026_chunk_extension_that_is_malformed() {
    aborts(
        &[
            b"5;\r\nhello\r\n0\r\n\r\n",
            b"5;=\r\nhello\r\n0\r\n\r\n",
            b"5;=b\r\nhello\r\n0\r\n\r\n",
            b"5;a=\r\nhello\r\n0\r\n\r\n",
            b"5;a=\"b\r\nhello\r\n0\r\n\r\n",
            b"5;a=\"b\r\n\"\r\nhello\r\n0\r\n\r\n",
            b"5;a=\"\\\r\nhello\r\n0\r\n\r\n",
            b"5;a\x00b\r\nhello\r\n0\r\n\r\n",
            b"5;a=\x01\r\nhello\r\n0\r\n\r\n",
            b"5;a=\"\x7f\"\r\nhello\r\n0\r\n\r\n",
            b"5,a\r\nhello\r\n0\r\n\r\n",
            b"5 a\r\nhello\r\n0\r\n\r\n",
        ],
        &[400],
    );
}

#[test]
fn case_027_chunk_extension_that_is_valid() {
    for body in [
        "5;a\r\nhello\r\n0\r\n\r\n",
        "5;a=b\r\nhello\r\n0;last=1\r\n\r\n",
        "5;a=\"b;\\\" c\"\r\nhello\r\n0\r\n\r\n",
        "5;a=b;c;d=\"\"\r\nhello\r\n0\r\n\r\n",
        "0005\r\nhello\r\n000\r\n\r\n",
    ] {
        let request = passes(body, "hello");
        // The strict reader at the origin refuses any extension; this says it once more.
        assert!(!String::from_utf8_lossy(&request.raw_body).contains(';'));
    }
    assert_eq!(passes("A\r\n0123456789\r\na\r\nabcdefghij\r\n0\r\n\r\n", "0123456789abcdefghij").trailers, []);
}

#[test]
fn case_028_chunk_overhead() {
    let extensions = format!("4;{}\r\ndata\r\n", "x".repeat(100)).repeat(100);
    // 21 bytes of line for one of data.
    let zeros = "0000000000000001\r\nx\r\n".repeat(6000);
    aborts(&[extensions.as_bytes(), zeros.as_bytes()], &[400, 413]);
}

#[test]
fn case_029_chunk_longer_than_its_size() {
    aborts(
        &[
            b"3\r\nhello\r\n0\r\n\r\n",
            b"5\r\nhello!\r\n0\r\n\r\n",
            b"5\r\nhello0\r\n\r\n",
            b"5\r\nhello\r\r\n0\r\n\r\n",
        ],
        &[400],
    );
}

#[test]
fn case_030_end_before_the_body_is_whole() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, swallower());
        let by_length = "POST /up HTTP/1.1\r\nHost: t.test\r\nContent-Length: 100\r\n\r\n";
        let inputs = [
            format!("{HEAD}4\r\ngood\r\n"),
            format!("{HEAD}4\r\ngood\r\n5\r\nhe"),
            format!("{HEAD}4\r\ngood\r\n0\r\n"),
            format!("{HEAD}4\r\ngood\r\n0\r\nX-T: y\r\n"),
            format!("{by_length}good"),
        ];
        for (n, input) in inputs.iter().enumerate() {
            eprintln!("sent: {input:?}");
            let mut client = proxy.send(input);
            origin.wait_bytes(n, b"good");
            client.finish();
            let rest = String::from_utf8(client.rest()).unwrap();
            assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 400 "), "{rest:?}");
            origin.wait_ended(n);
            let got = String::from_utf8(origin.received_by(n)).unwrap();
            let body = got.split_once("\r\n\r\n").unwrap().1;
            assert!(!body.contains("0\r\n") && !body.contains("X-T"), "a clean end was made up: {body:?}");
        }
        // A connection that was cut in a body is never used again.
        assert_eq!(origin.connections(), inputs.len());
    });
}

#[test]
fn case_031_trailer_fields_that_steer() {
    let names = [
        "Content-Length",
        "Transfer-Encoding",
        "Host",
        "Authorization",
        "Cookie",
        "Content-Type",
        "Content-Encoding",
        "Content-Range",
        "Connection",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "Set-Cookie",
        "Cache-Control",
        "X_Forwarded_For",
        "Proxy-Authorization",
        "Te",
        "Trailer",
        "Upgrade",
        "X-Real-Ip",
    ];
    let lines: String = names.iter().map(|n| format!("{n}: evil\r\n")).collect();
    let request = passes(&format!("5\r\nhello\r\n0\r\nX-Checksum: fine\r\n{lines}\r\n"), "hello");
    let everything = request.fields.iter().chain(&request.trailers);
    assert_eq!(everything.filter(|(_, value)| value.contains("evil")).count(), 0, "{request:#?}");
    // What may be a trailer stays one: it is not merged into the head.
    assert!(!request.has("x-checksum"), "{request:#?}");
}

#[test]
fn case_032_trailers_beyond_their_limits() {
    let large = format!("0\r\nX-Large: {}\r\n\r\n", "x".repeat(9000));
    let many = format!("0\r\n{}\r\n", "X-T: y\r\n".repeat(33));
    let endless = format!("0\r\n{}", "X-T: y\r\n".repeat(3000));
    aborts(&[large.as_bytes(), many.as_bytes(), endless.as_bytes()], &[400, 431]);
}

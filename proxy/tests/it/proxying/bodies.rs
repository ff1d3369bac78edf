//! Bodies by length, in chunks and up to the close, both ways; trailers; HTTP/1.0 on either side.

use crate::harness::{Message, Origin, Pair, on_workers};

const GET: &str = "GET / HTTP/1.1\r\nHost: t.test\r\n\r\n";

/// Bytes that would show any loss or repetition.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|n| b'a' + u8::try_from(n * n % 23).unwrap()).collect()
}

#[test]
fn answers_by_length_in_chunks_and_up_to_the_close() {
    on_workers(|workers| {
        for size in [0, 1, 100, 8191, 65_536, 1_000_000] {
            let body = pattern(size);
            let by_length = [format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").as_bytes(), &body].concat();
            let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for piece in body.chunks(10_007) {
                chunked.extend_from_slice(format!("{:X};ext=1\r\n", piece.len()).as_bytes());
                chunked.extend_from_slice(piece);
                chunked.extend_from_slice(b"\r\n");
            }
            chunked.extend_from_slice(b"0\r\n\r\n");
            let to_close = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &body].concat();
            let old = [b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\n".as_slice(), &body].concat();
            let origins = [
                Origin::answering(by_length),
                Origin::answering(chunked),
                Origin::closing(to_close),
                Origin::closing(old),
            ];
            for (kind, origin) in origins.into_iter().enumerate() {
                let Pair { proxy, origin: _origin } = Pair::new(workers, origin);
                let mut client = proxy.connect();
                for _ in 0..2 {
                    client.send(GET);
                    let answer = client.response();
                    assert_eq!((answer.status(), answer.body == body), (200, true), "kind {kind}, {size} bytes");
                    assert!(
                        !answer.until_close,
                        "an HTTP/1.1 client is told where the body ends: {:#?}",
                        answer.fields
                    );
                }
                // To an old client chunks mean nothing.
                let mut old = proxy.send("GET / HTTP/1.0\r\nHost: t.test\r\n\r\n");
                let answer = old.response();
                assert!(!answer.has("transfer-encoding"), "{:#?}", answer.fields);
                assert_eq!((answer.status(), answer.body == body), (200, true), "kind {kind}, {size} bytes");
                old.ends();
            }
        }
    });
}

#[test]
fn requests_by_length_and_in_chunks() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        for (n, size) in [1, 100, 8191, 65_536, 1_000_000].into_iter().enumerate() {
            let body = pattern(size);
            let mut client = proxy.send(format!("PUT /l HTTP/1.1\r\nHost: t.test\r\nContent-Length: {size}\r\n\r\n"));
            client.send(&body);
            assert_eq!(client.response().status(), 200);
            client.send("PUT /c HTTP/1.1\r\nHost: t.test\r\nTransfer-Encoding: chunked\r\n\r\n");
            for piece in body.chunks(9_973) {
                client.send(format!("{:x}\r\n", piece.len()));
                client.send(piece);
                client.send("\r\n");
            }
            client.send("0\r\n\r\n");
            assert_eq!(client.response().status(), 200);
            let (by_length, by_chunks) = (origin.wait_request(2 * n), origin.wait_request(2 * n + 1));
            assert_eq!(by_length.field("content-length"), Some(size.to_string().as_str()));
            assert!(by_length.body == body && by_chunks.body == body, "{size} bytes");
            assert!(!by_chunks.has("content-length"));
        }
    });
}

#[test]
fn every_split_of_a_request_is_the_same_request() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        let whole =
            "POST /s HTTP/1.1\r\nHost: t.test\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\n\r\n";
        let mut client = proxy.connect();
        let mut n = 0;
        for at in (1..whole.len()).step_by(3) {
            client.send(&whole[..at]);
            client.send(&whole[at..]);
            assert_eq!(client.response().status(), 200, "split at {at}");
            assert_eq!(origin.wait_request(n).body, b"hello", "split at {at}");
            n += 1;
        }
        for byte in whole.bytes() {
            client.send([byte]);
        }
        assert_eq!(client.response().status(), 200);
        assert_eq!(origin.wait_request(n).body, b"hello");
    });
}

#[test]
fn answer_that_comes_byte_by_byte() {
    on_workers(|workers| {
        let whole =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n5;a\r\nhello\r\n0\r\nX-T: y\r\n\r\n";
        let origin = Origin::start(move |wire, _| {
            while wire.request().is_some() {
                for byte in whole.bytes() {
                    wire.send([byte]);
                }
            }
        });
        let Pair { proxy, origin: _origin } = Pair::new(workers, origin);
        let answer = proxy.ask(GET);
        assert_eq!((answer.status(), answer.text().as_str(), answer.field("x-a")), (200, "hello", Some("b")));
    });
}

#[test]
fn trailers_of_answers_reach_those_who_take_them() {
    on_workers(|workers| {
        let origin = Origin::answering(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\
             Content-Length: 5\r\nSet-Cookie: evil\r\n\r\n",
        );
        let Pair { proxy, origin: _origin } = Pair::new(workers, origin);
        let takes = proxy.ask("GET / HTTP/1.1\r\nHost: t.test\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
        assert_eq!(takes.trailers, [("X-Sum".to_owned(), "7".to_owned())], "{takes:#?}");
        assert!(!takes.has("x-sum") && !takes.has("content-length"));
        // Whoever did not say so may get them or not (RFC 9110 §6.5.1), never as part of the head.
        let other: Message = proxy.ask(GET);
        assert!(!other.has("x-sum") && !other.trailers.iter().any(|(n, _)| n != "X-Sum"), "{other:#?}");
    });
}

#[test]
fn trailers_of_requests_reach_the_origin() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        let head = "POST / HTTP/1.1\r\nHost: t.test\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(proxy.ask(format!("{head}2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n")).status(), 200);
        assert_eq!(origin.wait_request(0).trailers, [("X-Sum".to_owned(), "7".to_owned())]);
    });
}

#[test]
fn old_clients_keep_their_connection_if_they_ask() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        let mut client = proxy.connect();
        for _ in 0..3 {
            client.send("GET / HTTP/1.0\r\nHost: t.test\r\nConnection: Keep-Alive\r\n\r\n");
            let answer = client.response();
            assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
            assert_eq!(answer.field("connection").map(str::to_lowercase).as_deref(), Some("keep-alive"));
        }
        client.send("GET / HTTP/1.0\r\nHost: t.test\r\n\r\n");
        assert_eq!(client.response().status(), 200);
        client.ends();
        // Towards the origin it is 1.1 all the same, on one connection.
        assert!(origin.requests().iter().all(|r| r.start.ends_with(" HTTP/1.1")));
        assert_eq!(origin.connections(), 1);
    });
}

#[test]
fn cut_answers_are_seen_to_be_cut() {
    on_workers(|workers| {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly",
        ] {
            let Pair { proxy, origin: _origin } = Pair::new(workers, Origin::closing(answer));
            let mut client = proxy.send(GET);
            let head = client.head();
            assert_eq!(head.status(), 200);
            let rest = String::from_utf8(client.rest()).unwrap();
            assert!(!rest.contains("0\r\n\r\n") && !rest.contains("HTTP/1.1"), "a clean end was made up: {rest:?}");
            assert!(rest.contains("only"), "{rest:?}");
            let line = proxy.wait_access(0);
            assert_eq!(line["reason"], "upstream_reset", "{line}");
        }
    });
}

//! Cases 37–40: answers of origins that break the rules (R3: 502, and that connection is never used again).

use crate::harness::{Origin, Pair, assert_own_answer, on_workers};

/// For each of the answers: the client gets 502, and the next request a new connection.
#[track_caller]
fn bad_answers<B: AsRef<[u8]>>(answers: &[B]) {
    on_workers(|workers| {
        for answer in answers {
            let answer = answer.as_ref().to_vec();
            eprintln!("answered: {:?}", String::from_utf8_lossy(&answer[..answer.len().min(400)]));
            let origin = Origin::start(move |wire, _| {
                if wire.request().is_some() {
                    wire.offer(&answer);
                    let _ = wire.rest();
                }
            });
            let Pair { proxy, origin } = Pair::new(workers, origin);
            for n in 0..2 {
                let got = final_answer(&mut proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n"));
                assert_own_answer(&got, 502, "upstream_bad_response");
                origin.wait_ended(n);
            }
            assert_eq!(origin.connections(), 2);
        }
    });
}

/// The first answer that is not an interim one.
fn final_answer(client: &mut crate::harness::Wire) -> crate::harness::Message {
    loop {
        let message = client.response();
        if message.status() >= 200 {
            return message;
        }
    }
}

#[test]
fn case_037_answers_with_bad_framing() {
    let ok = |lines: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n{body}");
    bad_answers(&[
        ok("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        ok("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        ok("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"),
        ok("Content-Length: +5\r\n", "hello"),
        ok("Content-Length: 5x\r\n", "hello"),
        ok("Content-Length: \r\n", "hello"),
        ok("Content-Length: 99999999999999999999\r\n", "hello"),
        ok("Transfer-Encoding: chunked, gzip\r\n", "hello"),
        ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
    ]);
}

#[test]
fn case_037_answers_with_a_bad_head() {
    bad_answers(&[
        "HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n",
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "hello, I am not HTTP\r\n\r\n",
        "\0\0\x06\x04\0\0\0\0\0\r\n\r\n",
    ]);
}

#[test]
fn case_038_bytes_behind_the_body() {
    on_workers(|workers| {
        let origin =
            Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nX-Evil: y\r\n\r\n");
        let Pair { proxy, origin } = Pair::new(workers, origin);
        let mut client = proxy.connect();
        for n in 0..3 {
            client.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
            let answer = client.response();
            assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"), "{answer:#?}");
            assert!(!answer.has("x-evil"));
            origin.wait_ended(n);
        }
        assert_eq!(origin.connections(), 3, "a connection with bytes left over was used again");
    });
}

#[test]
fn case_038_bytes_on_an_idle_connection() {
    on_workers(|workers| {
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let gone = std::sync::Mutex::new(gone);
        let origin = Origin::start(move |wire, number| {
            while wire.request().is_some() {
                wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}"));
                if number == 0 {
                    gone.lock().unwrap().recv().unwrap();
                    // Nobody asked: the answer to a request that was never made.
                    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
                    let _ = wire.rest();
                    return;
                }
            }
        });
        let Pair { proxy, origin } = Pair::new(workers, origin);
        let mut client = proxy.connect();
        client.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(client.response().text(), "0");
        go.send(()).unwrap();
        // The proxy sees the bytes on the idle connection and closes it.
        origin.wait_ended(0);
        client.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(client.response().text(), "1");
    });
}

#[test]
fn case_039_bodies_where_none_may_be() {
    on_workers(|workers| {
        for (method, answer) in [
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
            ("GET", "HTTP/1.1 204 No Content\r\n\r\nevil"),
            ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 4\r\n\r\nevil"),
        ] {
            let origin = Origin::start(move |wire, _| {
                if wire.request().is_some() {
                    wire.send(answer);
                    let _ = wire.rest();
                }
            });
            let Pair { proxy, origin } = Pair::new(workers, origin);
            let mut client = proxy.connect();
            for n in 0..2 {
                client.send(format!("{method} / HTTP/1.1\r\nHost: t.test\r\n\r\n"));
                let got = client.response_to(method);
                assert_eq!(got.start, answer.lines().next().unwrap());
                assert!(got.body.is_empty());
                origin.wait_ended(n);
            }
            client.send("GET / HTTP/1.1\r\nHost: unknown.test\r\n\r\n");
            // Whatever comes next on the client's connection is its own next answer, not `evil`.
            assert_eq!(client.response().status(), 404);
            assert_eq!(origin.connections(), 2);
        }
    });
}

#[test]
fn case_040_flood_of_interim_answers() {
    let many = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(40);
    let large = format!("HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\n", "x".repeat(8000)).repeat(10);
    let end = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    bad_answers(&[format!("{many}{end}"), format!("{large}{end}"), many.clone()]);
}

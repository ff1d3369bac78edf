//! Interim answers, early answers, and clients that end their direction first.

use crate::harness::{Ending, Origin, Pair, Wire, on_workers, poll_for};
use std::time::Duration;

const EXPECT: &str = "POST /e HTTP/1.1\r\nHost: t.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";

#[test]
fn expectation_passes_and_the_100_comes_from_the_origin() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            let Some(head) = wire.request_head() else { return };
            assert_eq!(head.field("expect"), Some("100-continue"));
            wire.send("HTTP/1.1 100 Continue\r\n\r\n");
            wire.expect("hello");
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        });
        let Pair { proxy, origin: _origin } = Pair::new(workers, origin);
        let mut client = proxy.send(EXPECT);
        assert_eq!(client.response().status(), 100);
        client.send("hello");
        assert_eq!(client.response().status(), 200);
    });
}

#[test]
fn expectation_that_the_origin_refuses() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            if wire.request_head().is_some() {
                wire.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
                let _ = wire.rest();
            }
        });
        let Pair { proxy, origin } = Pair::new(workers, origin);
        let mut client = proxy.send(EXPECT);
        let answer = client.response();
        assert_eq!((answer.status(), answer.text().as_str()), (417, "no"));
        // The body was never asked for: what comes now is not sent on as if it had been.
        client.finish();
        let _ = client.rest();
        origin.wait_all_ended();
        assert!(!String::from_utf8(origin.received()).unwrap().contains("hello"));
    });
}

#[test]
fn client_that_does_not_wait_for_the_100() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        let mut client = proxy.send(format!("{EXPECT}hello"));
        let mut answer = client.response();
        if answer.status() == 100 {
            answer = client.response();
        }
        assert_eq!(answer.status(), 200);
        assert_eq!(origin.wait_request(0).body, b"hello");
    });
}

#[test]
fn early_hints_and_unknown_interim_answers_pass_in_order() {
    on_workers(|workers| {
        let origin = Origin::answering(
            "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
             HTTP/1.1 199 Odd\r\nX-Odd: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        );
        let Pair { proxy, origin: _origin } = Pair::new(workers, origin);
        let mut client = proxy.connect();
        for _ in 0..2 {
            client.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
            let hints = client.response();
            assert_eq!((hints.status(), hints.field("link")), (103, Some("</a.css>; rel=preload")));
            assert_eq!(client.response().status(), 102);
            assert_eq!(client.response().field("x-odd"), Some("y"));
            assert_eq!(client.response().text(), "ok");
        }
        // An old client knows no interim answers (RFC 9110 §15.2).
        let mut old = proxy.send("GET / HTTP/1.0\r\nHost: t.test\r\n\r\n");
        assert_eq!(old.response().status(), 200);
    });
}

#[test]
fn early_hints_arrive_before_the_answer() {
    on_workers(|workers| {
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let gone = std::sync::Mutex::new(gone);
        let origin = Origin::start(move |wire, _| {
            if wire.request().is_some() {
                wire.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
                gone.lock().unwrap().recv().unwrap();
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        });
        let Pair { proxy, origin: _origin } = Pair::new(workers, origin);
        let mut client = proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(client.response().status(), 103);
        go.send(()).unwrap();
        assert_eq!(client.response().status(), 200);
    });
}

#[test]
fn answer_before_the_body_is_whole_and_both_flow_on() {
    on_workers(|workers| {
        // As gRPC and chat do: the origin answers while it still reads, line for line.
        let origin = Origin::start(|wire, _| {
            if wire.request_head().is_none() {
                return;
            }
            wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            loop {
                let chunk = wire.chunk();
                wire.send(format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(&chunk)));
                if chunk.is_empty() {
                    return;
                }
            }
        });
        let Pair { proxy, origin: _origin } = Pair::new(workers, origin);
        let mut client = proxy.send("POST / HTTP/1.1\r\nHost: t.test\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(client.head().status(), 200);
        for n in 0..10 {
            client.send(format!("6\r\nline {n}\r\n"));
            assert_eq!(client.chunk(), format!("line {n}").as_bytes());
        }
        client.send("0\r\n\r\n");
        assert!(client.chunk().is_empty());
    });
}

#[test]
fn client_that_ends_its_direction_is_answered() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        let mut client = proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        client.finish();
        assert_eq!(client.response().text(), "ok");
        assert_eq!(client.gone(), Ending::Closed);
        assert_eq!(origin.requests().len(), 1);
    });
}

#[test]
fn origin_that_ends_its_direction_after_the_answer() {
    on_workers(|workers| {
        let origin = Origin::closing("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        let Pair { proxy, origin } = Pair::new(workers, origin);
        let mut client = proxy.connect();
        for n in 1..4 {
            client.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
            assert_eq!(client.response().text(), "ok");
            assert_eq!(origin.connections(), n);
        }
        origin.wait_all_ended();
    });
}

#[test]
fn client_that_resets_while_the_origin_works() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::silent());
        let client = proxy.send("GET /gone HTTP/1.1\r\nHost: t.test\r\n\r\n");
        origin.wait_head(0);
        client.reset();
        origin.wait_all_ended();
        assert_eq!(proxy.wait_access_of("/gone")["reason"], "client_gone");
    });
}

/// Origins with long hints before each of these answers, which a client that reads nothing does not take.
fn half_taken(more: &str, answer: &'static str) {
    on_workers(|workers| {
        let link = "l".repeat(14_000);
        let hints = format!("HTTP/1.1 103 Early Hints\r\nLink: {link}\r\nLink: {link}\r\n\r\n");
        let origin = Origin::start(move |wire, _| {
            while let Some(head) = wire.request_head() {
                match () {
                    () if head.field("x-first").is_some() => wire.offer(
                        "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nCache-Control: no-cache\r\nContent-Length: 2\r\n\r\nok",
                    ),
                    () => wire.offer(format!("{hints}{hints}{answer}")),
                }
            }
        });
        let proxy = crate::harness::Proxy::start(
            workers,
            &format!("routes:\n  t.test: {{ to: \"{}\"{more} }}\n", origin.address()),
        );
        assert_eq!(
            proxy.ask("GET /a HTTP/1.1\r\nHost: t.test\r\nX-First: 1\r\nConnection: close\r\n\r\n").status(),
            200
        );
        let mut client = Wire::connect_narrow(proxy.address());
        client.offer("GET /a HTTP/1.1\r\nHost: t.test\r\n\r\n".repeat(150));
        client.offer("GET /a HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n\r\n");
        // Until nothing moves any more: the proxy waits for the client, or has given it up.
        let mut last = 0;
        while poll_for(Duration::from_millis(300), || (origin.received().len() != last).then_some(())).is_some() {
            last = origin.received().len();
        }
        let bytes = client.rest();
        let text = String::from_utf8_lossy(&bytes);
        for head in
            text.match_indices("HTTP/1.1 ").map(|(at, _)| text.get(at.saturating_sub(1)..at).unwrap_or_default())
        {
            assert_ne!(head, "l", "an answer begins inside of another one's head");
        }
    });
}

#[test]
fn answer_of_our_own_never_begins_inside_of_hints_that_are_half_taken() {
    half_taken("", "HTTP/1.1 200 OK\r\nConnection: set-cookie\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok");
}

#[test]
fn stored_answer_never_begins_inside_of_hints_that_are_half_taken() {
    half_taken(", cache: true", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nCache-Control: no-cache\r\n\r\n");
}

/// The least rate of a body counts from when it may flow: what a client keeps back is not slow.
#[test]
fn a_body_that_waits_for_a_late_100_is_not_slow() {
    let origin = Origin::start(|wire, _| {
        wire.until("\r\n\r\n");
        // The first ten seconds of a body don't count, and cannot be configured away.
        poll_for(Duration::from_secs(12), || None::<()>);
        wire.offer("HTTP/1.1 100 Continue\r\n\r\n");
        wire.exactly(240);
        wire.offer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let pair = Pair::new(1, origin);
    let head = "POST / HTTP/1.1\r\nHost: t.test\r\nExpect: 100-continue\r\nContent-Length: 240\r\n\r\n";
    let mut client = pair.proxy.send(head);
    assert_eq!(client.head().status(), 100);
    client.send([b'x'; 240]);
    assert_eq!(client.response().status(), 200);
}

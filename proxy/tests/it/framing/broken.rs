//! What a failure in the middle leaves behind: bytes of a body are never a request, and half a body is never a whole one.

use crate::harness::{Origin, Pair, Proxy, Wire, on_workers, poll_for};
use std::time::Duration;

const GET: &str = "GET /next HTTP/1.1\r\nHost: t.test\r\n\r\n";

#[test]
fn body_that_came_with_its_head_is_no_request_when_the_upstream_breaks() {
    on_workers(|workers| {
        // It accepts and closes: the write of the head fails, after the body's bytes were counted.
        let origin = Origin::start_unix(|_, _| {});
        let Pair { proxy, origin: _origin } = Pair::with(workers, origin, "  r.test: { respond: smuggled }\n");
        let inner = "GET /smuggled HTTP/1.1\r\nHost: r.test\r\n\r\n";
        let chunk = format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
        for n in 0..40 {
            let mut client = proxy.connect();
            if n % 2 == 0 {
                let length = inner.len();
                client.send(format!("POST /{n} HTTP/1.1\r\nHost: t.test\r\nContent-Length: {length}\r\n\r\n{inner}"));
            } else {
                client.send(format!("POST /{n} HTTP/1.1\r\nHost: t.test\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}"));
            }
            assert_eq!(client.response().status(), 502);
            client.offer("GET /own HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n\r\n");
            let rest = String::from_utf8(client.rest()).unwrap();
            assert!(!rest.contains("smuggled"), "{n}: the body was answered: {rest:?}");
        }
    });
}

#[test]
fn large_answer_to_a_client_that_reads_late_is_whole() {
    on_workers(|workers| {
        let size = 12_000_000;
        let body: Vec<u8> = (0..size).map(|n| b'a' + u8::try_from(n % 23).unwrap()).collect();
        let answer = [format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").as_bytes(), &body].concat();
        let Pair { proxy, origin } = Pair::new(workers, Origin::answering(answer));
        let mut client = Wire::connect_narrow(proxy.address());
        client.send(GET);
        origin.wait_request(0);
        // The client takes nothing until the proxy has all of the answer that it can hold.
        poll_for(Duration::from_millis(300), || None::<()>);
        for _ in 0..2 {
            let got = client.response();
            assert!(got.status() == 200 && got.body == body, "{} of {size} bytes", got.body.len());
            client.send(GET);
            poll_for(Duration::from_millis(300), || None::<()>);
        }
    });
}

#[test]
fn large_request_to_an_origin_that_reads_late_is_whole() {
    on_workers(|workers| {
        let origin = Origin::start_narrow(|wire, _| {
            poll_for(Duration::from_millis(300), || None::<()>);
            while wire.request().is_some() {
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }
        });
        let Pair { proxy, origin } = Pair::new(workers, origin);
        let body: Vec<u8> = (0..12_000_000).map(|n| b'a' + u8::try_from(n % 23).unwrap()).collect();
        let mut client = proxy.send("PUT / HTTP/1.1\r\nHost: t.test\r\nContent-Length: 12000000\r\n\r\n");
        client.send(&body);
        assert_eq!(client.response().status(), 200);
        assert!(origin.wait_request(0).body == body);
    });
}

#[test]
fn refused_expectation_ends_the_connection() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            if wire.request_head().is_some() {
                wire.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
                let _ = wire.rest();
            }
        });
        let Pair { proxy, origin: _origin } = Pair::new(workers, origin);
        // Nobody knows whether the client will send the body: what follows may be a request or not.
        let head = "PUT / HTTP/1.1\r\nHost: t.test\r\nContent-Length: 50\r\nExpect: 100-continue\r\n\r\n";
        let mut client = proxy.send(head);
        let answer = client.response();
        assert_eq!((answer.status(), answer.field("connection")), (401, Some("close")));
        client.ends();
    });
}

#[test]
fn body_before_an_upgrade_is_not_sent_twice() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            if wire.request().is_some() {
                wire.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
                let came = wire.until("!");
                wire.send(came);
            }
        });
        let routes = format!("routes:\n  t.test: {{ to: \"{}\", upgrade: [echo] }}\n", origin.address());
        let proxy = Proxy::start(workers, &routes);
        let head = "POST / HTTP/1.1\r\nHost: t.test\r\nConnection: upgrade\r\nUpgrade: echo\r\n";
        for body in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"] {
            let mut client = proxy.send(format!("{head}{body}tunnelled!"));
            assert_eq!(client.head().status(), 101);
            client.expect("tunnelled!");
        }
    });
}

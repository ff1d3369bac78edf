//! Cases 33–36: unread bodies, bodies where nobody expects one, and requests behind requests.

use crate::harness::{Origin, Pair, Wire, on_workers, poll};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const EARLY: &str = "  r.test: { respond: early, status: 403 }\n";

#[test]
fn case_033_early_answer_with_an_unread_body() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::with(workers, Origin::ok(), EARLY);
        // The body looks like requests. It is never read as one, whether it is drained or cut off.
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: t.test\r\n\r\n".repeat(5000);
        for (declared, sent) in [(150_000, 150_000), (150_000, 100), (50_000_000, 168_000), (400, 400)] {
            let mut client =
                proxy.send(format!("POST / HTTP/1.1\r\nHost: r.test\r\nContent-Length: {declared}\r\n\r\n"));
            client.offer(&smuggled[..sent]);
            let start = Instant::now();
            let answer = client.response();
            assert_eq!((answer.status(), answer.text().as_str()), (403, "early"));
            if declared > 65536 {
                let rest = client.rest();
                assert!(rest.is_empty(), "{declared}: {:?}", String::from_utf8_lossy(&rest));
                assert!(start.elapsed() < Duration::from_secs(5), "the drain took {:?}", start.elapsed());
            } else if answer.field("connection") != Some("close") {
                client.send("GET / HTTP/1.1\r\nHost: r.test\r\nConnection: close\r\n\r\n");
                assert_eq!(client.response().status(), 403);
                client.ends();
            }
        }
        origin.assert_untouched();
    });
}

/// What a client sends behind its last request must not cost it the answer: a close with unread bytes is a reset.
#[test]
fn bytes_behind_the_last_request_do_not_reset_the_answer() {
    on_workers(|workers| {
        let pair = Pair::new(workers, Origin::ok());
        for behind in ["GET /two HTTP/1.1\r\nHost: t.test\r\n\r\n", "x"] {
            let mut client =
                pair.proxy.send(format!("GET / HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n\r\n{behind}"));
            // Beyond what one read takes, so that some of it stays in the socket.
            client.offer("x".repeat(60_000));
            assert_eq!(client.response().status(), 200);
            client.ends();
        }
    });
}

/// The same for bytes that come while the endpoint is waited for.
#[test]
fn bytes_behind_the_last_request_do_not_reset_an_answer_that_comes_late() {
    on_workers(|workers| {
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let gone = std::sync::Mutex::new(gone);
        let origin = Origin::start(move |wire, _| {
            if wire.request().is_some() && gone.lock().unwrap().recv().is_ok() {
                // More than the client's side takes before it reads: the rest waits in the proxy's.
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n");
                wire.send("x".repeat(400_000));
            }
        });
        let Pair { proxy, origin } = Pair::new(workers, origin);
        let mut client = proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n\r\n");
        origin.wait_request(0);
        client.send("behind");
        // Once another client has been served, the worker has seen these bytes.
        assert_eq!(proxy.get("unknown.test", "/").status(), 404);
        let before = proxy.access().len();
        go.send(()).unwrap();
        poll("the answer to be written", || (proxy.access().len() > before).then_some(()));
        assert_eq!(client.response().body.len(), 400_000);
        client.ends();
    });
}

#[test]
fn case_033_early_answer_of_the_origin() {
    on_workers(|workers| {
        // The origin refuses after the head and reads no body.
        let origin = Origin::start(|wire, _| {
            if wire.request_head().is_some() {
                wire.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
                let _ = wire.rest();
            }
        });
        let Pair { proxy, origin } = Pair::new(workers, origin);
        let mut client =
            proxy.send("POST /a HTTP/1.1\r\nHost: t.test\r\nContent-Length: 300000\r\n\r\nGET /x HTTP/1.1");
        let answer = client.response();
        assert_eq!((answer.status(), answer.text().as_str()), (401, "no"));
        client.offer("GET /smuggled HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert!(client.rest().is_empty(), "bytes of the body were answered");
        origin.wait_all_ended();
        assert_eq!(origin.connections(), 1);
    });
}

#[test]
fn case_034_bodies_on_methods_that_rarely_have_one() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        let mut n = 0;
        for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
            let mut client = proxy.connect();
            client.send(format!("{method} /l HTTP/1.1\r\nHost: t.test\r\nContent-Length: 5\r\n\r\nhello"));
            assert_eq!(client.response_to(method).status(), 200);
            client.send(format!(
                "{method} /c HTTP/1.1\r\nHost: t.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
            ));
            assert_eq!(client.response_to(method).status(), 200);
            let (by_length, by_chunks) = (origin.wait_request(n), origin.wait_request(n + 1));
            assert_eq!((by_length.method(), by_length.target()), (method, "/l"));
            assert_eq!(by_length.field("content-length"), Some("5"));
            assert!(!by_length.has("transfer-encoding"));
            assert_eq!(by_length.body, b"hello");
            assert_eq!((by_chunks.method(), by_chunks.target()), (method, "/c"));
            assert_eq!(by_chunks.field("transfer-encoding"), Some("chunked"));
            assert_eq!(by_chunks.body, b"hello");
            n += 2;
        }
        assert_eq!(origin.requests().len(), n);
    });
}

#[test]
fn case_035_length_zero_with_bytes_behind_it() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        let mut client = proxy.send(
            "POST /first HTTP/1.1\r\nHost: t.test\r\nContent-Length: 0\r\n\r\n\
             GET /second HTTP/1.1\r\nHost: unknown.test\r\n\r\n",
        );
        assert_eq!(client.response().status(), 200);
        // Routed by its own host, logged as its own.
        let second = client.response();
        assert_eq!((second.status(), second.reason()), (404, "no_route"));
        assert_eq!(proxy.wait_access_of("/first")["status"], 200);
        assert_eq!(proxy.wait_access_of("/second")["status"], 404);
        assert_eq!(origin.requests().len(), 1);
        assert!(!String::from_utf8(origin.received()).unwrap().contains("second"));
    });
}

#[test]
fn case_036_pipelined_requests() {
    on_workers(|workers| {
        let busy = Arc::new(AtomicBool::new(false));
        let overlap = Arc::new(AtomicBool::new(false));
        let (b, o) = (Arc::clone(&busy), Arc::clone(&overlap));
        let origin = Origin::start(move |wire, _| {
            while let Some(request) = wire.request() {
                o.fetch_or(b.swap(true, Ordering::SeqCst), Ordering::SeqCst);
                let path = request.target();
                wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", path.len()));
                // The answer is begun but not whole: nothing else may arrive meanwhile, on any connection.
                b.store(false, Ordering::SeqCst);
                wire.send(path);
            }
        });
        let Pair { proxy, origin } = Pair::new(workers, origin);
        let requests: String = (0..100).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: t.test\r\n\r\n")).collect();
        let mut client = proxy.send(requests);
        for n in 0..100 {
            let answer = client.response();
            assert_eq!((answer.status(), answer.text()), (200, format!("/{n}")));
        }
        assert!(!overlap.load(Ordering::SeqCst), "a second request was begun before the first was answered");
        assert_eq!(origin.connections(), 1, "one after the other on one connection");
    });
}

#[test]
fn case_036_pipelined_requests_stop_at_a_bound() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::silent());
        let mut client = Wire::connect_narrow(proxy.address());
        client.send("GET /first HTTP/1.1\r\nHost: t.test\r\n\r\n");
        origin.wait_head(0);
        let taken = client.push_until_blocked(Duration::from_millis(300), 64 << 20);
        // What the kernel holds on both sides is not ours; 64 MiB would be.
        assert!(taken < 16 << 20, "{taken} bytes were read behind a request that is not answered");
        assert_eq!(origin.connections(), 1);
    });
}

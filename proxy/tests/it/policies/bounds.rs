//! Cases of SECURITY.md H with policies in force, over HTTP/1.1 and HTTP/2: time, memory and windows; and what listeners and
//! `defaults` say.

use super::cases::{GET, proxy};
use super::versions::{in_both, over_h1, over_h2};
use crate::harness::h2::{CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, NONE, frame, request};
use crate::harness::{Origin, Proxy, on_workers, poll};

#[test]
fn case_144_145_146_147_who_dribbles_is_closed_whatever_the_version() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let listen = "listen: { bind: \"127.0.0.1:0\", h2c: true, timeouts: { head: 700ms } }";
        let yaml = format!(
            "{listen}\ntimeouts: {{ body: 700ms, write: 1s }}\nroutes: {{ t.test: {{ to: \"{}\", detect: block, rate_limit: {{ rate: 1000/s }} }} }}\n",
            origin.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        // 145: nothing at all. 144: a head that never ends.
        let mut silent = proxy.connect();
        let mut slow = proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\nX-Slow: ");
        let mut slow_h2 = Frames::begin(&proxy);
        slow_h2.offer(frame(HEADERS, END_STREAM, 1, request("GET", &[])));
        slow_h2.offer(frame(CONTINUATION, NONE, 1, []));
        assert_eq!(slow.response().status(), 408);
        let _ = silent.rest();
        let _ = slow_h2.goodbye();
        // 146: a body that stops, where it is read before anything goes up.
        let post = "POST / HTTP/1.1\r\nHost: t.test\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nabc";
        assert_eq!(proxy.send(post).response().status(), 408);
        let mut body = Frames::begin(&proxy);
        body.offer(frame(
            HEADERS,
            END_HEADERS,
            1,
            request("POST", &[("content-type", "text/plain"), ("content-length", "10")]),
        ));
        body.offer(frame(DATA, NONE, 1, "abc"));
        assert_eq!(body.status(1), 408);
        origin.assert_untouched();
    });
}

#[test]
fn case_147_a_reader_whose_window_stays_shut_is_cut_over_http2() {
    on_workers(|workers| {
        let body = "x".repeat(200_000);
        let origin = Origin::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        let rule = "timeouts: { write: 500ms }, bandwidth: 10MB/s";
        let proxy = proxy(workers, "timeouts: { write: 500ms }\n", rule, &origin);
        let before = proxy.resident();
        // SETTINGS_INITIAL_WINDOW_SIZE 0.
        let mut client = Frames::begin_with(&proxy, &[(4, 0)]);
        client.offer(crate::harness::h2::get(1));
        client.wait("the end of the stream", |frame| frame.kind == 3 || frame.kind == 7);
        poll("the upstream's end", || (origin.open() == 0).then_some(()));
        assert!(proxy.resident() < before + 8 * 1024);
    });
}

#[test]
fn case_160_expressions_take_linear_time() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = proxy(
            workers,
            "",
            "deny: { path: { regex: '^/(a+)+$' } }, rewrite: { regex: '^/(b*)*c$', to: '/x' }",
            &origin,
        );
        let path = format!("/{}!", "a".repeat(4000));
        let path: &'static str = path.leak();
        let began = std::time::Instant::now();
        in_both(&proxy, ("GET", "t.test", path), &[], 200);
        let path: &'static str = format!("/{}", "b".repeat(4000)).leak();
        in_both(&proxy, ("GET", "t.test", path), &[], 200);
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    });
}

#[test]
fn case_161_keys_that_nobody_saw_cost_no_memory() {
    let origin = Origin::ok();
    let proxy = proxy(2, "access_log: off\n", "rate_limit: { key: { header: x-key }, rate: 1/h, burst: 1 }", &origin);
    let before = proxy.resident();
    let mut wire = proxy.connect();
    for block in 0..200 {
        let asks: String =
            (0..50).map(|at| format!("GET / HTTP/1.1\r\nHost: t.test\r\nX-Key: {block}-{at}\r\n\r\n")).collect();
        wire.offer(asks);
        for _ in 0..50 {
            if wire.response().field("connection") == Some("close") {
                wire = proxy.connect();
                break;
            }
        }
    }
    assert!(proxy.resident() < before + 12 * 1024, "{} KiB before, {} after", before, proxy.resident());
    for key in ["a", "b"] {
        assert_eq!(over_h2(&proxy, GET, &[("x-key", key)], b""), 200);
        assert_eq!(over_h2(&proxy, GET, &[("x-key", key)], b""), 429);
    }
}

#[test]
fn what_no_route_answers_looks_as_defaults_say() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let yaml = format!(
            "listen: {{ bind: \"127.0.0.1:0\", h2c: true, max_body: 10B }}\ndefaults: {{ response_headers: {{ set: {{ x-edge: here, x-id: \"{{request_id}}\" }}, remove: [server, x-powered-by] }}, security_headers: true }}\n\
             routes: {{ t.test: \"{a}\", free.test: {{ to: \"{a}\", inherit: false }} }}\n",
            a = origin.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        for host in ["nobody.test", "t.test"] {
            let answer = proxy.ask(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
            assert_eq!(
                (answer.field("x-edge"), answer.field("x-content-type-options")),
                (Some("here"), Some("nosniff")),
                "{host}"
            );
            // Nothing is known of a request that found no route, least of all another's facts.
            assert_eq!(answer.has("x-id"), host == "t.test");
        }
        let broken = proxy.ask("GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
        assert_eq!((broken.status(), broken.field("x-edge")), (400, Some("here")));
        // The listener's own bound holds for every rule that is bound by it.
        let body = b"0123456789A";
        for (host, status) in [("t.test", 413), ("free.test", 200)] {
            assert_eq!(over_h1(&proxy, ("POST", host, "/"), &[], body), status);
            assert_eq!(over_h2(&proxy, ("POST", host, "/"), &[], body), status);
        }
    });
}

#[test]
fn versions_of_an_upstream_are_not_told() {
    on_workers(|workers| {
        let origin = Origin::answering(
            "HTTP/1.1 200 OK\r\nServer: Ancient/1.2.3\r\nX-Powered-By: PHP/5\r\nContent-Length: 0\r\n\r\n",
        );
        let proxy = proxy(workers, "", "response_headers: { remove: [server, x-powered-by] }", &origin);
        let answer = proxy.ask("GET / HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n\r\n");
        assert!(!answer.has("server") && !answer.has("x-powered-by"));
        let mut client = Frames::begin(&proxy);
        client.offer(crate::harness::h2::get(1));
        let head = client.wait("an answer", |frame| frame.kind == HEADERS);
        assert!(!String::from_utf8_lossy(&head.payload).contains("Ancient"));
        assert_eq!(head.status(), 200);
    });
}

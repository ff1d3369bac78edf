//! WebSocket over HTTP/2 (RFC 8441; cases 109–112), with Python's `h2` and `wsproto` as client: to an HTTP/1 upstream, and
//! to one of HTTP/2, which is a second proxy.

use super::proxy;
use crate::harness::h2::{END_HEADERS, END_STREAM, Frames, HEADERS, NONE, fields, frame, request};
use crate::harness::ws::{CLOSE, TEXT, next_frame};
use crate::harness::{Origin, Proxy, Python, Wire, on_workers, python_judge};
use switchboard_core::websocket::accept;

const CLIENT: &str = include_str!("python/websocket.py");

/// At an origin: agrees to the upgrade, whose key is the proxy's own.
#[track_caller]
fn agree(wire: &mut Wire) -> bool {
    let Some(request) = wire.request() else { return false };
    assert_eq!((request.method(), request.target()), ("GET", "/ws"));
    assert_eq!(request.field("sec-websocket-protocol"), Some("chat"));
    assert_eq!(request.field("origin"), Some("http://t.test"));
    assert_eq!(request.fields.iter().filter(|(name, _)| name == ":protocol").count(), 0);
    let proof = accept(request.field("sec-websocket-key").unwrap().as_bytes());
    wire.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\
         Sec-WebSocket-Protocol: chat\r\n\r\n",
        String::from_utf8_lossy(&proof)
    ));
    true
}

/// An origin that sends back what it reads, and answers a Close.
fn echo() -> Origin {
    Origin::start(|wire, _| {
        if !agree(wire) {
            return;
        }
        while let Some((first, payload)) = next_frame(wire) {
            wire.offer(crate::harness::ws::frame(first, &payload, false));
            if first == CLOSE {
                wire.finish();
                let _ = wire.rest();
                return;
            }
            assert_eq!(first, TEXT);
        }
    })
}

/// Runs the client against the proxy, and against a proxy in front of that one which speaks HTTP/2 to it.
fn with_both(judge: &std::path::Path, origin: &Origin, workers: usize, arguments: &[&str]) {
    let near = proxy(workers, origin, "");
    let far = Proxy::start(
        workers,
        &format!(
            "listen: {{ bind: \"127.0.0.1:0\", h2c: true }}\nroutes: {{ t.test: \"h2c://{}\" }}\n",
            near.address()
        ),
    );
    for entry in [&near, &far] {
        let port = entry.port().to_string();
        Python::run(judge, CLIENT, &[&["127.0.0.1", &port], arguments].concat());
    }
}

#[test]
fn case_111_messages_and_the_close_pass() {
    let Some(judge) = python_judge("WebSocket over HTTP/2") else { return };
    on_workers(|workers| {
        let origin = echo();
        with_both(&judge, &origin, workers, &["close"]);
        origin.wait_all_ended();
    });
}

#[test]
fn case_112_resets_pass_both_ways() {
    let Some(judge) = python_judge("WebSocket over HTTP/2: resets") else { return };
    on_workers(|workers| {
        let origin = echo();
        with_both(&judge, &origin, workers, &["reset"]);
        origin.wait_all_ended();
        let origin = Origin::start(|wire, _| {
            if agree(wire) {
                for _ in 0..3 {
                    let (first, payload) = next_frame(wire).unwrap();
                    wire.offer(crate::harness::ws::frame(first, &payload, false));
                }
                let _ = next_frame(wire);
                wire.take().reset();
            }
        });
        with_both(&judge, &origin, workers, &["killed"]);
    });
}

#[test]
fn limits_and_the_log_are_as_over_http_1() {
    let Some(judge) = python_judge("WebSocket over HTTP/2: limits") else { return };
    on_workers(|workers| {
        for (limit, code, size, reason) in [
            ("max_message: { client: 12000B }", "1009", "12001", "message_too_long"),
            ("max_age: 500ms", "1001", "0", "tunnel_age"),
            ("idle: 500ms", "1001", "0", "tunnel_idle"),
        ] {
            let origin = echo();
            let rule = format!("{{ to: \"{}\", websocket: {{ {limit}, strict: true }} }}", origin.address());
            let proxy = Proxy::start(
                workers,
                &format!("listen: {{ bind: \"127.0.0.1:0\", h2c: true }}\nroutes: {{ t.test: {rule} }}\n"),
            );
            let port = proxy.port().to_string();
            Python::run(&judge, CLIENT, &["127.0.0.1", &port, "ended", code, size]);
            let line = proxy.wait_access_of("/ws");
            assert_eq!(line["reason"], reason, "{line}");
            assert_eq!(line["close_code"].to_string(), code, "{line}");
            assert_eq!((&line["messages_out"], &line["protocol"]), (&3.into(), &"HTTP/2.0".into()), "{line}");
            assert!(line["messages_in"].as_u64() >= Some(3) && line["closed_by"] == "proxy", "{line}");
            origin.wait_all_ended();
        }
    });
}

#[test]
fn case_111_a_consent_that_proves_nothing_and_a_refusal() {
    let Some(judge) = python_judge("WebSocket over HTTP/2: refusals") else { return };
    on_workers(|workers| {
        for (answer, status) in [
            (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
                "502",
            ),
            ("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "403"),
        ] {
            with_both(&judge, &Origin::closing(answer), workers, &["refused", status]);
        }
    });
}

#[test]
fn cases_109_and_110_connects_that_are_none() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = proxy(workers, &origin, "");
        let (scheme, path, authority) = ((":scheme", "http"), (":path", "/ws"), (":authority", "t.test"));
        let (connect, protocol) = ((":method", "CONNECT"), (":protocol", "websocket"));
        for block in [
            request("GET", &[(":protocol", "websocket")]),
            fields(&[(":method", "GET"), protocol, scheme, path, authority]),
            fields(&[connect, protocol, path, authority]),
            fields(&[connect, protocol, scheme, authority]),
            fields(&[connect, (":protocol", "webtransport"), scheme, path, authority]),
        ] {
            let mut client = Frames::begin(&proxy);
            client.offer(frame(HEADERS, END_HEADERS, 1, block));
            assert_eq!(client.reset_of(1), 1);
        }
        // A plain CONNECT is not for a reverse proxy; a handshake without its version is none.
        for (block, status) in
            [(fields(&[connect, authority]), 405), (fields(&[connect, protocol, scheme, path, authority]), 400)]
        {
            for flags in [NONE, END_STREAM] {
                let mut client = Frames::begin(&proxy);
                client.offer(frame(HEADERS, END_HEADERS | flags, 1, block.clone()));
                assert_eq!(client.status(1), status);
            }
        }
        origin.assert_untouched();
    });
}

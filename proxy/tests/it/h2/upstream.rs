//! Endpoints that speak HTTP/2 (`h2c://`): a second proxy, and peers that refuse, leave or lie.

use super::proxy;
use crate::harness::h2::{END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, NONE, PREFACE, RST_STREAM, SETTINGS, frame};
use crate::harness::{Message, Origin, Proxy, Wire, on_workers, poll};
use std::sync::{Mutex, mpsc};

/// A proxy that speaks HTTP/2 to an origin's address.
fn before(workers: usize, address: &str, further: &str) -> Proxy {
    Proxy::start(workers, &format!("routes: {{ t.test: \"h2c://{address}\" }}\n{further}"))
}

/// At an endpoint: reads the preface and says SETTINGS.
#[track_caller]
fn begin(wire: &mut Wire) {
    wire.expect(PREFACE);
    wire.send([frame(SETTINGS, NONE, 0, []), frame(SETTINGS, 1, 0, [])].concat());
}

/// At an endpoint: the next frame.
#[track_caller]
fn next(wire: &mut Wire) -> Option<Frame> {
    let header = wire.exactly_or_end(9)?;
    let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
    let payload = wire.exactly_or_end(usize::try_from(length).unwrap())?;
    let stream = u32::from_be_bytes(header[5..9].try_into().unwrap());
    Some(Frame { kind: header[3], flags: header[4], stream, payload })
}

/// At an endpoint: the stream of the next request.
#[track_caller]
fn request(wire: &mut Wire) -> Option<u32> {
    loop {
        let frame = next(wire)?;
        if frame.kind == HEADERS {
            return Some(frame.stream);
        }
    }
}

/// An answer of 200 without a body.
fn fine(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, [0x88])
}

fn get(proxy: &Proxy) -> Message {
    proxy.get("t.test", "/")
}

#[test]
fn bodies_trailers_and_interim_answers_pass_through_two_proxies() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            while let Some(request) = wire.request() {
                let head = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                wire.offer(head);
                if !request.body.is_empty() {
                    wire.offer(format!("{:x}\r\n", request.body.len()));
                    wire.offer(&request.body);
                    wire.offer("\r\n");
                }
                wire.offer("0\r\nx-late: yes\r\n\r\n");
            }
        });
        let near = proxy(workers, &origin, "");
        let far = before(workers, &near.address().to_string(), "");
        let large = "0123456789abcdef".repeat(40_000);
        for body in ["", "small", &large] {
            let mut client = far.send(format!(
                "POST / HTTP/1.1\r\nHost: t.test\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            ));
            assert_eq!(client.head().status(), 103);
            let answer = client.response();
            assert_eq!((answer.status(), answer.text() == body), (200, true), "{} bytes", answer.body.len());
            assert_eq!(answer.trailers, [("x-late".to_owned(), "yes".to_owned())]);
        }
    });
}

#[test]
fn requests_share_a_connection() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            begin(wire);
            while let Some(stream) = request(wire) {
                wire.send(fine(stream));
            }
        });
        let proxy = before(workers, &origin.address(), "");
        for _ in 0..20 {
            assert_eq!(get(&proxy).status(), 200);
        }
        assert!(origin.connections() <= workers, "{} connections", origin.connections());
    });
}

#[test]
fn what_was_not_looked_at_is_sent_again() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, number| {
            begin(wire);
            let mut first = true;
            while let Some(stream) = request(wire) {
                match (number, first) {
                    // A stream refused, then a connection that goes.
                    (0, true) => wire.send(frame(RST_STREAM, NONE, stream, 7_u32.to_be_bytes())),
                    (0, false) => {
                        wire.send(frame(GOAWAY, NONE, 0, [0_u32.to_be_bytes(), 0_u32.to_be_bytes()].concat()));
                    }
                    _ => wire.send(fine(stream)),
                }
                first = false;
            }
        });
        let proxy = before(workers, &origin.address(), "");
        let answer = proxy.ask("POST / HTTP/1.1\r\nHost: t.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        assert_eq!(answer.status(), 200);
        assert_eq!(proxy.wait_access(0)["attempt"], 3);
    });
}

#[test]
fn a_reset_is_no_reason_to_try_again() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            begin(wire);
            while let Some(stream) = request(wire) {
                wire.send(frame(RST_STREAM, NONE, stream, 2_u32.to_be_bytes()));
            }
        });
        let proxy = before(workers, &origin.address(), "");
        let answer = get(&proxy);
        assert_eq!((answer.status(), answer.field("x-switchboard-reason")), (502, Some("upstream_reset")));
        assert_eq!(proxy.wait_access(0)["attempt"], 1);
    });
}

#[test]
fn who_speaks_no_http2_or_nonsense_is_502() {
    on_workers(|workers| {
        let plain = Origin::answering("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        let proxy = before(workers, &plain.address(), "");
        assert_eq!(get(&proxy).field("x-switchboard-reason"), Some("upstream_bad_response"));
        let odd = Origin::start(|wire, _| {
            begin(wire);
            while let Some(stream) = request(wire) {
                let block = [vec![0x88], crate::harness::h2::field("connection", "close")].concat();
                wire.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, block));
            }
        });
        let proxy = before(workers, &odd.address(), "");
        assert_eq!(get(&proxy).field("x-switchboard-reason"), Some("upstream_bad_response"));
        let silent = Origin::silent();
        let proxy = before(workers, &silent.address(), "timeouts: { connect: 300ms }\n");
        assert_eq!(get(&proxy).field("x-switchboard-reason"), Some("connect_timeout"));
    });
}

#[test]
fn the_limit_of_the_endpoint_on_streams_is_kept() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            wire.expect(PREFACE);
            wire.send([frame(SETTINGS, NONE, 0, [0, 3, 0, 0, 0, 1]), frame(SETTINGS, 1, 0, [])].concat());
            while let Some(stream) = request(wire) {
                assert!(!wire.stirred() || next(wire).is_none_or(|frame| frame.kind != HEADERS), "a second stream");
                wire.send(fine(stream));
            }
        });
        let proxy = before(workers, &origin.address(), "");
        let mut clients: Vec<Wire> =
            (0..8).map(|_| proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n\r\n")).collect();
        for client in &mut clients {
            assert_eq!(client.response().status(), 200);
        }
    });
}

/// One opens the connection, the others wait for it. Where memory becomes short meanwhile, all connections are forgotten,
/// but nobody who waits for one.
#[test]
fn who_waits_for_a_connection_is_not_forgotten_with_all_others() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let origin = Origin::start(move |wire, number| {
        wire.expect(PREFACE);
        if number == 0 {
            gone.lock().unwrap().recv().unwrap();
        }
        wire.send([frame(SETTINGS, NONE, 0, []), frame(SETTINGS, 1, 0, [])].concat());
        while let Some(stream) = request(wire) {
            wire.send(fine(stream));
        }
    });
    let text = |more: &str| {
        let to = origin.address();
        format!("admin: 127.0.0.1:0\ntimeouts: {{ connect: 60s }}\nroutes: {{ t.test: \"h2c://{to}\" }}\n{more}")
    };
    let proxy = Proxy::start(1, &text(""));
    let mut clients: Vec<Wire> = (0..4).map(|_| proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n")).collect();
    poll("all to wait", || {
        let mut admin = Wire::connect(proxy.admin());
        admin.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let page = admin.response().text();
        page.lines()
            .any(|line| line.starts_with("switchboard_endpoint_in_flight{") && line.ends_with(" 4"))
            .then_some(())
    });
    proxy.write_config(&text("limits: { memory: 16MiB }\n"));
    proxy.wait_log("memory is short");
    go.send(()).unwrap();
    for client in &mut clients {
        assert_eq!(client.response().status(), 200);
    }
}

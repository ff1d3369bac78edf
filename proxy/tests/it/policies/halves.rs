//! Cases of SECURITY.md C, F and H whose other tests speak one version: here each is asked in HTTP/1.1 and HTTP/2.

use std::process::Command;
use std::time::{Duration, Instant};

use super::cases::{GET, proxy};
use super::versions::{in_both, over_h1, over_h2};
use crate::certs::client::handshake;
use crate::harness::h2::{self, DATA, END_HEADERS, Frames, HEADERS, NONE, frame, request};
use crate::harness::{Origin, Proxy, Wire, on_workers, poll, poll_for};
use crate::limits::limit_descriptors;

/// What curl prints of an answer in each version: its head in lower case and its body, as they came.
fn answers(proxy: &Proxy, target: &str, lines: &[&str]) -> [String; 2] {
    ["--http1.1", "--http2-prior-knowledge"].map(|version| {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-i", "--max-time", "20", version, "-H", "Host: t.test"]);
        for line in lines {
            curl.args(["-H", line]);
        }
        let output = curl.arg(format!("http://{}{target}", proxy.address())).output().expect("curl runs");
        String::from_utf8_lossy(&output.stdout).to_ascii_lowercase()
    })
}

#[test]
fn case_067_fields_of_one_hop_do_not_come_back() {
    on_workers(|workers| {
        let origin = Origin::answering(
            "HTTP/1.1 200 OK\r\nConnection: x-hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nProxy-Connection: x\r\n\
             Upgrade: h2c\r\nProxy-Authenticate: Basic\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nok",
        );
        let proxy = proxy(workers, "", "response_headers: { set: { x-edge: here } }", &origin);
        for answer in answers(&proxy, "/", &[]) {
            for name in ["x-hop:", "keep-alive: timeout=9", "proxy-connection:", "upgrade:", "proxy-authenticate:"] {
                assert!(!answer.contains(name), "{name} in {answer}");
            }
            assert!(answer.contains("x-kept: 1") && answer.contains("x-edge: here"), "{answer}");
        }
    });
}

#[test]
fn case_129_many_parameters_move_nothing() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let rule = "deny: { path: /admin }, query: { remove: [utm] }";
        let proxy = proxy(workers, "limits: { target: 64KiB, head: 128KiB, field: 64KiB }\n", rule, &origin);
        let many = |path: &str| -> &'static str { format!("{path}?{}utm=/../admin", "a&".repeat(7_500)).leak() };
        let began = Instant::now();
        in_both(&proxy, ("GET", "t.test", many("/admin")), &[], 403);
        in_both(&proxy, ("GET", "t.test", many("/x")), &[], 200);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        for at in 0..2 {
            let seen = origin.wait_request(at);
            assert!(seen.target().starts_with("/x?a&a&") && !seen.target().contains("utm"), "what went up is whole");
        }
    });
}

#[test]
fn case_146_a_body_that_trickles_over_http2() {
    // Ten seconds of grace cannot be configured away, so both run at once.
    std::thread::scope(|scope| {
        for workers in [1, 2] {
            scope.spawn(move || {
                let origin = Origin::ok();
                let further = "limits: { body_min_rate: 100B/s }\n";
                let proxy = proxy(workers, further, "rate_limit: { rate: 1000/s }", &origin);
                let mut client = Frames::begin(&proxy);
                client.offer(frame(HEADERS, END_HEADERS, 1, request("POST", &[("content-length", "5000")])));
                let began = Instant::now();
                // 20 bytes a second: each within `body`, all together below the rate.
                let status = loop {
                    assert!(began.elapsed() < Duration::from_secs(30), "nobody minds");
                    client.offer(frame(DATA, NONE, 1, "x"));
                    let stirred = poll_for(Duration::from_millis(50), || client.wire().stirred().then_some(()));
                    if let Some(frame) = stirred.and_then(|()| client.next()).filter(|frame| frame.kind == HEADERS) {
                        break frame.status();
                    }
                };
                assert_eq!(status, 408);
                assert!(began.elapsed() >= Duration::from_secs(9), "{:?}", began.elapsed());
                poll("the upstream's end", || (origin.open() == 0).then_some(()));
            });
        }
    });
}

#[test]
fn case_157_at_the_limit_of_connections_policies_hold_and_who_is_in_stays_in() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let yaml = format!(
            "listen: {{ bind: \"127.0.0.1:0\", h2c: true, max_connections: 2 }}\nroutes: {{ t.test: {{ to: \"{}\", deny: {{ path: /admin }} }} }}\n",
            origin.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        let mut first = Frames::begin(&proxy);
        first.offer(h2::get(1));
        assert_eq!(first.status(1), 200);
        let mut second = proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(second.response().status(), 200);
        // More wait, or are told; none is served.
        let mut third = Frames::begin(&proxy);
        third.offer(h2::get(1));
        let mut fourth = proxy.connect();
        fourth.offer("GET /fourth HTTP/1.1\r\nHost: t.test\r\n\r\n");
        for stream in [3, 5] {
            first.offer(h2::get(stream));
            assert_eq!(first.status(stream), 200);
            second.offer("GET /admin HTTP/1.1\r\nHost: t.test\r\n\r\n");
            assert_eq!(second.response().status(), 403);
        }
        assert_eq!(origin.requests().len(), 4, "more than max_connections were served");
        drop((first, second, third, fourth));
        poll("room again", || (over_h1(&proxy, GET, &[], b"") == 200).then_some(()));
        assert_eq!(over_h2(&proxy, ("GET", "t.test", "/admin"), &[], b""), 403);
    });
}

#[test]
fn case_157_without_descriptors_policies_hold_over_both_versions() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let yaml = format!(
            "listen: {{ bind: \"127.0.0.1:0\", h2c: true }}\nroutes: {{ t.test: {{ to: \"{}\", deny: {{ path: /admin }} }} }}\n",
            origin.address()
        );
        let proxy = Proxy::start_with(workers, &yaml, |command| limit_descriptors(command, 300));
        let mut old = proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(old.response().status(), 200);
        let mut new = Frames::begin(&proxy);
        new.offer(h2::get(1));
        assert_eq!(new.status(1), 200);
        let held: Vec<Wire> = (0..150).map(|_| proxy.connect()).collect();
        proxy.wait_log("no more connections are accepted");
        for stream in [3, 5, 7] {
            new.offer(h2::get(stream));
            assert_eq!(new.status(stream), 200);
            old.offer("GET /admin HTTP/1.1\r\nHost: t.test\r\n\r\n");
            assert_eq!(old.response().status(), 403);
        }
        drop(held);
        poll("room again", || (over_h2(&proxy, GET, &[], b"") == 200).then_some(()));
    });
}

#[test]
fn case_159_secrets_are_not_compressed_whatever_the_version() {
    on_workers(|workers| {
        let body = "secret ".repeat(1000);
        let origin = Origin::start(move |wire, _| {
            while let Some(request) = wire.request() {
                let (kind, line) = match request.target() {
                    "/cookie" => ("text/html", "Set-Cookie: sid=1\r\n"),
                    "/events" => ("text/event-stream", ""),
                    _ => ("text/html", ""),
                };
                wire.offer(format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{line}Content-Length: {}\r\n\r\n{body}",
                    body.len()
                ));
            }
        });
        let proxy = proxy(workers, "", "compress: true, cookies: { secure: true }", &origin);
        let takes = "Accept-Encoding: gzip";
        for (target, lines, compressed) in [
            ("/", &[takes][..], true),
            ("/cookie", &[takes], false),
            ("/events", &[takes], false),
            ("/", &[takes, "Authorization: Basic eDp5"], false),
        ] {
            for answer in answers(&proxy, target, lines) {
                assert_eq!(answer.contains("content-encoding: gzip"), compressed, "{target} {lines:?}: {answer}");
            }
        }
    });
}

#[test]
fn case_162_a_spray_of_names_costs_nothing_in_either_version() {
    let proxy = Proxy::start(
        2,
        "listen: { bind: 127.0.0.1:0, tls: auto }\nroutes: { x.localhost: { respond: x, deny: { path: /admin } } }\n",
    );
    for (at, version) in ["http/1.1", "h2"].into_iter().enumerate() {
        for name in 0..20 {
            let name = format!("n{at}-{name}.localhost");
            let shown = handshake(proxy.address(), &["-servername", &name, "-alpn", version]);
            assert!(!shown.contains("BEGIN CERTIFICATE"), "{name}: {shown}");
        }
    }
    assert!(!proxy.dir().file("state/certs").exists(), "nothing was made for them");
    for (version, alpn) in [("http/1.1", "ALPN protocol: http/1.1"), ("h2", "ALPN protocol: h2")] {
        let shown = handshake(proxy.address(), &["-servername", "x.localhost", "-alpn", version]);
        assert!(shown.contains("BEGIN CERTIFICATE") && shown.contains(alpn), "{shown}");
    }
}

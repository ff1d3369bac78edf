//! How fast answers flow, copies of requests that nobody waits for, and requests that look like attacks.

use super::versions::over_h2;
use crate::harness::{Message, Origin, Proxy, assert_own_answer, on_workers, poll};
use std::io::Write as _;
use std::time::{Duration, Instant};

fn get(proxy: &Proxy, host: &str, target: &str) -> Message {
    proxy.ask(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
}

#[test]
fn an_answer_flows_at_its_bandwidth() {
    const BODY: usize = 300_000;
    on_workers(|workers| {
        let body = "x".repeat(BODY);
        let origin = Origin::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n{body}"));
        let a = origin.address();
        let yaml = format!("routes: {{ slow.test: {{ to: \"{a}\", bandwidth: 200KB/s }}, fast.test: \"{a}\" }}\n");
        let proxy = Proxy::start(workers, &yaml);
        let took = |host: &str| {
            let began = Instant::now();
            assert_eq!(get(&proxy, host, "/").text().len(), BODY);
            began.elapsed()
        };
        let (slow, fast) = (took("slow.test"), took("fast.test"));
        // 25 kB at once (and what came with the head), the rest at 200 kB/s.
        assert!(slow >= Duration::from_millis(1150), "{slow:?}");
        assert!(slow < Duration::from_secs(8) + fast * 4, "{slow:?}, unbounded {fast:?}");
    });
}

#[test]
fn copies_go_elsewhere_and_hurt_nobody() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let (shadow, silent) = (Origin::named("shadow"), Origin::silent());
        let nobody = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
        let (a, s, q) = (origin.address(), shadow.address(), silent.address());
        let yaml = format!(
            "upstreams: {{ shadow: {{ endpoints: [\"{s}\"] }} }}\nroutes:\n  m.test: {{ to: \"{a}\", mirror: shadow }}\n  \
             none.test: {{ to: \"{a}\", mirror: {{ to: shadow, share: 0.0001% }} }}\n  \
             silent.test: {{ to: \"{a}\", mirror: \"{q}\" }}\n  gone.test: {{ to: \"{a}\", mirror: \"{nobody}\" }}\n"
        );
        let proxy = Proxy::start(workers, &yaml);
        let post = "POST /p?q=1 HTTP/1.1\r\nHost: m.test\r\nConnection: close\r\nX-A: 1\r\n";
        assert_eq!(proxy.ask(format!("{post}Content-Length: 5\r\n\r\nhello")).text(), "ok");
        let copy = shadow.wait_request(0);
        assert_eq!((copy.method(), copy.target(), copy.text().as_str()), ("POST", "/p?q=1", "hello"));
        assert_eq!((copy.field("x-a"), copy.field("host")), (Some("1"), Some("m.test")));
        let chunked = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        assert_eq!(proxy.ask(format!("{post}{chunked}")).text(), "ok");
        let copy = shadow.wait_request(1);
        assert_eq!((copy.text().as_str(), copy.field("content-length")), ("abcde", Some("5")));
        assert_eq!(get(&proxy, "m.test", "/g").text(), "ok");
        assert_eq!(shadow.wait_request(2).target(), "/g");
        // Larger than what is kept: the request goes its way, and nobody gets a copy.
        let large = "y".repeat(100_000);
        assert_eq!(proxy.ask(format!("{post}Content-Length: {}\r\n\r\n{large}", large.len())).text(), "ok");
        for host in ["none.test", "gone.test", "silent.test"] {
            assert_eq!(get(&proxy, host, "/").text(), "ok", "{host}");
        }
        // A shadow that never answers holds copies, not requests.
        let began = Instant::now();
        let mut wire = proxy.connect();
        for _ in 0..200 {
            wire.offer("GET / HTTP/1.1\r\nHost: silent.test\r\n\r\n");
            assert_eq!(wire.response().status(), 200);
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        poll("copies for the silent one", || (silent.connections() > 0).then_some(()));
        assert!(silent.connections() <= 64 * workers + 1);
        assert_eq!(shadow.requests().len(), 3);
    });
}

#[test]
fn copy_that_is_answered_before_its_body_is_there_leaves_no_connection() {
    on_workers(|workers| {
        // Answers a head at once, and takes its body only when it is told to.
        let go = std::sync::Arc::new(std::sync::Barrier::new(2));
        let told = std::sync::Arc::clone(&go);
        let shadow = Origin::start_tight(move |wire, number| {
            while wire.request_head().is_some() {
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                if number == 0 {
                    told.wait();
                    return drop(wire.rest());
                }
            }
        });
        let origin = Origin::ok();
        let proxy = Proxy::start(
            workers,
            &format!(
                "upstreams: {{ shadow: [\"{}\"] }}\nroutes:\n  m.test: {{ to: \"{}\", mirror: shadow }}\n  \
                 s.test: shadow\n",
                shadow.address(),
                origin.address()
            ),
        );
        let body = "x".repeat(64_000);
        let post = format!("POST /m HTTP/1.1\r\nHost: m.test\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let mut client = proxy.send(post);
        assert_eq!(client.response().status(), 200);
        let _ = shadow.wait_head(0);
        // On the connection of the copy they would stand in the middle of its body.
        let victims: Vec<u16> = (0..30).map(|_| proxy.get("s.test", "/victim").status()).collect();
        go.wait();
        shadow.wait_ended(0);
        assert!(victims.iter().all(|status| *status == 200), "{victims:?}");
        assert!(!String::from_utf8_lossy(&shadow.received_by(0)).contains("/victim"));
    });
}

#[test]
fn attacks_are_refused_or_logged() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let a = origin.address();
        let yaml = format!(
            "routes:\n  b.test: {{ to: \"{a}\", detect: block }}\n  l.test: {{ to: \"{a}\", detect: {{ sqli: log, xss: block }} }}\n"
        );
        let proxy = Proxy::start(workers, &yaml);
        let post = |kind: &str, more: &str, body: &[u8]| {
            let head = format!(
                "POST /p HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n{kind}{more}Content-Length: {}\r\n\r\n",
                body.len()
            );
            proxy.ask([head.as_bytes(), body].concat())
        };
        for target in [
            "/p?id=1'%20or%20'1'='1",
            "/p?id=1%2527%20or%20%25271%2527%253D%25271",
            "/a/1%27%20or%201%3D1--/b",
            "/p?q=%3Cscript%3Ealert(1)%3C/script%3E",
        ] {
            assert_own_answer(&get(&proxy, "b.test", target), 403, "denied");
        }
        let (form, json) =
            ("Content-Type: application/x-www-form-urlencoded\r\n", "Content-Type: application/json\r\n");
        for (kind, body) in [
            (form, "a=b&id=1'+or+'1'='1"),
            (json, r#"{"a":{"b":["x","1' or '1'='1"]}}"#),
            (json, r#"{"a":"\u003cscript\u003ealert(1)\u003c/script\u003e"}"#),
            ("", "<script>alert(1)</script>"),
            (
                "Content-Type: multipart/form-data; boundary=b\r\n",
                "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1' or '1'='1\r\n--b--\r\n",
            ),
        ] {
            assert_own_answer(&post(kind, "", body.as_bytes()), 403, "denied");
        }
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"id=1'+or+'1'='1").unwrap();
        let packed = packed.finish().unwrap();
        assert_own_answer(&post(form, "Content-Encoding: gzip\r\n", &packed), 403, "denied");
        // Chunked, and with a client that waits to be told to go on.
        let chunked = "POST / HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
        let mut wire = proxy.send(chunked);
        assert_eq!(wire.head().status(), 100);
        wire.offer("5\r\n1' or\r\n9\r\n '1'='1--\r\n0\r\n\r\n");
        assert_eq!(wire.response().status(), 403);
        origin.assert_untouched();
        // What is no attack goes up whole, whatever was read of it before.
        let body = "name=O%27Reilly&text=Select+your+seat".to_owned() + &"z".repeat(150_000);
        assert_eq!(post(form, "", body.as_bytes()).status(), 200);
        assert_eq!(origin.wait_request(0).text(), body);
        let mut wire = proxy.send(chunked);
        assert_eq!(wire.head().status(), 100);
        wire.offer("5\r\nhello\r\n0\r\n\r\n");
        assert_eq!(wire.response().status(), 200);
        let seen = origin.wait_request(1);
        assert_eq!((seen.text().as_str(), seen.has("expect")), ("hello", false));
        assert_eq!(get(&proxy, "l.test", "/p?id=1'%20or%20'1'='1").status(), 200);
        assert!(proxy.log().iter().any(|line| line.contains("looks like an attack")));
    });
}

/// A body that is posted with these lines in its head.
fn post(proxy: &Proxy, host: &str, lines: &str, body: &[u8]) -> Message {
    let head = format!(
        "POST /p HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}Content-Length: {}\r\n\r\n",
        body.len()
    );
    proxy.ask([head.as_bytes(), body].concat())
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text).unwrap();
    packed.finish().unwrap()
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const ATTACK: &[u8] = b"id=1'+or+'1'='1";

/// A proxy that refuses attacks for `b.test` and logs them for `l.test`.
fn watchful(workers: usize) -> (Origin, Proxy) {
    let origin = Origin::ok();
    let a = origin.address();
    let yaml =
        format!("routes:\n  b.test: {{ to: \"{a}\", detect: block }}\n  l.test: {{ to: \"{a}\", detect: log }}\n");
    let proxy = Proxy::start(workers, &yaml);
    (origin, proxy)
}

#[test]
fn attacks_in_disguise_are_refused() {
    on_workers(|workers| {
        let (origin, proxy) = watchful(workers);
        // Attacks in what says it is something else, is packed in other words, or not at all.
        for (lines, body) in [
            ("Content-Type: application/octet-stream\r\n".to_owned(), br#"{"id": "1' or '1'='1"}"#.to_vec()),
            ("Content-Type: application/x-ndjson\r\n".to_owned(), b"{\"a\":1}\n{\"a\":\"1' or '1'='1\"}\n".to_vec()),
            ("Content-Type: text/event-stream\r\n".to_owned(), b"<script>alert(1)</script>".to_vec()),
            (format!("{FORM}Content-Encoding: gzip,\r\n"), gzip(ATTACK)),
            (format!("{FORM}Content-Encoding: identity\r\n"), ATTACK.to_vec()),
            (format!("{FORM}Content-Encoding: identity, , gzip\r\n"), gzip(ATTACK)),
            (format!("{FORM}Content-Encoding: gzip\r\n"), ATTACK.to_vec()),
            (format!("{FORM}Content-Encoding: unheard-of\r\n"), ATTACK.to_vec()),
        ] {
            let answer = post(&proxy, "b.test", &lines, &body);
            assert_eq!((answer.status(), answer.field("x-switchboard-reason")), (403, Some("denied")), "{lines}");
        }
        origin.assert_untouched();
    });
}

#[test]
fn what_cannot_be_looked_at_is_refused_where_attacks_are() {
    on_workers(|workers| {
        let (origin, proxy) = watchful(workers);
        let many = "a-b&".repeat(13_000).into_bytes();
        let hidden = [many.as_slice(), ATTACK].concat();
        let pieces = [
            (FORM.to_owned(), hidden),
            (format!("{FORM}Content-Type: text/plain\r\n"), b"a=b".to_vec()),
            (format!("{FORM}Content-Encoding: compress\r\n"), vec![0x1f, 0x9d, 0x90, 1, 2]),
            (format!("{FORM}Content-Encoding: gzip, gzip, gzip, gzip\r\n"), gzip(&gzip(&gzip(&gzip(b"a=b"))))),
        ];
        for (lines, body) in &pieces {
            assert_own_answer(&post(&proxy, "b.test", lines, body), 403, "uninspected");
        }
        let query = format!("/p?{}", "a+b&".repeat(1500));
        assert_own_answer(&get(&proxy, "b.test", &query), 403, "uninspected");
        origin.assert_untouched();
        // Where attacks are only logged, this is too.
        for (lines, body) in &pieces {
            assert_eq!(post(&proxy, "l.test", lines, body).status(), 200, "{lines}");
        }
        assert!(proxy.log().iter().any(|line| line.contains("can't be looked at as a whole")));
        // Plain traffic.
        for (lines, body) in [
            ("Content-Type: application/octet-stream\r\n", &b"\x7fELF\x02\x01\x01\0 1' or '1'='1"[..]),
            ("Content-Type: image/png\r\n", b"\x89PNG\r\n\x1a\n1' or '1'='1"),
            (
                "Content-Type: application/octet-stream\r\nContent-Encoding: aws-chunked\r\n",
                b"5;chunk-signature=ab\r\nhello\r\n",
            ),
            ("Content-Type: application/json\r\n", br#"{"name":"O'Reilly","when":"2026-11-22"}"#),
        ] {
            assert_eq!(post(&proxy, "b.test", lines, body).status(), 200, "{lines}");
        }
        // What is no text may be a stream, and goes up as it comes.
        let mut wire = proxy.send(
            "POST /s HTTP/1.1\r\nHost: b.test\r\nContent-Type: application/x-frames\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\0ab\r\n",
        );
        poll("the beginning of the stream", || {
            (0..origin.connections())
                .any(|n| String::from_utf8_lossy(&origin.received_by(n)).contains("\0ab"))
                .then_some(())
        });
        wire.send("0\r\n\r\n");
        assert_eq!(wire.response().status(), 200);
    });
}

#[test]
fn case_158_a_body_that_unpacks_to_a_thousand_times_its_size() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![b'a'; 400_000]).unwrap();
    let gzip = packed.finish().unwrap();
    let zstd = zstd::encode_all(&*vec![b'a'; 4_000_000], 19).unwrap();
    let mut brotli = Vec::new();
    brotli::BrotliCompress(&mut &*vec![b'a'; 4_000_000], &mut brotli, &brotli::enc::BrotliEncoderParams::default())
        .unwrap();
    on_workers(|workers| {
        let origin = Origin::ok();
        let yaml = format!(
            "listen: {{ bind: 127.0.0.1:0, h2c: true }}\nroutes: {{ b.test: {{ to: \"{}\", detect: block }} }}\n",
            origin.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        let before = proxy.resident();
        for (coding, body) in [("gzip", &gzip), ("zstd", &zstd), ("br", &brotli)] {
            assert!(body.len() < 655, "{coding}: {}", body.len());
            let head = format!(
                "POST / HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            assert_own_answer(&proxy.ask([head.as_bytes(), body].concat()), 413, "body_too_large");
            let status = over_h2(&proxy, ("POST", "b.test", "/"), &[("content-encoding", coding)], body);
            assert_eq!(status, 413, "{coding}");
        }
        assert!(proxy.resident() < before + 48 * 1024, "{} KiB before, {} after", before, proxy.resident());
        origin.assert_untouched();
    });
}

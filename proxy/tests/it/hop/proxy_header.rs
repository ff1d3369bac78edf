//! Case 78: the PROXY protocol, v1 and v2, from those who may speak it.

use crate::harness::{Origin, Proxy, Wire, on_workers, poll, route_to};

const GET: &str = "GET /p HTTP/1.1\r\nHost: t.test\r\n\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn config(origin: &Origin, mode: &str, trusted: &str) -> String {
    format!(
        "listen: {{ bind: \"127.0.0.1:0\", proxy_protocol: {mode} }}\ntrusted_proxies: [{trusted}]\n{}",
        route_to(origin)
    )
}

/// A v2 header: command byte, family byte, and what follows the length.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

fn v2_tcp4(tlvs: &[u8]) -> Vec<u8> {
    v2(0x21, 0x11, &[&[9, 8, 7, 6, 127, 0, 0, 1, 0x30, 0x39, 0, 80], tlvs].concat())
}

#[test]
fn case_078_headers_of_a_trusted_peer() {
    on_workers(|workers| {
        for mode in ["accept", "require"] {
            let origin = Origin::ok();
            let proxy = Proxy::start(workers, &config(&origin, mode, "127.0.0.0/8"));
            let v6 = [&[0x20, 1, 0xd, 0xb8], [0; 11].as_slice(), &[1], &[0; 15], &[1], &[0x30, 0x39, 0, 80]].concat();
            let headers: [(Vec<u8>, &str); 7] = [
                (b"PROXY TCP4 9.8.7.6 127.0.0.1 12345 80\r\n".to_vec(), "9.8.7.6"),
                (b"PROXY TCP6 2001:db8::1 ::1 12345 80\r\n".to_vec(), "2001:db8::1"),
                (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
                (v2_tcp4(&[]), "9.8.7.6"),
                // TLVs are read over, never into the stream.
                (
                    v2_tcp4(&[[0x02, 0, 6].as_slice(), b"t.test", &[0xe0, 0, 20], b"GET /evil HTTP/1.1\r\n"].concat()),
                    "9.8.7.6",
                ),
                (v2(0x21, 0x21, &v6), "2001:db8::1"),
                // LOCAL: the proxy in front speaks for itself.
                (v2(0x20, 0x00, &[]), "127.0.0.1"),
            ];
            for (n, (header, client)) in headers.iter().enumerate() {
                let answer = proxy.ask([header.as_slice(), GET.as_bytes()].concat());
                assert_eq!(answer.status(), 200, "{mode}, header {n}: {answer:#?}");
                let request = origin.wait_request(n);
                assert_eq!(request.start, "GET /p HTTP/1.1");
                assert_eq!(request.field("x-forwarded-for"), Some(*client), "{mode}, header {n}");
            }
            // In pieces as small as they get.
            let mut slow = proxy.connect();
            for byte in [headers[3].0.as_slice(), GET.as_bytes()].concat() {
                slow.send([byte]);
            }
            assert_eq!(slow.response().status(), 200);
            assert_eq!(origin.wait_request(headers.len()).field("x-forwarded-for"), Some("9.8.7.6"));
        }
    });
}

/// The connection ends without an answer that would tell a prober anything, and nothing reaches the origin.
#[track_caller]
fn dropped(proxy: &Proxy, origin: &Origin, input: &[u8]) {
    eprintln!("sent: {:?}", String::from_utf8_lossy(&input[..input.len().min(200)]));
    let mut client = proxy.send(input);
    let rest = client.rest();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 400 "), "{:?}", String::from_utf8_lossy(&rest));
    origin.assert_untouched();
}

#[test]
fn case_078_header_of_a_stranger() {
    on_workers(|workers| {
        for mode in ["accept", "require"] {
            let origin = Origin::ok();
            let proxy = Proxy::start(workers, &config(&origin, mode, "10.0.0.0/8"));
            dropped(&proxy, &origin, format!("PROXY TCP4 9.8.7.6 127.0.0.1 1 80\r\n{GET}").as_bytes());
            dropped(&proxy, &origin, &[v2_tcp4(&[]).as_slice(), GET.as_bytes()].concat());
            if mode == "require" {
                dropped(&proxy, &origin, GET.as_bytes());
            } else {
                assert_eq!(proxy.ask(GET).status(), 200);
            }
        }
    });
}

#[test]
fn what_is_dropped_is_counted_and_said_once() {
    let origin = Origin::ok();
    let admin = "admin: 127.0.0.1:0\n";
    let proxy = Proxy::start(1, &format!("{admin}{}", config(&origin, "require", "10.0.0.0/8")));
    let trusting = Proxy::start(1, &format!("{admin}{}", config(&origin, "require", "127.0.0.0/8")));
    for _ in 0..3 {
        dropped(&proxy, &origin, GET.as_bytes());
        dropped(&trusting, &origin, GET.as_bytes());
        dropped(&trusting, &origin, b"PROXY TCP4 nonsense\r\n");
    }
    drop(trusting.connect());
    let said = |proxy: &Proxy, why: &str| {
        let line = format!("connections to listener 127.0.0.1:0 are dropped: 127.0.0.1 {why}");
        proxy.wait_log(&line);
        assert_eq!(
            proxy.log().iter().filter(|l| l.contains(&line) && l.contains("WARN")).count(),
            1,
            "{:?}",
            proxy.log()
        );
    };
    said(&proxy, "is not in trusted_proxies");
    said(&trusting, "sent no PROXY header");
    said(&trusting, "sent a malformed PROXY header");
    for (proxy, cause, count) in
        [(&proxy, "untrusted", 3), (&trusting, "absent", 3), (&trusting, "malformed", 3), (&trusting, "incomplete", 1)]
    {
        poll("the drops to be counted", || {
            let mut wire = Wire::connect(proxy.admin());
            wire.offer(format!(
                "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
                proxy.token()
            ));
            let page = wire.response().text();
            let counts = |line: &str| {
                line.starts_with("switchboard_listener_proxy_header_drops_total{")
                    && line.contains(&format!("cause=\"{cause}\""))
                    && line.ends_with(&format!(" {count}"))
            };
            page.lines().any(counts).then_some(())
        });
    }
    assert!(!trusting.log().join("\n").contains("no whole"), "{:?}", trusting.log());
}

#[test]
fn case_078_headers_that_are_malformed() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = Proxy::start(workers, &config(&origin, "require", "127.0.0.1/32"));
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(107));
        let endless = format!("PROXY TCP4 {}", "1".repeat(5000));
        let bad: [&[u8]; 12] = [
            b"PROXY TCP4 9.8.7.6 127.0.0.1 12345\r\n",
            b"PROXY TCP4 9.8.7.666 127.0.0.1 12345 80\r\n",
            b"PROXY TCP4 ::1 ::1 12345 80\r\n",
            b"PROXY TCP4 9.8.7.6 127.0.0.1 12345 80\n",
            b"PROXY TCP4 9.8.7.6 127.0.0.1 70000 80\r\n",
            b"PROXY  TCP4 9.8.7.6 127.0.0.1 1 80\r\n",
            b"proxy TCP4 9.8.7.6 127.0.0.1 1 80\r\n",
            long.as_bytes(),
            endless.as_bytes(),
            // v2: another version, a length below that of its family, a TLV beyond the length.
            &[SIGNATURE, &[0x31, 0x11, 0, 12, 9, 8, 7, 6, 127, 0, 0, 1, 0, 1, 0, 80]].concat(),
            &v2(0x21, 0x11, &[9, 8, 7, 6]),
            &v2_tcp4(&[0x02, 0, 200, b'x']),
        ];
        for header in bad {
            dropped(&proxy, &origin, &[header, GET.as_bytes()].concat());
        }
        // Missing where it is required.
        dropped(&proxy, &origin, GET.as_bytes());
        assert_eq!(proxy.ask(format!("PROXY TCP4 9.8.7.6 127.0.0.1 1 80\r\n{GET}")).status(), 200);
    });
}

#[test]
fn case_078_header_where_none_is_expected() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = Proxy::start(workers, &config(&origin, "off", "127.0.0.1/32"));
        dropped(&proxy, &origin, format!("PROXY TCP4 9.8.7.6 127.0.0.1 1 80\r\n{GET}").as_bytes());
        dropped(&proxy, &origin, &[v2_tcp4(&[]).as_slice(), GET.as_bytes()].concat());
        let mut honest = Wire::connect(proxy.address());
        honest.send(GET);
        assert_eq!(honest.response().status(), 200);
    });
}

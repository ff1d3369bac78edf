//! Requests: what is kept, dropped, refused and added.

use super::*;
use crate::message::Name;

#[test]
fn an_ordinary_request_keeps_its_lines() {
    let kept = "User-Agent: curl/8\r\nAccept: */*\r\nx-ODD:  spaced \t\r\nCookie: a=b; c=d\r\n";
    check(kept, kept);
}

#[test]
fn the_plan_is_written() {
    let text = b"POST http://a.example/p?q HTTP/1.0\r\nHost: a.example\r\nContent-Length: 007\r\nA: b\r\n\r\n";
    let peer = peer("203.0.113.9:4711", false, Forwarded { via: true, ..OFF });
    let passed = pass(text, &peer).unwrap();
    let plan = RequestPlan { target: b"/p?q", host: b"up.internal", close: true, ..passed.plan() };
    assert_eq!(
        passed.write(&peer, &plan),
        "POST /p?q HTTP/1.1\r\nhost: up.internal\r\nA: b\r\ncontent-length: 7\r\nconnection: close\r\n\
         via: 1.0 switchboard\r\nx-request-id: id1\r\n\r\n"
    );
}

#[test]
fn writing_again_gives_the_same_and_needs_no_memory() {
    let passed =
        pass(b"GET / HTTP/1.1\r\nHost: a.example\r\nA: b\r\nConnection: close, a\r\n\r\n", &stranger()).unwrap();
    let (peer, plan) = (stranger(), passed.plan());
    let mut out = Vec::new();
    write_request(&mut out, &passed.head.fields, &passed.bytes, &peer, &passed.hop, &plan);
    let (first, place) = (out.clone(), out.as_ptr());
    out.clear();
    write_request(&mut out, &passed.head.fields, &passed.bytes, &peer, &passed.hop, &plan);
    assert_eq!((out.as_ptr(), &out), (place, &first));
}

#[test]
fn case_062_nominated_trust_headers() {
    for name in ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Request-Id"] {
        check(&format!("Connection: {name}\r\n{name}: evil\r\nA: b\r\n"), "A: b\r\n");
        check(&format!("{name}: evil\r\nA: b\r\nConnection: keep-alive, {name}\r\n"), "A: b\r\n");
    }
    // A client behind a trusted peer can't hide behind that peer's address by nominating what the peer wrote.
    let passed = pass(
        b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: X-Forwarded-For\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n",
        &balancer(),
    );
    assert_eq!(passed.unwrap().hop.client, Some("198.51.100.7".parse().unwrap()));
}

#[test]
fn case_063_nominations_in_any_dress() {
    check("connection: x-a\r\nX-A: 1\r\nX-B: 2\r\nCONNECTION: close,\tX-b ,\r\nX-Ab: 3\r\n", "X-Ab: 3\r\n");
    check("Connection: ,, keep-alive ,X-A,,\r\nX-A: 1\r\nx-a: 2\r\n", "");
    check("Connection: Accept, Via, Trailer\r\nAccept: a\r\nVia: b\r\nTrailer: c\r\n", "");
}

#[test]
fn case_064_nominations_that_are_refused() {
    for name in ["Host", "Content-Length", "Transfer-Encoding", "Authorization", "Cookie", "Cache-Control"] {
        check_refused(&format!("Connection: {name}\r\n"), &stranger());
        check_refused(&format!("Connection: keep-alive, {}\r\n", name.to_lowercase()), &balancer());
    }
    for name in ["Content-Type", "content-range", "Origin", "Sec-WebSocket-Key", "Expect", "Set-Cookie"] {
        check_refused(&format!("Connection: x-a, {name}\r\n"), &stranger());
    }
}

#[test]
fn case_065_what_is_set_later_survives() {
    let passed = pass(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: X-User\r\nX-User: root\r\n\r\n", &stranger());
    let passed = passed.unwrap();
    assert_eq!(passed.head.fields.matching(&passed.bytes, b"x-user").count(), 0, "policies must not see it");
}

/// The codec refuses these too; they are refused here for whoever fills `Fields` some other way.
#[test]
fn case_066_options_that_are_no_tokens_or_too_many() {
    fn examined(values: &[&str]) -> Result<Hop, Rejected> {
        let (mut fields, mut bytes) = (crate::message::Fields::new(), Vec::new());
        for value in values {
            push(&mut fields, &mut bytes, "Connection", value);
        }
        let peer = stranger();
        let arrival =
            Arrival { method: b"GET", version: crate::message::Version::Http11, peer: &peer, trusted_proxies: &[] };
        examine(&mut fields, &bytes, &arrival)
    }
    for value in [":path", "a b", "a;b", "\"a\"", "a=b", "\u{e9}", "close, a@b"] {
        assert!(examined(&[value]).is_err(), "{value:?}");
    }
    assert!(examined(&vec!["keep-alive"; 32]).is_ok());
    assert!(examined(&vec!["keep-alive"; 33]).is_err());
    assert!(examined(&["x,".repeat(33).as_str()]).is_err());
}

fn push(fields: &mut crate::message::Fields, bytes: &mut Vec<u8>, name: &str, value: &str) {
    use crate::message::{Field, Span};
    let at = |bytes: &Vec<u8>| u32::try_from(bytes.len()).unwrap();
    let start = at(bytes);
    bytes.extend_from_slice(name.as_bytes());
    let name_end = at(bytes);
    bytes.extend_from_slice(b": ");
    let value_start = at(bytes);
    bytes.extend_from_slice(value.as_bytes());
    let value_end = at(bytes);
    bytes.extend_from_slice(b"\r\n");
    fields.push(Field {
        name_id: Name::find(name.as_bytes()),
        name: Span { start, end: name_end },
        value: Span { start: value_start, end: value_end },
        line: Span { start, end: at(bytes) },
        dropped: false,
    });
}

#[test]
fn case_067_hop_by_hop_fields() {
    check("Keep-Alive: timeout=5\r\nA: b\r\nProxy-Connection: keep-alive\r\n", "A: b\r\n");
    check("TE: gzip;q=0.5\r\nA: b\r\nConnection: TE\r\n", "A: b\r\n");
    check("TE: trailers\r\nA: b\r\n", "A: b\r\n");
    check("Connection: TE\r\nTE: gzip, trailers\r\n", "connection: te\r\nte: trailers\r\n");
    check("Upgrade: websocket\r\nA: b\r\n", "A: b\r\n");
    check("Connection: upgrade\r\nA: b\r\n", "A: b\r\n");
    check("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nA: b\r\n", "A: b\r\n");
    check("HTTP2-Settings: AAMAAABk\r\nA: b\r\n", "A: b\r\n");
    for (lines, token) in [
        ("Connection: Upgrade\r\nUpgrade: WebSocket\r\n", Some("WebSocket")),
        ("Upgrade: foo\r\nConnection: keep-alive, UPGRADE\r\n", Some("foo")),
        ("Upgrade: websocket\r\n", None),
        ("Connection: upgrade\r\n", None),
        ("Connection: upgrade\r\nUpgrade: \r\n", None),
        ("Connection: upgrade\r\nUpgrade: proto1, websocket\r\n", None),
        ("Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n", None),
        ("Connection: upgrade\r\nUpgrade: websocket,\r\n", None),
        ("Connection: upgrade\r\nUpgrade: h2/1\r\n", None),
    ] {
        let passed = pass(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n").as_bytes(), &stranger()).unwrap();
        let found = passed.hop.upgrade.map(|token| token.of(&passed.bytes));
        assert_eq!(found, token.map(str::as_bytes), "{lines:?}");
        let offer = RequestPlan { upgrade: Some(b"websocket"), ..passed.plan() };
        assert!(passed.write(&stranger(), &offer).contains("\r\nconnection: upgrade\r\nupgrade: websocket\r\n"));
    }
}

#[test]
fn case_068_proxy_fields() {
    check("Proxy-Authorization: Basic eA==\r\nA: b\r\nProxy-Authenticate: x\r\nProxy: http://evil/\r\n", "A: b\r\n");
}

#[test]
fn case_069_trust_headers_of_strangers() {
    for name in [
        "X-Forwarded-For",
        "Forwarded",
        "X-Real-IP",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Server",
        "X-Forwarded-User",
        "X-Forwarded-Tls-Client-Cert",
        "X-Client-Cert",
        "x-client-cert-subject",
        "X-Original-URL",
        "X-REWRITE-url",
        "X-Request-Id",
        "X-Switchboard-Reason",
    ] {
        check(&format!("A: 1\r\n{name}: 10.0.0.1\r\nB: 2\r\n{name}: for=10.0.0.1\r\n"), "A: 1\r\nB: 2\r\n");
        let text = format!("GET / HTTP/1.1\r\nHost: a.example\r\n{name}: 10.0.0.1\r\n\r\n");
        let passed = pass(text.as_bytes(), &stranger()).unwrap();
        assert_eq!(passed.hop.client, Some("203.0.113.9".parse().unwrap()));
        assert_eq!(passed.head.fields.matching(&passed.bytes, name.as_bytes()).count(), 0, "{name} is visible");
    }
    check(
        "X-Forward: 1\r\nX-Client: 2\r\nX-Switch: 3\r\nX-: 4\r\n",
        "X-Forward: 1\r\nX-Client: 2\r\nX-Switch: 3\r\nX-: 4\r\n",
    );
}

#[test]
fn case_071_private_addresses_are_not_trusted_by_themselves() {
    for address in ["10.0.0.1", "192.168.1.1", "127.0.0.1", "[fd00::1]", "[::1]", "[::ffff:10.0.0.1]"] {
        let peer = peer(&format!("{address}:1"), false, PLAIN);
        let text = b"GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n";
        let passed = pass(text, &peer).unwrap();
        assert_eq!(passed.hop.client, peer.ip());
        assert!(!passed.write(&peer, &passed.plan()).contains("198.51.100.7"));
    }
}

#[test]
fn case_072_aliases() {
    for name in ["X_Forwarded_For", "X.Auth.User", "Content_Length", "x-Auth_User", "a.b", "_", "accept_", ".host"] {
        check(&format!("A: 1\r\n{name}: x\r\nB: 2\r\n"), "A: 1\r\nB: 2\r\n");
        assert!(!sent(&format!("{name}: x\r\n"), &balancer()).contains(name), "{name} of a trusted peer");
    }
    // At every place of names of every length, for they are looked at in words.
    for length in 1..20 {
        let plain = format!("{}: x\r\n", &"+-^`~az".repeat(3)[..length]);
        check(&plain, &plain);
        for at in 0..length {
            for alias in ["_", "."] {
                check(&format!("{}{alias}{}: x\r\n", "b".repeat(at), "b".repeat(length - at - 1)), "");
            }
        }
    }
}

#[test]
fn expectations_are_the_plans_to_send() {
    check("Expect: 100-Continue\r\nA: b\r\n", "A: b\r\nexpect: 100-continue\r\n");
    let old =
        pass(b"POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", &stranger()).unwrap();
    assert!(!old.hop.expect_continue && !old.write(&stranger(), &old.plan()).contains("xpect"));
}

#[test]
fn max_forwards_counts_down_for_options_alone() {
    #[track_caller]
    fn check(method: &str, lines: &str, left: Option<u32>, expected: &str) {
        let text = format!("{method} / HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n");
        let passed = pass(text.as_bytes(), &stranger()).unwrap();
        assert_eq!(passed.hop.max_forwards, left);
        let out = passed.write(&stranger(), &passed.plan());
        assert_eq!(out.to_lowercase().matches("max-forwards").count(), 1, "{out}");
        assert!(out.contains(expected), "{out}");
    }
    check("OPTIONS", "Max-Forwards: 5\r\n", Some(5), "max-forwards: 4\r\n");
    check("OPTIONS", "Max-Forwards: 0\r\n", Some(0), "max-forwards: 0\r\n");
    check("OPTIONS", "Max-Forwards: 99999999999\r\n", Some(u32::MAX), "max-forwards: 4294967294\r\n");
    check("GET", "Max-Forwards: x\r\n", None, "Max-Forwards: x\r\n");
    for lines in ["Max-Forwards: \r\n", "Max-Forwards: -1\r\n", "Max-Forwards: 1\r\nMax-Forwards: 1\r\n"] {
        let text = format!("OPTIONS / HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n");
        assert!(pass(text.as_bytes(), &stranger()).is_err(), "{lines:?}");
    }
}

#[test]
fn persistence_is_read() {
    for (lines, close, keep_alive) in [
        ("", false, false),
        ("Connection: Keep-Alive\r\n", false, true),
        ("Connection: close\r\n", true, false),
        ("Connection: x, CLOSE\r\nConnection: keep-alive\r\n", true, true),
    ] {
        let hop = pass(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n").as_bytes(), &stranger()).unwrap().hop;
        assert_eq!((hop.close, hop.keep_alive), (close, keep_alive), "{lines:?}");
    }
}

#[test]
fn no_request_panics() {
    let pieces: &[&[u8]] = &[
        b"Connection: ",
        b"X-Forwarded-For: ",
        b"Forwarded: ",
        b"Upgrade: ",
        b"TE: ",
        b"Host: ",
        b"X_",
        b"x-client-cert",
        b"max-forwards: ",
        b"for=",
        b"\"",
        b"\\",
        b";",
        b",",
        b"[::1]",
        b":80",
        b"10.0.0.1",
        b"\r\n",
        b"\r\n",
        b"proto=https",
        b"X-Forwarded-Proto: https",
        b"\xff",
        b"close",
        b"a",
        b"=",
        b" ",
        b"X-Request-Id: ",
        b"%",
        b"99999999999999999999",
    ];
    for seed in 0..20_000 {
        let mut seeded = Seeded(seed);
        let mut text = b"OPTIONS / HTTP/1.1\r\n".to_vec();
        for _ in 0..seeded.below(24) {
            text.extend_from_slice(pieces[seeded.below(pieces.len())]);
        }
        text.extend_from_slice(b"\r\n\r\n");
        let mut head = RequestHead::default();
        if head.parse(&text, &limits()) == Ok(Progress::Complete) {
            let peer = peer("10.0.0.1:1", seed % 2 == 0, ALL);
            if let Ok(passed) = pass(&text, &peer) {
                let out = passed.write(&peer, &passed.plan());
                assert!(out.ends_with("\r\n\r\n") && out.matches("\r\n\r\n").count() == 1, "seed {seed}: {out:?}");
            }
        }
    }
}

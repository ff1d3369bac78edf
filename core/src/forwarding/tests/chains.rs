//! Who the client is, and what is said about it: trusted peers, `Forwarded`, unix sockets, TLS.

use super::*;

/// The client, and the lines from x-forwarded-for to x-forwarded-port, for a request of the trusted 10.0.0.1.
#[track_caller]
fn check_told(lines: &str, client: &str, expected: &str) {
    let peer = balancer();
    let passed = pass(format!("GET / HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n").as_bytes(), &peer).unwrap();
    assert_eq!(passed.hop.client, Some(client.parse().unwrap()), "{lines:?}");
    let out = passed.write(&peer, &passed.plan());
    let told = out.split_once("host: a.example\r\n").unwrap().1.split_once("x-forwarded-host").unwrap().0;
    assert_eq!(told, expected, "{lines:?}");
}

/// The same where only the list matters.
#[track_caller]
fn check_chain(list: &str, client: &str, kept: &str) {
    let comma = if kept.is_empty() { "" } else { ", " };
    let rest = "x-forwarded-proto: http\r\nx-forwarded-port: 8080\r\n";
    let expected = format!("x-forwarded-for: {kept}{comma}10.0.0.1\r\nx-real-ip: {client}\r\n{rest}");
    check_told(&format!("X-Forwarded-For: {list}\r\n"), client, &expected);
}

#[test]
fn case_070_the_walk() {
    check_chain("198.51.100.7", "198.51.100.7", "198.51.100.7");
    check_chain("6.6.6.6, 198.51.100.7", "198.51.100.7", "6.6.6.6, 198.51.100.7");
    check_chain("198.51.100.7, 10.2.3.4", "198.51.100.7", "198.51.100.7, 10.2.3.4");
    check_chain("198.51.100.7,10.2.3.4 , fd00::5", "198.51.100.7", "198.51.100.7,10.2.3.4 , fd00::5");
    // All are trusted: the first of them is the client.
    check_chain("10.9.9.9, 10.2.3.4", "10.9.9.9", "10.9.9.9, 10.2.3.4");
    check_chain("::ffff:10.9.9.9", "10.9.9.9", "::ffff:10.9.9.9");
    check_chain("198.51.100.7:4711", "198.51.100.7", "198.51.100.7:4711");
    check_chain("[2001:db8::1]:4711", "2001:db8::1", "[2001:db8::1]:4711");
    check_chain("[2001:db8::1]", "2001:db8::1", "[2001:db8::1]");
    // What can't be read ends the walk, and what is left of it goes no further.
    check_chain("198.51.100.7, unknown, 10.2.3.4", "10.2.3.4", "10.2.3.4");
    check_chain("198.51.100.7, junk", "10.0.0.1", "");
    check_chain("<script>, 198.51.100.7", "198.51.100.7", "198.51.100.7");
    check_chain("198.51.100.7, , 10.2.3.4", "10.2.3.4", "10.2.3.4");
    for junk in [
        "",
        ",",
        "198.51.100.7,",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "1.2.3.4:",
        "1.2.3.4:99999",
        "fe80::1%eth0",
        "[fe80::1%1]:80",
    ] {
        check_chain(junk, "10.0.0.1", "");
    }
    // Several lines are one list.
    let rest = "x-forwarded-proto: http\r\nx-forwarded-port: 8080\r\n";
    let all =
        format!("x-forwarded-for: 6.6.6.6, 198.51.100.7, 10.2.3.4, 10.0.0.1\r\nx-real-ip: 198.51.100.7\r\n{rest}");
    check_told("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 198.51.100.7, 10.2.3.4\r\n", "198.51.100.7", &all);
    let cut = format!("x-forwarded-for: 10.2.3.4, 10.0.0.1\r\nx-real-ip: 10.2.3.4\r\n{rest}");
    check_told("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: x, 10.2.3.4\r\n", "10.2.3.4", &cut);
}

#[test]
fn case_070_a_chain_has_an_end() {
    let list = |n: usize| format!("X-Forwarded-For: {}\r\n", vec!["10.1.1.1"; n].join(","));
    assert!(sent(&list(100), &balancer()).contains("10.1.1.1, 10.0.0.1"));
    check_refused(&list(101), &balancer());
    check_refused(&format!("Forwarded: {}\r\n", vec!["for=10.1.1.1"; 101].join(",")), &balancer());
    // A stranger's list is not read at all.
    assert!(sent(&list(101), &stranger()).ends_with(STRANGERS));
}

#[test]
fn case_070_proto_host_and_port_of_a_trusted_peer() {
    let said = |lines: &str| sent(lines, &balancer());
    let out = said("X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\nX-Forwarded-Port: 443\r\n");
    for line in ["x-forwarded-proto: https\r\n", "x-forwarded-host: shop.example\r\n", "x-forwarded-port: 443\r\n"] {
        assert_eq!(out.matches(line).count(), 1, "{out}");
    }
    // Our port is not that of a scheme which was spoken elsewhere.
    assert!(!said("X-Forwarded-Proto: https\r\n").contains("x-forwarded-port"));
    for lines in [
        "X-Forwarded-Proto: gopher\r\nX-Forwarded-Port: 99999\r\nX-Forwarded-Host: \r\n",
        "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n",
        "X-Forwarded-Port: 443\r\nX-Forwarded-Port: 443\r\n",
        "X-Forwarded-Port: +443\r\nX-Forwarded-Proto: https, http\r\n",
    ] {
        let ours = "x-forwarded-proto: http\r\nx-forwarded-port: 8080\r\nx-forwarded-host: a.example\r\n";
        assert!(said(lines).contains(ours), "{lines:?}: {}", said(lines));
    }
    // What the proxy does not write itself passes.
    let kept = "X-Forwarded-Prefix: /app\r\nX-Client-Cert: x\r\nX-Original-URL: /a\r\nX-Forwarded-User: u\r\n";
    assert!(said(kept).contains(kept));
    assert!(!said("X-Real-IP: 6.6.6.6\r\n").contains("6.6.6.6"));
    assert!(!said("X-Switchboard-Reason: no_route\r\n").contains("no_route"));
}

#[test]
fn the_scheme_is_the_clients() {
    for (proto, scheme) in [("https", "https"), ("HTTP", "http"), ("wss", "https"), ("WS", "http"), ("x", "http")] {
        let text = format!("GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-Proto: {proto}\r\n\r\n");
        let passed = pass(text.as_bytes(), &balancer()).unwrap();
        assert_eq!(passed.hop.scheme(&passed.bytes, &balancer()), scheme, "{proto}");
        let passed = pass(text.as_bytes(), &stranger()).unwrap();
        assert_eq!(passed.hop.scheme(&passed.bytes, &stranger()), "http");
    }
}

#[test]
fn forwarded_of_a_trusted_peer_counts_where_no_list_came() {
    #[track_caller]
    fn check(value: &str, client: &str) {
        let text = format!("GET / HTTP/1.1\r\nHost: a.example\r\nForwarded: {value}\r\n\r\n");
        let passed = pass(text.as_bytes(), &balancer()).unwrap();
        assert_eq!(passed.hop.client, Some(client.parse().unwrap()), "{value}");
    }
    check("for=198.51.100.7", "198.51.100.7");
    check("For=\"198.51.100.7:4711\";proto=https", "198.51.100.7");
    check("for=\"[2001:db8::1]:4711\" , for=10.2.3.4", "2001:db8::1");
    check("for=6.6.6.6, for=198.51.100.7;by=_x, for=10.2.3.4", "198.51.100.7");
    check("for=198.51.100.7, for=unknown, for=10.2.3.4", "10.2.3.4");
    check("for=198.51.100.7, for=_hidden", "10.0.0.1");
    check("for=198.51.100.7, proto=https", "10.0.0.1");
    check("for=198.51.100.7;host=\"a, for=6.6.6.6\"", "198.51.100.7");
    check("for=198.51.100.7;x=\"\\\", for=6.6.6.6\"", "198.51.100.7");
    check(", for=198.51.100.7;,", "198.51.100.7");
    for malformed in
        ["for=198.51.100.7, for=\"10.1.1.1", "for", "for=", "for=a b", "for=1.1.1.1;for=2.2.2.2", "for=\"\\", "\u{e9}"]
    {
        check(malformed, "10.0.0.1");
    }
    let rest = "x-forwarded-proto: https\r\n";
    let expected = format!("x-forwarded-for: 198.51.100.7, 10.0.0.1\r\nx-real-ip: 198.51.100.7\r\n{rest}");
    check_told("Forwarded: for=198.51.100.7;proto=https;host=a.example\r\n", "198.51.100.7", &expected);
    // Where both came, the list counts.
    let rest = "x-forwarded-proto: http\r\nx-forwarded-port: 8080\r\n";
    let expected = format!("x-forwarded-for: 198.51.100.7, 10.0.0.1\r\nx-real-ip: 198.51.100.7\r\n{rest}");
    check_told("Forwarded: for=6.6.6.6;proto=https\r\nX-Forwarded-For: 198.51.100.7\r\n", "198.51.100.7", &expected);
}

#[test]
fn case_077_forwarded_is_quoted() {
    #[track_caller]
    fn check(address: Option<&str>, host: &str, expected: &str) {
        let forwarded = Forwarded { rfc7239: true, ..OFF };
        let address = address.map(|text| text.parse().unwrap());
        let peer = Peer::new(address, Some(8080), Scheme::Https, &[], forwarded);
        let text =
            format!("GET / HTTP/1.1\r\nHost: {host}\r\nForwarded: for=6.6.6.6\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n");
        let passed = pass(text.as_bytes(), &peer).unwrap();
        let head = format!("GET / HTTP/1.1\r\nhost: {host}\r\nforwarded: {expected}\r\nx-request-id: id1\r\n\r\n");
        assert_eq!(passed.write(&peer, &passed.plan()), head);
    }
    check(Some("[::1]:1234"), "a.example", "for=\"[::1]:1234\";host=\"a.example\";proto=https");
    check(Some("203.0.113.9:80"), "a.example:8080", "for=\"203.0.113.9:80\";host=\"a.example:8080\";proto=https");
    check(Some("[::ffff:203.0.113.9]:80"), "[::1]", "for=\"203.0.113.9:80\";host=\"[::1]\";proto=https");
    check(None, "a\"\\b", "for=unknown;host=\"a\\\"\\\\b\";proto=https");
}

#[test]
fn forwarded_and_via_append() {
    let peer = peer("10.0.0.1:4711", true, ALL);
    let out = sent("Via: 1.1 edge\r\nForwarded: for=_a, for=198.51.100.7\r\nForwarded: for=10.2.3.4\r\n", &peer);
    let list = "forwarded: for=_a, for=198.51.100.7\r\nforwarded: for=10.2.3.4\r\n\
        forwarded: for=\"10.0.0.1:4711\";host=\"a.example\";proto=http\r\nvia: 1.1 switchboard\r\n";
    assert!(out.contains("Via: 1.1 edge\r\n") && out.contains(list), "{out}");
    let out = sent("Forwarded: for=198.51.100.7, for=\"10.2.3.4\r\n", &peer);
    assert!(!out.contains("198.51.100.7"), "{out}");
}

#[test]
fn families_that_are_off_never_go_up() {
    for trusted in [false, true] {
        let lines = "X-Forwarded-For: 198.51.100.7\r\nForwarded: for=198.51.100.7\r\nX-Real-IP: 198.51.100.7\r\n\
            X-Forwarded-Proto: https\r\n";
        let out = sent(lines, &peer("10.0.0.1:4711", trusted, OFF));
        assert_eq!(out, "GET / HTTP/1.1\r\nhost: a.example\r\nx-request-id: id1\r\n\r\n");
    }
}

#[test]
fn a_unix_peer_has_no_address() {
    let peer = Peer::new(None, None, Scheme::Http, &[], PLAIN);
    let expected = "GET / HTTP/1.1\r\nhost: a.example\r\nx-forwarded-proto: http\r\nx-forwarded-host: a.example\r\n\
        x-request-id: id1\r\n\r\n";
    assert_eq!(sent("X-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n", &peer), expected);
    assert!(!Peer::new(None, None, Scheme::Http, &networks(), PLAIN).trusted());
}

#[test]
fn trust_goes_by_the_address_that_counts() {
    for (address, trusted) in
        [("10.0.0.1", true), ("[::ffff:10.0.0.1]", true), ("[fd00::1]", true), ("203.0.113.9", false)]
    {
        let address = format!("{address}:80").parse().unwrap();
        let peer = Peer::new(Some(address), None, Scheme::Http, &networks(), PLAIN);
        assert_eq!(peer.trusted(), trusted, "{address}");
    }
}

#[test]
fn a_peer_is_rendered_once() {
    let peer = Peer::new(Some("[2001:db8::1]:5".parse().unwrap()), Some(443), Scheme::Https, &[], PLAIN);
    let block = "x-forwarded-for: 2001:db8::1\r\nx-real-ip: 2001:db8::1\r\nx-forwarded-proto: https\r\n\
        x-forwarded-port: 443\r\n";
    assert!(sent("", &peer).contains(block));
}

#[test]
fn request_ids_of_trusted_peers_alone() {
    #[track_caller]
    fn check(id: &str, peer: &Peer, taken: bool) {
        let text = format!("GET / HTTP/1.1\r\nHost: a.example\r\nX-Request-ID: {id}\r\n\r\n");
        let passed = pass(text.as_bytes(), peer).unwrap();
        assert_eq!(passed.hop.request_id.map(|id| id.of(&passed.bytes)), taken.then_some(id.as_bytes()), "{id:?}");
        assert!(!passed.write(peer, &passed.plan()).contains("X-Request-ID"));
    }
    check("abc-123", &stranger(), false);
    check("abc-123", &balancer(), true);
    check(&"x".repeat(128), &balancer(), true);
    for id in ["", "a b", "a\tb", "\u{e9}", &"x".repeat(129)] {
        check(id, &balancer(), false);
    }
}

#[test]
fn case_135_what_is_vouched_for_is_known_to_caches() {
    let vouched = |lines: &str, peer: &Peer| {
        let passed = pass(format!("GET / HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n").as_bytes(), peer).unwrap();
        let mut out = Vec::new();
        passed.hop.vouched(&passed.head.fields, &passed.bytes, peer, &mut out);
        String::from_utf8(out).unwrap()
    };
    let lines = "X-Forwarded-For: 1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\nX-Request-Id: a\r\nX-A: b\r\n";
    assert_eq!(vouched(lines, &balancer()), "");
    let told = "X-Forwarded-Host: h\r\nX-Original-URL: /u\r\nX-Rewrite-URL: /r\r\nX-Forwarded-Prefix: /p\r\nX-Forwarded-User: w\r\n\
                X-Forwarded-Proto: https\r\nX-Client-Cert: c\r\nClient-Cert-Chain: d\r\n";
    assert_eq!(
        vouched(told, &balancer()),
        "host: h\r\nproto: https\r\nx-original-url: /u\r\nx-rewrite-url: /r\r\nx-forwarded-prefix: /p\r\n\
         x-forwarded-user: w\r\nx-client-cert: c\r\nclient-cert-chain: d\r\n"
    );
    assert_eq!(vouched(told, &stranger()), "");
    let shown = stranger().with_certificate("CN=a", &[1]);
    assert_eq!(vouched(told, &shown), "x-client-cert-subject: CN=a\r\nx-client-cert-fingerprint: 01\r\n");
    let all = peer("10.0.0.1:4711", true, ALL);
    let both = "X-Forwarded-Host: h\r\nForwarded: for=\"1.2.3.4\";host=other;proto=http, for=1.2.3.5\r\n";
    assert_eq!(vouched(both, &all), "host: h\r\nforwarded: host=other\r\nforwarded: proto=http\r\n");
}

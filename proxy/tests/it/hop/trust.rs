//! Cases 69–77: fields that say who the client is.

use crate::harness::{Message, Origin, Pair, Proxy, Wire, on_workers, route_to};

/// What the origin gets of a request with these lines, under this configuration.
#[track_caller]
fn forwarded(workers: usize, more: &str, lines: &str) -> Message {
    let Pair { proxy, origin } = Pair::with(workers, Origin::ok(), more);
    let answer = proxy.ask(format!("GET /p HTTP/1.1\r\nHost: t.test:8080\r\n{lines}\r\n"));
    assert_eq!(answer.status(), 200, "{answer:#?}");
    origin.wait_request(0)
}

const CLAIMS: &str = "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6;proto=https\r\nX-Real-IP: 6.6.6.6\r\n\
    X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 666\r\nX-Forwarded-Prefix: /evil\r\n\
    X-Forwarded-Server: evil\r\nX-Client-Cert: evil\r\nX-Client-Cert-Subject: evil\r\nX-Original-URL: /evil\r\n\
    X-Rewrite-URL: /evil\r\n";

#[track_caller]
fn assert_facts(request: &Message) {
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"), "{request:#?}");
    assert_eq!(request.field("x-real-ip"), Some("127.0.0.1"), "{request:#?}");
    assert_eq!(request.field("x-forwarded-proto"), Some("http"), "{request:#?}");
    assert_eq!(request.field("x-forwarded-host"), Some("t.test:8080"), "{request:#?}");
    assert!(request.field("x-forwarded-port").is_some_and(|p| p != "666"), "{request:#?}");
    for (name, value) in &request.fields {
        assert!(!value.contains("evil") && !value.contains("6.6.6.6") && value != "https", "{name}: {value}");
    }
    assert_eq!(request.field("host"), Some("t.test:8080"));
}

#[test]
fn case_069_claims_of_a_stranger() {
    on_workers(|workers| assert_facts(&forwarded(workers, "", CLAIMS)));
}

#[test]
fn case_070_chain_of_a_trusted_peer() {
    // (X-Forwarded-For as sent, the client as the upstream must see it)
    let chains = [
        ("1.2.3.4", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4, 10.0.0.9", "1.2.3.4"),
        ("6.6.6.6,1.2.3.4 ,10.0.0.9,  10.1.2.3", "1.2.3.4"),
        ("2001:db8::1", "2001:db8::1"),
        ("10.0.0.1, 10.0.0.2", "10.0.0.1"),
        // A bad token ends the walk: what stands left of it proves nothing.
        ("1.2.3.4, junk, 10.0.0.9", "10.0.0.9"),
        ("1.2.3.4, junk", "127.0.0.1"),
    ];
    on_workers(|workers| {
        let more = "trusted_proxies: [127.0.0.1/32, 10.0.0.0/8]\n";
        let Pair { proxy, origin } = Pair::with(workers, Origin::ok(), more);
        for (n, (chain, client)) in chains.into_iter().enumerate() {
            let path = format!("/{n}");
            proxy.ask(format!("GET {path} HTTP/1.1\r\nHost: t.test\r\nX-Forwarded-For: {chain}\r\n\r\n"));
            let request = origin.wait_request(n);
            assert_eq!(request.field("x-real-ip"), Some(client), "{chain}: {request:#?}");
            assert_eq!(proxy.wait_access_of(&path)["client"], client, "{chain}");
        }
        // Several lines are one list.
        proxy.ask(
            "GET /lines HTTP/1.1\r\nHost: t.test\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.2.3.4\r\n\
             X-Forwarded-Proto: https\r\n\r\n",
        );
        let request = origin.wait_request(chains.len());
        assert_eq!(request.field("x-real-ip"), Some("1.2.3.4"), "{request:#?}");
        assert_eq!(request.field("x-forwarded-proto"), Some("https"), "{request:#?}");
    });
}

#[test]
fn case_070_nobody_is_trusted_by_default() {
    on_workers(|workers| assert_facts(&forwarded(workers, "trusted_proxies: []\n", CLAIMS)));
}

#[test]
fn case_071_private_peers_are_not_trusted_unless_listed() {
    on_workers(|workers| {
        let more = "trusted_proxies: [10.0.0.0/8, 192.168.0.0/16, \"fd00::/8\", 127.0.0.2/32]\n";
        assert_facts(&forwarded(workers, more, CLAIMS));
        // The listed one is.
        let Pair { proxy, origin } = Pair::with(workers, Origin::ok(), more);
        let mut client = Wire::connect_from("127.0.0.2:0", proxy.address());
        client.send("GET / HTTP/1.1\r\nHost: t.test\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n");
        assert_eq!(client.response().status(), 200);
        assert_eq!(origin.wait_request(0).field("x-real-ip"), Some("6.6.6.6"));
    });
}

#[test]
fn case_072_aliases_of_names() {
    on_workers(|workers| {
        let lines = "X_Forwarded_For: 6.6.6.6\r\nX.Forwarded.For: 6.6.6.6\r\nX_forwarded-For: 6.6.6.6\r\n\
            X.Auth.User: 6.6.6.6\r\nX_Auth-User: 6.6.6.6\r\nContent_Length: 6.6.6.6\r\nTransfer.Encoding: 6.6.6.6\r\n\
            X-Fine: y\r\n";
        let request = forwarded(workers, "", lines);
        assert!(!request.fields.iter().any(|(n, v)| v == "6.6.6.6" || n.contains(['_', '.'])), "{request:#?}");
        assert_eq!(request.field("x-fine"), Some("y"));
        assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    });
}

#[test]
fn case_075_conditions_see_every_value() {
    on_workers(|workers| {
        let (canary, rest) = (Origin::named("canary"), Origin::named("rest"));
        let proxy = Proxy::start(
            workers,
            &format!(
                "routes:\n  t.test:\n    - {{ when: {{ headers: {{ x-canary: \"yes\" }} }}, to: {} }}\n    - to: {}\n",
                canary.address(),
                rest.address()
            ),
        );
        let ask = |lines: &str| proxy.ask(format!("GET / HTTP/1.1\r\nHost: t.test\r\n{lines}\r\n")).text();
        assert_eq!(ask("X-Canary: yes\r\n"), "canary");
        assert_eq!(ask("X-Canary: no\r\nX-Canary: yes\r\n"), "canary");
        assert_eq!(ask("X-Canary: yes\r\nX-Canary: no\r\n"), "canary");
        assert_eq!(ask("X-Canary: no\r\n"), "rest");
        assert_eq!(ask(""), "rest");
    });
}

#[test]
fn case_076_templates_do_not_break_lines() {
    on_workers(|workers| {
        let yaml =
            "routes:\n  t.test: { redirect: \"https://new.test{uri}&p={path}&q={query}&h={header.x}\", status: 302 }\n";
        let proxy = Proxy::start(workers, yaml);
        // Decoded line ends never come out of a template: in a path they are 400, in a query they stay encoded.
        let answer = proxy.get("t.test", "/a%0d%0aX-Evil:y");
        assert_eq!((answer.status(), answer.reason()), (400, "bad_request"));
        let answer = proxy.ask("GET /a?b=%0d%0aX-Evil:y HTTP/1.1\r\nHost: t.test\r\nX: %0d%0aX-Evil: y\r\n\r\n");
        assert_eq!(answer.status(), 302, "{answer:#?}");
        assert!(!answer.has("x-evil"), "{answer:#?}");
        assert!(answer.field("location").is_some_and(|l| l.starts_with("https://new.test/a?b=%0d%0aX-Evil:y")));
    });
}

#[test]
fn case_077_forwarded_of_rfc_7239() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let more = "forwarded: { rfc7239: true, x_forwarded: false }\nlisten: [\"[::1]:0\", { bind: \"127.0.0.1:0\", name: four }]\n";
        let proxy = Proxy::start(workers, &format!("{}{more}", route_to(&origin)));
        proxy.ask("GET /6 HTTP/1.1\r\nHost: t.test:8080\r\nForwarded: for=6.6.6.6\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n");
        let request = origin.wait_request(0);
        let forwarded = request.field("forwarded").expect("no Forwarded").to_ascii_lowercase();
        // An IPv6 address is quoted and bracketed (RFC 7239 §6), a host with a port quoted.
        assert!(forwarded.contains("for=\"[::1]"), "{forwarded}");
        assert!(forwarded.contains("host=\"t.test:8080\"") && forwarded.contains("proto=http"), "{forwarded}");
        assert!(!request.has("x-forwarded-for") && !forwarded.contains("6.6.6.6"), "{request:#?}");
        let mut four = Wire::connect(proxy.address_of("four"));
        four.send("GET /4 HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(four.response().status(), 200);
        let forwarded = origin.wait_request(1).field("forwarded").expect("no Forwarded").to_ascii_lowercase();
        assert!(forwarded.contains("for=127.0.0.1") || forwarded.contains("for=\"127.0.0.1:"), "{forwarded}");
    });
}

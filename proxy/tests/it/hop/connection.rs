//! Cases 62–68: what `Connection` may take away, and what never passes.

use crate::harness::{Message, Origin, Pair, on_workers, refused};

/// What the origin gets of a request with these lines.
#[track_caller]
fn forwarded(lines: &str, check: impl Fn(&Message, &str)) {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        let mut client = proxy.connect();
        let port = client.local().port().to_string();
        client.send(format!("GET /h HTTP/1.1\r\nHost: t.test\r\n{lines}\r\n"));
        assert_eq!(client.response().status(), 200, "{lines:?}");
        check(&origin.wait_request(0), &port);
    });
}

#[test]
fn case_062_connection_nominates_trust_fields() {
    forwarded(
        "X-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Forwarded-Proto: https\r\n\
         X-Forwarded-Host: evil\r\nX-Any: y\r\n\
         Connection: X-Forwarded-For, X-Real-IP, Forwarded, X-Forwarded-Proto, X-Forwarded-Host, X-Any\r\n",
        |request, _| {
            assert_ours(request);
            assert!(!request.has("x-any"), "a nominated field passed: {request:#?}");
        },
    );
}

/// The forwarding fields are there once, and ours.
#[track_caller]
fn assert_ours(request: &Message) {
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"), "{request:#?}");
    assert_eq!(request.field("x-real-ip"), Some("127.0.0.1"), "{request:#?}");
    assert_eq!(request.field("x-forwarded-proto"), Some("http"), "{request:#?}");
    assert_eq!(request.field("x-forwarded-host"), Some("t.test"), "{request:#?}");
    assert!(request.field("x-forwarded-port").is_some(), "{request:#?}");
    assert!(!request.has("forwarded"), "{request:#?}");
    assert!(!request.fields.iter().any(|(_, v)| v.contains("6.6.6.6") || v.contains("evil")), "{request:#?}");
}

#[test]
fn case_063_connection_nominates_in_every_spelling() {
    forwarded(
        "X-FORWARDED-FOR: 6.6.6.6\r\nx-real-ip: 6.6.6.6\r\nX-One: 6.6.6.6\r\nX-Two: 6.6.6.6\r\nX-Three: 6.6.6.6\r\n\
         connection: \tx-forwarded-FOR\t,\tX-REAL-ip\r\nCONNECTION: x-one\r\nConnection: keep-alive, , X-TWO,x-three\t\r\n",
        |request, _| assert_ours(request),
    );
}

#[test]
fn case_064_connection_nominates_what_steers() {
    let names = [
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Authorization",
        "Cookie",
        "Cache-Control",
        ":path",
        "host",
        "X-A, cookie",
        "close, AUTHORIZATION",
    ];
    refused(&names.map(|n| {
        format!(
            "GET / HTTP/1.1\r\nHost: t.test\r\nContent-Length: 0\r\nAuthorization: x\r\nCookie: a=b\r\nConnection: {n}\r\n\r\n"
        )
    }));
}

#[test]
fn case_065_connection_nominates_what_the_proxy_adds() {
    // X-Request-Id is ours to add: it is added after the stripping, so it survives.
    forwarded("X-Request-Id: evil\r\nConnection: X-Request-Id, X-Forwarded-Port\r\n", |request, _| {
        let id = request.field("x-request-id").expect("no request id");
        assert!(!id.is_empty() && id != "evil", "{id:?}");
        assert!(request.has("x-forwarded-port"), "{request:#?}");
    });
}

#[test]
fn case_066_connection_that_is_malformed() {
    let many = (0..33).map(|n| format!("x{n}")).collect::<Vec<_>>().join(", ");
    let values = ["a b", "a;b", "\"close\"", "close=1", "(close)", "clo\u{e4}se", many.as_str()];
    let mut inputs: Vec<String> =
        values.iter().map(|v| format!("GET / HTTP/1.1\r\nHost: t.test\r\nConnection: {v}\r\n\r\n")).collect();
    let lines: String = (0..33).map(|n| format!("Connection: x{n}\r\n")).collect();
    inputs.push(format!("GET / HTTP/1.1\r\nHost: t.test\r\n{lines}\r\n"));
    refused(&inputs);
}

#[test]
fn case_067_hop_by_hop_fields_of_requests() {
    for lines in [
        "Keep-Alive: timeout=5\r\n",
        "Proxy-Connection: keep-alive\r\n",
        "TE: gzip\r\nConnection: TE\r\n",
        "TE: gzip;q=0.5\r\n",
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\n",
        "Connection: upgrade, keep-alive\r\nKeep-Alive: timeout=5\r\n",
    ] {
        forwarded(lines, |request, _| {
            for name in ["keep-alive", "proxy-connection", "te", "upgrade"] {
                assert!(!request.has(name), "{lines:?}: {request:#?}");
            }
            let connection = request.field("connection").unwrap_or_default().to_ascii_lowercase();
            assert!(matches!(connection.as_str(), "" | "keep-alive"), "{lines:?}: {connection:?}");
        });
    }
}

#[test]
fn case_067_te_trailers_may_pass() {
    forwarded("TE: trailers\r\nConnection: TE\r\n", |request, _| {
        if let Some(te) = request.field("te") {
            assert_eq!(te, "trailers");
            // Whoever sends TE must nominate it (RFC 9110 §10.1.4).
            assert!(request.field("connection").is_some_and(|c| c.to_ascii_lowercase().contains("te")));
        }
    });
}

#[test]
fn case_067_hop_by_hop_fields_of_answers() {
    on_workers(|workers| {
        let origin = Origin::answering(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n\
             Upgrade: websocket\r\nConnection: keep-alive, X-Hop, Upgrade\r\nX-Hop: y\r\nX-End: z\r\n\r\nok",
        );
        let Pair { proxy, origin: _origin } = Pair::new(workers, origin);
        let answer = proxy.ask("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        for name in ["keep-alive", "proxy-connection", "upgrade", "x-hop"] {
            assert!(!answer.has(name), "{answer:#?}");
        }
        assert_eq!((answer.field("x-end"), answer.text().as_str()), (Some("z"), "ok"));
    });
}

#[test]
fn case_068_proxy_fields() {
    forwarded(
        "Proxy-Authorization: Basic eA==\r\nProxy-Authenticate: Basic\r\nProxy: http://evil/\r\nAuthorization: mine\r\n",
        |request, _| {
            for name in ["proxy-authorization", "proxy-authenticate", "proxy"] {
                assert!(!request.has(name), "{request:#?}");
            }
            assert_eq!(request.field("authorization"), Some("mine"));
        },
    );
}

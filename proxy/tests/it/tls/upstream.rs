//! Endpoints over TLS: verified, named, and what a client is told where they are not what they should be.

use super::peer::Authority;
use crate::harness::{Origin, Proxy, assert_own_answer, on_workers};

/// A proxy whose routes lead to another proxy's TLS, and the answers that it gives for them.
fn front(workers: usize, authority: &Authority, back: &Proxy, routes: &str) -> Proxy {
    let at = format!("https://127.0.0.1:{}", back.port());
    let ca = authority.path("ca.pem").display().to_string();
    Proxy::start(workers, &routes.replace("{AT}", &at).replace("{CA}", &ca))
}

fn back(workers: usize, authority: &Authority, pair: &str) -> Proxy {
    let text = format!(
        "listen: {{ bind: 127.0.0.1:0, tls: {{ certificates: {} }} }}\nroutes: {{ \"*\": {{ respond: back }} }}\n",
        authority.pair(pair)
    );
    Proxy::start(workers, &text)
}

#[test]
fn an_endpoint_that_is_what_it_says_answers() {
    let authority = Authority::new();
    authority.issue("a", &["a.internal", "127.0.0.1"]);
    on_workers(|workers| {
        let back = back(workers, &authority, "a");
        let routes = "upstreams:\n  by-name: { endpoints: [\"{AT}\"], tls: { ca: {CA}, server_name: a.internal }, host: a.internal }\n  \
                      by-address: { endpoints: [\"{AT}\"], tls: { ca: {CA} }, host: upstream }\n  \
                      anybody: { endpoints: [\"{AT}\"], tls: { insecure_skip_verify: true }, host: upstream }\n\
                      routes: { t.test/name: by-name, t.test/address: by-address, t.test/anybody: anybody }\n";
        let front = front(workers, &authority, &back, routes);
        for path in ["/name", "/name", "/address", "/anybody"] {
            assert_eq!(front.get("t.test", path).text(), "back", "{path}");
        }
        front.wait_log("not verified: anybody in between");
    });
}

#[test]
fn case_169_an_endpoint_that_is_not() {
    let authority = Authority::new();
    authority.issue("a", &["a.internal"]);
    let stranger = Authority::new();
    on_workers(|workers| {
        let back = back(workers, &authority, "a");
        let strange = stranger.path("ca.pem").display().to_string();
        let routes = "upstreams:\n  wrong-name: { endpoints: [\"{AT}\"], tls: { ca: {CA} } }\n  \
                      stranger: { endpoints: [\"{AT}\"], tls: { ca: {STRANGE}, server_name: a.internal } }\n  \
                      system: { endpoints: [\"{AT}\"], tls: { server_name: a.internal } }\n\
                      routes: { t.test/name: wrong-name, t.test/stranger: stranger, t.test/system: system }\n";
        let front = front(workers, &authority, &back, &routes.replace("{STRANGE}", &strange));
        for (path, says) in
            [("/name", "for another name"), ("/stranger", "issued by nobody"), ("/system", "issued by nobody")]
        {
            let answer = front.get("t.test", path);
            assert_own_answer(&answer, 502, "tls_failed");
            assert!(answer.text().contains(says), "{path}: {}", answer.text());
        }
    });
}

#[test]
fn case_170_an_endpoint_that_speaks_plain_text() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| wire.offer("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"));
        let text = format!("routes: {{ t.test: \"https://{}\" }}\n", origin.address());
        let proxy = Proxy::start(workers, &text);
        let answer = proxy.get("t.test", "/");
        assert_own_answer(&answer, 502, "tls_failed");
        assert!(!answer.text().contains("evil"), "{}", answer.text());
    });
}

/// A connection with its handshake has two thirds more than `timeouts.connect`: 5 s of 3.
#[test]
fn an_endpoint_that_never_shakes_hands_is_given_up() {
    on_workers(|workers| {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let text = format!(
            "timeouts: {{ connect: 600ms }}\nroutes: {{ t.test: \"https://{}\" }}\n",
            silent.local_addr().unwrap()
        );
        let proxy = Proxy::start(workers, &text);
        let asked = std::time::Instant::now();
        let answer = proxy.get("t.test", "/");
        assert_eq!((answer.status(), answer.reason()), (504, "connect_timeout"));
        let took = asked.elapsed();
        assert!((950..6000).contains(&took.as_millis()), "{took:?}");
        proxy.stop();
    });
}

#[test]
fn an_endpoint_may_choose_http2_and_upgrades_go_as_http1_where_it_takes_no_tunnels() {
    let authority = Authority::new();
    authority.issue("a", &["127.0.0.1"]);
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            while let Some(request) = wire.request() {
                if let Some(key) = request.field("sec-websocket-key") {
                    let proof = switchboard_core::websocket::accept(key.as_bytes());
                    wire.send(format!(
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Accept: {}\r\n\r\n",
                        String::from_utf8_lossy(&proof)
                    ));
                    let _ = wire.rest();
                    return;
                }
                wire.offer(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.body.len()));
                wire.offer(&request.body);
            }
        });
        let text = format!(
            "listen: {{ bind: 127.0.0.1:0, tls: {{ certificates: {} }} }}\nroutes: {{ \"*\": \"{}\" }}\n",
            authority.pair("a"),
            origin.address()
        );
        let back = Proxy::start(workers, &text);
        let routes = "upstreams: { tls: { endpoints: [\"{AT}\"], tls: { ca: {CA} } } }\nroutes: { t.test: tls }\n";
        let front = front(workers, &authority, &back, routes);
        let upgrade = "GET /ws HTTP/1.1\r\nHost: t.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        // The first upgrade finds no connection: nobody knows yet whether HTTP/2 would carry it.
        let mut client = front.send(upgrade);
        assert_eq!(client.head().status(), 101);
        let large = "0123456789abcdef".repeat(20_000);
        // All of one client, and so of one worker: each has connections of its own.
        let mut second = front.connect();
        for body in ["", "small", &large] {
            second.send(format!("POST / HTTP/1.1\r\nHost: t.test\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
            let answer = second.response();
            assert_eq!((answer.status(), answer.text() == body), (200, true), "{} bytes", answer.body.len());
        }
        // This one goes by a stream of the connection that is there.
        second.send(upgrade);
        assert_eq!(second.head().status(), 101);
        drop((client, second));
        let mut protocols: Vec<String> =
            (0..5).map(|line| back.wait_access(line)["protocol"].as_str().unwrap().to_owned()).collect();
        protocols.sort();
        assert_eq!(protocols, ["HTTP/1.1", "HTTP/2.0", "HTTP/2.0", "HTTP/2.0", "HTTP/2.0"]);
    });
}

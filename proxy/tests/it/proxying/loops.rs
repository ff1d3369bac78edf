//! Routes that lead to the proxy itself: a loop ends with 508, and a way through another rule is none.

use crate::harness::{Message, Origin, Proxy, TempDir, on_workers, poll, run};
use std::net::SocketAddr;

/// Starts a proxy, and tells it routes in which `ADDRESS` is its own address.
fn proxy(workers: usize, routes: &str) -> Proxy {
    let proxy = Proxy::start(workers, "routes: { t.test: { respond: first } }\n");
    reload(&proxy, routes, proxy.address());
    proxy
}

fn reload(proxy: &Proxy, routes: &str, address: SocketAddr) {
    proxy.write_config(&routes.replace("ADDRESS", &address.to_string()));
    proxy.signal("HUP");
    proxy.wait_log("the configuration is in force");
}

/// The reason is in the answer of the one who saw it, and whoever asked it passes it on.
#[track_caller]
fn loops(answer: &Message) {
    assert_eq!((answer.status(), answer.field("x-switchboard-reason")), (508, Some("loop")), "{}", answer.text());
}

#[test]
fn a_route_to_itself_ends() {
    on_workers(|workers| {
        let proxy = proxy(workers, "routes:\n  t.test: ADDRESS\n  u.test: { to: ADDRESS, host: t.test }\n");
        let before = proxy.idle_sockets();
        for _ in 0..8 {
            loops(&proxy.get("t.test", "/"));
            loops(&proxy.get("u.test", "/x?y"));
        }
        let handshake = "GET /ws HTTP/1.1\r\nHost: t.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        loops(&proxy.ask(handshake));
        loops(&proxy.ask("POST / HTTP/1.1\r\nHost: t.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"));
        // Once it is known whose the endpoint is, the second look is the last.
        let passes = || proxy.access().iter().filter(|line| line["path"] == "/ws").count();
        poll("two lines for one handshake", || (passes() == 2).then_some(()));
        // Those that are kept are idle.
        proxy.wait_sockets(before + 8 * workers);
        proxy.stop();
    });
}

#[test]
fn two_routes_to_each_other_end() {
    on_workers(|workers| {
        let routes = "routes:\n  a.test: { to: ADDRESS, host: b.test }\n  b.test: { to: ADDRESS, host: a.test }\n";
        let proxy = proxy(workers, routes);
        (0..4).for_each(|_| loops(&proxy.get("a.test", "/")));
        proxy.stop();
    });
}

#[test]
fn a_loop_over_http2_ends() {
    on_workers(|workers| {
        let yaml = "listen: { bind: \"127.0.0.1:0\", h2c: true }\n";
        let proxy = Proxy::start(workers, &format!("{yaml}routes: {{ t.test: {{ respond: first }} }}\n"));
        reload(&proxy, &format!("{yaml}routes: {{ t.test: \"h2c://ADDRESS\" }}\n"), proxy.address());
        (0..4).for_each(|_| loops(&proxy.get("t.test", "/")));
        proxy.stop();
    });
}

#[test]
fn a_service_that_asks_itself_ends() {
    on_workers(|workers| {
        let routes = "routes:\n  \"*\": { respond: hello, forward_auth: { url: \"http://ADDRESS/\" } }\n";
        let proxy = proxy(workers, routes);
        for _ in 0..4 {
            let answer = proxy.get("t.test", "/");
            assert!(answer.status() >= 500, "{}", answer.text());
        }
        assert!(proxy.access().len() < 20, "{:?}", proxy.access().len());
        proxy.stop();
    });
}

#[test]
fn a_way_through_other_rules_is_no_loop() {
    on_workers(|workers| {
        let origin = Origin::named("here");
        let routes = "routes:\n  a.test: { to: ADDRESS, host: b.test }\n  b.test: { to: ADDRESS, host: c.test }\n";
        let proxy = proxy(workers, &format!("{routes}  c.test: {}\n", origin.address()));
        for host in ["a.test", "b.test", "a.test", "b.test"] {
            // What a client says of it is nothing.
            let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\nX-Switchboard-Passed: 0123456789abcdef\r\n");
            let answer = proxy.ask(format!("{head}Connection: close\r\n\r\n"));
            assert_eq!(answer.text(), "here");
        }
        assert!(origin.requests().iter().all(|request| request.field("x-switchboard-passed").is_none()));
        proxy.stop();
    });
}

#[test]
fn two_proxies_in_a_row_are_no_loop() {
    on_workers(|workers| {
        let last = proxy(workers, "routes:\n  t.test: { to: ADDRESS, host: u.test }\n  u.test: { respond: last }\n");
        let first = Proxy::start(workers, &format!("routes: {{ t.test: {} }}\n", last.address()));
        (0..4).for_each(|_| assert_eq!(first.get("t.test", "/").text(), "last"));
        first.stop();
        last.stop();
    });
}

#[test]
fn check_says_where_the_address_stands() {
    let dir = TempDir::new();
    dir.write("own.yaml", "listen: 127.0.0.1:8080\nroutes:\n  t.test: localhost:8080\n");
    let output = run(dir.path(), &["check", "-c", "own.yaml"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("own.yaml:3:11: warning: `localhost:8080` is this proxy's own"),
        "{said}"
    );
}

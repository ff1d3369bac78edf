//! Probes: of each kind, matched and not, with the state visible and kept.

use super::{Patient, wait_state};
use crate::harness::{Origin, Proxy, on_workers, poll, ws};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const FAST: &str = "interval: 200ms, timeout: 1s, fails: 2, passes: 2";

fn pool(health: &str, endpoints: &[&str]) -> String {
    let list: Vec<String> = endpoints.iter().map(|address| format!("\"{address}\"")).collect();
    format!(
        "admin: 127.0.0.1:0\nroutes: {{ t.test: app }}\nupstreams:\n  app:\n    endpoints: [{}]\n    health: {{ {health} }}\n",
        list.join(", ")
    )
}

#[test]
fn an_endpoint_whose_probes_fail_gets_no_request_until_they_pass() {
    on_workers(|workers| {
        let (a, b) = (Patient::start("a"), Patient::start("b"));
        let (first, second) = (a.origin.address(), b.origin.address());
        let text = pool(&format!("http: /healthz, {FAST}"), &[&first, &second]);
        let proxy = Proxy::start(workers, &text);
        wait_state(&proxy, &first, "up");
        a.set_health(503);
        let shown = wait_state(&proxy, &first, "failing");
        assert_eq!(shown["probes"]["last"], "http: status 503");
        let line = proxy.wait_log("probes fail");
        assert!(line.contains(&first) && line.contains("status 503"), "{line}");
        let before = a.served();
        for _ in 0..20 {
            assert_eq!(proxy.get("t.test", "/").text(), "b");
        }
        assert_eq!(a.served(), before);
        // What is known outlives a reload that changes something else.
        proxy.write_config(&format!("{text}timeouts: {{ connect: 2s }}\n"));
        proxy.wait_log("in force");
        assert_eq!(wait_state(&proxy, &first, "failing")["probes"]["state"], "failing");
        assert_eq!(proxy.get("t.test", "/").text(), "b");
        a.set_health(204);
        wait_state(&proxy, &first, "up");
        proxy.wait_log("probes pass");
        poll("requests for both", || (proxy.get("t.test", "/").text() == "a").then_some(()));
        proxy.stop();
    });
}

#[test]
fn experiment_11_all_down_is_503_at_once_and_over_within_an_interval() {
    on_workers(|workers| {
        let a = Patient::start("a");
        a.set_health(500);
        let address = a.origin.address();
        let proxy = Proxy::start(workers, &pool("http: /healthz, interval: 300ms, passes: 1", &[&address]));
        wait_state(&proxy, &address, "failing");
        for _ in 0..5 {
            let answer = proxy.get("t.test", "/");
            assert_eq!((answer.status(), answer.reason()), (503, "no_endpoint"));
        }
        assert_eq!(a.served(), 0);
        a.set_health(200);
        poll("the service again", || (proxy.get("t.test", "/").status() == 200).then_some(()));
        // No stampede: what could not be served was refused, not kept.
        assert!(a.served() <= 2, "{}", a.served());
        proxy.stop();
    });
}

#[test]
fn a_probe_asks_as_it_is_told() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let origin = Origin::start(move |wire, _| {
        while let Some(request) = wire.request() {
            seen.lock().unwrap().push(request.clone());
            wire.send(
                "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 418 x\r\nX-Ready: \r\nTransfer-Encoding: chunked\r\n\r\n",
            );
            wire.send("5\r\nit is\r\n3\r\n ok\r\n0\r\n\r\n");
        }
    });
    let (port, nowhere) = (origin.port(), "127.0.0.1:9");
    let health = format!(
        "http: {{ path: \"/h?x=1\", port: {port}, method: POST, headers: {{ Host: own.test, X-A: b }}, body: hello, \
         username: me, password: secret, match: {{ status: [200, 410-420], headers: {{ x-ready: \"\" }}, \
         body: {{ contains: \"is ok\" }} }} }}, {FAST}"
    );
    let proxy = Proxy::start(1, &pool(&health, &[nowhere]));
    let shown = wait_state(&proxy, nowhere, "up");
    assert!(shown["places"][0] == nowhere, "{shown}");
    poll("an answer that passes", || (super::endpoint(&proxy, nowhere)["probes"]["state"] == "passing").then_some(()));
    let request = heads.lock().unwrap()[0].clone();
    assert_eq!((request.method(), request.target()), ("POST", "/h?x=1"));
    assert_eq!(request.field("host"), Some("own.test"));
    assert_eq!(request.field("x-a"), Some("b"));
    assert_eq!(request.field("authorization"), Some("Basic bWU6c2VjcmV0"));
    assert_eq!(request.text(), "hello");
    assert!(!proxy.log().join("\n").contains("secret"));
    proxy.stop();
}

#[test]
fn answers_that_do_not_match_say_why() {
    let check = |answer: &'static str, matched: &str, words: &str| {
        let origin = Origin::closing(answer);
        let address = origin.address();
        let proxy =
            Proxy::start(1, &pool(&format!("http: {{ path: /, match: {{ {matched} }} }}, {FAST}"), &[&address]));
        let shown = wait_state(&proxy, &address, "failing");
        assert_eq!(shown["probes"]["last"], words);
    };
    check("HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n", "status: 200-299", "http: status 404");
    check(
        "HTTP/1.1 200 x\r\nX-S: bad\r\nContent-Length: 0\r\n\r\n",
        "headers: { x-s: { regex: '^(ok|good)$' } }",
        "http: status 200, and the header x-s is \"bad\", which does not match '^(ok|good)$'",
    );
    check(
        "HTTP/1.1 200 x\r\nContent-Length: 3\r\n\r\nbad",
        "body: { contains: ok }",
        "http: status 200, and the answer's body is \"bad\", which does not contain \"ok\"",
    );
    check("", "status: 200", "http: it closed the connection without an answer");
}

#[test]
fn a_handshake_is_verified_and_ended_politely() {
    let closes = Arc::new(AtomicUsize::new(0));
    let (seen, fault) = (Arc::clone(&closes), Arc::new(AtomicUsize::new(0)));
    let wrong = Arc::clone(&fault);
    let origin = Origin::start(move |wire, _| {
        let Some(request) = wire.request() else { return };
        let key = request.field("sec-websocket-key").unwrap().to_owned();
        assert_eq!(key.len(), 24);
        assert_eq!(request.field("x-health-check"), Some("switchboard"));
        let accept = switchboard_core::websocket::accept(key.as_bytes());
        let accept = String::from_utf8(accept.to_vec()).unwrap();
        let status = if wrong.load(Ordering::SeqCst) == 2 { "ill" } else { "healthy-1" };
        let accept = if wrong.load(Ordering::SeqCst) == 1 { ws::ACCEPT.to_owned() } else { accept };
        wire.send(format!(
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\nX-Status: {status}\r\n\r\n"
        ));
        let rest = wire.rest();
        if rest.len() == 8
            && rest[..2] == [0x88, 0x82]
            && u16::from_be_bytes([rest[6] ^ rest[2], rest[7] ^ rest[3]]) == 1000
        {
            seen.fetch_add(1, Ordering::SeqCst);
        }
    });
    let address = format!("ws://{}", origin.address());
    let health = format!(
        "ws: {{ path: /health/ws, headers: {{ x-health-check: switchboard }}, match: {{ headers: {{ x-status: {{ regex: '^healthy' }} }} }} }}, {FAST}"
    );
    let proxy = Proxy::start(1, &pool(&health, &[&address]));
    poll("a probe that passes", || (super::endpoint(&proxy, &address)["probes"]["state"] == "passing").then_some(()));
    poll("its Close", || (closes.load(Ordering::SeqCst) > 0).then_some(()));
    fault.store(1, Ordering::SeqCst);
    let shown = wait_state(&proxy, &address, "failing");
    assert!(shown["probes"]["last"].as_str().unwrap().contains("Sec-WebSocket-Accept"), "{shown}");
    fault.store(2, Ordering::SeqCst);
    poll("the header's fault", || {
        super::endpoint(&proxy, &address)["probes"]["last"].as_str()?.contains("does not match").then_some(())
    });
    fault.store(0, Ordering::SeqCst);
    wait_state(&proxy, &address, "up");
    proxy.stop();
}

#[test]
fn several_checks_must_all_pass_and_tcp_is_one() {
    let a = Patient::start("a");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    let address = a.origin.address();
    let proxy = Proxy::start(1, &pool(&format!("http: /healthz, tcp: {{ port: {port} }}, {FAST}"), &[&address]));
    poll("both to pass", || (super::endpoint(&proxy, &address)["probes"]["state"] == "passing").then_some(()));
    let shown = super::endpoint(&proxy, &address);
    assert_eq!(shown["probes"]["last"], "http: status 200, tcp: connected");
    drop(closed);
    let shown = wait_state(&proxy, &address, "failing");
    assert_eq!(shown["probes"]["last"], "tcp: connection refused");
    proxy.stop();
}

#[test]
fn a_hung_endpoint_fails_by_time_and_probes_do_not_pile_up() {
    let a = Patient::start("a");
    let address = a.origin.address();
    let proxy = Proxy::start(1, &pool("http: /healthz, interval: 100ms, timeout: 500ms, fails: 2", &[&address]));
    poll("a probe that passes", || (super::endpoint(&proxy, &address)["probes"]["state"] == "passing").then_some(()));
    a.set_health(0);
    let shown = wait_state(&proxy, &address, "failing");
    assert_eq!(shown["probes"]["last"], "http: no answer within 500ms");
    assert!(a.origin.open() <= 2, "one probe at a time: {}", a.origin.open());
    proxy.stop();
}

#[test]
fn endpoints_are_chosen_by_tag() {
    let (a, b) = (Patient::start("a"), Patient::start("b"));
    let text = format!(
        "routes: {{ blue.test: blue, all.test: all }}\nupstreams:\n  blue: {{ from: all, tags: [blue, teal] }}\n  all:\n    \
         endpoints: [{{ address: \"{}\", tags: blue }}, {{ address: \"{}\", tags: [green] }}]\n",
        a.origin.address(),
        b.origin.address()
    );
    let proxy = Proxy::start(2, &text);
    for _ in 0..6 {
        assert_eq!(proxy.get("blue.test", "/").text(), "a");
    }
    poll("the other among all", || (proxy.get("all.test", "/").text() == "b").then_some(()));
    proxy.stop();
}

//! `/v1/drains`: a drain that goes on whatever else happens, and counts its own streams.

use super::{ADMIN, ask, change, json};
use crate::harness::ws::{CLOSE, agree, expect_close, frame, open};
use crate::harness::{Origin, Proxy, Wire, on_workers, poll, run};

/// A proxy with two open WebSockets on the route `t.test`.
fn with_two(workers: usize) -> (Proxy, Origin, [Wire; 2]) {
    let origin = Origin::start(|wire, _| {
        if agree(wire).is_some() {
            while let Some(bytes) = wire.at_least(1) {
                wire.send(bytes);
            }
        }
    });
    let proxy = Proxy::start(workers, &text(&origin));
    let clients = [(); 2].map(|()| {
        let mut client = proxy.connect();
        open(&mut client, "t.test", "/ws");
        client
    });
    (proxy, origin, clients)
}

fn text(origin: &Origin) -> String {
    format!("{ADMIN}routes:\n  t.test: {}\n", origin.address())
}

/// Asks for a drain of `t.test`, and gives its number.
#[track_caller]
fn drain(proxy: &Proxy, spread: &str) -> u64 {
    let body = format!(r#"{{"name": "t.test", "spread_ms": {spread}, "code": 3001}}"#);
    let begun = json(&change(proxy, "POST /v1/drains", &body));
    assert_eq!(begun["drain"]["matched"], 2, "{begun}");
    begun["id"].as_u64().unwrap()
}

#[track_caller]
fn left(proxy: &Proxy, id: u64) -> u64 {
    let token = format!("Authorization: Bearer {}", proxy.token());
    json(&ask(proxy, &format!("GET /v1/drains/{id}"), &[&token]))["drain"]["left"].as_u64().unwrap()
}

#[test]
fn a_drain_goes_on_through_a_reload() {
    on_workers(|workers| {
        let (proxy, origin, mut clients) = with_two(workers);
        drain(&proxy, "3000");
        proxy.write_config(&format!("{}  new.test: {{ respond: new }}\n", text(&origin)));
        poll("the reload", || (proxy.get("new.test", "/").status() == 200).then_some(()));
        for client in &mut clients {
            expect_close(client, 3001);
        }
    });
}

#[test]
fn two_drains_of_the_same_streams_count_each_for_itself() {
    on_workers(|workers| {
        let (proxy, _origin, mut clients) = with_two(workers);
        let drains = [drain(&proxy, "3600000"), drain(&proxy, "3000000"), drain(&proxy, "0")];
        for client in &mut clients {
            expect_close(client, 3001);
            assert!(drains.iter().all(|id| left(&proxy, *id) >= 1), "they have not all ended");
            client.send(frame(CLOSE, &3001_u16.to_be_bytes(), true));
        }
        for id in drains {
            poll("all have ended", || (left(&proxy, id) == 0).then_some(()));
        }
    });
}

#[test]
fn who_looks_is_answered_while_the_proxy_drains_and_who_changes_is_told() {
    let (mut proxy, _origin, clients) = with_two(1);
    let config = proxy.config().display().to_string();
    proxy.signal("TERM");
    poll("the drain to begin", || (ask(&proxy, "GET /ready", &[]).status() == 503).then_some(()));
    assert_eq!(json(&ask(&proxy, "GET /v1/routes", &[]))["routes"][0]["key"], "t.test");
    for command in [&["route", "list"][..], &["endpoint", "list"], &["explain", "--online", "http://t.test/"]] {
        let output = run(proxy.dir().path(), &[command, &["-c", &config]].concat());
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && (said.contains("t.test") || said.contains("127.0.0.1")),
            "{command:?}: {said}"
        );
    }
    for line in ["POST /v1/reload", "PUT /v1/routes/b.test", "DELETE /v1/routes/t.test"] {
        let answer = change(&proxy, line, r#"{"respond": "b"}"#);
        assert_eq!(answer.status(), 503, "{line}");
        assert!(answer.text().contains("stopping"), "{}", answer.text());
    }
    drop(clients);
    assert_eq!(proxy.wait_exit().code(), Some(0));
}

//! `wait`: requests and handshakes are held while nobody accepts connections, and then answered.

use super::{GET, POST, dead, group, reload};
use crate::harness::{Node, Origin, Proxy, Wire, assert_own_answer, on_workers, poll, poll_for, websocket_judge};
use std::time::{Duration, Instant};

const TUNNEL: &str = "GET / HTTP/1.1\r\nHost: t.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A server as a developer has it: it answers, and it speaks WebSocket.
const SERVER: &str = "const { WebSocketServer } = require('ws'); const http = require('http');\
    const server = http.createServer((q, s) => { q.resume(); q.on('end', () => s.end('from node')); });\
    const ws = new WebSocketServer({ server });\
    ws.on('connection', (socket) => socket.send('hello'));\
    server.listen(Number(process.argv[2]), '127.0.0.1', 511, () => console.log(server.address().port));";

#[test]
fn a_server_that_restarts_is_waited_for() {
    let Some(judge) = websocket_judge("a_server_that_restarts_is_waited_for") else { return };
    on_workers(|workers| {
        let mut node = Node::run(&judge, SERVER, &["0"]);
        let port = node.wait_line(0);
        let proxy = group(workers, &[format!("127.0.0.1:{port}")], "", "wait: { for: 30s, requests: 200 }");
        assert_eq!(proxy.ask(GET).text(), "from node");
        node.kill();
        let requests: Vec<Wire> = (0..50).map(|n| proxy.send(if n % 2 == 0 { GET } else { POST })).collect();
        let tunnels: Vec<Wire> = (0..50).map(|_| proxy.send(TUNNEL)).collect();
        proxy.wait_access(0);
        assert!(proxy.access().len() == 1, "somebody was answered while nobody could: {:?}", proxy.access());
        let node = Node::run(&judge, SERVER, &[&port]);
        node.wait_line(0);
        for mut client in requests {
            assert_eq!(client.response().text(), "from node");
        }
        for mut client in tunnels {
            assert_eq!(client.head().status(), 101);
        }
    });
}

/// However many are held, one connect at a time finds out: the origin sees the trial and each request once.
#[test]
fn one_trial_for_all_who_are_held() {
    on_workers(|workers| {
        let (socket, address) = dead();
        let proxy = group(workers, &[address.to_string()], "", "wait: 20s");
        let mut clients: Vec<Wire> = (0..60).map(|_| proxy.send(GET)).collect();
        drop(socket);
        let origin = Origin::start_at(address, |wire, _| {
            while wire.request().is_some() {
                wire.offer(super::OK);
            }
        });
        for client in &mut clients {
            assert_eq!(client.response().text(), "ok");
        }
        let connections = origin.connections();
        assert!(connections <= 60 + 2 * workers, "{connections} connections for 60 requests");
        assert_eq!(origin.requests().len(), 60);
    });
}

#[test]
fn who_is_held_too_long_is_told_why() {
    on_workers(|workers| {
        let (_socket, address) = dead();
        let proxy = group(workers, &[address.to_string()], "", "wait: 300ms");
        let start = Instant::now();
        assert_own_answer(&proxy.ask(GET), 502, "connect_refused");
        assert!(start.elapsed() >= Duration::from_millis(250), "{:?}", start.elapsed());
    });
}

#[test]
fn the_held_are_bounded_by_count_and_bytes() {
    on_workers(|workers| {
        for wait in ["{ for: 20s, requests: 2 }", "{ for: 20s, bytes: 70B }"] {
            let (_socket, address) = dead();
            let proxy = group(workers, &[address.to_string()], "", &format!("wait: {wait}"));
            let mut clients: Vec<Wire> = (0..3).map(|_| proxy.send(GET)).collect();
            let refused = poll("one too many", || clients.iter_mut().find_map(|c| c.stirred().then(|| c.response())));
            assert_own_answer(&refused, 503, "overloaded");
            assert!(!clients.iter_mut().any(Wire::stirred), "the other two are held");
        }
    });
}

#[test]
fn who_leaves_while_held_is_gone() {
    on_workers(|workers| {
        let (_socket, address) = dead();
        let proxy = group(workers, &[address.to_string()], "", "wait: 20s");
        let before = proxy.idle_sockets();
        for n in 0..4 {
            let mut client = proxy.send(if n % 2 == 0 { GET } else { TUNNEL });
            client.finish();
            assert_eq!(proxy.wait_access(n)["reason"], "client_gone");
        }
        proxy.wait_sockets(before);
    });
}

/// Those who are held since before a reload ask what they see; who comes then sees another endpoint, and is served.
#[test]
fn a_reload_that_brings_a_live_endpoint_ends_the_wait_of_who_comes_then() {
    on_workers(|workers| {
        let (_socket, address) = dead();
        let origin = Origin::named("live");
        let text = |address: &str| {
            format!(
                "routes: {{ t.test: {{ to: g, wait: 40s }} }}\nupstreams: {{ g: {{ endpoints: [\"{address}\"] }} }}\n"
            )
        };
        let proxy = Proxy::start(workers, &text(&address.to_string()));
        let mut held: Vec<Wire> = (0..4).map(|_| proxy.send(GET)).collect();
        assert!(!held.iter_mut().any(Wire::stirred));
        reload(&proxy, &text(&origin.address()));
        for _ in 0..8 {
            assert_eq!(proxy.ask(GET).text(), "live");
        }
        assert!(!held.iter_mut().any(Wire::stirred), "the others are held on");
    });
}

/// An endpoint that accepts and has all it may is of no use to the held: they are not called for it again and again.
#[test]
fn a_trial_asks_nobody_whom_no_pick_would_take() {
    on_workers(|workers| {
        let (_socket, address) = dead();
        let origin = Origin::start(|wire, _| while wire.request().is_some() {});
        let full = format!("{{ address: \"{}\", max_requests: 1 }}", origin.address());
        let backup = format!("{{ address: \"{address}\", backup: true }}");
        let proxy = group(workers, &[full, backup], "", "wait: 500ms");
        let _busy = proxy.send(GET);
        origin.wait_request(0);
        assert_own_answer(&proxy.ask(GET), 502, "connect_refused");
        assert_eq!(origin.connections(), 1, "connects to one who could not be taken");
    });
}

/// The least rate of a body counts from when it may flow: while its endpoint is waited for, nobody takes it.
#[test]
fn a_body_that_waits_for_its_endpoint_is_not_slow() {
    let (socket, address) = dead();
    let proxy = group(1, &[address.to_string()], "", "wait: 40s");
    let mut client = proxy.send("POST / HTTP/1.1\r\nHost: t.test\r\nContent-Length: 2400\r\n\r\nx");
    // The first ten seconds of a body don't count, and cannot be configured away.
    poll_for(Duration::from_secs(11), || None::<()>);
    drop(socket);
    let origin = Origin::start_at(address, |wire, _| {
        while wire.request().is_some() {
            wire.offer(super::OK);
        }
    });
    let _ = origin.wait_head(0);
    poll_for(Duration::from_millis(200), || None::<()>);
    client.send([b'x'; 2399]);
    assert_eq!(client.response().text(), "ok");
}

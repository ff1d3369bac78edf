//! The dashboard, in a real browser: what it shows is live, nothing that comes from outside becomes markup, and people
//! who can't see it or have no mouse can use it.

use crate::harness::{Node, Origin, Proxy, Wire, browser_judge, poll, run, ws};
use serde_json::Value;
use std::path::Path;

const BACKEND: &str = include_str!("node/backend.cjs");
const SCRIPT: &str = include_str!("node/dashboard.cjs");

fn line(node: &Node, n: usize) -> Value {
    serde_json::from_str(&node.wait_line(n)).unwrap()
}

/// An endpoint that echoes what comes through a WebSocket.
fn echo() -> Origin {
    Origin::start(|wire: &mut Wire, _| {
        while let Some(request) = wire.request() {
            assert!(request.has("upgrade"));
            wire.send(ws::switching(""));
            while let Some((first, payload)) = ws::next_frame(wire) {
                wire.offer(ws::frame(first, &payload, false));
            }
        }
    })
}

/// A WebSocket that is open has a row, and its messages count there. Gives the WebSocket, still open.
fn messages_are_counted(proxy: &Proxy, node: &mut Node) -> Wire {
    let mut socket = proxy.connect();
    ws::open(&mut socket, "ws.test", "/");
    node.say("socket");
    let flow = poll("a row that counts messages", || {
        socket.send(ws::frame(ws::TEXT, b"hello", true));
        assert_eq!(ws::next_frame(&mut socket), Some((ws::TEXT, b"hello".to_vec())));
        node.line(2)
    });
    assert!(flow.contains("ws.test") && flow.contains("WebSocket"), "{flow}");
    socket
}

/// The bar is two seconds; a machine that does other things besides gets three tries. Gives the number of the next
/// line, and the origin that runs now.
fn killed_origins_turn_red(judge: &Path, node: &mut Node, mut backend: Node, port: &str) -> (usize, Node) {
    let mut next = 4;
    loop {
        backend.kill();
        node.say("killed");
        let seen = line(node, next);
        assert!(
            seen["red"].as_str().is_some_and(|row| row.contains("failing") && row.contains("connection refused")),
            "{seen}"
        );
        backend = Node::run_on(judge, BACKEND, &["c"], port);
        assert_eq!(line(node, next + 1)["green"], true);
        next += 2;
        if seen["after_ms"].as_u64().is_some_and(|ms| ms <= 2000) {
            return (next, backend);
        }
        assert!(next < 10, "a killed origin turned red late three times: {seen}");
    }
}

#[test]
fn a_browser_shows_what_happens_while_it_happens() {
    let Some(judge) = browser_judge("the dashboard in Chromium") else { return };
    let origin = Origin::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let echo = echo();
    let backend = Node::run(&judge, BACKEND, &["c"]);
    let port = backend.wait_line(0);
    let proxy = Proxy::start(
        2,
        &format!(
            "admin: 127.0.0.1:0\nroutes:\n  ws.test: {}\n  a.test: {}\n  b.test: {{ respond: hi }}\n  c.test: pool\nupstreams:\n  pool:\n    \
             endpoints: [\"127.0.0.1:{}\"]\n    health: {{ http: {{ path: /x }}, interval: 250ms, fails: 1, passes: 1 }}\n",
            echo.address(),
            origin.address(),
            port,
        ),
    );
    let url = format!("http://{}/", proxy.admin());
    let screenshot = std::env::var("SCREENSHOT").unwrap_or_default();
    let mut node = Node::run_with_input(&judge, SCRIPT, &[&url, &proxy.token(), &screenshot]);
    let seen = line(&node, 0);
    assert_eq!(seen["state"], "ready", "{seen}");
    assert!(seen["routes"].to_string().contains("b.test") && seen["routes"].to_string().contains("says 200 itself"));

    node.say("traffic");
    let mut asked = 0;
    let rate = poll("a rate", || {
        asked += 1;
        assert_eq!(proxy.get("a.test", &format!("/{asked}")).status(), 200);
        node.line(1)
    });
    assert!(rate.contains("rate"), "{rate}");

    let _socket = messages_are_counted(&proxy, &mut node);

    assert_eq!(proxy.get("nobody.test", "/%3Cimg%20src=x%3E").status(), 404);
    node.say("failed");
    let failure = line(&node, 3);
    let text = failure["failure"].as_str().unwrap_or_default();
    assert!(text.contains("no_route") && text.contains("nobody.test/%3Cimg"), "{failure}");
    assert_eq!(failure["images"], 0);

    let (mut next, _backend) = killed_origins_turn_red(&judge, &mut node, backend, &port);
    node.say("go on");
    assert_eq!(line(&node, next)["drained"], "The streams of a.test are being ended.");
    next += 1;
    for n in [next, next + 1] {
        assert_eq!(line(&node, n)["axe"], serde_json::json!([]), "accessible in both schemes");
    }
    assert_eq!(line(&node, next + 2)["wider"], 0, "nothing sticks out on a phone");
    assert_eq!(line(&node, next + 3)["focused"], "skip");
    assert_eq!(line(&node, next + 4)["noise"], serde_json::json!([]), "nothing in the console");
}

#[test]
fn top_prints_the_same_where_nobody_looks() {
    let proxy = Proxy::start(1, "admin: off\nroutes:\n  a.test: { respond: hi }\n");
    assert_eq!(proxy.get("nobody.test", "/").status(), 404);
    let output = run(proxy.dir().path(), &["top", "-c", "switchboard.yaml"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for part in ["switchboard ready", "a.test", "says 200 itself", "no_route", "GET nobody.test/"] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    drop(proxy);
    let output = run(&std::env::temp_dir(), &["top", "--state-dir", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no proxy runs with the state directory /nonexistent"));
}

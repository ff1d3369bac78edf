//! What Easegress' WebSocketProxy can be told, line by line of docs/from-easegress.md, with real WebSocket servers that
//! are killed, hang, and answer with the wrong status or header.

mod pool;

use crate::harness::{Node, Origin, Proxy, TempDir, Wire, on_workers, poll, run, websocket_judge, ws};
use crate::health::{endpoint, wait_state};
use serde_json::Value;
use std::path::Path;

const SCRIPT: &str = include_str!("node/patient.cjs");

/// A running server and its two ports.
struct Server {
    node: Node,
    port: u16,
    health: u16,
}

impl Server {
    fn start(judge: &Path, name: &str) -> Self {
        let node = Node::run(judge, SCRIPT, &[name]);
        let port = |line| node.wait_line(line).parse().unwrap();
        let (port, health) = (port(0), port(1));
        Self { node, port, health }
    }

    /// `ws://` and its address, as the configuration names it.
    fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    fn ask(&self, target: &str) -> String {
        let mut wire = Wire::connect(([127, 0, 0, 1], self.health).into());
        wire.offer(format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        wire.response().text()
    }

    fn set(&self, what: &str) {
        assert_eq!(self.ask(&format!("/set?{what}")), "set");
    }

    /// The probes that it has seen, and the codes that closed them.
    fn probed(&self) -> Value {
        serde_json::from_str(&self.ask("/probed")).unwrap()
    }
}

/// Opens a WebSocket through the proxy and reads the server's greeting.
#[track_caller]
fn greet(proxy: &Proxy, host: &str, path: &str, lines: &str) -> Value {
    let mut wire = proxy.send(ws::upgrade(host, path, lines));
    assert_eq!(wire.head().status(), 101);
    // A text frame without a mask; its length has two bytes more, for it is above 125.
    let head = wire.exactly(4);
    assert_eq!(&head[..2], [0x81, 126], "{head:?}");
    let length = u16::from_be_bytes([head[2], head[3]]);
    serde_json::from_slice(&wire.exactly(length.into())).unwrap()
}

fn name(proxy: &Proxy) -> String {
    greet(proxy, "ws.test", "/chat?room=1", "")["name"].as_str().unwrap().to_owned()
}

/// The pool of the document: two servers, health by HTTP and by WebSocket on another port, in the numbers of a test.
fn pool(servers: &[&Server], health: &str) -> String {
    let list: Vec<String> = servers.iter().map(|server| format!("\"{}\"", server.url())).collect();
    format!(
        "admin: 127.0.0.1:0\nroutes: {{ ws.test: pool }}\nupstreams:\n  pool:\n    endpoints: [{}]\n    health:\n{health}\n",
        list.join(", ")
    )
}

fn by_ws(server: &Server) -> String {
    format!(
        "      ws: {{ path: /health/ws, port: {}, headers: {{ x-health-check: switchboard }}, match: {{ status: [101], \
         headers: {{ x-status: {{ regex: '^(success|healthy)$' }} }} }} }}\n      interval: 200ms\n      timeout: 1s\n      \
         fails: 1\n      passes: 1",
        server.health
    )
}

fn by_http(server: &Server) -> String {
    format!(
        "      http: {{ path: /health, port: {}, method: GET, headers: {{ x-health-check: switchboard }}, username: admin, \
         password: pw, match: {{ status: [200-399], headers: {{ x-status: healthy }}, body: {{ contains: ok }} }} }}\n",
        server.health
    )
}

#[test]
fn servers_take_turns_and_one_that_is_killed_gets_no_more_handshakes() {
    let Some(judge) = websocket_judge("easegress::servers") else { return };
    on_workers(|workers| {
        let (mut a, b) = (Server::start(&judge, "a"), Server::start(&judge, "b"));
        let proxy = Proxy::start(workers, &pool(&[&a, &b], "      tcp: true\n      interval: 200ms\n      fails: 1"));
        // `loadBalance.policy: roundRobin`
        poll("the first", || (name(&proxy) == "a").then_some(()));
        poll("the second", || (name(&proxy) == "b").then_some(()));
        // Path and query are the request's; the Host is the client's.
        let seen = greet(&proxy, "ws.test", "/chat?room=1", "Sec-WebSocket-Protocol: chat\r\n");
        assert_eq!((&seen["url"], &seen["headers"]["host"]), (&"/chat?room=1".into(), &"ws.test".into()));
        assert_eq!(seen["headers"]["sec-websocket-protocol"], "chat");
        assert_eq!(seen["headers"]["x-forwarded-proto"], "http");
        a.node.kill();
        // Not one handshake fails: the connect is refused, and the other server asked, before anything is answered.
        for _ in 0..10 {
            assert_eq!(name(&proxy), "b");
        }
        wait_state(&proxy, &a.url(), "failing");
        proxy.stop();
    });
}

#[test]
fn health_check_ws_by_status_header_and_silence() {
    let Some(judge) = websocket_judge("easegress::ws") else { return };
    on_workers(|workers| {
        let (a, b) = (Server::start(&judge, "a"), Server::start(&judge, "b"));
        // One health port for both would be one patient: the other's own is asked in the next test.
        let proxy = Proxy::start(workers, &pool(&[&a, &b], &by_ws(&a)));
        let last = |words: &str| {
            poll(words, || endpoint(&proxy, &a.url())["probes"]["last"].as_str()?.contains(words).then_some(()));
        };
        last("status 101");
        for (ill, words) in [
            ("ws=403", "ws: status 403"),
            ("ws=101&header=ill", "x-status is \"ill\", which does not match"),
            ("header=", "x-status is \"\""),
            ("header=healthy&hang=yes", "ws: no answer within 1s"),
        ] {
            a.set(ill);
            last(words);
            // The other is probed at the same place, in its own time.
            wait_state(&proxy, &b.url(), "failing");
            let answer = proxy.ask(ws::upgrade("ws.test", "/", ""));
            assert_eq!((answer.status(), answer.reason()), (503, "no_endpoint"), "{ill}");
        }
        a.set("hang=no");
        wait_state(&proxy, &a.url(), "up");
        poll("the service", || (proxy.ask(ws::upgrade("ws.test", "/", "")).status() == 101).then_some(()));
        let seen = a.probed();
        assert_eq!(seen["probed"][0]["headers"]["x-health-check"], "switchboard");
        assert_eq!(seen["probed"][0]["url"], "/health/ws");
        // Their probe closes with 1000, and so does ours.
        assert!(!seen["closed"].as_array().unwrap().is_empty());
        assert!(seen["closed"].as_array().unwrap().iter().all(|code| code == 1000), "{seen}");
        proxy.stop();
    });
}

#[test]
fn health_check_http_by_status_header_and_body_and_both_must_pass() {
    let Some(judge) = websocket_judge("easegress::http") else { return };
    let a = Server::start(&judge, "a");
    let proxy = Proxy::start(1, &pool(&[&a], &format!("{}{}", by_http(&a), by_ws(&a))));
    let last = |words: &str| {
        poll(words, || endpoint(&proxy, &a.url())["probes"]["last"].as_str()?.contains(words).then_some(()));
    };
    last("http: status 200, ws: status 101");
    for (ill, words) in [
        ("status=500", "http: status 500"),
        ("status=200&body=ill", "body is \"ill\""),
        ("body=ok&header=success", "http: status 200, and the header x-status is \"success\""),
        ("header=healthy&ws=426", "ws: status 426"),
    ] {
        a.set(ill);
        last(words);
        assert_eq!(endpoint(&proxy, &a.url())["state"][0], "failing", "{ill}");
    }
    a.set("ws=101");
    wait_state(&proxy, &a.url(), "up");
    let seen = a.probed();
    let http = seen["probed"].as_array().unwrap().iter().find(|one| one["method"] == "GET").unwrap();
    assert_eq!(http["headers"]["authorization"], "Basic YWRtaW46cHc=");
    assert_eq!(http["headers"]["host"], format!("127.0.0.1:{}", a.port));
    proxy.stop();
}

#[test]
fn fails_and_pass_of_one_decide_at_once() {
    let Some(judge) = websocket_judge("easegress::numbers") else { return };
    let a = Server::start(&judge, "a");
    // Their numbers but for the interval, which is a minute.
    let proxy = Proxy::start(
        1,
        &pool(
            &[&a],
            &by_http(&a).replace(
                "      http",
                "      timeout: 3s\n      fails: 1\n      passes: 1\n      interval: 500ms\n      http",
            ),
        ),
    );
    poll("a pass", || (endpoint(&proxy, &a.url())["probes"]["state"] == "passing").then_some(()));
    a.set("status=503");
    assert!(
        proxy.wait_log("probes fail").contains("answers=1") || proxy.wait_log("probes fail").contains("\"answers\":1")
    );
    a.set("status=200");
    let line = proxy.wait_log("probes pass: the endpoint is up");
    assert!(line.contains("status 200"), "{line}");
    proxy.stop();
    // The documented key, which is none, is an error that names the right one.
    let dir = TempDir::new();
    let text = "routes: { a: u }\nupstreams: { u: { endpoints: :1, health: { tcp: true, pass: 1 } } }\n";
    dir.write("switchboard.yaml", text);
    let checked = run(dir.path(), &["check"]);
    assert!(String::from_utf8_lossy(&checked.stderr).contains("is written `passes`"), "{checked:?}");
    // A body that no handshake has would fail every probe.
    let text = "routes: { a: u }\nupstreams: { u: { endpoints: :1, health: { ws: { match: { body: { contains: ok } } } } } }\n";
    dir.write("switchboard.yaml", text);
    let checked = run(dir.path(), &["check"]);
    assert!(String::from_utf8_lossy(&checked.stderr).contains("no handshake that succeeds has"), "{checked:?}");
}

#[test]
fn a_failing_handshake_is_the_servers_own_answer_and_not_a_101() {
    let Some(judge) = websocket_judge("easegress::dial") else { return };
    on_workers(|workers| {
        let mut a = Server::start(&judge, "a");
        let proxy = Proxy::start(workers, &format!("routes: {{ ws.test: \"{}\" }}\n", a.url()));
        a.node.kill();
        // Theirs says 101 first and closes with 1001 then.
        let answer = proxy.ask(ws::upgrade("ws.test", "/", ""));
        assert_eq!((answer.status(), answer.reason()), (502, "connect_refused"));
        proxy.stop();
    });
}

#[test]
fn keep_host_and_set_upstream_host() {
    let Some(judge) = websocket_judge("easegress::host") else { return };
    let a = Server::start(&judge, "a");
    let proxy = Proxy::start(
        1,
        &format!(
            "routes: {{ keep.test: keep, set.test: set }}\nupstreams:\n  keep: [\"{0}\"]\n  set: {{ endpoints: [\"{0}\"], host: upstream }}\n",
            a.url()
        ),
    );
    assert_eq!(greet(&proxy, "keep.test", "/", "")["headers"]["host"], "keep.test");
    assert_eq!(greet(&proxy, "set.test", "/", "")["headers"]["host"], format!("127.0.0.1:{}", a.port));
    proxy.stop();
}

#[test]
fn server_tags_and_the_filter_of_a_pool() {
    let Some(judge) = websocket_judge("easegress::filter") else { return };
    let (a, b) = (Server::start(&judge, "a"), Server::start(&judge, "b"));
    let proxy = Proxy::start(
        1,
        &format!(
            "routes:\n  ws.test:\n    - {{ when: {{ headers: {{ x-canary: [\"yes\", {{ prefix: v2 }}, {{ regex: '^beta' }}, \"\"] }} }}, to: canary }}\n    \
             - {{ when: {{ path: {{ regex: '^/new' }}, methods: GET }}, to: canary }}\n    - {{ to: main }}\n\
             upstreams:\n  all: {{ endpoints: [{{ address: \"{}\", tags: [v1] }}, {{ address: \"{}\", tags: [v2] }}] }}\n  \
             main: {{ from: all, tags: [v1] }}\n  canary: {{ from: all, tags: [v2] }}\n",
            a.url(),
            b.url()
        ),
    );
    for (path, lines, expect) in [
        ("/", "", "a"),
        ("/", "X-Canary: yes\r\n", "b"),
        ("/", "X-Canary: v2.1\r\n", "b"),
        ("/", "X-Canary: beta7\r\n", "b"),
        ("/", "X-Canary: \r\n", "b"),
        ("/", "X-Canary: no\r\n", "a"),
        ("/new", "", "b"),
    ] {
        assert_eq!(greet(&proxy, "ws.test", path, lines)["name"], expect, "{path} {lines}");
    }
    proxy.stop();
}

#[test]
fn a_key_that_is_not_sixteen_bytes_reaches_an_upstream_that_takes_it() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            let Some(request) = wire.request() else { return };
            let accept = switchboard_core::websocket::accept(request.field("sec-websocket-key").unwrap().as_bytes());
            let accept = String::from_utf8(accept.to_vec()).unwrap();
            wire.send(ws::switching("").replace(ws::ACCEPT, &accept));
            wire.send("hello");
            wire.rest();
        });
        let proxy = Proxy::start(workers, &format!("routes: {{ ws.test: \"ws://{}\" }}\n", origin.address()));
        for key in ["short", "not base64 at all!", "dGhlIHNhbXBsZSBub25jZSBpcyBsb25nZXIgdGhhbiBpdCBzaG91bGQgYmU="] {
            let mut wire = proxy.send(ws::upgrade("ws.test", "/", "").replace(ws::KEY, key));
            assert_eq!(wire.head().status(), 101, "{key}");
            assert_eq!(wire.exactly(5), b"hello");
        }
        proxy.stop();
    });
}

#[test]
fn messages_of_32769_bytes_where_that_is_written_and_of_any_size_where_not() {
    let Some(judge) = websocket_judge("easegress::messages") else { return };
    let a = Server::start(&judge, "a");
    let proxy = Proxy::start(
        1,
        &format!(
            "routes:\n  free.test: \"{0}\"\n  theirs.test: {{ to: \"{0}\", websocket: {{ max_message: {{ client: 32769B, server: 32769B }} }} }}\n",
            a.url()
        ),
    );
    // A binary message with a mask of zeroes is its own text.
    let message = |length: u32| {
        let head = [&[0x82, 0xff][..], &u64::from(length).to_be_bytes(), &[0; 4]].concat();
        [head, vec![b'x'; length as usize]].concat()
    };
    let open = |host: &str| {
        let mut wire = proxy.send(ws::upgrade(host, "/", ""));
        assert_eq!(wire.head().status(), 101);
        let head = wire.exactly(4);
        wire.exactly(u16::from_be_bytes([head[2], head[3]]).into());
        wire
    };
    for (host, length) in [("free.test", 200_000_u32), ("theirs.test", 32_769)] {
        let mut wire = open(host);
        wire.send(message(length));
        let echo = wire.exactly(2);
        assert_eq!(echo[0], 0x82, "{host}");
    }
    let mut wire = open("theirs.test");
    wire.offer(message(32_770));
    // A Close with 1009: too big.
    let close = wire.exactly(4);
    assert_eq!((close[0], u16::from_be_bytes([close[2], close[3]])), (0x88, 1009));
    proxy.stop();
}

//! The founding experiment: two workspaces behind one address, with origins and a client that are not ours.
//!
//! Node with the `ws` package on both sides; without it the tests are skipped aloud (in CI that is an error).

use crate::harness::ws::open;
use crate::harness::{Node, Proxy, assert_own_answer, on_workers, websocket_judge};
use std::path::Path;

const BACKEND: &str = include_str!("node/backend.cjs");
const CLIENT: &str = include_str!("node/client.cjs");
const MAIN: &str = "lightfast-main.localhost";
const FEATURE: &str = "lightfast-feat-auth.localhost";

/// The two workspaces.
struct Workspaces {
    a: Node,
    b: Node,
}

impl Workspaces {
    fn new(judge: &Path) -> Self {
        Self { a: Node::run(judge, BACKEND, &["backend-a"]), b: Node::run(judge, BACKEND, &["backend-b"]) }
    }

    fn routes(&self) -> String {
        format!(
            "routes:\n  {MAIN}: 127.0.0.1:{}\n  {FEATURE}: 127.0.0.1:{}\n",
            self.a.wait_line(0),
            self.b.wait_line(0)
        )
    }
}

#[test]
fn each_host_reaches_its_own_workspace() {
    let Some(judge) = websocket_judge("founding experiment: hosts") else { return };
    let spaces = Workspaces::new(&judge);
    on_workers(|workers| {
        let proxy = Proxy::start(workers, &spaces.routes());
        for (host, name) in [(MAIN, "backend-a"), (FEATURE, "backend-b")] {
            for port in ["", ":80", ":8080", ":65535"] {
                let answer = proxy.get(&format!("{host}{port}"), "/hello");
                assert_eq!(answer.text(), format!("http-{name}:{host}{port}:/hello"));
            }
        }
        assert_own_answer(&proxy.get("lightfast-other.localhost", "/"), 404, "no_route");
        let proxy = Proxy::start(
            workers,
            &format!("{}  \"*\": {{ respond: No workspace found for this hostname, status: 404 }}\n", spaces.routes()),
        );
        let answer = proxy.get("lightfast-other.localhost", "/");
        assert_eq!((answer.status(), answer.text().as_str()), (404, "No workspace found for this hostname"));
    });
}

#[test]
fn websockets_come_back_from_their_own_workspace() {
    let Some(judge) = websocket_judge("founding experiment: WebSocket") else { return };
    let spaces = Workspaces::new(&judge);
    on_workers(|workers| {
        let proxy = Proxy::start(workers, &spaces.routes());
        for (host, name) in [(MAIN, "backend-a"), (FEATURE, "backend-b")] {
            let port = proxy.port().to_string();
            let client = Node::run(&judge, CLIENT, &[&port, &format!("{host}:{port}"), "hello-from-client"]);
            assert_eq!(client.wait_line(0), "open chat");
            assert_eq!(client.wait_line(1), format!("ws-{name}:hello-from-client"));
            assert_eq!(client.wait_line(2), "closed 1000");
            // And as bytes: 101, and the masked frame of a client.
            let mut raw = proxy.connect();
            open(&mut raw, host, "/ws");
            raw.send(b"\x81\x82\0\0\0\0hi");
            raw.expect([b"\x81\x0f".as_slice(), b"ws-", name.as_bytes(), b":hi"].concat());
        }
        let port = proxy.port().to_string();
        let client = Node::run(&judge, CLIENT, &[&port, "lightfast-other.localhost", "x"]);
        assert_eq!(client.wait_line(0), "status 404");
    });
}

#[test]
fn events_come_in_order_each_before_the_next_is_sent() {
    let Some(judge) = websocket_judge("founding experiment: SSE") else { return };
    on_workers(|workers| {
        let spaces = Workspaces::new(&judge);
        let proxy = Proxy::start(workers, &spaces.routes());
        for (host, name) in [(MAIN, "backend-a"), (FEATURE, "backend-b")] {
            let mut client =
                proxy.send(format!("GET /sse HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n"));
            let head = client.head();
            assert_eq!((head.status(), head.field("content-type")), (200, Some("text/event-stream")));
            for n in 1..=3 {
                assert!(!client.stirred(), "an event before it was asked for");
                assert_eq!(proxy.get(host, "/next").text(), "sent");
                assert_eq!(String::from_utf8(client.chunk()).unwrap(), format!("data: {name}-event-{n}\n\n"));
            }
            drop(client);
            // The origin learns that the client has gone.
            crate::harness::poll("the origin to see the client go", || {
                (proxy.get(host, "/streams").text() == "0").then_some(())
            });
        }
    });
}

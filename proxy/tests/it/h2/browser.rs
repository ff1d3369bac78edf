//! Chromium, which opens WebSockets as streams where HTTP/2 is spoken: over TLS, with the proxy's own root in its store.

use crate::harness::ws::{CLOSE, frame, next_frame};
use crate::harness::{Node, Origin, Proxy, browser_judge};
use std::process::Command;
use switchboard_core::websocket::accept;

const SCRIPT: &str = include_str!("../node/websocket_h2.cjs");

/// A page, and an echo at `/ws`.
fn origin() -> Origin {
    Origin::start(|wire, _| {
        while let Some(request) = wire.request() {
            let Some(key) = request.field("sec-websocket-key") else {
                wire.offer("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 7\r\n\r\n<p>hi\r\n");
                continue;
            };
            let proof = accept(key.as_bytes());
            wire.send(format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {}\r\n\r\n",
                String::from_utf8_lossy(&proof)
            ));
            while let Some((first, payload)) = next_frame(wire) {
                wire.offer(frame(first, &payload, false));
                if first == CLOSE {
                    break;
                }
            }
            return;
        }
    })
}

#[test]
fn chromium_opens_websockets_as_streams() {
    let test = "chromium_opens_websockets_as_streams";
    let Some(judge) = browser_judge(test) else { return };
    if !crate::certs::has_judge("certutil", test) {
        return;
    }
    let origin = origin();
    let yaml = format!(
        "listen: {{ bind: \"127.0.0.1:0\", tls: auto }}\nroutes: {{ ws.localhost: \"{}\" }}\n",
        origin.address()
    );
    let proxy = Proxy::start(2, &yaml);
    let home = proxy.dir().file("home");
    let store = home.join(".pki/nssdb");
    std::fs::create_dir_all(&store).unwrap();
    let place = format!("sql:{}", store.display());
    assert!(Command::new("certutil").args(["-N", "--empty-password", "-d", &place]).status().unwrap().success());
    let trust = Command::new(env!("CARGO_BIN_EXE_switchboard"))
        .args(["trust", "--only", "browsers", "--state-dir"])
        .arg(proxy.dir().file("state"))
        .env("HOME", &home)
        .output()
        .unwrap();
    assert!(trust.status.success(), "{}", String::from_utf8_lossy(&trust.stderr));
    let url = format!("https://ws.localhost:{}/", proxy.port());
    let netlog = proxy.dir().file("netlog.json");
    let node = Node::run(&judge, SCRIPT, &[&url, home.to_str().unwrap(), netlog.to_str().unwrap()]);
    assert_eq!(node.wait_line(0), "1000 hello true");
    assert_eq!(node.wait_line(1), "extended CONNECT");
}

//! Probes that speak more than HTTP/1: gRPC over HTTP/2, and TLS.

use super::{endpoint, wait_state};
use crate::harness::{Node, Proxy, TempDir, poll, websocket_judge};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// A gRPC server with nothing but its health service; what it says can be set: 200 and above is a grpc-status.
fn grpc(says: Arc<AtomicU8>) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&says)));
            }
        });
    });
    port
}

async fn answer(stream: tokio::net::TcpStream, says: Arc<AtomicU8>) {
    let mut server = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((mut request, mut respond))) = server.accept().await {
        let says = says.load(Ordering::SeqCst);
        tokio::spawn(async move {
            assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
            assert_eq!(request.headers()["te"], "trailers");
            let body = request.body_mut().data().await.unwrap().unwrap();
            assert_eq!(&body[..], b"\0\0\0\0\x08\x0a\x06chat.V", "the service that is asked about");
            let head = http::Response::builder().header("content-type", "application/grpc").body(()).unwrap();
            let mut stream = respond.send_response(head, false).unwrap();
            let code = says.saturating_sub(200);
            if says < 200 {
                stream.send_data(vec![0, 0, 0, 0, 2, 8, says].into(), false).unwrap();
            }
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", code.to_string().parse().unwrap());
            stream.send_trailers(trailers).unwrap();
        });
    }
}

#[test]
fn grpc_says_serving_and_nothing_else_will_do() {
    let says = Arc::new(AtomicU8::new(1));
    let address = format!("127.0.0.1:{}", grpc(Arc::clone(&says)));
    let proxy = Proxy::start(
        1,
        &format!(
            "admin: 127.0.0.1:0\nroutes: {{ t.test: app }}\nupstreams: {{ app: {{ endpoints: \"{address}\", \
             health: {{ grpc: chat.V, interval: 200ms, fails: 1, passes: 1 }} }} }}\n"
        ),
    );
    let last = |words: &str| {
        poll(words, || endpoint(&proxy, &address)["probes"]["last"].as_str()?.contains(words).then_some(()));
    };
    last("grpc: SERVING");
    for (answer, words) in
        [(2, "NOT_SERVING"), (0, "UNKNOWN"), (212, "grpc-status 12"), (205, "does not know the service chat.V")]
    {
        says.store(answer, Ordering::SeqCst);
        last(words);
        assert_eq!(endpoint(&proxy, &address)["state"][0], "failing");
    }
    says.store(1, Ordering::SeqCst);
    wait_state(&proxy, &address, "up");
    proxy.stop();
}

const SERVER: &str = "
const fs = require('fs');
const https = require('https');
const [key, cert] = process.argv.slice(2).map((file) => fs.readFileSync(file));
const server = https.createServer({ key, cert }, (request, response) => response.end('ok'));
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
";

#[test]
fn a_tls_endpoint_is_probed_over_tls_and_verified() {
    let Some(judge) = websocket_judge("health::tls") else { return };
    let dir = TempDir::new();
    let (key, cert) = certificate(&dir);
    let node = Node::run(&judge, SERVER, &[key.to_str().unwrap(), cert.to_str().unwrap()]);
    let address = format!("https://127.0.0.1:{}", node.wait_line(0));
    let upstream = |tls: &str| {
        format!(
            "admin: 127.0.0.1:0\nroutes: {{ t.test: app }}\nupstreams: {{ app: {{ endpoints: \"{address}\", tls: {tls}, \
             health: {{ http: {{ path: /, match: {{ body: ok }} }}, interval: 200ms }} }} }}\n"
        )
    };
    let trusted = Proxy::start(1, &upstream(&format!("{{ ca: {}, server_name: own.test }}", cert.display())));
    poll("a probe that passes", || (endpoint(&trusted, &address)["probes"]["state"] == "passing").then_some(()));
    trusted.stop();
    let wary = Proxy::start(1, &upstream("{ server_name: own.test }"));
    let shown = wait_state(&wary, &address, "failing");
    assert!(shown["probes"]["last"].as_str().unwrap().contains("http: TLS failed"), "{shown}");
    wary.stop();
}

/// A key and a certificate for `own.test` that signs itself.
fn certificate(dir: &TempDir) -> (std::path::PathBuf, std::path::PathBuf) {
    let (key, cert) = (dir.file("key.pem"), dir.file("cert.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=own.test", "-addext", "subjectAltName=DNS:own.test"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output();
    assert!(made.unwrap().status.success());
    (key, cert)
}

/// A WebSocket server behind TLS, with a key and a certificate given.
const SECURE_SOCKETS: &str = "
const fs = require('fs'), https = require('https'), { WebSocketServer } = require('ws');
const [key, cert] = process.argv.slice(2).map((file) => fs.readFileSync(file));
const server = https.createServer({ key, cert }, (request, response) => response.writeHead(404).end());
new WebSocketServer({ server, path: '/live' }).on('connection', (ws) => ws.on('close', (code) => console.log(`closed ${code}`)));
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
";

#[test]
fn a_wss_endpoint_is_probed_by_a_handshake_over_tls() {
    let Some(judge) = websocket_judge("health::wss") else { return };
    let dir = TempDir::new();
    let (key, cert) = certificate(&dir);
    let node = Node::run(&judge, SECURE_SOCKETS, &[key.to_str().unwrap(), cert.to_str().unwrap()]);
    let address = format!("wss://127.0.0.1:{}", node.wait_line(0));
    let text = |path: &str| {
        format!(
            "admin: 127.0.0.1:0\nroutes: {{ t.test: app }}\nupstreams: {{ app: {{ endpoints: \"{address}\", tls: {{ ca: {}, \
             server_name: own.test }}, health: {{ ws: {path}, interval: 200ms }} }} }}\n",
            cert.display()
        )
    };
    let proxy = Proxy::start(1, &text("/live"));
    poll("a probe that passes", || (endpoint(&proxy, &address)["probes"]["state"] == "passing").then_some(()));
    assert_eq!(node.wait_line(1), "closed 1000");
    proxy.stop();
    let wrong = Proxy::start(1, &text("/elsewhere"));
    let shown = wait_state(&wrong, &address, "failing");
    assert!(shown["probes"]["last"].as_str().unwrap().contains("ws: status 400"), "{shown}");
    wrong.stop();
}

#[test]
fn an_endpoint_on_a_unix_socket_is_probed_there() {
    let well = Arc::new(AtomicU8::new(1));
    let says = Arc::clone(&well);
    let origin = crate::harness::Origin::start_unix(move |wire, _| {
        while let Some(request) = wire.request() {
            assert_eq!(request.field("host").map(str::is_empty), Some(false), "a probe says a Host");
            let status = if says.load(Ordering::SeqCst) == 1 { 200 } else { 500 };
            wire.offer(format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n"));
        }
    });
    let address = origin.address();
    let proxy = Proxy::start(
        2,
        &format!(
            "admin: 127.0.0.1:0\nroutes: {{ t.test: app }}\nupstreams: {{ app: {{ endpoints: \"{address}\", \
             health: {{ http: /ok, tcp: true, interval: 200ms, fails: 1, passes: 1 }} }} }}\n"
        ),
    );
    poll("a probe that passes", || (endpoint(&proxy, &address)["probes"]["state"] == "passing").then_some(()));
    well.store(0, Ordering::SeqCst);
    wait_state(&proxy, &address, "failing");
    well.store(1, Ordering::SeqCst);
    wait_state(&proxy, &address, "up");
    assert_eq!(proxy.get("t.test", "/").status(), 200);
    proxy.stop();
}

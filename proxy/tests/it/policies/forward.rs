//! `forward_auth` by the contracts of two services that people run, spoken by a server that is not ours (Node), with
//! WebSocket and an event stream behind it.

use crate::harness::{Message, Node, Proxy, on_workers, websocket_judge, ws};

/// oauth2-proxy's `/oauth2/auth` (202 with `X-Auth-Request-…`, or 401), Authelia's `/api/authz/forward-auth` (200 with
/// `Remote-…`, 302 to its portal with the URL that was asked for, 400 without `X-Forwarded-…`), and an application behind
/// them: an echo by WebSocket, and a stream of events.
pub(super) const SERVICES: &str = r#"
const http = require("http"), { WebSocketServer } = require("ws");
const auth = http.createServer((q, a) => {
  const h = q.headers, cookie = h.cookie || "";
  if (h.upgrade || h["sec-websocket-key"] || h["content-length"] || h["transfer-encoding"]) { a.writeHead(500); return a.end("hop"); }
  if (q.url === "/oauth2/auth") {
    if (!cookie.includes("_oauth2_proxy=ok")) { a.writeHead(401); return a.end("Unauthorized"); }
    a.writeHead(202, { "x-auth-request-user": "ann", "x-auth-request-email": "ann@example.com", "x-inner": "no" });
    return a.end();
  }
  const [method, proto, host, uri] = ["method", "proto", "host", "uri"].map((n) => h["x-forwarded-" + n]);
  if (!method || !proto || !host || !uri) { a.writeHead(400); return a.end(); }
  if (cookie.includes("authelia_session=ok")) {
    a.writeHead(200, { "remote-user": "ann", "remote-groups": "dev,ops" });
    return a.end();
  }
  const back = encodeURIComponent(`${proto}://${host}${uri}`);
  a.writeHead(302, { location: `https://auth.example.com/?rd=${back}&rm=${method}`, "set-cookie": "authelia_session=new" });
  a.end("<a>Found</a>");
});
const app = http.createServer((q, a) => {
  const who = q.headers["remote-user"] || q.headers["x-auth-request-user"] || "nobody";
  if (q.url === "/events") {
    a.writeHead(200, { "content-type": "text/event-stream" });
    a.write(`data: ${who}\n\n`);
    return setTimeout(() => a.end("data: end\n\n"), 100);
  }
  a.end(`${who} ${q.headers["remote-groups"] || ""}`);
});
new WebSocketServer({ server: app }).on("connection", (socket, q) => {
  socket.send(`hello ${q.headers["remote-user"] || q.headers["x-auth-request-user"]}`);
  socket.on("message", (text) => socket.send(`echo ${text}`));
});
auth.listen(0, "127.0.0.1", () => app.listen(0, "127.0.0.1", () => console.log(`${auth.address().port} ${app.address().port}`)));
"#;

fn get(proxy: &Proxy, host: &str, target: &str, lines: &str) -> Message {
    proxy.ask(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n"))
}

#[test]
fn services_that_people_run_guard_pages_sockets_and_streams() {
    let Some(judge) = websocket_judge("services_that_people_run_guard_pages_sockets_and_streams") else { return };
    let node = Node::run(&judge, SERVICES, &[]);
    let ports = node.wait_line(0);
    let (auth, app) = ports.split_once(' ').unwrap();
    on_workers(|workers| {
        let yaml = format!(
            "routes:\n  a.test: {{ to: \":{app}\", forward_auth: {{ url: \"http://127.0.0.1:{auth}/api/authz/forward-auth\", copy_headers: [remote-user, remote-groups] }} }}\n  \
             o.test: {{ to: \":{app}\", forward_auth: {{ url: \"http://127.0.0.1:{auth}/oauth2/auth\", copy_headers: [x-auth-request-user] }} }}\n"
        );
        let proxy = Proxy::start(workers, &yaml);
        let refused = get(&proxy, "a.test", "/p?q=1", "Remote-User: root\r\n");
        assert_eq!(refused.status(), 302);
        let back = "https://auth.example.com/?rd=http%3A%2F%2Fa.test%2Fp%3Fq%3D1&rm=GET";
        assert_eq!(
            (refused.field("location"), refused.field("set-cookie")),
            (Some(back), Some("authelia_session=new"))
        );
        assert_eq!(get(&proxy, "o.test", "/", "X-Auth-Request-User: root\r\n").status(), 401);
        for (host, cookie, body) in [
            ("a.test", "Cookie: authelia_session=ok\r\nRemote-User: root\r\n", "ann dev,ops"),
            ("o.test", "Cookie: _oauth2_proxy=ok\r\nX-Auth-Request-User: root\r\n", "ann "),
        ] {
            assert_eq!(get(&proxy, host, "/", cookie).text(), body);
            let events = get(&proxy, host, "/events", &format!("Accept: text/event-stream\r\n{cookie}"));
            assert_eq!(events.text(), "data: ann\n\ndata: end\n\n");
            assert_ne!(get(&proxy, host, "/events", "Accept: text/event-stream\r\n").status(), 200);
            assert_ne!(proxy.ask(ws::upgrade(host, "/", "")).status(), 101);
            let mut tunnel = proxy.send(ws::upgrade(host, "/", cookie));
            assert_eq!(tunnel.head().status(), 101);
            // A text frame of nine bytes: `hello ann`.
            assert_eq!(tunnel.exactly(11), b"\x81\x09hello ann");
        }
    });
}

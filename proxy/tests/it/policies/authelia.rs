//! `forward_auth` against Authelia itself, of the releases that were a Node package (the contract of `/api/verify` is kept by
//! later ones): a login through the proxy, and pages, WebSockets and event streams behind its verdict.

use super::forward::SERVICES;
use super::versions::over_h2;
use crate::harness::h2::{END_HEADERS, Frames, HEADERS, fields, frame};
use crate::harness::{Message, Node, Proxy, TempDir, authelia_judge, on_workers, poll, websocket_judge, ws};

/// Starts it on a port of the system's choice on this machine alone, and says which. It is of the time of Node 8: its hash
/// function is a native module (openssl computes the same), and a request's `headers` were its own property.
const SERVICE: &str = r#"
const Module = require("module"), net = require("net"), http = require("http"), { spawnSync } = require("child_process");
const crypt = (password, salt, done) => {
  const bare = salt.replace(/^\$6\$/, "");
  const run = spawnSync("openssl", ["passwd", "-6", "-salt", bare, "-stdin"], { input: password });
  done(null, run.stdout.toString().trim());
};
const load = Module._load;
Module._load = function (name, ...rest) { return name === "crypt3" ? crypt : load.call(this, name, ...rest); };
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, done) {
  return listen.call(this, 0, "127.0.0.1", () => { console.log(`port ${this.address().port}`); if (done) done(); });
};
const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function (event, request, ...rest) {
  if (event === "request") Object.defineProperty(request, "headers", { value: request.headers });
  return emit.call(this, event, request, ...rest);
};
// It tells each refusal there; what kills it is said elsewhere.
process.stderr.write = () => true;
process.argv = [process.argv[0], "authelia", process.argv[2]];
require("authelia/dist/server/src/index.js");
"#;

/// `ann` with the password `wonderland`, and who may see what.
fn configuration(place: &TempDir) -> std::path::PathBuf {
    let hash = "$6$rounds=5000$saltsalt$pqxtaP8VN9msji06dnBCbUbaSGTOXyo9jZDqZxik1rPexoqRIW4UKuiD0ZHZchCSd7S4/HoRU8bcFbnz2ihUr.";
    let users =
        format!("users:\n  ann: {{ password: \"{{CRYPT}}{hash}\", email: ann@example.com, groups: [dev, ops] }}\n");
    let users = place.write("users.yml", &users);
    let inner = |name: &str| place.file(name).display().to_string();
    std::fs::create_dir(place.file("store")).unwrap();
    let text = format!(
        "port: 9091\nlogs_level: error\ndefault_redirection_url: https://home.example.com/\ntotp: {{ issuer: example.com }}\n\
         authentication_backend: {{ file: {{ path: {users} }} }}\n\
         access_control:\n  default_policy: deny\n  rules: [{{ domain: app.example.com, policy: one_factor }}]\n\
         session: {{ name: authelia_session, secret: of-a-test, expiration: 3600000, inactivity: 3600000, domain: example.com }}\n\
         regulation: {{ max_retries: 3, find_time: 120, ban_time: 300 }}\nstorage: {{ local: {{ path: {store} }} }}\n\
         notifier: {{ filesystem: {{ filename: {notes} }} }}\n",
        users = users.display(),
        store = inner("store"),
        notes = inner("notes.txt"),
    );
    place.write("configuration.yml", &text)
}

fn ask(proxy: &Proxy, start: &str, host: &str, lines: &str, body: &str) -> Message {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    proxy.ask(format!(
        "{start} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n{lines}{length}\r\n{body}"
    ))
}

/// The status of a WebSocket over HTTP/2.
fn socket_over_h2(proxy: &Proxy, cookie: &str) -> u16 {
    let pseudo = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "app.example.com"),
    ];
    let further = [("sec-websocket-version", "13"), ("x-forwarded-proto", "https"), ("cookie", cookie)];
    let mut client = Frames::begin(proxy);
    client.offer(frame(HEADERS, END_HEADERS, 1, [fields(&pseudo), fields(&further)].concat()));
    client.status(1)
}

#[test]
fn authelia_guards_pages_sockets_and_streams() {
    const NAME: &str = "authelia_guards_pages_sockets_and_streams";
    let (Some(judge), Some(apps)) = (authelia_judge(NAME), websocket_judge(NAME)) else { return };
    let place = TempDir::new();
    let node = Node::run(&judge, SERVICE, &[&configuration(&place).display().to_string()]);
    let app = Node::run(&apps, SERVICES, &[]);
    let auth = poll("Authelia's port", || {
        node.lines().into_iter().find_map(|line| line.strip_prefix("port ").map(str::to_owned))
    });
    let ports = app.wait_line(0);
    let (_, app) = ports.split_once(' ').unwrap();
    on_workers(|workers| {
        let guard = |query: &str| {
            format!(
                "forward_auth: {{ url: \"http://127.0.0.1:{auth}/api/verify{query}\", copy_headers: [remote-user, remote-groups] }}"
            )
        };
        let yaml = format!(
            "listen: {{ bind: \"127.0.0.1:0\", h2c: true }}\ntrusted_proxies: 127.0.0.1\nroutes:\n  login.example.com: \":{auth}\"\n  \
             app.example.com: {{ to: \":{app}\", {} }}\n  closed.example.com: {{ to: \":{app}\", {} }}\n",
            guard("?rd=https://login.example.com/"),
            guard("")
        );
        let proxy = Proxy::start(workers, &yaml);
        let stranger = ask(&proxy, "GET /p?q=1", "app.example.com", "Remote-User: root\r\n", "");
        let login = "https://login.example.com/?rd=https://app.example.com/p?q=1";
        assert_eq!((stranger.status(), stranger.field("location")), (302, Some(login)));
        assert_eq!(ask(&proxy, "GET /", "closed.example.com", "", "").status(), 401);
        let open = |password: &str| {
            let body = format!("{{\"username\":\"ann\",\"password\":\"{password}\",\"keepMeLoggedIn\":false}}");
            ask(&proxy, "POST /api/firstfactor", "login.example.com", "Content-Type: application/json\r\n", &body)
        };
        assert!(open("looking-glass").text().contains("error"));
        let opened = open("wonderland");
        let cookie =
            opened.field("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a session").to_owned();
        let known = format!("Cookie: {cookie}\r\nRemote-User: root\r\nRemote-Groups: admin\r\n");
        assert_eq!(ask(&proxy, "GET /", "app.example.com", &known, "").text(), "ann dev,ops");
        // Authelia knows her, and this is not for her.
        assert_eq!(ask(&proxy, "GET /", "closed.example.com", &known, "").status(), 403);
        let events =
            ask(&proxy, "GET /events", "app.example.com", &format!("Accept: text/event-stream\r\n{known}"), "");
        assert_eq!(events.text(), "data: ann\n\ndata: end\n\n");
        let handshake =
            |lines: &str| ws::upgrade("app.example.com", "/", &format!("X-Forwarded-Proto: https\r\n{lines}"));
        assert_eq!(proxy.ask(handshake("")).status(), 302);
        let mut tunnel = proxy.send(handshake(&known));
        assert_eq!(tunnel.head().status(), 101);
        assert_eq!(tunnel.exactly(11), b"\x81\x09hello ann");
        for (cookie, page, socket) in [("a=b", 302, 302), (cookie.as_str(), 200, 200)] {
            let further = [("cookie", cookie), ("x-forwarded-proto", "https"), ("remote-user", "root")];
            for path in ["/", "/events"] {
                assert_eq!(over_h2(&proxy, ("GET", "app.example.com", path), &further, b""), page, "{path} {cookie}");
            }
            assert_eq!(socket_over_h2(&proxy, cookie), socket, "{cookie}");
        }
    });
}

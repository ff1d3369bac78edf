//! `sse.resume`: a client that comes back gets what it missed, each event once and in order, and nobody else does.

use super::{CHUNKED, streaming};
use crate::harness::{Node, Origin, Proxy, Wire, browser_judge, on_workers, poll, poll_for};
use std::sync::mpsc::Receiver;
use std::time::Duration;

const BACKEND: &str = include_str!("../node/events.cjs");
const BROWSER: &str = include_str!("../node/eventsource.cjs");

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

fn event(id: u32) -> String {
    format!("id: {id}\ndata: {id}\n\n")
}

fn get(path: &str, cookie: &str, last: &str) -> String {
    let last = if last.is_empty() { String::new() } else { format!("Last-Event-ID: {last}\r\n") };
    format!("GET {path} HTTP/1.1\r\nHost: t.test\r\nAccept-Encoding: gzip\r\nCookie: a=b; sid={cookie}\r\n{last}\r\n")
}

struct Resuming {
    proxy: Proxy,
    origin: Origin,
    take: Receiver<Wire>,
    asked: usize,
}

impl Resuming {
    fn new(workers: usize, resume: &str) -> Self {
        Self::with(workers, resume, "")
    }

    fn with(workers: usize, resume: &str, policies: &str) -> Self {
        let (origin, take) = streaming(CHUNKED);
        let address = origin.address();
        let rule = format!("routes:\n  t.test: {{ to: \"{address}\", sse: {{ resume: {resume} }} {policies} }}\n");
        Self { proxy: Proxy::start(workers, &rule), origin, take, asked: 0 }
    }

    /// Opens a stream; tells with which `Last-Event-ID` the origin was asked.
    #[track_caller]
    fn open(&mut self, request: &str) -> (Wire, Wire, Option<String>) {
        let mut client = self.proxy.send(request);
        let answer = client.head();
        assert_eq!(answer.status(), 200, "{answer:#?}");
        let server = self.take.recv().unwrap();
        let asked = self.origin.wait_request(self.asked);
        self.asked += 1;
        (client, server, asked.field("last-event-id").map(str::to_owned))
    }
}

/// Reads chunks until they make up this text.
#[track_caller]
fn expect_all(client: &mut Wire, text: &str) {
    let mut got = Vec::new();
    while got.len() < text.len() {
        got.extend(client.chunk());
    }
    assert_eq!(String::from_utf8_lossy(&got), text);
}

const KEY: &str = "{ key: { cookie: sid } }";

#[test]
fn what_was_missed_is_given_once_and_in_order() {
    on_workers(|workers| {
        let mut resuming = Resuming::new(workers, KEY);
        let (mut client, mut server, _) = resuming.open(&get("/e", "x", ""));
        for id in 1..=5 {
            // In pieces, and with comments between.
            let text = event(id);
            server.send(chunk(&text[..6]));
            server.send(chunk(&format!("{}: still here\n\n", &text[6..])));
            expect_all(&mut client, &format!("{text}: still here\n\n"));
        }
        drop((client, server));
        // It has had two of them, so it says. The origin is asked for what follows the fifth; it repeats two.
        let (mut client, mut server, asked) = resuming.open(&get("/e", "x", "2"));
        assert_eq!(asked.as_deref(), Some("5"));
        expect_all(&mut client, &[event(3), event(4), event(5)].concat());
        server.send(chunk(&[event(4), event(5), ": hello\n\n".to_owned(), event(6), event(7)].concat()));
        expect_all(&mut client, &format!(": hello\n\n{}{}", event(6), event(7)));
        server.send(chunk(&event(8)));
        expect_all(&mut client, &event(8));
        drop((client, server));
        // Who has had all of it gets nothing twice either.
        let (mut client, mut server, asked) = resuming.open(&get("/e", "x", "8"));
        assert_eq!(asked.as_deref(), Some("8"));
        server.send(chunk(&[event(8), event(9)].concat()));
        expect_all(&mut client, &event(9));
        // An id that the proxy does not know is the endpoint's to judge.
        let (mut client, mut server, asked) = resuming.open(&get("/e", "x", "unknown"));
        assert_eq!(asked.as_deref(), Some("unknown"));
        server.send(chunk(&event(10)));
        expect_all(&mut client, &event(10));
    });
}

#[test]
fn nobody_gets_what_was_sent_to_another() {
    on_workers(|workers| {
        let mut resuming = Resuming::new(workers, KEY);
        let (mut client, mut server, _) = resuming.open(&get("/e", "alice", ""));
        server.send(chunk(&[event(1), event(2)].concat()));
        expect_all(&mut client, &[event(1), event(2)].concat());
        let with = |line: &str| get("/e", "alice", "1").replace("Accept-Encoding: gzip\r\n", line);
        for request in [
            get("/e", "eve", "1"),
            get("/e?other", "alice", "1"),
            get("/e", "", "1"),
            get("/e", "alice; sid=eve", "1"),
            with("Authorization: Bearer eve\r\n"),
        ] {
            let (mut other, mut server, asked) = resuming.open(&request);
            assert_eq!(asked.as_deref(), Some("1"), "{request}");
            server.send(chunk(&event(7)));
            expect_all(&mut other, &event(7));
        }
        let (mut client, _server, asked) = resuming.open(&get("/e", "alice", "1"));
        assert_eq!(asked.as_deref(), Some("2"));
        expect_all(&mut client, &event(2));
    });
}

/// One session's name, and two who were let in by what the endpoint is told nothing of.
#[track_caller]
fn check_two(resuming: &mut Resuming, ann: &str, bob: &str) {
    let get = |who: &str, last: &str| format!("GET /e HTTP/1.1\r\nHost: t.test\r\nX-Session: x\r\n{who}\r\n{last}\r\n");
    let (mut client, mut server, _) = resuming.open(&get(ann, ""));
    server.send(chunk(&[event(1), event(2)].concat()));
    expect_all(&mut client, &[event(1), event(2)].concat());
    let (mut other, mut server, asked) = resuming.open(&get(bob, "Last-Event-ID: 1\r\n"));
    assert_eq!(asked.as_deref(), Some("1"), "{bob}");
    server.send(chunk(&event(7)));
    expect_all(&mut other, &event(7));
    let (mut client, _server, asked) = resuming.open(&get(ann, "Accept: */*\r\nLast-Event-ID: 1\r\n"));
    assert_eq!(asked.as_deref(), Some("2"), "{ann}");
    expect_all(&mut client, &event(2));
}

const BY_HEADER: &str = "{ key: { header: x-session } }";

#[test]
fn two_keys_are_two() {
    on_workers(|workers| {
        let dir = crate::harness::TempDir::new();
        let hashes = "ann: 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\n\
                      bob: b3a8e0e1f9ab1bfe3a36f231f676f78bb30a519d2b21e6c530c0eee8ebb4a5d0\n";
        let keys = format!(", api_keys: {{ file: {} }}", dir.write("keys", hashes).display());
        check_two(&mut Resuming::with(workers, BY_HEADER, &keys), "X-Api-Key: secret", "X-Api-Key: 456");
    });
}

#[test]
fn two_that_a_service_lets_in_are_two() {
    on_workers(|workers| {
        let service = Origin::start(|wire, _| {
            while wire.request().is_some() {
                wire.offer("HTTP/1.1 204 No Content\r\n\r\n");
            }
        });
        let forward = format!(", forward_auth: {{ url: \"http://{}/\" }}", service.address());
        check_two(&mut Resuming::with(workers, BY_HEADER, &forward), "X-Token: ann", "X-Token: bob");
        check_two(&mut Resuming::with(workers, KEY, &forward), "Cookie: sid=x; u=ann", "Cookie: sid=x; u=bob");
    });
}

#[test]
fn two_subjects_are_two() {
    let Some(judge) = crate::harness::websocket_judge("two_subjects_are_two") else { return };
    let signed = crate::policies::tokens::Signed::new(&judge);
    on_workers(|workers| {
        let dir = crate::harness::TempDir::new();
        let keys = dir.write("keys.json", signed.of("old"));
        let jwt = format!(", jwt: {{ jwks: {}, from: [{{ cookie: tk }}] }}", keys.display());
        let cookie = |name: &str| format!("Cookie: sid=x; tk={}", signed.of(name));
        check_two(&mut Resuming::with(workers, KEY, &jwt), &cookie("rs"), &cookie("bob"));
    });
}

#[test]
fn nothing_is_given_where_the_endpoint_refuses() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            while let Some(request) = wire.request() {
                if request.has("last-event-id") {
                    assert_eq!(request.field("last-event-id"), Some("2"));
                    wire.offer("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
                } else {
                    wire.send([CHUNKED, &chunk(&[event(1), event(2)].concat()), "0\r\n\r\n"].concat());
                }
            }
        });
        let rule = format!("routes:\n  t.test: {{ to: \"{}\", sse: {{ resume: {KEY} }}}}\n", origin.address());
        let proxy = Proxy::start(workers, &rule);
        assert_eq!(proxy.ask(get("/e", "x", "")).text(), [event(1), event(2)].concat());
        let answer = proxy.ask(get("/e", "x", "1"));
        assert_eq!((answer.status(), answer.text().as_str()), (401, "no"));
    });
}

#[test]
fn while_the_endpoint_is_away_clients_are_told_to_come_again() {
    on_workers(|workers| {
        let mut resuming = Resuming::new(workers, KEY);
        let (mut client, mut server, _) = resuming.open(&get("/e", "x", ""));
        server.send(chunk(&event(1)));
        expect_all(&mut client, &event(1));
        let Resuming { proxy, origin, take, .. } = resuming;
        let address = origin.address();
        drop((origin, take));
        // Lost between two events: the stream has a proper end, and says when to come back.
        drop(server);
        let words = String::from_utf8(client.chunk()).unwrap();
        assert!(words.starts_with("retry: ") && words.ends_with("\n\n"), "{words:?}");
        assert!(client.chunk().is_empty());
        client.expect("\r\n");
        let away = poll("the endpoint to be away", || {
            let mut client = proxy.send(get("/e", "x", "1"));
            let head = client.head();
            head.field("x-switchboard-reason").is_some().then_some((head, client))
        });
        let (head, mut client) = away;
        assert_eq!((head.status(), head.field("content-type")), (200, Some("text/event-stream")), "{head:#?}");
        let length: usize = head.field("content-length").unwrap().parse().unwrap();
        let words = String::from_utf8(client.exactly(length)).unwrap();
        assert!(words.starts_with("retry: ") && words.ends_with("\n\n"), "{words:?}");
        // Who has no session gets an error like anybody.
        assert_eq!(proxy.ask(get("/e", "stranger", "")).status(), 502);
        let origin = Origin::start_at(address.parse().unwrap(), |wire, _| {
            let request = wire.request().unwrap();
            assert_eq!(request.field("last-event-id"), Some("1"));
            wire.send(CHUNKED);
            wire.send(chunk(&event(2)));
            let _ = wire.rest();
        });
        let mut client = poll("the endpoint to be back", || {
            let mut client = proxy.send(get("/e", "x", "1"));
            (client.head().field("x-switchboard-reason").is_none()).then_some(client)
        });
        expect_all(&mut client, &event(2));
        drop(origin);
    });
}

#[test]
fn a_browser_misses_nothing_while_the_backend_restarts() {
    let Some(judge) = browser_judge("EventSource in Chromium through a restarted backend") else { return };
    let dir = crate::harness::TempDir::new();
    let file = dir.file("last").display().to_string();
    let mut backend = Node::run_on(&judge, BACKEND, &[&file], "0");
    let port = backend.wait_line(0);
    let rule = format!("routes:\n  \"*\": {{ to: \"127.0.0.1:{port}\", sse: {{ resume: {KEY} }} }}\n");
    let proxy = Proxy::start(2, &rule);
    let browser = Node::run(&judge, BROWSER, &[&format!("http://127.0.0.1:{}/", proxy.port()), "150"]);
    for seen in [1, 2] {
        // It has seen some, and then the backend is killed in the middle of it.
        poll("events in the browser", || browser.line(seen));
        backend.kill();
        // Meanwhile the browser asks in vain at least once.
        let before = proxy.access().len();
        poll("an answer in the backend's place", || (proxy.access().len() > before + 1).then_some(()));
        backend = Node::run_on(&judge, BACKEND, &[&file], &port);
    }
    let all = poll_for(Duration::from_secs(60), || {
        (0..).map_while(|n| browser.line(n)).find(|line| line.starts_with("all "))
    });
    let expect: Vec<String> = (1..=150).map(|id| id.to_string()).collect();
    assert_eq!(all.as_deref(), Some(&*format!("all {}", expect.join(","))));
}

//! `switchboard demo` as a visitor meets it: what it prints leads to two workspaces, live, through the real proxy.

use crate::harness::{PATIENCE, TempDir, Wire, poll, run, ws};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A demo that runs; killed when dropped.
struct Demo {
    child: Child,
    temp: TempDir,
    said: String,
    port: u16,
}

impl Demo {
    #[track_caller]
    fn start() -> Self {
        let temp = TempDir::new();
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
        command.args(["demo", "--port", "0"]).env("TMPDIR", temp.path());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (give, take) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| give.send(line)));
        let mut said = String::new();
        while !said.contains("ends it all.") {
            match take.recv_timeout(PATIENCE) {
                Ok(line) => said += &(line + "\n"),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => panic!("it said only {said:?}"),
            }
        }
        let port = said.split("http://a.localhost:").nth(1).and_then(|rest| rest.split('/').next());
        let port = port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("no address in {said}"));
        Self { child, temp, said, port }
    }

    fn host(&self, name: &str) -> String {
        format!("{name}.localhost:{}", self.port)
    }

    #[track_caller]
    fn connect(&self) -> Wire {
        Wire::connect(SocketAddr::from(([127, 0, 0, 1], self.port)))
    }

    #[track_caller]
    fn get(&self, host: &str, path: &str, lines: &str) -> crate::harness::Message {
        let mut wire = self.connect();
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n"));
        wire.response()
    }

    fn configuration(&self) -> PathBuf {
        let line = self.said.lines().find(|line| line.ends_with("switchboard.yaml")).unwrap();
        PathBuf::from(line.trim())
    }

    #[track_caller]
    fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success(), "kill -{name}");
    }

    /// Ctrl-C. Returns the exit code and how long it took.
    fn interrupt(&mut self) -> (Option<i32>, Duration) {
        let start = Instant::now();
        self.signal("INT");
        let status = poll("the demo to end", || self.child.try_wait().unwrap());
        (status.code(), start.elapsed())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A frame of a client, masked with zeroes.
fn frame(first: u8, payload: &str) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[first, 0x80 | length, 0, 0, 0, 0], payload.as_bytes()].concat()
}

#[test]
fn both_workspaces_are_live() {
    let demo = Demo::start();
    for (name, host, other) in [("A", demo.host("a"), demo.host("b")), ("B", demo.host("b"), demo.host("a"))] {
        assert!(demo.said.contains(&format!("  {name}  http://{host}/\n")), "{}", demo.said);
        let page = demo.get(&host, "/", "");
        assert_eq!((page.status(), page.field("content-type")), (200, Some("text/html; charset=utf-8")));
        let text = page.text();
        let link = format!("href=\"//{other}/\"");
        assert!(text.contains(&format!("<h1>Workspace {name}</h1>")) && text.contains(&link), "{text}");
        assert!(!text.contains("{{"), "a place that nobody filled in: {text}");
        assert_eq!(demo.get(&host, "/hello", "").text(), format!("hello from workspace {name}\n"));

        let mut socket = demo.connect();
        ws::open(&mut socket, &host, "/ws");
        for message in ["hello-from-client", "once more"] {
            socket.send(frame(0x81, message));
            socket.expect(frame_of_server(0x81, &format!("{name}: {message}")));
        }
        socket.send(frame(0x89, "ping"));
        socket.expect(frame_of_server(0x8A, "ping"));
        socket.send(frame(0x88, ""));
        socket.expect(frame_of_server(0x88, ""));
        socket.finish();
        socket.ends();

        let mut stream = demo.connect();
        stream.send(format!("GET /sse HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n"));
        let head = stream.head();
        assert_eq!((head.status(), head.field("content-type")), (200, Some("text/event-stream")));
        for number in 1..=3 {
            let event = format!("id: {number}\ndata: event {number} from workspace {name}\n\n");
            assert_eq!(String::from_utf8(stream.chunk()).unwrap(), event);
        }
    }
}

fn frame_of_server(first: u8, payload: &str) -> Vec<u8> {
    [&[first, u8::try_from(payload.len()).unwrap()], payload.as_bytes()].concat()
}

#[test]
fn an_unknown_host_names_the_known_ones() {
    let demo = Demo::start();
    let (a, b) = (demo.host("a"), demo.host("b"));
    let ask = |accept: &str| {
        let answer = demo.get(&demo.host("nobody"), "/", accept);
        assert_eq!((answer.status(), answer.reason()), (404, "no_route"));
        answer.text()
    };
    let text = ask("");
    assert!(text.contains(&format!("Known hosts:\n  {a}\n  {b}\n")), "{text}");
    let page = ask("Accept: text/html\r\n");
    assert!(page.contains(&format!("<a href=\"//{a}\">")) && page.contains(&format!("<a href=\"//{b}\">")), "{page}");
    let json: serde_json::Value = serde_json::from_str(&ask("Accept: application/json\r\n")).unwrap();
    assert_eq!(json["known_hosts"], serde_json::json!([a, b]));
}

#[test]
fn its_configuration_may_be_changed_while_it_runs() {
    let demo = Demo::start();
    let mut socket = demo.connect();
    ws::open(&mut socket, &demo.host("a"), "/ws");
    assert_eq!(demo.get(&demo.host("c"), "/", "").status(), 404);
    let path = demo.configuration();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("routes:\n", "routes:\n  c.localhost: { respond: new }\n")).unwrap();
    // That a saved file is noticed by itself is for `reload` to show.
    demo.signal("HUP");
    poll("the new route", || (demo.get(&demo.host("c"), "/", "").text() == "new").then_some(()));
    socket.send(frame(0x81, "still here"));
    socket.expect(frame_of_server(0x81, "A: still here"));
}

#[test]
fn it_ends_at_once_and_leaves_nothing() {
    let mut demo = Demo::start();
    let left = |demo: &Demo| std::fs::read_dir(demo.temp.path()).unwrap().count();
    assert_eq!(left(&demo), 1);
    let mut socket = demo.connect();
    ws::open(&mut socket, &demo.host("a"), "/ws");
    let mut stream = demo.connect();
    stream.send(format!("GET /sse HTTP/1.1\r\nHost: {}\r\n\r\n", demo.host("b")));
    assert_eq!(stream.head().status(), 200);
    let (code, took) = demo.interrupt();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?} with streams open");
    assert_eq!(left(&demo), 0);
}

#[test]
fn a_port_that_was_asked_for_and_is_taken() {
    let demo = Demo::start();
    let dir = TempDir::new();
    let output = run(dir.path(), &["demo", "--port", &demo.port.to_string()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("port {} is taken", demo.port)) && output.stdout.is_empty(), "{said}");
}

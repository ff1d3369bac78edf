//! `switchboard dev`: dev servers with a name for as long as they run, behind one proxy that starts by itself.
//!
//! The founding experiment with nothing but registrations. The servers are Node's; without the judge the tests are
//! skipped aloud.

use crate::harness::ws::open;
use crate::harness::{TempDir, Wire, assert_own_answer, poll, poll_for, websocket_judge};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const BACKEND: &str = include_str!("node/backend.cjs");

/// A directory with a configuration and its proxy, which is ended with the value.
struct Place {
    dir: TempDir,
    judge: PathBuf,
}

impl Place {
    fn new(judge: PathBuf) -> Self {
        let dir = TempDir::new();
        dir.write("backend.cjs", BACKEND);
        dir.write(
            "proxy.yaml",
            &format!("listen: 127.0.0.1:0\nstate_dir: {}\nadmin: off\n", dir.file("state").display()),
        );
        Self { dir, judge }
    }

    fn dev(&self, name: &str, command: &[&str]) -> Dev {
        let mut line = Command::new(env!("CARGO_BIN_EXE_switchboard"));
        line.args(["dev", name, "-c"]).arg(self.dir.file("proxy.yaml")).arg("--").args(command);
        line.current_dir(self.dir.path()).env("NODE_PATH", self.judge.join("node_modules"));
        let mut child = line.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (theirs, pipe) = (Arc::clone(&lines), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                theirs.lock().unwrap().push(line);
            }
        });
        Dev { child, lines, name: name.to_owned() }
    }

    /// What the proxy says of itself; `None` while none runs.
    fn status(&self) -> Option<serde_json::Value> {
        let mut socket = UnixStream::connect(self.dir.file("state").join("control.sock")).ok()?;
        socket.write_all(b"GET /v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        socket.read_to_string(&mut text).ok()?;
        serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
    }

    fn pid(&self) -> Option<i32> {
        i32::try_from(self.status()?.get("pid")?.as_i64()?).ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
    }
}

/// A running `switchboard dev`; killed when dropped.
struct Dev {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    name: String,
}

impl Dev {
    fn said(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// Waits for the address that it prints.
    #[track_caller]
    fn address(&self) -> SocketAddr {
        let start = format!("http://{}.localhost:", self.name);
        let port = poll_for(Duration::from_secs(40), || {
            let said = self.said();
            let rest = said.split_once(&start)?.1;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u16>().ok()
        });
        SocketAddr::from(([127, 0, 0, 1], port.unwrap_or_else(|| panic!("no address was printed:\n{}", self.said()))))
    }

    fn tell(&self, signal: &str) {
        Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        self.tell("-TERM");
        poll_for(Duration::from_secs(5), || self.child.try_wait().ok().flatten());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(at: SocketAddr, host: &str, path: &str) -> crate::harness::Message {
    let mut wire = Wire::connect(at);
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
    wire.response()
}

#[test]
fn five_starts_at_once_make_one_proxy_and_five_names() {
    let Some(judge) = websocket_judge("dev servers: five at once") else { return };
    let place = Place::new(judge);
    let names = ["one", "two", "three", "four", "five"];
    let running: Vec<Dev> = names.iter().map(|name| place.dev(name, &["node", "backend.cjs", name])).collect();
    let at = running[0].address();
    for dev in &running {
        assert_eq!(dev.address(), at, "one proxy for all");
        let host = format!("{}.localhost", dev.name);
        assert_eq!(get(at, &host, "/x").text(), format!("http-{}:{host}:/x", dev.name));
    }
}

#[test]
fn a_name_goes_with_its_server_and_the_other_never_blinks() {
    let Some(judge) = websocket_judge("dev servers: one ends") else { return };
    let place = Place::new(judge);
    let (mut a, b) = (place.dev("a", &["node", "backend.cjs", "a"]), place.dev("b", &["node", "backend.cjs", "b"]));
    let at = a.address();
    assert_eq!(b.address(), at);
    let mut socket = Wire::connect(at);
    open(&mut socket, "b.localhost", "/ws");
    assert_eq!(get(at, "a.localhost", "/").status(), 200);
    // Events of both flow at their names, each before the next is asked for.
    let mut events = ["a", "b"].map(|name| {
        let mut stream = Wire::connect(at);
        stream.send(format!("GET /sse HTTP/1.1\r\nHost: {name}.localhost\r\nAccept: text/event-stream\r\n\r\n"));
        assert_eq!(stream.head().field("content-type"), Some("text/event-stream"));
        assert_eq!(get(at, &format!("{name}.localhost"), "/next").text(), "sent");
        assert_eq!(stream.chunk(), format!("data: {name}-event-1\n\n").into_bytes());
        stream
    });
    let mut other = Wire::connect(at);
    open(&mut other, "a.localhost", "/ws");
    other.send(b"\x81\x82\0\0\0\0hi");
    other.expect(b"\x81\x07ws-a:hi");
    a.tell("-TERM");
    let status = poll("dev to end", || a.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(143), "the server's own end: {}", a.said());
    assert_own_answer(&get(at, "a.localhost", "/"), 404, "no_route");
    socket.send(b"\x81\x82\0\0\0\0hi");
    socket.expect(b"\x81\x07ws-b:hi");
    assert_eq!(get(at, "b.localhost", "/next").text(), "sent");
    assert_eq!(events[1].chunk(), b"data: b-event-2\n\n");
}

#[test]
fn a_name_that_another_has_is_refused() {
    let Some(judge) = websocket_judge("dev servers: one name twice") else { return };
    let place = Place::new(judge);
    let first = place.dev("shop", &["node", "backend.cjs", "first"]);
    let at = first.address();
    let mut second = place.dev("shop", &["node", "backend.cjs", "second"]);
    assert_eq!(poll("dev to end", || second.child.try_wait().unwrap()).code(), Some(1), "{}", second.said());
    poll("the cause", || second.said().contains("of another `dev`; choose a name").then_some(()));
    assert!(get(at, "shop.localhost", "/").text().starts_with("http-first"), "the first keeps its name");
    // Nor does one get it that was begun before the other had it, and is ready later.
    let late = "const fs = require('fs'); fs.writeFileSync('begun', ''); \
        setInterval(function () { if (fs.existsSync('go')) { clearInterval(this); require('./backend.cjs'); } }, 20);";
    place.dir.write("late.cjs", late);
    let mut late = place.dev("cart", &["node", "late.cjs", "late"]);
    poll("it to begin", || place.dir.file("begun").exists().then_some(()));
    let first = place.dev("cart", &["node", "backend.cjs", "first"]);
    let at = first.address();
    place.dir.write("go", "");
    assert_eq!(poll("dev to end", || late.child.try_wait().unwrap()).code(), Some(1), "{}", late.said());
    assert!(get(at, "cart.localhost", "/").text().starts_with("http-first"), "the first keeps its name");
}

#[test]
fn a_server_that_fails_ends_with_its_own_code() {
    let Some(judge) = websocket_judge("dev servers: exit codes") else { return };
    let place = Place::new(judge);
    let mut dev = place.dev("broken", &["node", "-e", "process.exit(7)"]);
    assert_eq!(poll("dev to end", || dev.child.try_wait().unwrap()).code(), Some(7));
    let mut absent = place.dev("absent", &["no-such-command-here"]);
    assert_eq!(poll("dev to end", || absent.child.try_wait().unwrap()).code(), Some(1));
    poll("the cause", || absent.said().contains("there is no command `no-such-command-here`").then_some(()));
}

//! SIGTERM: what is under way is finished, everything is bounded, the exit code is 0; a second signal ends it at once.

use crate::harness::ws::{CLOSE, agree, expect_close, frame, open};
use crate::harness::{Ending, Origin, Pair, TempDir, Wire, on_workers, poll, run};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const GET: &str = "GET / HTTP/1.1\r\nHost: t.test\r\n\r\n";

#[test]
fn idle_proxy_ends_at_once() {
    on_workers(|workers| {
        let pair = Pair::new(workers, Origin::ok());
        // A connection that is kept but idle holds nothing up, in front or behind.
        let mut idle = pair.proxy.send(GET);
        assert_eq!(idle.response().status(), 200);
        let unused = pair.proxy.connect();
        let start = Instant::now();
        pair.proxy.stop();
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert!(idle.rest().is_empty());
        drop(unused);
    });
}

/// An origin that answers each request when it is told to.
fn held_back() -> (std::sync::mpsc::Sender<()>, Origin) {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let origin = Origin::start(move |wire, _| {
        if wire.request().is_some() {
            gone.lock().unwrap().recv().unwrap();
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
        }
    });
    (go, origin)
}

#[test]
fn request_under_way_is_finished() {
    on_workers(|workers| {
        let (go, origin) = held_back();
        let Pair { mut proxy, origin } = Pair::new(workers, origin);
        let address = proxy.address();
        let mut client = proxy.send(GET);
        origin.wait_request(0);
        proxy.signal("TERM");
        // The door is closed while the work goes on.
        poll("the listener closed", || std::net::TcpStream::connect(address).is_err().then_some(()));
        assert!(proxy.exited().is_none());
        go.send(()).unwrap();
        let answer = client.response();
        assert_eq!((answer.text().as_str(), answer.field("connection")), ("done", Some("close")), "{answer:#?}");
        client.ends();
        assert_eq!(proxy.wait_exit().code(), Some(0));
    });
}

/// A drain may take half an hour, and logs are rotated at their hour.
#[test]
fn logs_are_opened_again_while_it_drains() {
    let (go, origin) = held_back();
    let logs = TempDir::new();
    let file = logs.file("access.log");
    let Pair { mut proxy, origin } = Pair::with(1, origin, &format!("access_log: {}\n", file.display()));
    let mut client = proxy.send(GET);
    origin.wait_request(0);
    proxy.signal("TERM");
    poll("the listener closed", || std::net::TcpStream::connect(proxy.address()).is_err().then_some(()));
    std::fs::rename(&file, logs.file("access.log.1")).unwrap();
    proxy.signal("USR1");
    poll("the file made anew", || file.exists().then_some(()));
    proxy.signal("HUP");
    proxy.wait_log("not reloaded: the proxy drains");
    go.send(()).unwrap();
    assert_eq!(client.response().text(), "done");
    assert_eq!(proxy.wait_exit().code(), Some(0));
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 1);
}

#[test]
fn drain_is_bounded() {
    on_workers(|workers| {
        let more = "drain: { http: 400ms, tunnels: 900ms }\n";
        let origin = Origin::start(|wire, _| {
            if wire.request_head().is_some_and(|head| head.has("upgrade")) {
                wire.send(crate::harness::ws::switching(""));
            }
            let _ = wire.rest();
        });
        let Pair { mut proxy, origin } = Pair::with(workers, origin, more);
        let mut waiting = proxy.send(GET);
        origin.wait_head(0);
        let mut tunnel = proxy.connect();
        open(&mut tunnel, "t.test", "/ws");
        let start = Instant::now();
        proxy.signal("TERM");
        let _ = waiting.rest();
        let http = start.elapsed();
        expect_close(&mut tunnel, 1012);
        let tunnels = start.elapsed();
        // Neither side answers it, and that is waited for no longer than any goodbye.
        tunnel.gone();
        assert_eq!(proxy.wait_exit().code(), Some(0));
        // A request has for certain what `http` says; it is cut where the process ends.
        assert!(http >= Duration::from_millis(300) && http < Duration::from_secs(5), "{http:?}");
        assert!(tunnels >= Duration::from_millis(300) && tunnels < Duration::from_secs(6), "{tunnels:?}");
        assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    });
}

#[test]
fn a_goodbye_that_begins_last_has_its_time() {
    on_workers(|workers| {
        let half = || frame(0x01, b"half of a message", false);
        let origin = Origin::start(move |wire, _| {
            if agree(wire).is_some() {
                wire.send(half());
                expect_close(wire, 1012);
                wire.send(frame(CLOSE, &1012_u16.to_be_bytes(), false));
                let _ = wire.rest();
            }
        });
        let more = "drain: { http: 100ms, tunnels: 3s }\n";
        let Pair { mut proxy, origin: _origin } = Pair::with(workers, origin, more);
        let mut tunnel = proxy.connect();
        open(&mut tunnel, "t.test", "/ws");
        tunnel.expect(half());
        proxy.signal("TERM");
        // The rest of the message is waited for, for three seconds.
        expect_close(&mut tunnel, 1012);
        tunnel.send(frame(CLOSE, &1012_u16.to_be_bytes(), true));
        assert_eq!(tunnel.gone(), Ending::Closed);
        assert_eq!(proxy.wait_exit().code(), Some(0));
        assert_eq!(proxy.wait_access_of("/ws")["reason"], "draining");
    });
}

#[test]
fn what_is_cut_has_its_line() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            let Some(head) = wire.request_head() else { return };
            if head.has("upgrade") {
                wire.send(crate::harness::ws::switching(""));
            } else if head.target() == "/events" {
                wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
            } else if head.target() == "/half" {
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
            }
            let _ = wire.rest();
        });
        let Pair { mut proxy, origin } = Pair::new(workers, origin);
        let address = proxy.address();
        let mut waiting = proxy.send("GET /slow HTTP/1.1\r\nHost: t.test\r\n\r\n");
        origin.wait_head(0);
        let mut events = proxy.send("GET /events HTTP/1.1\r\nHost: t.test\r\n\r\n");
        events.until("data: 1\n\n");
        let mut half = proxy.send("GET /half HTTP/1.1\r\nHost: t.test\r\n\r\n");
        half.until("\r\n\r\nhalf");
        let mut tunnel = proxy.connect();
        open(&mut tunnel, "t.test", "/ws");
        proxy.signal("TERM");
        poll("the listener closed", || std::net::TcpStream::connect(address).is_err().then_some(()));
        proxy.signal("TERM");
        assert_eq!(waiting.response().status(), 503);
        proxy.wait_exit();
        for path in ["/slow", "/events", "/half", "/ws"] {
            assert_eq!(proxy.wait_access_of(path)["reason"], "draining", "{path}");
        }
    });
}

#[test]
fn tunnel_that_ends_by_itself_is_not_cut() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            if agree(wire).is_some() {
                while let Some(bytes) = wire.at_least(1) {
                    wire.send(bytes);
                }
            }
        });
        let Pair { mut proxy, origin: _origin } = Pair::new(workers, origin);
        let address = proxy.address();
        let mut tunnel = proxy.connect();
        open(&mut tunnel, "t.test", "/ws");
        proxy.signal("TERM");
        poll("the listener closed", || std::net::TcpStream::connect(address).is_err().then_some(()));
        tunnel.send("still");
        tunnel.expect("still");
        assert!(proxy.exited().is_none());
        tunnel.finish();
        tunnel.ends();
        drop(tunnel);
        assert_eq!(proxy.wait_exit().code(), Some(0));
    });
}

#[test]
fn second_signal_ends_it_at_once() {
    on_workers(|workers| {
        let Pair { mut proxy, origin } = Pair::new(workers, Origin::silent());
        let address = proxy.address();
        let mut client = proxy.send(GET);
        origin.wait_head(0);
        proxy.signal("TERM");
        poll("the listener closed", || std::net::TcpStream::connect(address).is_err().then_some(()));
        assert!(proxy.exited().is_none());
        let start = Instant::now();
        proxy.signal("TERM");
        proxy.wait_exit();
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        let _ = client.rest();
    });
}

#[test]
fn connections_that_were_accepted_are_served() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        let mut clients: Vec<Wire> = (0..50).map(|_| proxy.send(GET)).collect();
        let served: usize = {
            proxy.signal("TERM");
            clients.iter_mut().map(|c| usize::from(c.rest().starts_with(b"HTTP/1.1 200 "))).sum()
        };
        assert_eq!(served, 50, "who had connected before the signal was served");
        drop(origin);
        proxy.stop_after_signal();
    });
}

/// What docs/reload-and-drain.md promises of a `.socket` unit: a client that comes between two processes waits, and is answered.
#[test]
fn a_socket_that_was_handed_over_outlives_the_process() {
    let dir = TempDir::new();
    let config = dir.write(
        "switchboard.yaml",
        "listen: fd:3\nadmin: off\nstate_dir: ./state\nroutes: { t.test: { respond: hi } }\n",
    );
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let start = || {
        let mut command = Command::new("sh");
        command.args(["-c", "exec 3<&0 </dev/null; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_switchboard"), "run", "-c"]);
        let socket = std::os::fd::OwnedFd::from(socket.try_clone().unwrap());
        command.arg(&config).current_dir(dir.path());
        command.stdin(socket).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    for _ in 0..2 {
        // Nobody accepts yet, and the client is not refused.
        let mut client = Wire::connect(socket.local_addr().unwrap());
        client.send(GET);
        let mut process = start();
        assert_eq!(client.response().text(), "hi");
        let kill = Command::new("kill").arg(process.id().to_string()).status().unwrap();
        assert!(kill.success());
        assert_eq!(process.wait().unwrap().code(), Some(0));
    }
    let refused = run(dir.path(), &["run"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(1) && said.contains("cannot listen on fd:3") && said.contains(".socket"),
        "{said}"
    );
}

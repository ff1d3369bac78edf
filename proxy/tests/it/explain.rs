//! `switchboard explain` as a script meets it: exit codes, streams, and that it says what the proxy does.

use crate::harness::ws::{agree, next_frame};
use crate::harness::{Origin, Pair, TempDir, on_workers, run};
use std::process::{Command, Stdio};

const YAML: &str =
    "listen: 127.0.0.1:0\nroutes:\n  t.test: :3001\n  t.test/api: { to: \":3002\", strip_prefix: true }\n";

#[test]
fn exit_codes_and_streams() {
    let dir = TempDir::new();
    let check = |arguments: &[&str], code: i32, out: &str, err: &str| {
        let output = run(dir.path(), &[&["explain"], arguments].concat());
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
        assert!(stdout.contains(out) && stdout.is_empty() == out.is_empty(), "{arguments:?}\n{stdout}");
        assert!(stderr.contains(err) && stderr.is_empty() == err.is_empty(), "{arguments:?}\n{stderr}");
        assert!(!stdout.contains('\x1b') && !stderr.contains('\x1b'), "colours outside of a terminal");
    };
    check(&["t.test"], 2, "", "there is no switchboard.yaml here");
    dir.write("bad.yaml", "routes: { t.test: { too: x } }\n");
    check(&["t.test", "-c", "bad.yaml"], 2, "", "bad.yaml:1:21");
    dir.write("switchboard.yaml", YAML);
    check(&["t.test", "--online", "--admin", "./none/control.sock"], 2, "", "no proxy runs");
    check(&["t.test/api/x"], 0, "t.test/api answers", "");
    check(&["u.test"], 1, "404 no_route", "");
    check(&["t.test/%00"], 1, "400 bad_request", "");
    check(&["t.test", "--listener", "none"], 2, "", "no listener is named none");
    check(&["gopher://t.test"], 2, "", "none of http, https, ws and wss");
    check(&[], 2, "", "<URL>");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dir = TempDir::new();
    dir.write("switchboard.yaml", YAML);
    for arguments in [&["explain", "t.test"][..], &["schema"], &["completions", "bash"], &["--help"], &["check"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
        let command = command.args(arguments).current_dir(dir.path()).stdout(writer).stderr(Stdio::piped());
        let output = command.output().unwrap();
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{arguments:?}");
    }
}

/// The head that it shows is the head that the origin gets.
#[test]
fn it_says_what_the_proxy_sends() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::with(workers, Origin::ok(), "forwarded: { rfc7239: false, via: true }\n");
        let host = format!("t.test:{}", proxy.port());
        let lines =
            ["X-Tag: a", "Connection: x-gone", "X-Gone: b", "Accept-Encoding: br", "X-Forwarded-For: 192.0.2.1"];
        let target = "/a/./b%20c?d=%2F";
        proxy.ask(format!("PUT {target} HTTP/1.1\r\nHost: {host}\r\n{}\r\n\r\n", lines.join("\r\n")));
        let got = origin.wait_request(0);
        let url = format!("http://{host}{target}");
        let config = proxy.config().display().to_string();
        let mut arguments = vec!["explain", &url, "-X", "PUT", "-c", &config];
        lines.iter().for_each(|line| arguments.extend(["-H", line]));
        let output = run(proxy.dir().path(), &arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let shown = text.split("Sent upstream\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
        let mut shown = shown.lines().map(str::trim);
        assert_eq!(shown.next(), Some(&*format!("{} {} HTTP/1.1", got.method(), got.target())));
        let shown: Vec<&str> = shown.filter(|line| !line.starts_with("x-request-id:")).collect();
        let expect = got.fields.iter().filter(|(name, _)| name != "x-request-id");
        let expect: Vec<String> = expect.map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(shown, expect, "{text}");
    });
}

#[test]
fn try_shows_what_each_endpoint_says_to_a_handshake() {
    let agrees = Origin::start(|wire, _| {
        let _ = agree(wire).is_some() && next_frame(wire).is_some();
    });
    let refuses = Origin::closing("HTTP/1.1 404 Not Found\r\nX-Why: no such room\r\nContent-Length: 2\r\n\r\nno");
    let lies = Origin::closing(
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
    );
    let away = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let dir = TempDir::new();
    let ask = |endpoints: &str, url: &str| {
        dir.write("sb.yaml", &format!("routes: {{ t.test: [{endpoints}] }}\n"));
        let output = run(dir.path(), &["explain", "-c", "sb.yaml", "--try", url]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let all = format!("{}, {}, {}, {away}", agrees.address(), refuses.address(), lies.address());
    let (code, text) = ask(&all, "ws://t.test/room");
    assert_eq!(code, Some(1), "{text}");
    for part in [
        format!("{}: a WebSocket\n    HTTP/1.1 101", agrees.address()),
        format!("{}: no WebSocket: it answers the request", refuses.address()),
        "X-Why: no such room".to_owned(),
        format!("{}: no WebSocket: ", lies.address()),
        format!("{away}: connection refused"),
    ] {
        assert!(text.to_lowercase().contains(&part.to_lowercase()), "{part:?} is missing in\n{text}");
    }
    assert_eq!(refuses.wait_request(0).target(), "/room");
    let (code, text) = ask(&agrees.address(), "ws://t.test/room");
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = ask(&agrees.address(), "http://t.test/room");
    assert!(code == Some(1) && text.contains("no WebSocket handshake"), "{text}");
    dir.write("sb.yaml", "routes: { t.test: { respond: hello } }\n");
    let output = run(dir.path(), &["explain", "-c", "sb.yaml", "--try", "ws://t.test/"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("nothing: this route answers by itself"), "{text}");
}

//! The command line: what scripts and people may rely on.

use crate::harness::{Proxy, TempDir, run};
use std::process::Output;

#[track_caller]
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

const COMMANDS: [&str; 7] = ["run", "check", "demo", "explain", "reload", "schema", "completions"];

#[test]
fn help_names_every_command_and_each_shows_an_example() {
    let dir = TempDir::new();
    let output = run(dir.path(), &["--help"]);
    assert!(output.status.success(), "{}", said(&output));
    for command in COMMANDS {
        assert!(said(&output).contains(command), "no {command} in {}", said(&output));
        let help = run(dir.path(), &[command, "--help"]);
        assert!(help.status.success() && said(&help).contains("switchboard"), "{command}: {}", said(&help));
        assert!(said(&help).to_lowercase().contains("example"), "no example: {}", said(&help));
    }
    let output = run(dir.path(), &["--version"]);
    assert!(said(&output).starts_with("switchboard "), "{}", said(&output));
    assert_ne!(run(dir.path(), &["serve"]).status.code(), Some(0));
}

#[test]
fn check_gives_all_errors_with_their_places() {
    let dir = TempDir::new();
    let file = dir.write(
        "bad.yaml",
        "listen: 127.0.0.1:99999\nroutes:\n  a.test: { respnd: x }\n  b.test: nowhere\ntimeouts:\n  head: soon\n  idle: 0s\nworkerz: 2\n",
    );
    let output = run(dir.path(), &["check", "-c", &file.display().to_string()]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let text = said(&output);
    for place in ["bad.yaml:1:9", "bad.yaml:3:13", "bad.yaml:4:11", "bad.yaml:6:9", "bad.yaml:7:9", "bad.yaml:8:1"] {
        assert!(text.contains(place), "no {place} in\n{text}");
    }
    for hint in ["respond", "workers", "off"] {
        assert!(text.contains(hint), "no hint at {hint:?} in\n{text}");
    }
    let missing = run(dir.path(), &["check", "-c", "no-such.yaml"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(said(&missing).contains("no-such.yaml"), "{}", said(&missing));
}

#[test]
fn a_directory_is_no_configuration() {
    let dir = TempDir::new();
    let output = run(dir.path(), &["check", "-c", "."]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("it is a directory; write ./switchboard.yaml"), "{}", said(&output));
}

#[test]
fn commands_to_a_running_proxy_say_what_the_file_is_for() {
    let dir = TempDir::new();
    for command in ["reload", "drain", "purge", "top"] {
        let help = run(dir.path(), &[command, "--help"]);
        assert!(said(&help).contains("Says where the proxy is"), "{command}: {}", said(&help));
    }
}

#[test]
fn check_of_a_good_file() {
    let dir = TempDir::new();
    dir.write("switchboard.yaml", "listen: 127.0.0.1:0\nroutes:\n  a.test: :3001\n");
    // Without -c it is the one in the folder.
    let output = run(dir.path(), &["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn check_survives_any_bytes() {
    let dir = TempDir::new();
    let bombs: [&[u8]; 7] = [
        b"\xff\xfe\0\x01",
        b"routes: &a [*a]",
        b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]\n",
        b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        b"- - - - - - -",
        b"listen: 127.0.0.1:0\n---\nlisten: x\n",
        b"? {}\n: [",
    ];
    for bytes in bombs {
        let file = dir.file("any.yaml");
        std::fs::write(&file, bytes).unwrap();
        let output = run(dir.path(), &["check", "-c", &file.display().to_string()]);
        assert_eq!(output.status.code(), Some(1), "{:?}: {}", String::from_utf8_lossy(bytes), said(&output));
        assert!(!said(&output).contains("panicked"), "{}", said(&output));
    }
}

#[test]
fn run_refuses_what_check_refuses() {
    let dir = TempDir::new();
    let file = dir.write("bad.yaml", "routes:\n  a.test: { respnd: x }\n");
    let output = run(dir.path(), &["run", "-c", &file.display().to_string()]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("bad.yaml:2:13"), "{}", said(&output));
}

#[test]
fn run_says_who_holds_the_port() {
    let proxy = Proxy::start(1, "routes: {}\n");
    let dir = TempDir::new();
    let text = format!("listen: 127.0.0.1:{}\nstate_dir: {}\n", proxy.port(), dir.file("s").display());
    let file = dir.write("two.yaml", &text);
    let output = run(dir.path(), &["run", "-c", &file.display().to_string()]);
    assert_eq!(output.status.code(), Some(1), "half the traffic of another is no start: {}", said(&output));
    assert!(said(&output).contains(&proxy.port().to_string()), "{}", said(&output));
}

#[test]
fn one_proxy_a_state_dir() {
    let proxy = Proxy::start(1, "routes: {}\n");
    let output = run(proxy.dir().path(), &["run", "-c", &proxy.config().display().to_string()]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("state"), "{}", said(&output));
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(proxy.dir().file("state/control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn explain_names_the_rule_and_why_not_the_others() {
    let dir = TempDir::new();
    let yaml = "routes:\n  t.test: :3001\n  t.test/api:\n    - { when: { headers: { x-canary: \"yes\" } }, to: :3002 }\n    \
        - { when: { methods: [PUT] }, to: :3003 }\n";
    dir.write("switchboard.yaml", yaml);
    let explain = |arguments: &[&str]| {
        let output = run(dir.path(), &[&["explain"], arguments].concat());
        (output.status.code(), said(&output))
    };
    let (code, text) = explain(&["http://t.test/api/x", "-H", "X-Canary: yes"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("3002") && text.contains("t.test/api"), "{text}");
    let (_, text) = explain(&["http://t.test/api/x"]);
    assert!(text.contains("3001") && text.contains("x-canary"), "{text}");
    let (code, text) = explain(&["http://u.test/"]);
    assert!(code != Some(0) || text.contains("no_route"), "{text}");
    assert!(text.contains("no_route") || text.contains("t.test"), "{text}");
}

#[test]
fn schema_is_json_schema() {
    let dir = TempDir::new();
    let output = run(dir.path(), &["schema"]);
    assert!(output.status.success(), "{}", said(&output));
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(schema["$schema"].is_string() && schema["properties"]["routes"].is_object(), "{schema}");
}

#[test]
fn completions_for_shells() {
    let dir = TempDir::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = run(dir.path(), &["completions", shell]);
        assert!(output.status.success() && said(&output).contains("reload"), "{shell}: {}", said(&output));
    }
}

#[test]
fn without_a_file_it_says_so() {
    let dir = TempDir::new();
    // It ends by itself: there is no place for its state.
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.arg("run").current_dir(dir.path()).env("XDG_STATE_HOME", "/dev/null");
    let output = command.output().unwrap();
    let here = dir.path().canonicalize().unwrap();
    let expect = format!("no switchboard.yaml in {}: no routes yet; name a file with -c, or", here.display());
    assert!(said(&output).contains(&expect), "{}", said(&output));
}

#[test]
fn what_keeps_it_from_starting_names_a_mend() {
    let dir = TempDir::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let state = dir.file("state");
    let text = format!("listen: 127.0.0.1:0\nadmin: {address}\nstate_dir: {}\n", state.display());
    dir.write("switchboard.yaml", &text);
    let output = run(dir.path(), &["run"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("choose another port by `admin: 127.0.0.1:PORT`"), "{}", said(&output));
    assert!(!said(&output).contains("os error"), "{}", said(&output));
    // Nobody may make one there, root neither.
    dir.write("switchboard.yaml", "listen: 127.0.0.1:0\nstate_dir: /sys/switchboard\n");
    let output = run(dir.path(), &["run"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("Give this user the directory"), "{}", said(&output));
}

#[test]
fn without_a_file_it_waits_for_routes() {
    // `run` without -c and without a file in the folder: an empty registry.
    let proxy = Proxy::start(1, "");
    let answer = proxy.get("t.test", "/");
    assert_eq!((answer.status(), answer.reason()), (404, "no_route"));
}

#[test]
fn it_takes_no_huge_pages() {
    // The allocator would see to it alone, in the tests.
    let proxy = Proxy::start_with(1, "", |command| _ = command.env("MIMALLOC_ALLOW_THP", "1"));
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
    let takes = status.lines().find_map(|line| line.strip_prefix("THP_enabled:"));
    // An old kernel doesn't say.
    assert_eq!(takes.map_or("0", str::trim), "0");
}

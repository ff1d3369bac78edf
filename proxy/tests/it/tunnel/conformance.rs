//! Autobahn's cases by an outside judge (`kosoku`) against an outside echo (Node `ws`): through the proxy, strict or not,
//! over TLS and over HTTP/2 between two proxies, they come out as they do without it.

use crate::harness::{Node, Proxy, TempDir, websocket_judge};
use crate::tls::peer::Authority;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Echoes, with compression; prints its port.
const ECHO: &str = r#"
const { WebSocketServer } = require("ws");
const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: true, maxPayload: 64 << 20 });
server.on("connection", (socket) => {
  socket.on("message", (data, binary) => socket.send(data, { binary }));
  socket.on("error", () => {});
});
server.on("listening", () => console.log(server.address().port));
"#;

/// Everything but the hundreds of compression cases, each of which takes a second; and a few that stand for those.
const RUNS: [&[&str]; 2] = [&["-x", "12.*", "-x", "13.*"], &["-i", "12.1.3", "-i", "12.3.5", "-i", "13.1.2"]];

/// The judge, or `None` with a loud line where it is missing.
fn judge(test: &str) -> Option<PathBuf> {
    let judges = std::env::var_os("SWITCHBOARD_JUDGES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.judges")), PathBuf::from);
    let program = judges.join("python/bin/kosoku");
    if program.is_file() {
        return Some(program);
    }
    assert!(std::env::var_os("CI").is_none_or(|v| v != "true"), "CI has no kosoku: ./check installs it");
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: no {} (./check installs it)", program.display());
    None
}

/// The same as [`failures`]; what failed is tried once more by itself, as the judge's own time-outs are short.
fn lasting_failures(judge: &Path, port: &str, cases: &[&str]) -> (Vec<String>, u32) {
    let (failed, count) = failures(judge, port, cases);
    let again: Vec<&str> = failed.iter().filter_map(|line| line.trim_start().split(':').next()).collect();
    if again.is_empty() {
        return (failed, count);
    }
    let arguments: Vec<&str> = again.iter().flat_map(|case| ["-i", case]).collect();
    (failures(judge, port, &arguments).0, count)
}

/// The cases of a run that fail at a port, one a line, and how many there were.
fn failures(judge: &Path, port: &str, cases: &[&str]) -> (Vec<String>, u32) {
    let out = TempDir::new();
    let mut command = Command::new(judge);
    command.args(["-p", "2", "-o"]).arg(out.path()).args(cases);
    let output = command.arg(format!("127.0.0.1:{port}")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let failed = text.lines().filter(|line| line.starts_with("  ")).map(str::to_owned).collect();
    let count = text.lines().find_map(|line| line.split_once("wrote reports for ")).map(|(_, rest)| rest);
    let count = count.and_then(|rest| rest.split(' ').next()).and_then(|count| count.parse().ok());
    (failed, count.unwrap_or_else(|| panic!("no reports: {text}")))
}

#[test]
fn autobahn_cases_are_as_without_the_proxy() {
    let test = "Autobahn's cases";
    let (Some(judge), Some(node)) = (judge(test), websocket_judge(test)) else { return };
    let echo = Node::run(&node, ECHO, &[]);
    let port = echo.wait_line(0);
    let to = format!("127.0.0.1:{port}");
    let loose = Proxy::start(2, &format!("routes:\n  \"*\": {to}\n"));
    let strict = Proxy::start(2, &format!("routes:\n  \"*\": {{ to: \"{to}\", websocket: {{ strict: true }} }}\n"));
    // Between two proxies: the judge knows neither TLS nor HTTP/2, so one speaks them to the other.
    let authority = Authority::new();
    authority.issue("far", &["127.0.0.1"]);
    let rule = format!("{{ to: \"{to}\", websocket: {{ strict: true }} }}");
    let certificates = authority.pair("far");
    let far = Proxy::start(
        2,
        &format!(
            "listen:\n  - {{ bind: \"127.0.0.1:0\", name: two, h2c: true, https_redirect: false }}\n  \
             - {{ bind: \"127.0.0.1:0\", name: secret, tls: {{ certificates: {certificates} }} }}\n\
             routes:\n  \"*\": {rule}\n"
        ),
    );
    let (two, secret, ca) = (far.address_of("two"), far.address_of("secret"), authority.path("ca.pem"));
    let two = Proxy::start(2, &format!("routes:\n  \"*\": h2c://{two}\n"));
    let secret = Proxy::start(
        2,
        &format!(
            "upstreams:\n  far: {{ endpoints: [\"wss://{secret}\"], tls: {{ ca: {} }} }}\nroutes:\n  \"*\": far\n",
            ca.display()
        ),
    );
    for (cases, least) in RUNS.into_iter().zip([300, 3]) {
        let [direct, loose, strict, two, secret] = std::thread::scope(|scope| {
            let through = [&loose, &strict, &two, &secret].map(|proxy| proxy.port().to_string());
            let [loose, strict, two, secret] = through;
            let ports = [port.clone(), loose, strict, two, secret];
            let judge = &judge;
            let runs = ports.map(|port| scope.spawn(move || lasting_failures(judge, &port, cases)));
            runs.map(|run| run.join().unwrap())
        });
        assert!(direct.1 >= least, "only {} cases ran", direct.1);
        assert_eq!(loose, direct, "through the proxy");
        assert_eq!(strict, direct, "through the proxy, strict");
        assert_eq!(two, direct, "over HTTP/2");
        assert_eq!(secret, direct, "over TLS");
    }
}

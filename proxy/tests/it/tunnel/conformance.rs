//! Autobahn's cases by outside judges (`kosoku`, and the suite itself) against outside echoes (Node's `ws`, Python's
//! `websockets`): through the proxy, strict or not, over TLS and over HTTP/2 between two proxies, they come out as they do
//! without it.

use crate::harness::{Node, Proxy, Python, TempDir, python_judge, websocket_judge};
use crate::tls::peer::Authority;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

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

/// All compression cases, by what they compress and by what was negotiated.
const COMPRESSION: [&str; 12] = [
    "12.1.*", "12.2.*", "12.3.*", "12.4.*", "12.5.*", "13.1.*", "13.2.*", "13.3.*", "13.4.*", "13.5.*", "13.6.*",
    "13.7.*",
];

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
fn lasting_failures(judge: &Path, address: &str, cases: &[&str]) -> (Vec<String>, u32) {
    let (failed, count) = failures(judge, address, cases);
    let again: Vec<&str> = failed.iter().filter_map(|line| line.trim_start().split(':').next()).collect();
    if again.is_empty() {
        return (failed, count);
    }
    let arguments: Vec<&str> = again.iter().flat_map(|case| ["-i", case]).collect();
    (failures(judge, address, &arguments).0, count)
}

/// The cases of a run that fail at an address, one a line, and how many there were.
fn failures(judge: &Path, address: &str, cases: &[&str]) -> (Vec<String>, u32) {
    let out = TempDir::new();
    let mut command = Command::new(judge);
    command.args(["-p", "2", "-o"]).arg(out.path()).args(cases);
    let output = command.arg(address).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let failed = text.lines().filter(|line| line.starts_with("  ")).map(str::to_owned).collect();
    let count = text.lines().find_map(|line| line.split_once("wrote reports for ")).map(|(_, rest)| rest);
    let count = count.and_then(|rest| rest.split(' ').next()).and_then(|count| count.parse().ok());
    (failed, count.unwrap_or_else(|| panic!("no reports: {text}")))
}

/// Node's echo, and its address.
fn nodes_echo(node: &Path) -> (Node, String) {
    let echo = Node::run(node, ECHO, &[]);
    let port = echo.wait_line(0);
    (echo, format!("127.0.0.1:{port}"))
}

/// Python's echo, one for each way, and their addresses: what compression cases take is nearly all the echo's, and Node's
/// takes three times as long.
fn pythons_echoes(python: &Path) -> ([Python; 4], [String; 4]) {
    let echoes = std::array::from_fn(|_| Python::serve(python, include_str!("python/server.py")));
    let addresses = echoes.each_ref().map(|(_, port)| format!("127.0.0.1:{port}"));
    (echoes.map(|(echo, _)| echo), addresses)
}

/// The ways to an echo.
struct Ways {
    direct: String,
    proxies: [Proxy; 4],
    /// Speaks HTTP/2 and TLS for the last two: the judges don't know the one, nor all of them the other.
    _far: Proxy,
    _authority: Authority,
}

/// What the ways but the first are called.
const WAYS: [&str; 4] = ["through the proxy", "through the proxy, strict", "over HTTP/2, strict", "over TLS, strict"];

impl Ways {
    /// To the echoes at these addresses: without the proxy, through it, through a strict one, behind two of them.
    fn new([direct, to_loose, to_strict, to_far]: [String; 4]) -> Self {
        let strictly = |to: &str| format!("{{ to: \"{to}\", websocket: {{ strict: true }} }}");
        let loose = Proxy::start(2, &format!("routes:\n  \"*\": {to_loose}\n"));
        let strict = Proxy::start(2, &format!("routes:\n  \"*\": {}\n", strictly(&to_strict)));
        let authority = Authority::new();
        authority.issue("far", &["127.0.0.1"]);
        let rule = strictly(&to_far);
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
        Self { direct, proxies: [loose, strict, two, secret], _far: far, _authority: authority }
    }

    /// Runs something at the address of each way, all at a time: without the proxy, then as [`WAYS`] has them.
    fn each<T: Send>(&self, run: impl Fn(&str) -> T + Sync) -> (T, Vec<T>) {
        let run = &run;
        std::thread::scope(|scope| {
            let direct = scope.spawn(move || run(&self.direct));
            let through: Vec<_> =
                self.proxies.iter().map(|proxy| scope.spawn(move || run(&proxy.address().to_string()))).collect();
            (direct.join().unwrap(), through.into_iter().map(|run| run.join().unwrap()).collect())
        })
    }

    /// The same by `kosoku`: what fails without the proxy fails through it, and nothing else does. Returns what that is, and
    /// how many cases there were.
    fn alike(&self, judge: &Path, cases: &[&str]) -> (Vec<String>, u32) {
        let (direct, through) = self.each(|address| lasting_failures(judge, address, cases));
        for (way, outcome) in WAYS.into_iter().zip(through) {
            assert_eq!(outcome, direct, "{way}");
        }
        direct
    }

    /// The same by the original suite. Returns how many cases there were.
    fn alike_by_the_original(&self, suite: &str, cases: &[&str]) -> usize {
        let begun = Instant::now();
        let run =
            |address: &str, cases: &[&str]| original(suite, address, cases).unwrap_or_else(|error| panic!("{error}"));
        let (direct, through) = self.each(|address| run(address, cases));
        let bad: Vec<_> = direct.iter().filter(|(_, outcome)| !outcome.starts_with("OK")).collect();
        let (count, time) = (direct.len(), begun.elapsed());
        eprintln!("{cases:?}: {count} cases each way in {time:.0?}; without the proxy these are not OK: {bad:?}");
        for ((way, outcomes), proxy) in WAYS.into_iter().zip(through).zip(&self.proxies) {
            // The suite has time-outs and judges by what comes first: what differs is run once more, by itself.
            let differ = |case: &&str| direct.get(*case) != outcomes.get(*case);
            let other: Vec<&str> = direct.keys().map(String::as_str).filter(differ).collect();
            if !other.is_empty() {
                eprintln!("{way}: once more, by themselves: {other:?}");
                assert_eq!(run(&proxy.address().to_string(), &other), run(&self.direct, &other), "{way}");
            }
        }
        count
    }
}

#[test]
fn autobahn_cases_are_as_without_the_proxy() {
    let test = "Autobahn's cases";
    let (Some(judge), Some(node)) = (judge(test), websocket_judge(test)) else { return };
    let (_echo, address) = nodes_echo(&node);
    let ways = Ways::new(std::array::from_fn(|_| address.clone()));
    for (cases, least) in RUNS.into_iter().zip([300, 3]) {
        let (_, count) = ways.alike(&judge, cases);
        assert!(count >= least, "only {count} cases ran");
    }
}

#[test]
#[ignore = "long: hundreds of cases of up to a minute each"]
fn all_of_autobahns_compression_cases_are_as_without_the_proxy() {
    let test = "Autobahn's compression cases";
    let (Some(judge), Some(python)) = (judge(test), python_judge(test)) else { return };
    let (_echoes, addresses) = pythons_echoes(&python);
    let ways = Ways::new(addresses);
    let mut cases = 0;
    for group in COMPRESSION {
        let begun = Instant::now();
        let (failed, count) = ways.alike(&judge, &["-i", group]);
        eprintln!("{group}: {count} cases each way in {:.0?}; without the proxy fail {failed:?}", begun.elapsed());
        cases += count;
    }
    assert!(cases >= 200, "only {cases} cases ran");
}

/// The suite itself is a program of 2017 for Python 2.7: `pip2.7 install --target DIR autobahntestsuite==0.8.2`, and
/// `WSTEST="env PYTHONPATH=DIR python2.7 DIR/bin/wstest"`.
#[test]
#[ignore = "long: the original suite; by hand, with WSTEST set"]
fn the_original_suite_is_as_without_the_proxy() {
    let test = "Autobahn's own suite";
    let (Some(suite), Some(node)) = (original_suite(test), websocket_judge(test)) else { return };
    let (_echo, address) = nodes_echo(&node);
    let ways = Ways::new(std::array::from_fn(|_| address.clone()));
    let count = ways.alike_by_the_original(&suite, &["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"]);
    assert!(count >= 300, "only {count} cases ran");
}

#[test]
#[ignore = "long: the original suite, a thousand messages a case; by hand, with WSTEST set"]
fn the_original_suites_compression_cases_are_as_without_the_proxy() {
    let test = "the compression cases of Autobahn's own suite";
    let (Some(suite), Some(python)) = (original_suite(test), python_judge(test)) else { return };
    let (_echoes, addresses) = pythons_echoes(&python);
    let ways = Ways::new(addresses);
    let count: usize = COMPRESSION.iter().map(|group| ways.alike_by_the_original(&suite, &[group])).sum();
    assert!(count >= 200, "only {count} cases ran");
}

/// How the original suite is run, or `None` with a loud line.
fn original_suite(test: &str) -> Option<String> {
    let suite = std::env::var("WSTEST").ok();
    if suite.is_none() {
        let _ = writeln!(std::io::stderr(), "SKIPPED {test}: WSTEST does not say how to run it");
    }
    suite
}

/// Runs cases of the original suite at an address; returns what it says of each: its behaviour, and that of its close.
fn original(suite: &str, address: &str, cases: &[&str]) -> Result<BTreeMap<String, String>, String> {
    let out = TempDir::new();
    let server = serde_json::json!({ "agent": "echo", "url": format!("ws://{address}") });
    let spec = serde_json::json!({
        "outdir": out.path(), "servers": [server], "cases": cases, "exclude-cases": [], "exclude-agent-cases": {}
    });
    let spec = out.write("spec.json", &spec.to_string());
    let mut words = suite.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("wstest"));
    command.args(words).args(["-m", "fuzzingclient", "-s"]).arg(spec).current_dir(out.path());
    let output = command.output().map_err(|error| format!("{suite}: {error}"))?;
    let report = std::fs::read_to_string(out.path().join("index.json"));
    let report = report.map_err(|_| format!("no report: {}", String::from_utf8_lossy(&output.stderr)))?;
    let report: serde_json::Value = serde_json::from_str(&report).map_err(|error| error.to_string())?;
    let outcomes = report["echo"].as_object().ok_or("no outcomes")?.iter();
    Ok(outcomes
        .map(|(case, said)| {
            let word = |key: &str| said[key].as_str().unwrap_or("nothing").to_owned();
            (case.clone(), format!("{}, {}", word("behavior"), word("behaviorClose")))
        })
        .collect())
}

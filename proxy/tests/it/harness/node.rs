//! A Node process with the `ws` package: an origin and a client that are not ours.
//!
//! `./check` installs the package into `.judges/node`; at a desk without it the tests are skipped aloud, in CI that is
//! an error.

use super::{TempDir, poll};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// The folder with `node_modules/ws`, or `None` with a loud line where it is missing.
pub(crate) fn websocket_judge(test: &str) -> Option<PathBuf> {
    judge(test, "node", "ws")
}

/// The folder with the last Authelia that was a Node package.
pub(crate) fn authelia_judge(test: &str) -> Option<PathBuf> {
    judge(test, "authelia", "authelia")
}

/// The same with a suite for caches, and the client that it asks by.
pub(crate) fn cache_judge(test: &str) -> Option<PathBuf> {
    judge(test, "node", "http-cache-tests")
}

/// The same with what drives a browser, where the system has one.
pub(crate) fn browser_judge(test: &str) -> Option<PathBuf> {
    judge(test, "node", "playwright-core").filter(|_| {
        std::path::Path::new("/usr/bin/chromium").exists() || {
            assert!(std::env::var_os("CI").is_none_or(|v| v != "true"), "CI has no chromium: ./check installs it");
            let _ = writeln!(std::io::stderr(), "SKIPPED {test}: no chromium (./check installs it)");
            false
        }
    })
}

fn judge(test: &str, folder: &str, package: &str) -> Option<PathBuf> {
    let judges = std::env::var_os("SWITCHBOARD_JUDGES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.judges")), PathBuf::from);
    let folder = judges.join(folder);
    if folder.join("node_modules").join(package).join("package.json").is_file() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none_or(|v| v != "true"), "CI has no {}: ./check installs it", folder.display());
    // Straight to the descriptor: the test runner shows captured output of failed tests only.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED {test}: no Node `{package}` in {} (./check installs it)",
        folder.display()
    );
    None
}

/// A running script; killed when dropped.
pub(crate) struct Node {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    _dir: TempDir,
}

impl Node {
    /// Runs a script with arguments, with the judge's packages at hand.
    pub(crate) fn run(judge: &std::path::Path, script: &str, arguments: &[&str]) -> Self {
        Self::start(judge, script, arguments, Stdio::null(), "")
    }

    /// The same, with `PORT` in its environment.
    pub(crate) fn run_on(judge: &std::path::Path, script: &str, arguments: &[&str], port: &str) -> Self {
        Self::start(judge, script, arguments, Stdio::null(), port)
    }

    /// The same, for a script that is told when to go on ([`Node::say`]).
    pub(crate) fn run_with_input(judge: &std::path::Path, script: &str, arguments: &[&str]) -> Self {
        Self::start(judge, script, arguments, Stdio::piped(), "")
    }

    fn start(judge: &std::path::Path, script: &str, arguments: &[&str], input: Stdio, port: &str) -> Self {
        let dir = TempDir::new();
        let file = dir.write("script.cjs", script);
        let mut command = Command::new("node");
        command.arg(file).args(arguments).env("NODE_PATH", judge.join("node_modules")).env("PORT", port);
        let mut child = command.stdin(input).stdout(Stdio::piped()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (theirs, pipe) = (Arc::clone(&lines), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                theirs.lock().unwrap().push(line);
            }
        });
        Self { child, lines, _dir: dir }
    }

    /// Writes a line to its standard input.
    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The printed line number `n`, from 0, if it is there.
    pub(crate) fn line(&self, n: usize) -> Option<String> {
        self.lines.lock().unwrap().get(n).cloned()
    }

    /// All that was printed so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for the printed line number `n`, from 0.
    #[track_caller]
    pub(crate) fn wait_line(&self, n: usize) -> String {
        poll(&format!("line {n} of a Node script"), || self.lines.lock().unwrap().get(n).cloned())
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

//! A Python process with `grpcio`, `h2` and `wsproto`: clients and servers of HTTP/2 that are not ours.
//!
//! `./check` installs the packages into `.judges/python`; at a desk without them the tests are skipped aloud, in CI that
//! is an error.

use super::{PATIENCE, TempDir, poll_for};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The interpreter with the packages, or `None` with a loud line where it is missing.
pub(crate) fn python_judge(test: &str) -> Option<PathBuf> {
    let judges = std::env::var_os("SWITCHBOARD_JUDGES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.judges")), PathBuf::from);
    let python = judges.join("python/bin/python");
    if python.is_file() {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none_or(|v| v != "true"), "CI has no {}: ./check installs it", python.display());
    // Straight to the descriptor: the test runner shows captured output of failed tests only.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: no {} (./check installs it)", python.display());
    None
}

/// A running script; killed when dropped.
pub(crate) struct Python {
    child: Child,
    _dir: TempDir,
}

impl Python {
    fn spawn(judge: &Path, script: &str, arguments: &[&str]) -> Self {
        let dir = TempDir::new();
        let file = dir.write("script.py", script);
        let mut command = Command::new(judge);
        command.arg("-u").arg(file).args(arguments);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        Self { child, _dir: dir }
    }

    /// Starts a server that prints its port.
    #[track_caller]
    pub(crate) fn serve(judge: &Path, script: &str) -> (Self, u16) {
        let mut server = Self::spawn(judge, script, &[]);
        let mut line = String::new();
        BufReader::new(server.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap_or_else(|_| panic!("the server said {line:?}"));
        (server, port)
    }

    /// Runs a client to its end, and asserts that it was content.
    #[track_caller]
    pub(crate) fn run(judge: &Path, script: &str, arguments: &[&str]) {
        let mut client = Self::spawn(judge, script, arguments);
        let status = poll_for(3 * PATIENCE, || client.child.try_wait().unwrap());
        assert!(status.is_some_and(|status| status.success()), "the client ended with {status:?}");
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

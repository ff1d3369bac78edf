//! A Redis of one test: on a free port, without a disk, killed and started again at will.

use super::{TempDir, poll};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// A running `redis-server`; killed when dropped.
pub(crate) struct Redis {
    child: Child,
    port: u16,
    dir: TempDir,
}

impl Redis {
    /// Starts one; `None` with a loud line where the machine has none.
    pub(crate) fn start(test: &str) -> Option<Self> {
        if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            assert!(std::env::var_os("CI").is_none_or(|v| v != "true"), "CI has no redis-server: ./check installs it");
            let _ = writeln!(std::io::stderr(), "SKIPPED {test}: no redis-server (./check installs it)");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = TempDir::new();
        let child = Self::spawn(port, &dir);
        let redis = Self { child, port, dir };
        redis.wait();
        Some(redis)
    }

    fn spawn(port: u16, dir: &TempDir) -> Child {
        let mut command = Command::new("redis-server");
        command.args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port"]).arg(port.to_string());
        command.arg("--dir").arg(dir.file(".")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    fn wait(&self) {
        poll("redis-server to answer", || {
            let mut wire = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
            wire.write_all(b"PING\r\n").ok()?;
            let mut pong = [0; 7];
            wire.read_exact(&mut pong).ok()?;
            (&pong == b"+PONG\r\n").then_some(())
        });
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on its port, with nothing in it.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = Self::spawn(self.port, &self.dir);
        self.wait();
    }

    /// Stops it in the middle of whatever it does, or lets it go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        assert!(Command::new("kill").arg(signal).arg(self.child.id().to_string()).status().unwrap().success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

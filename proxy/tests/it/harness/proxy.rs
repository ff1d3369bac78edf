//! The proxy as a process: a configuration in, a port, its two logs, and an end that is checked.

use super::message::Message;
use super::temp::TempDir;
use super::wire::Wire;
use super::{PATIENCE, poll, poll_for};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The program under test. `SWITCHBOARD_BINARY` names another build of it, for what is measured.
fn binary() -> PathBuf {
    std::env::var_os("SWITCHBOARD_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_switchboard").into(), PathBuf::from)
}

/// A host that only the harness asks for.
const NOBODY: &str = "nobody.test";

/// Lines that a thread collects from a pipe.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<(Vec<String>, bool)>>);

impl Lines {
    fn collect(pipe: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let theirs = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n') {
                let Ok(line) = line else { break };
                theirs.0.lock().unwrap().0.push(String::from_utf8_lossy(&line).into_owned());
            }
            theirs.0.lock().unwrap().1 = true;
        });
        lines
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().0.clone()
    }

    fn ended(&self) -> bool {
        self.0.lock().unwrap().1
    }
}

/// A running proxy; killed when dropped.
pub(crate) struct Proxy {
    child: Child,
    dir: TempDir,
    head: String,
    stderr: Lines,
    stdout: Lines,
    listeners: Vec<(String, String)>,
}

impl Proxy {
    /// Starts `switchboard run` with this configuration and waits for `ready`. Where the text has no `listen:`, it
    /// listens on a free port of 127.0.0.1; `workers` and `state_dir` are added.
    #[track_caller]
    pub(crate) fn start(workers: usize, yaml: &str) -> Self {
        Self::start_with(workers, yaml, |_| {})
    }

    /// As `start`, with a chance to change the command (arguments, environment).
    #[track_caller]
    pub(crate) fn start_with(workers: usize, yaml: &str, change: impl FnOnce(&mut Command)) -> Self {
        let dir = TempDir::new();
        let state = dir.file("state");
        let mut head = format!("workers: {workers}\nstate_dir: {}\n", state.display());
        if !yaml.lines().any(|l| l.starts_with("listen:")) {
            head.push_str("listen: 127.0.0.1:0\n");
        }
        // Proxies of one machine would take the default port from each other.
        if !yaml.lines().any(|l| l.starts_with("admin:")) {
            head.push_str("admin: off\n");
        }
        let config = dir.write("switchboard.yaml", &format!("{head}{yaml}"));
        let mut command = Command::new(binary());
        command.arg("run").arg("-c").arg(config);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Else the kernel gives 2 MiB for the first byte of each, at a moment of its own, and `resident` tells that.
        command.env("MIMALLOC_ALLOW_THP", "0");
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let stderr = Lines::collect(child.stderr.take().unwrap());
        let stdout = child.stdout.take().map_or_else(Lines::default, Lines::collect);
        let mut proxy = Self { child, dir, head, stderr, stdout, listeners: Vec::new() };
        proxy.wait_ready();
        proxy
    }

    #[track_caller]
    fn wait_ready(&mut self) {
        let lines = poll("the proxy to be ready", || {
            let lines = self.stderr.all();
            let ready = lines.iter().any(|l| l == "ready");
            assert!(ready || !self.stderr.ended(), "the proxy ended before it was ready:\n{}", lines.join("\n"));
            ready.then_some(lines)
        });
        for line in lines.iter().filter_map(|l| l.strip_prefix("listening on ")) {
            let (address, rest) = line.split_once(" (").unwrap_or_else(|| panic!("listening line {line:?}"));
            let name = rest.split(", ").next().unwrap_or_default();
            self.listeners.push((address.to_owned(), name.to_owned()));
        }
        assert!(!self.listeners.is_empty(), "no listener was named:\n{}", lines.join("\n"));
    }

    /// The address of the first listener.
    #[track_caller]
    pub(crate) fn address(&self) -> SocketAddr {
        self.listeners[0].0.parse().unwrap_or_else(|_| panic!("address {:?}", self.listeners[0].0))
    }

    /// The port of the first listener.
    pub(crate) fn port(&self) -> u16 {
        self.address().port()
    }

    /// The address of its admin plane; the configuration says `admin: 127.0.0.1:0`.
    #[track_caller]
    pub(crate) fn admin(&self) -> SocketAddr {
        self.wait_log("admin on ").trim_start_matches("admin on ").parse().unwrap()
    }

    /// The token of its admin plane.
    #[track_caller]
    pub(crate) fn token(&self) -> String {
        std::fs::read_to_string(self.dir.file("state/admin-token")).unwrap().trim().to_owned()
    }

    /// The address of the listener with that name.
    #[track_caller]
    pub(crate) fn address_of(&self, name: &str) -> SocketAddr {
        let found = self.listeners.iter().find(|(_, n)| n == name);
        found.unwrap_or_else(|| panic!("no listener {name:?} in {:?}", self.listeners)).0.parse().unwrap()
    }

    /// Its directory: configuration, state, log files.
    pub(crate) fn dir(&self) -> &TempDir {
        &self.dir
    }

    /// The path of its configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.file("switchboard.yaml")
    }

    /// The whole text of a configuration for this proxy: what `start` added, then `yaml`.
    pub(crate) fn text(&self, yaml: &str) -> String {
        format!("{}{yaml}", self.head)
    }

    /// Overwrites the configuration in place.
    pub(crate) fn write_config(&self, yaml: &str) {
        std::fs::write(self.config(), self.text(yaml)).unwrap();
    }

    /// Opens a connection to the first listener.
    #[track_caller]
    pub(crate) fn connect(&self) -> Wire {
        Wire::connect(self.address())
    }

    /// Opens a connection and sends bytes.
    #[track_caller]
    pub(crate) fn send(&self, bytes: impl AsRef<[u8]>) -> Wire {
        let mut wire = self.connect();
        wire.offer(bytes);
        wire
    }

    /// One GET on a connection of its own.
    #[track_caller]
    pub(crate) fn get(&self, host: &str, target: &str) -> Message {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).response()
    }

    /// One exchange on a connection of its own: the answer to the bytes.
    #[track_caller]
    pub(crate) fn ask(&self, bytes: impl AsRef<[u8]>) -> Message {
        self.send(bytes).response()
    }

    /// The lines of its own log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.stderr.all()
    }

    /// Waits for a line of its own log that contains `part`.
    #[track_caller]
    pub(crate) fn wait_log(&self, part: &str) -> String {
        poll(&format!("{part:?} in the log"), || self.log().into_iter().find(|l| l.contains(part)))
    }

    /// The lines on its standard output so far, as they are.
    pub(crate) fn stdout(&self) -> Vec<String> {
        self.stdout.all()
    }

    /// The access lines so far, without those of `idle_sockets`.
    #[track_caller]
    pub(crate) fn access(&self) -> Vec<serde_json::Value> {
        let parse = |l: &String| serde_json::from_str(l).unwrap_or_else(|e| panic!("access line {l:?}: {e}"));
        let lines: Vec<serde_json::Value> = self.stdout.all().iter().map(parse).collect();
        lines.into_iter().filter(|line| line["host"] != NOBODY).collect()
    }

    /// Waits for the access line number `n`, from 0.
    #[track_caller]
    pub(crate) fn wait_access(&self, n: usize) -> serde_json::Value {
        poll(&format!("access line {n}"), || self.access().get(n).cloned())
    }

    /// Waits for the access line of a path.
    #[track_caller]
    pub(crate) fn wait_access_of(&self, path: &str) -> serde_json::Value {
        poll(&format!("the access line of {path}"), || self.access().into_iter().find(|l| l["path"] == path))
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name (`TERM`, `HUP`, `USR1`).
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(status.success(), "kill -{name}");
    }

    /// How many sockets the process holds. What else it holds comes and goes with its threads, and so do second
    /// descriptors of one socket: each runtime has its own of the pair that tells of signals.
    fn sockets(&self) -> usize {
        let list = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        let links = list.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        let sockets: HashSet<PathBuf> = links.filter(|link| link.to_string_lossy().starts_with("socket:")).collect();
        sockets.len()
    }

    /// How many sockets the process holds when nothing goes on: each worker is made to serve somebody first, since it
    /// opens some of its own as it starts.
    #[track_caller]
    pub(crate) fn idle_sockets(&self) -> usize {
        let ask = format!("GET / HTTP/1.1\r\nHost: {NOBODY}\r\nConnection: close\r\n\r\n");
        let mut clients: Vec<Wire> = (0..16).map(|_| self.send(&ask)).collect();
        clients.iter_mut().for_each(|client| drop(client.rest()));
        drop(clients);
        let mut least = self.sockets();
        poll_for(Duration::from_millis(100), || {
            least = least.min(self.sockets());
            None::<()>
        });
        least
    }

    /// Waits until the process holds no more than `most` sockets.
    #[track_caller]
    pub(crate) fn wait_sockets(&self, most: usize) {
        poll(&format!("at most {most} sockets"), || (self.sockets() <= most).then_some(()));
    }

    /// Resident memory in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Processor time used so far, in ticks of 10 ms.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// The exit status, if it has ended.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for the process to end.
    #[track_caller]
    pub(crate) fn wait_exit(&mut self) -> ExitStatus {
        poll("the proxy to end", || self.exited())
    }

    /// SIGTERM, and asserts that it ends with exit code 0.
    #[track_caller]
    pub(crate) fn stop(self) {
        self.signal("TERM");
        self.stop_after_signal();
    }

    /// Asserts that it ends with exit code 0 after a signal that was sent.
    #[track_caller]
    pub(crate) fn stop_after_signal(mut self) {
        let status = self.wait_exit();
        assert_eq!(status.code(), Some(0), "{}", self.log().join("\n"));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log().join("\n");
        if std::thread::panicking() {
            eprintln!("── log ──\n{log}\n── access ──\n{}", self.stdout.all().join("\n"));
        } else {
            assert!(!log.contains("panicked at"), "the proxy panicked:\n{log}");
        }
    }
}

/// Runs the binary with arguments in a directory and waits for its end.
#[track_caller]
pub(crate) fn run(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(dir);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    // A command that should end and does not is killed, so that the test fails instead of hanging.
    let pid = child.id();
    let (done, ended) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        let deadline = Instant::now() + PATIENCE;
        if ended.recv_timeout(deadline - Instant::now()) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").arg("-KILL").arg(pid.to_string()).status();
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    output
}

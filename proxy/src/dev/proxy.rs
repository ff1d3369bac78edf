//! The proxy that dev servers share: the one that runs, or one that is started in the background.
//!
//! A lock on a file in its state directory makes five starts at once one proxy. It outlives whoever started it.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::admin::client::{Answer, Place, ask};
use crate::admin::{socket_in, socket_of};
use crate::certs::local::ROOT;
use crate::certs::store::Store;
use crate::cli::run;

/// How long a proxy may take to start.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// What a background proxy writes is kept here, in its state directory.
const LOG: &str = "dev-proxy.log";

/// A running proxy, and how to have it again.
#[derive(Debug)]
pub(super) struct Proxy {
    place: Place,
    state_dir: PathBuf,
    config: Option<PathBuf>,
}

impl Proxy {
    /// Finds the proxy of a configuration or of a state directory, or else this user's; starts one where none runs.
    ///
    /// # Errors
    /// In words: the configuration is wrong, or the proxy doesn't start.
    pub(super) fn find_or_start(config: Option<&Path>, state_dir: Option<&Path>) -> Result<Self, String> {
        let mut own = None;
        let (socket, state_dir) = match (config, state_dir) {
            (Some(path), _) => {
                let config = run::read_quietly(path).ok_or("its configuration is refused")?;
                (socket_of(&config), config.state_dir)
            }
            (None, Some(directory)) => {
                let told = |error: io::Error| format!("{}: {error}", directory.display());
                let directory = std::path::absolute(directory).map_err(told)?;
                own = Some(own_file(&directory).map_err(told)?);
                (socket_in(&directory), directory)
            }
            (None, None) => {
                let config = run::without_file();
                (socket_of(&config), config.state_dir)
            }
        };
        let config = config.map(std::path::absolute).transpose().map_err(|error| error.to_string())?;
        let proxy = Self { place: Place::Unix(socket), state_dir, config: config.or(own) };
        proxy.have()?;
        Ok(proxy)
    }

    /// Sees to it that it runs.
    ///
    /// # Errors
    /// In words, where it doesn't start.
    pub(super) fn have(&self) -> Result<(), String> {
        if self.answers() {
            return Ok(());
        }
        let told = |error: io::Error| format!("{}: {error}", self.state_dir.display());
        std::fs::create_dir_all(&self.state_dir).map_err(told)?;
        let lock = File::create(self.state_dir.join("dev.lock")).map_err(told)?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| told(error.into()))?;
        // Whoever had the lock before may have started it.
        if self.answers() {
            return Ok(());
        }
        let log = self.state_dir.join(LOG);
        let mut child = self.start(&log).map_err(|error| format!("cannot start a proxy: {error}"))?;
        let deadline = Instant::now() + PATIENCE;
        while !self.answers() {
            let ended = child.try_wait().ok().flatten();
            if ended.is_some() || Instant::now() >= deadline {
                let _ = child.kill();
                return Err(format!("the proxy does not start; it says in {}:\n{}", log.display(), tail(&log)));
            }
            // A pause between two looks: the loop ends as soon as it answers.
            std::thread::park_timeout(LOOK);
        }
        let _ = writeln!(io::stderr(), "started a proxy in the background; what it says stands in {}", log.display());
        Ok(())
    }

    fn answers(&self) -> bool {
        self.ask("GET", "/health", None).is_ok_and(|answer| answer.status == 200)
    }

    /// Starts it in a group of its own, so that Ctrl-C here doesn't end it, and where no configuration file lies about.
    fn start(&self, log: &Path) -> io::Result<Child> {
        let out = OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("run").args(self.config.iter().flat_map(|path| [OsStr::new("-c"), path.as_os_str()]));
        command.current_dir(&self.state_dir).process_group(0);
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn()
    }

    /// Asks it.
    ///
    /// # Errors
    /// When nobody answers.
    pub(super) fn ask(&self, method: &str, target: &str, body: Option<&Value>) -> io::Result<Answer> {
        ask(&self.place, method, target, body.map(Value::to_string).as_deref())
    }

    /// Whether this machine trusts the root that private names get their certificates from.
    pub(super) fn is_trusted(&self) -> bool {
        let root = Store::below(&self.state_dir).path(ROOT);
        let root = CertificateDer::from_pem_file(root).ok();
        root.is_some_and(|root| rustls_native_certs::load_native_certs().certs.contains(&root))
    }

    /// The addresses of `host` at its listeners, the best first: without a port where that may be left out.
    pub(super) fn addresses(&self, host: &str) -> Vec<String> {
        let status = self.ask("GET", "/v1/status", None).map(|answer| answer.json()).unwrap_or_default();
        let listeners = status.get("listeners").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut found: Vec<(bool, u16)> = Vec::new();
        for listener in &listeners {
            let port = listener.get("address").and_then(Value::as_str).and_then(|address| address.rsplit_once(':'));
            let Some(port) = port.and_then(|(_, port)| port.parse().ok()) else { continue };
            let plain = !listener.get("tls").and_then(Value::as_bool).unwrap_or(false);
            if !found.contains(&(plain, port)) {
                found.push((plain, port));
            }
        }
        found.sort_unstable();
        let address = |(plain, port)| match (plain, port) {
            (true, 80) => format!("http://{host}"),
            (false, 443) => format!("https://{host}"),
            (true, port) => format!("http://{host}:{port}"),
            (false, port) => format!("https://{host}:{port}"),
        };
        found.into_iter().map(address).collect()
    }
}

/// The route of a dev server: held while the server restarts, gone when nobody renews it.
pub(super) fn route(port: u16, owner: &str, ttl: Duration) -> Value {
    json!({ "to": format!(":{port}"), "wait": "30s", "owner": owner, "ttl": format!("{}s", ttl.as_secs()) })
}

/// A configuration that says nothing but where the state is.
fn own_file(state_dir: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(state_dir)?;
    let path = state_dir.join("dev.yaml");
    if !path.exists() {
        std::fs::write(&path, format!("state_dir: {:?}\n", state_dir.display().to_string()))?;
    }
    Ok(path)
}

/// The last lines of a log.
fn tail(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(8)).map(|line| format!("  {line}\n")).collect()
}

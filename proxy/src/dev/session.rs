//! One dev server from its start to its end: named when it answers, kept named while it lives, forgotten when it ends.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};

use super::command::Ready;
use super::proxy::{Proxy, route};
use crate::cli::paint::Paint;

/// A name whose server is gone without a word (kill -9, a machine that slept) is free after this.
const TTL: Duration = Duration::from_secs(30);

/// How often the server is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// How long a server may take to end before it is made to.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the owner of a route of ours begins.
const OWNER: &str = "dev ";

/// When a server that doesn't answer is spoken of.
const SLOW: Duration = Duration::from_secs(15);

/// A dev server and its name.
#[derive(Debug)]
pub(super) struct Session {
    /// Where it is named.
    pub(super) proxy: Proxy,
    /// The name.
    pub(super) host: String,
    /// The command and its port.
    pub(super) ready: Ready,
    /// Where it runs.
    pub(super) directory: PathBuf,
    /// Colours of standard error.
    pub(super) paint: Paint,
}

impl Session {
    /// Runs the server. Returns its exit code.
    ///
    /// # Errors
    /// In words: the command can't be run, or the name is refused.
    pub(super) async fn run(self) -> Result<u8, String> {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
        self.claim().await?;
        let mut child = self.start()?;
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (started, mut named, mut complained) = (Instant::now(), None::<Instant>, false);
        let mut end_by = None;
        let status = loop {
            tokio::select! {
                _ = look.tick() => {}
                // The terminal has told the server too.
                _ = interrupt.recv() => end_by = end_by.or(Some(Instant::now() + PATIENCE)),
                _ = terminate.recv() => {
                    tell(&child, Signal::TERM);
                    end_by = end_by.or(Some(Instant::now() + PATIENCE));
                }
            }
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                break status;
            }
            if end_by.is_some_and(|end_by| Instant::now() >= end_by) {
                self.say("it does not end; it is killed now");
                let _ = child.kill();
            }
            match named {
                Some(at) if at.elapsed() >= TTL / 3 => named = Some(self.renew().unwrap_or_else(Instant::now)),
                Some(_) => {}
                None if answers(self.ready.port).await => {
                    if let Err(error) = self.claim().await.and_then(|()| self.register()) {
                        tell(&child, Signal::TERM);
                        let _ = child.wait();
                        return Err(error);
                    }
                    self.welcome(started.elapsed());
                    named = Some(Instant::now());
                }
                None if !complained && started.elapsed() >= SLOW => {
                    complained = true;
                    self.say(&format!(
                        "nothing listens on port {} yet. A server that reads neither PORT nor the flags that were added \
                         can be told with {{port}} in its command",
                        self.ready.port
                    ));
                }
                None => {}
            }
        };
        if named.is_some() {
            self.forget();
        }
        Ok(code(status))
    }

    fn start(&self) -> Result<Child, String> {
        let [program, arguments @ ..] = self.ready.words.as_slice() else {
            return Err("there is no command".to_owned());
        };
        self.say(&format!("PORT={} {}", self.ready.port, self.ready.words.join(" ")));
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.directory).env("PORT", self.ready.port.to_string());
        command.env("SWITCHBOARD_HOST", &self.host);
        command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("there is no command `{program}`; is it installed, and in PATH?"),
            _ => format!("cannot run `{program}`: {error}"),
        })
    }

    /// Refuses a name that leads to the server of another `dev`, as long as somebody listens there: whoever began it would
    /// see the pages of this one.
    async fn claim(&self) -> Result<(), String> {
        let Ok(answer) = self.proxy.ask("GET", &self.target(), None) else { return Ok(()) };
        let Some(port) = dev_port(&answer.json()).filter(|port| *port != self.ready.port) else { return Ok(()) };
        if !answers(port).await {
            return Ok(());
        }
        Err(format!("{} leads to port {port} of another `dev`; choose a name: `switchboard dev NAME -- …`", self.host))
    }

    /// Gives the server its name.
    fn register(&self) -> Result<(), String> {
        let body = route(self.ready.port, &self.owner(), TTL);
        let answer =
            self.proxy.ask("PUT", &self.target(), Some(&body)).map_err(|error| format!("no proxy: {error}"))?;
        match answer.status {
            200 | 201 => Ok(()),
            _ => Err(format!("the name {} is refused: {}", self.host, answer.refusal().join(" "))),
        }
    }

    /// Keeps the name. A proxy that was restarted, or started anew, is given it again; `None` where that fails.
    fn renew(&self) -> Option<Instant> {
        let target = format!("{}/renew", self.target());
        let body = serde_json::json!({ "ttl": format!("{}s", TTL.as_secs()) });
        let renewed = self.proxy.ask("POST", &target, Some(&body)).is_ok_and(|answer| answer.status == 200);
        if !renewed {
            let again = self.proxy.have().and_then(|()| self.register());
            match again {
                Ok(()) => self.say("the proxy had forgotten the name; it has it again"),
                Err(error) => self.say(&error),
            }
        }
        renewed.then(Instant::now)
    }

    fn forget(&self) {
        let gone = self.proxy.ask("DELETE", &self.target(), None);
        if gone.is_ok_and(|answer| answer.status < 300) {
            self.say(&format!("{} is no more", self.host));
        }
    }

    fn welcome(&self, after: Duration) {
        let addresses = self.proxy.addresses(&self.host);
        let after = format!("answers after {:.1} s on port {}", after.as_secs_f32(), self.ready.port);
        match addresses.as_slice() {
            [] => self.say(&format!("{}: {after}", self.host)),
            all => all
                .iter()
                .for_each(|address| self.say(&format!("{} {}", self.paint.bold(address), self.paint.dim(&after)))),
        }
        if addresses.iter().any(|address| address.starts_with("https:")) && !self.proxy.is_trusted() {
            self.say("https is by this machine's own root: run `switchboard trust` once, and browsers believe it");
        }
    }

    fn target(&self) -> String {
        format!("/v1/routes/{}", self.host)
    }

    fn owner(&self) -> String {
        format!("{OWNER}{}", self.directory.display())
    }

    fn say(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{} {text}", self.paint.dim("switchboard"));
    }
}

/// The port that a `dev` has given a name to; `None` for any other route.
fn dev_port(shown: &Value) -> Option<u16> {
    shown.get("owner")?.as_str()?.strip_prefix(OWNER)?;
    shown.get("route")?.get("to")?.as_str()?.strip_prefix(':')?.parse().ok()
}

/// Whether somebody accepts on this port, on either loopback address.
async fn answers(port: u16) -> bool {
    for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        if matches!(tokio::time::timeout(LOOK, TcpStream::connect((address, port))).await, Ok(Ok(_))) {
            return true;
        }
    }
    false
}

fn tell(child: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// The exit code to end with: the server's, or 128 and the signal, as shells have it.
fn code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

//! The control thread: starts the workers, watches what changes, publishes generations, and ends it all.
//!
//! Nothing on the data path waits for it (invariant 7). It runs on the main thread with a runtime of its own.

pub mod drain;
pub mod listeners;
pub mod resolve;
pub mod socket;
pub mod source;
pub mod start;
pub mod state;
pub mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use switchboard_core::config::{AccessLog, Config, Diff, diff, load};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::generation::{Generation, Registry};
use crate::process::{Command, Process};
use listeners::Listeners;
use source::World;

/// How soon after the last change to a file it is read: editors and deployments write in several steps.
const SETTLE: Duration = Duration::from_millis(50);

/// Everything that the control thread holds.
pub struct Control {
    process: Arc<Process>,
    registry: Registry,
    listeners: Listeners,
    /// The file to read again, and none where the configuration came from elsewhere.
    path: Option<PathBuf>,
    /// Generations that were replaced, until nobody reads them: they are freed here and not on the data path.
    retired: Vec<Arc<Generation>>,
    watch: watch::Watch,
}

/// What became of a reload.
#[derive(Debug)]
pub enum Reloaded {
    /// It is in force. What changed, and what is allowed but probably not meant.
    Changed(Diff, Vec<String>),
    /// The file says what is in force already.
    Same(Vec<String>),
    /// Nothing changed; each error with its place.
    Refused(Vec<String>),
}

/// What asks the control thread for something.
pub enum Ask {
    /// A reload, and where to say what came of it.
    Reload(tokio::sync::oneshot::Sender<Reloaded>),
    /// The state of things, as JSON.
    Status(tokio::sync::oneshot::Sender<String>),
}

impl Control {
    /// Runs until the proxy has ended. Returns the exit code.
    ///
    /// # Errors
    /// When signals can't be listened to.
    pub async fn run(mut self, mut asks: mpsc::Receiver<Ask>) -> std::io::Result<u8> {
        let mut signals = Signals::new()?;
        let mut resolving = tokio::time::interval(resolve::EVERY);
        let mut housekeeping = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
                _ = signals.hangup.recv() => drop(self.reload("SIGHUP")),
                _ = signals.user1.recv() => self.reopen_logs(),
                () = self.watch.changed(SETTLE) => drop(self.reload("a change of the file")),
                Some(ask) = asks.recv() => self.answer(ask),
                _ = resolving.tick() => resolve::all(&self.process.generation.load()),
                _ = housekeeping.tick() => self.free_retired(),
            }
        }
        Ok(drain::drain(&self.process, &mut signals).await)
    }

    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Reload(reply) => {
                let result = self.reload("a request over the control socket");
                let _ = reply.send(result);
            }
            Ask::Status(reply) => {
                let _ = reply.send(state::as_json(&self.process));
            }
        }
    }

    /// Reads the configuration again and puts it in force if it is sound.
    pub fn reload(&mut self, why: &str) -> Reloaded {
        let Some(path) = self.path.clone() else {
            return Reloaded::Refused(vec!["this proxy was started without a configuration file".to_owned()]);
        };
        let loaded = load(&path, &mut World);
        self.watch.follow(&loaded.files);
        let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        let config = match loaded.config {
            Ok(config) => config,
            Err(errors) => {
                let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
                for error in &errors {
                    tracing::error!(why, "not reloaded: {error}");
                }
                tracing::error!(
                    why,
                    errors = errors.len(),
                    "the configuration was refused; the old one stays in force"
                );
                return Reloaded::Refused(errors);
            }
        };
        let current = self.process.generation.load_full();
        let config = self.keep_what_cannot_change(config, &current.config);
        let changes = diff(&current.config, &config);
        if changes.is_empty() && config == current.config {
            tracing::info!(why, "reload: nothing has changed");
            return Reloaded::Same(warnings);
        }
        match self.put_in_force(config, &current) {
            Ok(()) => {
                for warning in &warnings {
                    tracing::warn!("{warning}");
                }
                for change in &changes.changes {
                    tracing::info!(%change, "reloaded");
                }
                tracing::info!(
                    why,
                    generation = self.process.generation.load().number,
                    "the configuration is in force"
                );
                Reloaded::Changed(changes, warnings)
            }
            Err(error) => {
                tracing::error!(why, %error, "not reloaded; the old configuration stays in force");
                Reloaded::Refused(vec![error])
            }
        }
    }

    /// `workers` and `state_dir` keep their values until the next start; that is said, not hidden.
    fn keep_what_cannot_change(&self, mut config: Config, current: &Config) -> Config {
        if config.workers != current.workers {
            tracing::warn!("workers: can't change by a reload; it keeps its value until the next start");
            config.workers = current.workers;
        }
        if config.state_dir != current.state_dir {
            tracing::warn!("state_dir: can't change by a reload; it keeps its value until the next start");
            config.state_dir.clone_from(&current.state_dir);
        }
        config
    }

    /// Binds first, compiles, publishes, and only then lets go of what is not needed: a failure changes nothing.
    fn put_in_force(&mut self, config: Config, current: &Arc<Generation>) -> Result<(), String> {
        let workers = self.process.workers.len();
        let plan = self.listeners.plan(&config.listeners, workers).map_err(|error| error.to_string())?;
        let access = match config.access_log != current.config.access_log {
            true => Some(open_access(&config.access_log)?),
            false => None,
        };
        let now = switchboard_core::moment::Moment::ZERO + self.process.origin.elapsed();
        let generation = self.registry.generation(config, Some(current), now).map_err(|error| error.to_string())?;
        if let Some(access) = access {
            self.process.log_access_to(access);
        }
        resolve::all(&generation);
        let old = self.process.generation.swap(Arc::new(generation));
        self.retired.push(old);
        for worker in &self.process.workers {
            let _ = worker.inbox.send(Command::Generation);
        }
        for line in self.listeners.carry_out(plan, &self.process.workers) {
            eprintln!("{line}");
        }
        self.free_retired();
        Ok(())
    }

    fn free_retired(&mut self) {
        self.retired.retain(|generation| Arc::strong_count(generation) > 1);
    }

    fn reopen_logs(&self) {
        if let Some(access) = self.process.access.load().as_ref() {
            access.sink.reopen();
        }
        crate::telemetry::log::reopen();
        tracing::info!("log files were opened again");
    }
}

/// Opens the sink of the access log; nothing for `off`.
pub(crate) fn open_access(log: &AccessLog) -> Result<Option<crate::telemetry::access_log::AccessSink>, String> {
    use crate::telemetry::access_log::{AccessSink, Form};
    use std::io::IsTerminal as _;
    use switchboard_core::config::LogSink;
    let terminal = match &log.to {
        LogSink::Off => return Ok(None),
        LogSink::Stdout => std::io::stdout().is_terminal(),
        LogSink::Stderr => std::io::stderr().is_terminal(),
        LogSink::File(_) => false,
    };
    let sink = crate::telemetry::sink::Sink::start(&log.to, "access-log")
        .map_err(|error| format!("access_log: cannot open {}: {error}", sink_name(&log.to)))?;
    Ok(Some(AccessSink { sink, form: Form::of(log.format, terminal) }))
}

fn sink_name(sink: &switchboard_core::config::LogSink) -> String {
    use switchboard_core::config::LogSink;
    match sink {
        LogSink::Off => "off".to_owned(),
        LogSink::Stdout => "stdout".to_owned(),
        LogSink::Stderr => "stderr".to_owned(),
        LogSink::File(path) => path.display().to_string(),
    }
}

/// The signals that mean something to us.
pub(crate) struct Signals {
    pub(crate) terminate: Signal,
    pub(crate) interrupt: Signal,
    hangup: Signal,
    user1: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
        })
    }
}

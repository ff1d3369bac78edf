//! The control thread: starts the workers, watches what changes, publishes generations, and ends it all.
//!
//! Nothing on the data path waits for it (invariant 7). It runs on the main thread with a runtime of its own.

pub mod drain;
pub mod health;
pub mod listeners;
pub mod members;
pub mod memory;
pub mod picture;
pub mod probe;
pub mod reading;
pub mod resolve;
pub mod routes;
pub mod source;
pub mod start;
pub mod state;
pub mod sticky_key;
pub mod watch;
mod weights;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use switchboard_core::config::{AccessLog, Config, Diff, Scope, Warning, WarningKind, diff};
use switchboard_core::snapshot::Compiler;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::admin::Admin;
use crate::admin::registry::Registry;
use crate::certs::keeper::Keeper;
use crate::generation::{Generation, Registry as Lives};
use crate::process::{Command, LastReload, Process};
use crate::telemetry::log;
use listeners::Listeners;
use resolve::Names;

/// The reason of a reload that nobody asked for.
const CHANGED: &str = "a change of the file";

/// Everything that the control thread holds.
pub struct Control {
    process: Arc<Process>,
    registry: Lives,
    routes: routes::Routes,
    listeners: Listeners,
    /// The file to read again, and none where the configuration came from elsewhere.
    path: Option<PathBuf>,
    /// Generations that were replaced, until nobody reads them: they are freed here and not on the data path.
    retired: Vec<Arc<Generation>>,
    watch: watch::Watch,
    /// How the files looked from which the configuration in force was read.
    in_force: picture::Picture,
    names: Names,
    keeper: Keeper,
    admin: Admin,
    weights: weights::Weights,
}

/// What became of a reload.
#[derive(Debug)]
pub enum Reloaded {
    /// It is in force. What changed, and what is allowed but probably not meant.
    Changed(Diff, Vec<String>),
    /// The file says what is in force already. What it says besides: warnings, and what needs a new start.
    Same(Vec<String>),
    /// Nothing changed; each error with its place.
    Refused(Vec<String>),
}

/// What looks at registered routes and what is in force, on the control thread.
pub type Look = Box<dyn FnOnce(&Registry, &Generation) + Send>;

/// What asks the control thread for something.
pub enum Ask {
    /// A reload, and where to say what came of it.
    Reload(tokio::sync::oneshot::Sender<Reloaded>),
    /// Another weight for an endpoint, or the file's own where it is `None`.
    Weight {
        /// The upstream's name.
        upstream: String,
        /// The address as written.
        endpoint: String,
        /// The weight.
        weight: Option<u32>,
        /// Where to say that it is in force, or why not.
        reply: tokio::sync::oneshot::Sender<Result<(), String>>,
    },
    /// Another endpoint for an upstream, or one less.
    Member(members::Asked),
    /// A change of a registered route.
    Change(Box<routes::Asked>),
    /// A look at the registered routes and what is in force.
    Look(Look),
    /// What was written so far is on the disk.
    Synced(std::io::Result<()>),
    /// A smaller journal was written.
    Compacted(std::io::Result<std::fs::File>),
}

impl Control {
    /// Runs until the proxy has ended. Returns the exit code.
    pub(crate) async fn run(mut self, mut asks: mpsc::Receiver<Ask>, mut signals: Signals) -> u8 {
        let mut housekeeping = tokio::time::interval(Duration::from_secs(1));
        housekeeping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // A branch that is not taken is dropped, and starts anew the next time round: each bears that.
            tokio::select! {
                () = signals.ends.recv() => break,
                _ = signals.hangup.recv() => drop(self.reload("SIGHUP").await),
                _ = signals.user1.recv() => self.reopen_logs(),
                () = self.watch.changed() => drop(self.reload(CHANGED).await),
                Some(ask) = asks.recv() => self.answer(ask, &mut asks).await,
                () = self.routes.lease_ends() => self.end_leases(),
                () = self.routes.follow_is_due() => self.follow(),
                _ = housekeeping.tick(), if !self.retired.is_empty() || self.process.is_watched() => {
                    self.free_retired();
                    self.process.ask_for_reports();
                }
            }
        }
        let code = self.leave(&mut asks, &mut signals).await;
        self.admin.close();
        code
    }

    /// Drains, and answers meanwhile whoever looks: a drain may take long, and it is then that somebody wants to know.
    async fn leave(&mut self, asks: &mut mpsc::Receiver<Ask>, signals: &mut Signals) -> u8 {
        let process = Arc::clone(&self.process);
        let Signals { ends, hangup, user1 } = signals;
        let mut drained = std::pin::pin!(drain::drain(&process, ends));
        loop {
            tokio::select! {
                code = &mut drained => return code,
                // Logs are rotated at their hour, whatever goes on.
                _ = user1.recv() => self.reopen_logs(),
                _ = hangup.recv() => tracing::warn!("not reloaded: the proxy drains and takes up nothing new"),
                Some(ask) = asks.recv() => self.answer_leaving(ask),
            }
        }
    }

    fn answer_leaving(&mut self, ask: Ask) {
        match ask {
            Ask::Look(look) => look(&self.routes.registry, &self.process.generation.load()),
            Ask::Synced(result) => self.synced(result),
            Ask::Compacted(written) => self.compacted(written),
            // Nothing is changed any more. Who asked learns that from the answer that doesn't come.
            Ask::Change(_) | Ask::Reload(_) | Ask::Weight { .. } | Ask::Member(_) => {}
        }
    }

    async fn answer(&mut self, ask: Ask, more: &mut mpsc::Receiver<Ask>) {
        match ask {
            Ask::Change(asked) => {
                if let Some(other) = self.change_routes(*asked, more) {
                    Box::pin(self.answer(other, more)).await;
                }
            }
            Ask::Look(look) => look(&self.routes.registry, &self.process.generation.load()),
            Ask::Synced(result) => self.synced(result),
            Ask::Compacted(written) => self.compacted(written),
            Ask::Reload(reply) => {
                let result = self.reload("a request of the admin plane").await;
                let _ = reply.send(result);
            }
            Ask::Weight { upstream, endpoint, weight, reply } => {
                let _ = reply.send(self.weigh(&upstream, &endpoint, weight).await);
            }
            Ask::Member(asked) => self.change_member(asked).await,
        }
    }

    /// Changes a weight until the process ends, or takes such a change back.
    async fn weigh(&mut self, upstream: &str, endpoint: &str, weight: Option<u32>) -> Result<(), String> {
        let current = self.process.generation.load_full();
        let config = self.weights.change(&current.config, (upstream, endpoint), weight)?;
        if config != *current.config {
            let scope = self.routes.registry.scope();
            self.put_in_force(config, &scope, &current).await?;
            tracing::info!(upstream, endpoint, ?weight, "the weight was changed at run time");
        }
        Ok(())
    }

    /// Reads the configuration again and puts it in force if it is sound. Takes as long as somebody is writing the file
    /// and new names have to be asked for, a few seconds at most.
    pub async fn reload(&mut self, why: &str) -> Reloaded {
        let result = self.read_again(why).await;
        let ok = !matches!(result, Reloaded::Refused(_));
        self.process.reload.store(Arc::new(LastReload { at: Some(SystemTime::now()), ok }));
        result
    }

    async fn read_again(&mut self, why: &str) -> Reloaded {
        let Some(path) = self.path.clone() else {
            let words = "this proxy was started without a configuration file; stop it and start it with -c FILE";
            return Reloaded::Refused(vec![words.to_owned()]);
        };
        if picture::Mark::at(&path) == picture::Mark::Stream {
            let words = format!("{} is no regular file: it can't be read a second time", path.display());
            return refused(why, vec![words]);
        }
        let (loaded, picture) = reading::settled(&path, self.watch.known()).await;
        let emptied = loaded.files.iter().take(loaded.parts).find(|part| picture.was_emptied(part, &self.in_force));
        self.watch.follow(picture);
        if let Some(part) = emptied.filter(|_| why == CHANGED) {
            // What a full disk leaves of a file is sound, and would close every route in it.
            let words = format!("{} is empty; if that is meant, say so by `switchboard reload`", part.display());
            return refused(why, vec![words]);
        }
        // Who registers routes knows why the file has none.
        let unrouted = |warning: &&Warning| warning.kind == WarningKind::NoRoutes && !self.routes.registry.is_empty();
        let warnings = loaded.warnings.iter().filter(|warning| !unrouted(warning));
        let mut warnings: Vec<String> = warnings.map(ToString::to_string).collect();
        let config = match loaded.config {
            Ok(config) => config,
            Err(errors) => return refused(why, errors.iter().map(ToString::to_string).collect()),
        };
        let file = config.clone();
        let (config, notes) = self.routes.registry.members().over(config, &loaded.scope);
        warnings.extend(notes);
        let current = self.process.generation.load_full();
        let config = self.weights.over(config).seated_after(&current.config);
        let changes = diff(&current.config, &config);
        for key in &changes.needs_restart {
            tracing::warn!(why, "{key} can't change by a reload; it keeps its value until the next start");
        }
        let config = keep_what_cannot_change(config, &current.config);
        let stands_in_the_same = loaded.scope == self.routes.registry.scope() || self.routes.registry.is_empty();
        if changes.changes.is_empty() && config == *current.config && stands_in_the_same {
            tracing::info!(why, "reload: nothing has changed");
            self.in_force = self.watch.known().clone();
            self.routes.follow_file(&file);
            let stays = changes.to_string();
            return Reloaded::Same(warnings.into_iter().chain(stays.lines().map(str::to_owned)).collect());
        }
        match self.put_in_force(config, &loaded.scope, &current).await {
            Ok(notes) => warnings.extend(notes),
            Err(error) => return refused(why, vec![error]),
        }
        self.in_force = self.watch.known().clone();
        self.routes.follow_file(&file);
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        for change in &changes.changes {
            tracing::info!(%change, "reloaded");
        }
        let generation = self.process.generation.load().number;
        tracing::info!(why, generation, "the configuration is in force");
        Reloaded::Changed(changes, warnings)
    }

    /// Binds first, compiles, publishes, and only then lets go of what is not needed: a failure changes nothing.
    /// Returns what there is to say about registered routes.
    async fn put_in_force(
        &mut self,
        config: Config,
        scope: &Scope,
        current: &Arc<Generation>,
    ) -> Result<Vec<String>, String> {
        let workers = self.process.workers.len();
        let plan = self.listeners.plan(&config.listeners, workers).map_err(|error| error.to_string())?;
        let access = match config.access_log != current.config.access_log {
            true => Some(open_access(&config.access_log)?),
            false => None,
        };
        let log = match config.log != current.config.log {
            true => Some(log::open(&config.log).map_err(|error| format!("log: {error}"))?),
            false => None,
        };
        let mut admin = self.admin.prepare(&config)?;
        let now = switchboard_core::moment::Moment::ZERO + self.process.origin.elapsed();
        let mut notes = admin.as_mut().map(|opening| std::mem::take(&mut opening.notes)).unwrap_or_default();
        let (routes, said) = (&mut self.routes.registry, &mut notes);
        let written = config.clone();
        let overlay = |compiler: &mut Compiler| *said = routes.overlay(compiler, &written, scope);
        let generation =
            self.registry.generation(config, overlay, Some(current), now).map_err(|error| error.to_string())?;
        plan.tell_ports(&generation);
        self.names.follow(&generation).await;
        self.process.health.follow(&generation);
        if let Some(access) = access {
            self.process.log_access_to(access);
        }
        log.into_iter().for_each(log::put_in_force);
        self.listeners.settle(&plan);
        self.keeper.follow(&generation.config, self.routes.registry.in_force());
        let old = self.process.generation.swap(Arc::new(generation));
        self.retired.push(old);
        self.process.follow_tracing();
        for worker in &self.process.workers {
            let _ = worker.inbox.send(Command::Generation);
        }
        for line in self.listeners.carry_out(plan, &self.process.workers) {
            eprintln!("{line}");
        }
        self.process.sockets.store(Arc::new(self.listeners.open()));
        if let Some(opening) = admin {
            self.admin.settle(opening).iter().for_each(|line| eprintln!("{line}"));
        }
        self.free_retired();
        Ok(notes)
    }

    fn free_retired(&mut self) {
        self.retired.retain(|generation| Arc::strong_count(generation) > 1);
    }

    fn reopen_logs(&self) {
        if let Some(access) = self.process.access.load().as_ref() {
            access.sink.reopen();
        }
        log::reopen();
        tracing::info!("log files were opened again");
    }
}

/// Says why nothing was changed.
fn refused(why: &str, errors: Vec<String>) -> Reloaded {
    for error in &errors {
        tracing::error!(why, "not reloaded: {error}");
    }
    tracing::error!(why, errors = errors.len(), "the configuration was refused; the old one stays in force");
    Reloaded::Refused(errors)
}

/// The same configuration with the values of `current` where a new start is needed for others.
fn keep_what_cannot_change(config: Config, current: &Config) -> Config {
    let registry = switchboard_core::config::Registry { file: current.registry.file.clone(), ..config.registry };
    Config { workers: current.workers, state_dir: current.state_dir.clone(), registry, ..config }
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
    pub(crate) ends: Ends,
    hangup: Signal,
    user1: Signal,
}

/// Those that end the proxy: the first drains, the second ends it at once.
pub(crate) struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    /// Waits for the next one.
    pub(crate) async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Signals {
    /// Listens from now on. Before, a hang-up would end the process.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn new() -> std::io::Result<Self> {
        let ends = Ends { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
        Ok(Self { ends, hangup: signal(SignalKind::hangup())?, user1: signal(SignalKind::user_defined1())? })
    }
}

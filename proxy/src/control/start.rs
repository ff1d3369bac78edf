//! From a configuration to a running proxy: state directory, sockets, workers, control thread.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use switchboard_core::config::{Config, Scope};
use switchboard_core::moment::Moment;
use switchboard_core::snapshot::Compiler;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::health::Health;
use super::listeners::{Listeners, Plan};
use super::picture::Picture;
use super::resolve::Names;
use super::routes::Routes;
use super::{Control, Signals, memory, open_access, state, watch};
use crate::admin::Admin;
use crate::certs::keeper::Keeper;
use crate::certs::{Certs, Wanted};
use crate::generation::{Generation, Registry};
use crate::process::descriptors::FEWEST;
use crate::process::{Admission, Descriptors, Process, WorkerLink};
use crate::telemetry::export::{self, Exporter};
use crate::worker::Worker;

/// Questions of the admin plane that wait at once; whoever comes later waits to ask.
const ASKS: usize = 1024;

/// How a proxy is started.
#[derive(Debug)]
pub struct Start {
    /// What it is told.
    pub config: Config,
    /// What its routes stand in.
    pub scope: Scope,
    /// The file to watch and to read again.
    pub path: Option<PathBuf>,
    /// How its files looked when they were read.
    pub picture: Picture,
    /// Where to write `ready` besides stderr.
    pub ready: Option<File>,
    /// Tell clients of unknown hosts the known ones: `demo` and `dev` only.
    pub names_hosts: bool,
}

/// Runs a proxy until it ends. Returns the exit code.
///
/// # Errors
/// In words, when it can't start.
pub fn run(start: Start) -> Result<u8, String> {
    let Start { config, scope, path, picture, ready, names_hosts } = start;
    let _lock = state::lock(&config.state_dir)?;
    let descriptors = raise_descriptor_limit()?;
    let origin = Instant::now();
    let access = open_access(&config.access_log)?;
    let count = config.workers.unwrap_or_else(cores);
    let shares = Descriptors::share(descriptors, count);
    let admission = Admission::new(shares.connections);
    tracing::info!(connections = admission.most, descriptors, "the limit on open files allows so many connections");
    let (registry, routes, generation) = first_generation(config, &scope)?;
    let mut listeners = Listeners::default();
    let plan = listeners.plan(&generation.config.listeners, count).map_err(|error| error.to_string())?;
    plan.tell_ports(&generation);
    let (links, inboxes): (Vec<_>, Vec<_>) = (0..count).map(|_| link()).unzip();
    let (certs, wanted) = Certs::new();
    let (suspects, seed) = (Arc::default(), seed());
    let (exporter, handed_over) = Exporter::new();
    let process = Arc::new(Process {
        tunnels_held: Default::default(),
        origin,
        started: SystemTime::now(),
        generation: Arc::new(ArcSwap::from_pointee(generation)),
        workers: links,
        descriptors: shares,
        admission,
        memory_full: false.into(),
        access_on: access.is_some().into(),
        timed: access.is_some().into(),
        watched: false.into(),
        latency: Default::default(),
        access: ArcSwap::from_pointee(access),
        draining: false.into(),
        leaving: false.into(),
        reload: ArcSwap::default(),
        sockets: ArcSwap::default(),
        seed,
        mark: self::seed(),
        doubts: Arc::default(),
        health: Health::new(Arc::clone(&suspects), origin, seed),
        suspects,
        said: Default::default(),
        exporter,
        failures: Default::default(),
        samples: Default::default(),
        names_hosts,
        certs,
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the control thread: {error}"))?;
    start_workers(&process, inboxes, runtime.handle())?;
    export::start(&process, handed_over)?;
    process.follow_tracing();
    let started = Started { process, registry, routes, listeners, plan, wanted, path, picture, ready };
    let code = runtime.block_on(started.control());
    runtime.shutdown_background();
    code
}

/// What the control thread begins with, once the workers run.
struct Started {
    process: Arc<Process>,
    registry: Registry,
    routes: Routes,
    listeners: Listeners,
    plan: Plan,
    wanted: mpsc::Receiver<Wanted>,
    path: Option<PathBuf>,
    picture: Picture,
    ready: Option<File>,
}

impl Started {
    /// Opens what is still closed, says that it is ready, and controls until the end.
    async fn control(self) -> Result<u8, String> {
        let Self { process, registry, routes, mut listeners, plan, wanted, path, picture, ready } = self;
        let signals = Signals::new().map_err(|error| format!("cannot listen for signals: {error}"))?;
        let keeper = Keeper::start(Arc::clone(&process.certs), wanted, &process.generation.load().config.state_dir);
        keeper.follow(&process.generation.load().config, routes.registry.in_force());
        let names = Names::start(Arc::clone(&process));
        process.health.start(&process.generation.load());
        tokio::spawn(memory::watch(Arc::clone(&process)));
        names.follow(&process.generation.load_full()).await;
        let (asks, inbox) = mpsc::channel(ASKS);
        let (admin, lines) = Admin::start(Arc::clone(&process), asks)?;
        lines.iter().for_each(|line| eprintln!("{line}"));
        let mut watch = watch::Watch::default();
        let in_force = picture.clone();
        watch.follow(picture);
        for line in listeners.carry_out(plan, &process.workers) {
            eprintln!("{line}");
        }
        process.sockets.store(Arc::new(listeners.open()));
        say_ready(ready);
        let (retired, weights) = Default::default();
        let control = Control {
            process,
            registry,
            routes,
            listeners,
            path,
            retired,
            watch,
            in_force,
            names,
            keeper,
            admin,
            weights,
        };
        Ok(control.run(inbox, signals).await)
    }
}

/// What is in force first: the configuration, and the registered routes over it.
fn first_generation(config: Config, scope: &Scope) -> Result<(Registry, Routes, Generation), String> {
    let mut registry = Registry::default();
    let mut routes = Routes::open(&config, scope)?;
    let (changed, notes) = routes.registry.members().over(config.clone(), scope);
    notes.iter().for_each(|note| tracing::warn!("{note}"));
    routes.follow_file(&config);
    let config = changed;
    let (written, kept) = (config.clone(), &mut routes.registry);
    let overlay = |compiler: &mut Compiler| {
        kept.overlay(compiler, &written, scope).iter().for_each(|note| tracing::warn!("{note}"));
    };
    let generation = registry.generation(config, overlay, None, Moment::ZERO).map_err(|error| error.to_string())?;
    Ok((registry, routes, generation))
}

/// Starts a thread for each inbox.
fn start_workers(process: &Arc<Process>, inboxes: Vec<Inbox>, control: &Handle) -> Result<(), String> {
    for (index, inbox) in inboxes.into_iter().enumerate() {
        let (shared, control) = (Arc::clone(process), control.clone());
        std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || {
                if let Err(error) = Worker::run(shared, index, inbox, &control) {
                    tracing::error!(%error, index, "a worker could not start");
                }
            })
            .map_err(|error| format!("cannot start a worker: {error}"))?;
    }
    Ok(())
}

/// What a worker is told.
type Inbox = mpsc::UnboundedReceiver<crate::process::Command>;

fn link() -> (WorkerLink, Inbox) {
    let (inbox, commands) = mpsc::unbounded_channel();
    (
        WorkerLink {
            inbox,
            load: Arc::default(),
            accepting: Arc::default(),
            sparing: AtomicBool::new(false),
            counters: Arc::default(),
            asked: Default::default(),
            streams: ArcSwap::default(),
            showing: Default::default(),
        },
        commands,
    )
}

/// One worker for each core that we may use; a container's share of the machine counts.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Raises the soft limit on open files to the hard one. Returns what then holds, at least [`FEWEST`].
fn raise_descriptor_limit() -> Result<u64, String> {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    match getrlimit(Resource::Nofile).current.unwrap_or(1 << 20) {
        few @ ..FEWEST => Err(format!(
            "the limit on open files is {few}, and the proxy needs at least {FEWEST}, two more for each connection. \
             Raise the hard limit: `ulimit -Hn 65536`, LimitNOFILE=65536 in a systemd unit, or --ulimit nofile=65536 \
             for a container"
        )),
        enough => Ok(enough),
    }
}

/// A number that another start will not have. Request ids are unique by it, not secret.
fn seed() -> u64 {
    let mut bytes = [0; 8];
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}

/// Says that connections are accepted: on stderr, on the descriptor of `--ready-fd`, to systemd.
fn say_ready(ready: Option<File>) {
    eprintln!("ready");
    if let Some(mut ready) = ready {
        let _ = writeln!(ready, "ready");
    }
    if let Some(path) = std::env::var_os("NOTIFY_SOCKET")
        && let Ok(socket) = std::os::unix::net::UnixDatagram::unbound()
    {
        let _ = socket.send_to(b"READY=1", path);
    }
}

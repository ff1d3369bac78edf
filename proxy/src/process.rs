//! What all workers of one proxy share: the generation in force, the count of connections, the ways to each other.

pub mod descriptors;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use switchboard_core::moment::Moment;
use tokio::sync::mpsc::UnboundedSender;

pub use self::descriptors::Descriptors;
use crate::certs::Certs;
use crate::control::health::Health;
use crate::control::memory::Pressure;
use crate::control::resolve::Doubts;
use crate::generation::Generation;
use crate::listener::{Remote, Socket};
use crate::live::passive::Suspects;
use crate::streams::view::Seen;
use crate::telemetry::access_log::AccessSink;
use crate::telemetry::counters::Counters;
use crate::telemetry::export::Exporter;
use crate::telemetry::failures::Failures;
use crate::telemetry::latency::Latency;
use crate::tunnel::lag::Held;

/// The proxy as a whole.
#[derive(Debug)]
pub struct Process {
    /// The start: moments count from here.
    pub origin: Instant,
    /// The same as a time of day.
    pub started: SystemTime,
    /// What is in force.
    pub generation: Arc<ArcSwap<Generation>>,
    /// One per worker, by index.
    pub workers: Vec<WorkerLink>,
    /// How open files are shared out.
    pub descriptors: Descriptors,
    /// Client connections, all workers.
    pub admission: Admission,
    /// So little memory is left that nobody is accepted.
    pub memory_full: AtomicBool,
    /// Where access lines go now.
    pub access: ArcSwap<Option<AccessSink>>,
    /// Whether they go anywhere: what an exchange reads.
    pub access_on: AtomicBool,
    /// Whether somebody reads durations: then exchanges are measured exactly.
    pub timed: AtomicBool,
    /// Whether somebody looked at durations, and will again.
    pub watched: AtomicBool,
    /// How long exchanges took of late.
    pub latency: Latency,
    /// Set when the proxy is going away.
    pub draining: AtomicBool,
    /// Set before that, so that load balancers look elsewhere first (`drain.announce`).
    pub leaving: AtomicBool,
    /// How the last reload went.
    pub reload: ArcSwap<LastReload>,
    /// The sockets that are open.
    pub sockets: ArcSwap<Vec<Arc<Socket>>>,
    /// Makes request ids differ from those of other starts and workers.
    pub seed: u64,
    /// Random: makes the marks of requests that this process sends to itself its own.
    pub mark: u64,
    /// Where workers say that the address of a name may be another's.
    pub doubts: Arc<Doubts>,
    /// Where workers say that an endpoint has failed often enough.
    pub suspects: Arc<Suspects>,
    /// What is known of every endpoint, for the control thread and the admin plane.
    pub health: Health,
    /// Keeps complaints about exhaustion rare.
    pub said: Quiet,
    /// Unknown hosts are told the known ones: `demo` and `dev` only.
    pub names_hosts: bool,
    /// The way to the telemetry thread.
    pub exporter: Exporter,
    /// What all tunnels hold for slow readers.
    pub tunnels_held: Held,
    /// What went wrong of late.
    pub failures: Failures,
    /// A sample of what went well of late.
    pub samples: Failures,
    /// Certificates for listeners with `tls: auto`.
    pub certs: Arc<Certs>,
}

/// How the last reload went.
#[derive(Clone, Copy, Debug, Default)]
pub struct LastReload {
    /// When; `None` before the first.
    pub at: Option<SystemTime>,
    /// Whether the configuration was sound.
    pub ok: bool,
}

/// How others reach a worker.
#[derive(Debug)]
pub struct WorkerLink {
    /// Commands and connections for it. Bounded by what it carries: connections are admitted first.
    pub inbox: UnboundedSender<Command>,
    /// Connections that it serves.
    pub load: Arc<AtomicU64>,
    /// Sockets that it accepts on, or will when it reads its inbox.
    pub accepting: Arc<AtomicU64>,
    /// It has been told to spare descriptors, and has not come to it.
    pub sparing: AtomicBool,
    /// What it counts.
    pub counters: Arc<Counters>,
    /// Since when a [`Command::Report`] is unanswered, in nanoseconds; 0 where none is.
    pub asked: AtomicU64,
    /// The streams that it had open when it was last asked.
    pub streams: ArcSwap<Vec<Seen>>,
    /// A [`Command::Show`] is unanswered.
    pub showing: AtomicBool,
}

/// What a worker is told.
#[derive(Debug)]
pub enum Command {
    /// Accept on this socket.
    Listen(Arc<Socket>, OwnedFd),
    /// Accept what waits on the socket with this number, then close it.
    Unlisten(u64),
    /// Serve this connection.
    Serve(Arc<Socket>, OwnedFd, Remote, Admitted),
    /// Descriptors are short: close what is kept for later.
    Spare,
    /// Memory is this short from now on.
    Pressure(Pressure),
    /// A new generation is in force: look whose streams have to end.
    Generation,
    /// Finish what is under way; close what is idle.
    Drain,
    /// Say how long it took to come to this, asked at the moment.
    Report(Moment),
    /// List the streams that are open.
    Show,
    /// End these streams, one after the other.
    DrainStreams(Arc<crate::streams::draining::Draining>),
    /// Close streams and tunnels now.
    CloseStreams,
    /// Close everything and stop.
    Quit,
}

impl Process {
    /// Whether new traffic is welcome.
    pub fn is_ready(&self) -> bool {
        !self.leaving.load(Ordering::Relaxed) && !self.draining.load(Ordering::Relaxed)
    }

    /// Sends access lines elsewhere, or nowhere.
    pub fn log_access_to(&self, access: Option<AccessSink>) {
        self.access_on.store(access.is_some(), Ordering::Relaxed);
        self.timed.store(access.is_some() || self.watched.load(Ordering::Relaxed), Ordering::Relaxed);
        self.access.store(Arc::new(access));
    }

    /// Somebody looks at durations, and will again: from now on exchanges are measured.
    pub fn watch(&self) {
        if !self.watched.swap(true, Ordering::Relaxed) {
            self.timed.store(true, Ordering::Relaxed);
        }
    }

    /// Asks each worker for its streams, unless it is at it. They come a moment later.
    pub fn ask_for_streams(&self) {
        for worker in self.workers.iter().filter(|worker| !worker.showing.swap(true, Ordering::Relaxed)) {
            let _ = worker.inbox.send(Command::Show);
        }
    }

    /// Whether somebody looked at what the workers measure.
    pub fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    /// Asks each worker how far behind it is, where somebody reads that. Who has not answered isn't asked again.
    pub fn ask_for_reports(&self) {
        let now = Moment::ZERO + self.origin.elapsed();
        for worker in &self.workers {
            if worker.asked.load(Ordering::Relaxed) == 0 {
                worker.asked.store(now.as_nanos(), Ordering::Relaxed);
                let _ = worker.inbox.send(Command::Report(now));
            }
        }
    }

    /// Spans need exact times, where a configuration asks for them.
    pub fn follow_tracing(&self) {
        if self.generation.load().config.tracing.otlp.is_some() {
            self.watch();
        }
    }

    /// Says that connections wait because a bound is reached, at most once a second.
    pub fn say_full(&self, bound: &str) {
        if self.said.may() {
            tracing::warn!(open = self.admission.open(), bound, "no more connections are accepted until some end");
        }
    }

    /// Says that the system gives nothing to accept or connect with, at most once a second.
    pub fn say_exhausted(&self, what: &str, error: &io::Error) {
        if self.said.may() {
            let open = self.admission.open();
            tracing::error!(open, %error, "cannot {what}: the machine is short of it; see the limit on open files");
        }
    }
}

/// Lets a message through now and then.
#[derive(Debug, Default)]
pub struct Quiet(Mutex<Option<Instant>>);

impl Quiet {
    /// Once a second.
    fn may(&self) -> bool {
        self.may_after(Duration::from_secs(1))
    }

    /// Whether the last one that went through is so long ago.
    pub fn may_after(&self, apart: Duration) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let may = last.is_none_or(|last| last.elapsed() >= apart);
        if may {
            *last = Some(Instant::now());
        }
        may
    }
}

/// Counts client connections and refuses those beyond a bound.
#[derive(Debug)]
pub struct Admission {
    /// The most at once: [`Descriptors::connections`].
    pub most: u64,
    open: AtomicU64,
    clients: Mutex<HashMap<IpAddr, u32>>,
}

/// A place that a connection holds until it is dropped.
#[derive(Debug)]
pub struct Admitted {
    admission: Arc<Process>,
    client: Option<IpAddr>,
    socket: Arc<Socket>,
}

impl Admission {
    /// Makes one that lets `most` connections in.
    pub fn new(most: u64) -> Self {
        Self { most, open: AtomicU64::new(0), clients: Mutex::default() }
    }

    /// Whether another connection may be accepted.
    pub fn has_room(&self) -> bool {
        self.open.load(Ordering::Relaxed) < self.most
    }

    /// How many are open.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }
}

impl Admitted {
    /// Counts a connection in. `None` when its client has as many as `limits.connections_per_client` allows; `client`
    /// is given only where that limit is set and holds for the peer.
    pub fn enter(process: &Arc<Process>, socket: &Arc<Socket>, client: Option<(IpAddr, u32)>) -> Option<Self> {
        let key = client.map(|(ip, _)| client_key(ip));
        if let (Some(key), Some((_, most))) = (key, client) {
            // A lock per connection, not per request, and only where the limit is set.
            let mut clients = process.admission.clients.lock().unwrap_or_else(PoisonError::into_inner);
            let count = clients.entry(key).or_insert(0);
            if *count >= most {
                return None;
            }
            *count += 1;
        }
        process.admission.open.fetch_add(1, Ordering::Relaxed);
        socket.open.fetch_add(1, Ordering::Relaxed);
        Some(Self { admission: Arc::clone(process), client: key, socket: Arc::clone(socket) })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.admission.open.fetch_sub(1, Ordering::Relaxed);
        self.socket.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(key) = self.client {
            let mut clients = self.admission.admission.clients.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = clients.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    clients.remove(&key);
                }
            }
        }
    }
}

/// One IPv6 site counts as one client: its /64.
pub fn client_key(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

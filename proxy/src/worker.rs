//! One thread with its own runtime: it accepts, serves and relays, and shares nothing with the others but atomics.
//!
//! Everything here is `!Send`: connections, buffers, pools and streams belong to the worker for life. The control
//! thread speaks to it through its inbox.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use switchboard_core::balance::Draw;
use switchboard_core::moment::Moment;
use switchboard_core::request_id::RequestId;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use crate::control::memory::Pressure;
use crate::deadline::{Deadlines, GRAIN};
use crate::desk::Desks;
use crate::files::Files;
use crate::generation::{Current, Generation};
use crate::http::{self, h2::Runners};
use crate::listener::{self, Remote, Socket};
use crate::process::{Admitted, Command, Process};
use crate::reactor::{self, Registered};
use crate::relay::READ;
use crate::relay::encode::Encoders;
use crate::relay::splice;
use crate::streams::{Pace, Streams, Which};
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::counters::Counters;
use crate::telemetry::meter::Measured;
use crate::telemetry::spans::Spans;
use crate::upstream::pool::Pools;

/// How often idle upstream connections are looked through.
const SWEEP: Duration = Duration::from_secs(1);

/// How long what is cut may take to say so. Chosen: it needs one turn.
const LAST_LINES: Duration = Duration::from_millis(500);

/// One worker.
#[derive(Debug)]
pub struct Worker {
    /// Its place among the workers.
    pub index: usize,
    /// The proxy that it is part of.
    pub process: Arc<Process>,
    /// The clock and the time-outs.
    pub deadlines: Rc<Deadlines>,
    /// Memory for exchanges.
    pub desks: Desks,
    /// Memory for one read, lent for the length of one poll.
    pub scratch: RefCell<Box<[u8]>>,
    /// Tasks that wait for a stream to answer.
    pub runners: Runners,
    /// Files that were served a moment ago.
    pub files: Files,
    /// The places of what compresses.
    pub encoders: Encoders,
    /// Idle upstream connections.
    pub pools: RefCell<Pools>,
    /// What flows without an end in sight: tunnels and answers without a declared length.
    pub streams: Rc<Streams>,
    /// What it counts.
    pub counters: Arc<Counters>,
    /// Its part of the access log.
    pub access: AccessLog,
    /// Its part of what is traced.
    pub spans: Spans,
    published: RefCell<arc_swap::Cache<Arc<ArcSwap<Generation>>, Arc<Generation>>>,
    /// The same behind an `Rc`, so that a request holds it without an atomic instruction.
    current: RefCell<Rc<Current>>,
    load: Arc<AtomicU64>,
    ids: Cell<u64>,
    /// Numbers for what is left to chance.
    pub draw: Cell<Draw>,
    turns: Cell<usize>,
    /// Connections end with their next answer: the proxy goes away, or memory is short.
    draining: Cell<bool>,
    quitting: Cell<bool>,
    /// No request is taken: memory is shorter still.
    refusing: Cell<bool>,
    /// Copies of requests that are under way.
    pub mirrors: Cell<u32>,
    listening: RefCell<HashMap<u64, oneshot::Sender<()>>>,
}

impl Worker {
    /// Runs the worker on the calling thread until it is told to quit.
    ///
    /// # Errors
    /// When the system gives no reactor.
    pub fn run(
        process: Arc<Process>,
        index: usize,
        inbox: UnboundedReceiver<Command>,
        control: &Handle,
    ) -> std::io::Result<()> {
        // What takes long and blocks goes to the control thread's pool.
        let _inside = control.enter();
        reactor::run(async move {
            let timer = Deadlines::timer()?;
            if let Some(worker) = Self::new(process, index) {
                worker.work(inbox, timer).await;
            }
            Ok(())
        })?
    }

    fn new(process: Arc<Process>, index: usize) -> Option<Rc<Self>> {
        let link = process.workers.get(index)?;
        splice::allow(process.descriptors.pipes);
        let deadlines = Deadlines::new(process.origin);
        let (load, counters) = (Arc::clone(&link.load), Arc::clone(&link.counters));
        let current = RefCell::new(Rc::new(Current(process.generation.load_full())));
        Some(Rc::new(Self {
            index,
            desks: Desks::default(),
            scratch: RefCell::new(vec![0; READ].into_boxed_slice()),
            runners: Runners::default(),
            files: Files::new(process.descriptors.files),
            encoders: Encoders::default(),
            pools: RefCell::default(),
            streams: Streams::new(Rc::clone(&deadlines)),
            access: AccessLog::new(Arc::clone(&process), deadlines.place()),
            spans: Spans::new(Arc::clone(&process)),
            deadlines,
            counters,
            published: RefCell::new(arc_swap::Cache::new(Arc::clone(&process.generation))),
            current,
            load,
            ids: Cell::new((index as u64) << 56),
            draw: Cell::new(Draw::new(process.seed ^ ((index as u64) << 56))),
            turns: Cell::new(index),
            draining: Cell::new(false),
            quitting: Cell::new(false),
            refusing: Cell::new(false),
            mirrors: Cell::new(0),
            listening: RefCell::default(),
            process,
        }))
    }

    async fn work(self: Rc<Self>, mut inbox: UnboundedReceiver<Command>, timer: Registered) {
        reactor::spawn(Rc::clone(&self.deadlines).watch(timer));
        reactor::spawn(Rc::clone(&self).sweep());
        reactor::spawn(AccessLog::flush_when_due(Rc::clone(&self)));
        while let Some(command) = inbox.recv().await {
            match command {
                Command::Listen(socket, fd) => self.listen(socket, fd),
                Command::Unlisten(id) => {
                    if let Some(stop) = self.listening.borrow_mut().remove(&id) {
                        let _ = stop.send(());
                    }
                }
                Command::Serve(socket, fd, remote, admitted) => self.serve(socket, fd, remote, admitted),
                Command::Spare => self.spare(),
                Command::Pressure(pressure) => self.heed(pressure),
                Command::Generation => {
                    let spread = self.generation().snapshot.drain.spread;
                    self.streams.heed_removals(spread);
                }
                Command::Drain => self.drain(),
                Command::Report(asked) => self.report(asked),
                Command::Show => {
                    if let Some(link) = self.process.workers.get(self.index) {
                        link.streams.store(Arc::new(self.streams.seen()));
                        link.showing.store(false, Ordering::Relaxed);
                    }
                }
                Command::DrainStreams(draining) => self.streams.drain_some(&draining),
                Command::CloseStreams => self.streams.close_all(self.generation().snapshot.drain.code),
                Command::Quit => break,
            }
        }
        self.cut().await;
        self.access.flush();
        self.spans.flush();
    }

    /// Ends what still goes on at once, and gives it a while to write its lines.
    async fn cut(&self) {
        self.quitting.set(true);
        self.streams.close_all(self.generation().snapshot.drain.code);
        self.deadlines.expire();
        let until = self.deadlines.now() + LAST_LINES;
        while self.load.load(Ordering::Relaxed) > 0 && self.deadlines.now() < until {
            self.deadlines.sleep(GRAIN).await;
        }
    }

    /// Closes what is kept for later, here and soon in every worker: descriptors are short.
    pub fn spare_descriptors(&self) {
        self.pools.borrow_mut().spare();
        for (_, link) in self.process.workers.iter().enumerate().filter(|(index, _)| *index != self.index) {
            if !link.sparing.swap(true, Ordering::Relaxed) {
                let _ = link.inbox.send(Command::Spare);
            }
        }
    }

    fn spare(&self) {
        if let Some(link) = self.process.workers.get(self.index) {
            link.sparing.store(false, Ordering::Relaxed);
        }
        self.pools.borrow_mut().spare();
    }

    /// Says how long it took to come to this, and how many tasks there are.
    fn report(&self, asked: Moment) {
        self.counters.lag.add(Measured::between(asked, self.deadlines.now()));
        self.counters.tasks.set(reactor::tasks() as u64);
        if let Some(link) = self.process.workers.get(self.index) {
            link.asked.store(0, Ordering::Relaxed);
        }
    }

    /// Whose turn it is among the addresses of a name, for the next connection that is opened.
    pub fn turn(&self) -> usize {
        let turn = self.turns.get();
        self.turns.set(turn.wrapping_add(1));
        turn
    }

    fn listen(self: &Rc<Self>, socket: Arc<Socket>, fd: OwnedFd) {
        let (stop, stopped) = oneshot::channel();
        self.listening.borrow_mut().insert(socket.id, stop);
        let worker = Rc::clone(self);
        reactor::spawn(async move {
            listener::accept(Rc::clone(&worker), socket, fd, stopped).await;
            if let Some(link) = worker.process.workers.get(worker.index) {
                link.accepting.fetch_sub(1, Ordering::Relaxed);
            }
        });
    }

    /// Serves a connection on a task of its own. A panic in it costs this one connection (fault 36).
    pub fn serve(self: &Rc<Self>, socket: Arc<Socket>, fd: OwnedFd, remote: Remote, admitted: Admitted) {
        self.counters.accepted.add(1);
        let open = Open::enter(self);
        let worker = Rc::clone(self);
        reactor::spawn(async move {
            let connection = http::serve(Rc::clone(&worker), socket, fd, remote, (admitted, open));
            if caught(pin!(connection)).await.is_err() {
                worker.counters.panics.add(1);
                tracing::error!("a connection was closed by a panic; this is a bug, please report it");
            }
        });
    }

    /// The generation in force, kept for one request.
    pub fn generation(&self) -> Rc<Current> {
        let mut published = self.published.borrow_mut();
        let published = published.load();
        let mut current = self.current.borrow_mut();
        if !Arc::ptr_eq(published, &current.0) {
            *current = Rc::new(Current(Arc::clone(published)));
        }
        Rc::clone(&current)
    }

    /// Whether somebody reads how long exchanges take.
    pub fn is_timed(&self) -> bool {
        self.process.timed.load(Ordering::Relaxed)
    }

    /// Makes the id of the next request.
    pub fn next_id(&self) -> RequestId {
        self.ids.set(self.ids.get().wrapping_add(1));
        RequestId::new(self.process.seed, self.ids.get())
    }

    /// A number for what is left to chance, or must differ from others.
    pub fn number(&self) -> u64 {
        let mut draw = self.draw.get();
        let number = draw.number();
        self.draw.set(draw);
        number
    }

    /// A key for the next frame of ours towards a server. What it masks is ours, so nobody gains by guessing it.
    pub fn mask(&self) -> [u8; 4] {
        std::array::from_fn(|_| self.deadlines.chance())
    }

    /// Whether connections are to be closed after their next answer.
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Whether what goes on is cut now: the drain is over.
    pub fn is_quitting(&self) -> bool {
        self.quitting.get()
    }

    /// Whether requests are to be refused, since there is no memory for them.
    pub fn is_refusing(&self) -> bool {
        self.refusing.get()
    }

    /// Gives up what this pressure on memory asks for, or takes it up again.
    fn heed(&self, pressure: Pressure) {
        self.draining.set(pressure >= Pressure::Tight || self.process.draining.load(Ordering::Relaxed));
        self.refusing.set(pressure >= Pressure::Short);
        if pressure >= Pressure::Tight {
            self.pools.borrow_mut().clear(self);
            self.files.rest();
        }
    }

    /// The address of a connection that `limits.connections_per_client` counts, with the limit.
    pub fn client_limit(&self, remote: Remote) -> Option<(std::net::IpAddr, u32)> {
        let generation = self.generation();
        let most = generation.snapshot.limits.connections_per_client?;
        match remote {
            Remote::Ip(address) if !address.ip().is_loopback() && !generation.trusts(address.ip()) => {
                Some((address.ip(), most))
            }
            Remote::Ip(_) | Remote::Unix => None,
        }
    }

    /// This worker's part of a bound that holds for all workers together.
    pub fn share_of(&self, total: u32) -> usize {
        let workers = self.process.workers.len().max(1);
        let total = total as usize;
        total / workers + usize::from(self.index < total % workers)
    }

    fn drain(&self) {
        self.draining.set(true);
        for (_, stop) in self.listening.borrow_mut().drain() {
            let _ = stop.send(());
        }
        self.pools.borrow_mut().clear(self);
        let bounds = self.generation().snapshot.drain;
        let spread = bounds.spread.min(bounds.tunnels);
        let from = self.deadlines.now() + (bounds.tunnels - spread);
        self.streams.drain(&Which::All, Pace { from, spread, code: bounds.code });
        self.deadlines.wake_all();
    }

    async fn sweep(self: Rc<Self>) {
        loop {
            self.deadlines.sleep(SWEEP).await;
            self.pools.borrow_mut().sweep(self.deadlines.now(), &self);
            self.spans.flush();
            self.files.rest();
            self.runners.rest();
        }
    }
}

/// Counts a connection as this worker's for as long as it lives, as plain connection or as tunnel.
#[derive(Debug)]
pub struct Open {
    load: Arc<AtomicU64>,
    counters: Arc<Counters>,
}

impl Open {
    fn enter(worker: &Worker) -> Self {
        worker.load.fetch_add(1, Ordering::Relaxed);
        worker.counters.connections.add(1);
        Self { load: Arc::clone(&worker.load), counters: Arc::clone(&worker.counters) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
        self.counters.connections.sub(1);
    }
}

/// Runs a future and turns a panic in it into an error.
pub(crate) async fn caught<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, ()> {
    std::future::poll_fn(|context: &mut Context<'_>| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(_) => Poll::Ready(Err(())),
        }
    })
    .await
}

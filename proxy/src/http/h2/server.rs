//! A client's HTTP/2 connection: it is one task that moves frames, and its streams have tasks of their own (`runner`).
//!
//! A stream is answered by the same `exchange::serve` as a request of HTTP/1. This file knows when the connection has
//! to end: floods, silence, age, a drain. It never looks into a request beyond its head.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use switchboard_core::http2::{self, Code, Connection as Core, Event, Fault, Key, Malformed, Role, Terms};
use switchboard_core::moment::Moment;
use switchboard_core::reason::Reason;

use super::Stream;
use super::runner::{self, Work};
use super::shared::Shared;
use super::wire::{End, Wire};
use crate::error::ProxyError;
use crate::http::{Connection, h1};
use crate::transport::Transport;

/// How many streams count as one request of HTTP/1 towards `limits.requests_per_connection` (SECURITY §3.3: 10,000).
const STREAMS_PER_REQUEST: u32 = 10;

/// How long a connection that was told to end may take for it when nothing is open on it.
const GOODBYE: Duration = Duration::from_secs(2);

/// Serves a connection whose client speaks HTTP/2. `came` was read of it already, preface included.
pub(in crate::http) async fn serve(connection: Connection, came: Vec<u8>) {
    let connection = Rc::new(connection);
    let generation = connection.worker.generation();
    let now = connection.worker.deadlines.about_now();
    let core = Core::new(Role::Server, generation.config.http2, generation.snapshot.limits.head, now);
    drop(generation);
    let mut serving = Serving {
        wire: Wire::new(came, now),
        shared: Shared::new(core, None),
        connection: Rc::clone(&connection),
        served: 0,
        idle: None,
        leaving: None,
        cut: false,
        resets: (0, 0),
    };
    let _counted = Open::enter(&connection);
    let said_why = poll_fn(|context| serving.poll(context)).await;
    // Streams that are still held find that it is gone.
    let lost = serving.shared.core.borrow_mut().lose_all();
    serving.count_resets();
    serving.shared.tell(lost);
    if said_why {
        h1::linger(&connection).await;
    }
}

/// Counts a connection as one that speaks HTTP/2 for as long as it does.
struct Open(Rc<Connection>);

impl Open {
    fn enter(connection: &Rc<Connection>) -> Self {
        connection.worker.counters.http2_connections.add(1);
        Self(Rc::clone(connection))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.worker.counters.http2_connections.sub(1);
    }
}

/// A connection at work.
struct Serving {
    connection: Rc<Connection>,
    shared: Rc<Shared>,
    wire: Wire,
    served: u32,
    /// Since when no stream has been open.
    idle: Option<Moment>,
    /// When the client was told to open no more streams.
    leaving: Option<Moment>,
    /// It did what no connection may, and is read no more.
    cut: bool,
    /// Resets that were counted: the client's, ours.
    resets: (u64, u64),
}

impl Serving {
    /// Ready when the connection is over; true where the client has still to read why.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        self.connection.deadline.register(context);
        self.shared.register_task(context);
        let now = self.connection.worker.deadlines.about_now();
        self.count_resets();
        if !self.cut
            && let Poll::Ready(end) = self.receive(context, now)
        {
            match end {
                End::Closed(_) => return Poll::Ready(false),
                End::Fault(fault) => self.cut_off(fault),
            }
        }
        if self.leaving.is_none() && self.must_leave() {
            self.leaving = Some(now);
            // In two steps: a GOAWAY that refuses nothing, and the real one when the client has seen it (§6.8).
            self.shared.core.borrow_mut().leave();
        }
        if let Err(error) = self.wire.send(context, &self.connection.transport, &self.shared, now) {
            tracing::debug!(%error, "an HTTP/2 connection broke");
            return Poll::Ready(false);
        }
        {
            let core = self.shared.core.borrow();
            if core.outgoing().is_empty() && (self.cut || core.is_over()) {
                return Poll::Ready(true);
            }
        }
        self.poll_patience(now)
    }

    /// Counts the resets that came since the last look.
    fn count_resets(&mut self) {
        let (came, ours) = self.shared.core.borrow().resets();
        if (came, ours) != self.resets {
            let counters = &self.connection.worker.counters;
            counters.http2_resets_received.add(came - self.resets.0);
            counters.http2_resets_sent.add(ours - self.resets.1);
            self.resets = (came, ours);
        }
    }

    fn receive(&mut self, context: &mut Context<'_>, now: Moment) -> Poll<End> {
        let (connection, shared, served) = (&self.connection, &self.shared, &mut self.served);
        self.wire.receive(context, &connection.transport, shared, now, |core, event| match event {
            Event::Request(key, ended) => {
                *served += 1;
                answer(connection, shared, core, key, ended);
            }
            Event::Answer(..) | Event::Came(_) | Event::Room(_) | Event::RoomForAll | Event::LostMany => {
                shared.tell(event);
            }
        })
    }

    /// The client broke the rules for connections: what it began is given up, and it is told why.
    fn cut_off(&mut self, fault: Fault) {
        self.cut = true;
        self.leaving = Some(self.connection.worker.deadlines.about_now());
        let client = self.connection.peer.ip();
        match fault.breach {
            Some(breach) => {
                tracing::debug!(?client, too_many = breach.what(), "an HTTP/2 connection was cut");
                self.connection.worker.counters.floods.add(1);
            }
            None => {
                tracing::debug!(?client, code = ?fault.code, "an HTTP/2 connection broke the protocol");
                self.connection.worker.counters.http2_faults.add(1);
            }
        }
        let lost = self.shared.core.borrow_mut().lose_all();
        self.shared.tell(lost);
    }

    fn must_leave(&self) -> bool {
        let worker = &self.connection.worker;
        if worker.is_draining() {
            return true;
        }
        let generation = worker.generation();
        let limits = &generation.snapshot.limits;
        let now = worker.deadlines.about_now();
        let most = limits.requests_per_connection.map(|most| most.saturating_mul(STREAMS_PER_REQUEST));
        most.is_some_and(|most| self.served >= most)
            || limits.connection_age.is_some_and(|age| now.since(self.connection.opened) >= age)
            || self.silence_ends() <= now
    }

    /// When a client that asks nothing has had its time. The first head has to come as fast as any.
    fn silence_ends(&self) -> Moment {
        let generation = self.connection.worker.generation();
        let timeouts = generation.snapshot.timeouts_of(self.connection.listener);
        let (since, patience) = match self.served {
            0 => (Some(self.connection.opened), timeouts.head),
            _ => (self.idle, timeouts.keep_alive),
        };
        after(since, patience)
    }

    /// Sets the time-out of what is waited for; ready when the connection has had its time.
    fn poll_patience(&mut self, now: Moment) -> Poll<bool> {
        if self.shared.core.borrow().held() > 0 {
            self.idle = None;
        } else {
            self.idle.get_or_insert(now);
        }
        let timeouts = *self.connection.worker.generation().snapshot.timeouts_of(self.connection.listener);
        // Streams that are open may finish, unless the connection is cut.
        let goodbye = match (self.leaving, self.idle) {
            (Some(leaving), _) if self.cut => Some(leaving),
            (Some(leaving), Some(idle)) => Some(leaving.max(idle)),
            (Some(_) | None, _) => None,
        };
        let ends = after(self.wire.stalled, timeouts.write)
            .min(after(self.wire.within, timeouts.head))
            .min(after(goodbye, Some(GOODBYE)));
        if ends <= now {
            return Poll::Ready(false);
        }
        let asks = if self.leaving.is_none() { self.silence_ends() } else { Moment::NEVER };
        self.connection.deadline.set(ends.min(asks));
        Poll::Pending
    }
}

/// Reads the head of a stream, and gives it to a task.
fn answer(connection: &Rc<Connection>, shared: &Rc<Shared>, core: &mut Core, key: Key, ended: bool) {
    let worker = Rc::clone(&connection.worker);
    worker.counters.http2_requests.add(1);
    let id = worker.next_id();
    let terms = Terms {
        scheme: connection.peer.scheme(),
        trusted: connection.peer.trusted(),
        fields: worker.generation().snapshot.limits.fields as usize,
        nonce: id.as_bytes().first_chunk().copied().unwrap_or_default(),
    };
    let mut desk = worker.desks.lend();
    let refused = match http2::request(core.block(), ended, &terms, &mut desk.output, &mut desk.request) {
        Ok(()) => {
            desk.input.put(&desk.output);
            core.declare(key, http2::declared(desk.request.framing));
            None
        }
        Err(Malformed::TooLarge) => {
            let detail = "The head is larger than limits.head or has more fields than limits.fields allows.";
            Some(ProxyError::client(Reason::HeadTooLarge, detail))
        }
        Err(malformed) => {
            tracing::debug!(?malformed, "a malformed request was reset");
            worker.counters.reason(Reason::BadRequest);
            worker.desks.take_back(desk);
            core.reset(key, Code::Protocol);
            core.release(key);
            return;
        }
    };
    let stream = Stream::request(Rc::clone(shared), key);
    let connection = connection.beside(Transport::Stream(Box::new(stream)));
    runner::run(&worker, Work { connection, desk, refused });
}

/// The moment at which a patience that runs since then is over.
fn after(since: Option<Moment>, patience: Option<Duration>) -> Moment {
    since.zip(patience).map_or(Moment::NEVER, |(since, patience)| since + patience)
}

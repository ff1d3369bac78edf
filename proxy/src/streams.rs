//! The streams of one worker: tunnels, and answers that have no declared length.
//!
//! Everything that lives long is listed here with its rule and endpoint, so that a removal, a drain and later a
//! hand-over to another process reach it. An entry costs nothing while its stream is silent.

pub mod draining;
pub mod view;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use switchboard_core::moment::Moment;

use crate::deadline::{Deadline, Deadlines};
use crate::live::{Ending, EndpointLive, RuleLive};
use crate::transport::Transport;
use draining::{Draining, Tickets};
use view::Passed;

/// What a stream is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Go on.
    Flow,
    /// Its rule or endpoint is gone, or the proxy is going: end at this moment, a WebSocket with this code.
    EndAt(Moment, u16),
}

/// The list.
#[derive(Debug)]
pub struct Streams {
    entries: RefCell<Vec<Option<Rc<Entry>>>>,
    free: RefCell<Vec<u32>>,
    deadlines: Rc<Deadlines>,
    open: Cell<usize>,
    /// Counts the moves of all streams: who moved last has the highest number.
    moves: Cell<u64>,
}

#[derive(Debug)]
struct Entry {
    rule: Arc<RuleLive>,
    endpoint: Arc<EndpointLive>,
    /// The address that it goes to, where that comes from a name and may be dropped.
    at: Option<Box<SocketAddr>>,
    order: Cell<Order>,
    /// Somebody asked for its end: it isn't taken back when what was removed comes back.
    drained: Cell<bool>,
    /// What `moves` was when it last moved.
    moved: Cell<u64>,
    opened: Moment,
    passed: Cell<Passed>,
    waker: RefCell<Option<Waker>>,
    deadline: RefCell<Option<Deadline>>,
    tickets: RefCell<Tickets>,
}

/// A stream's place in the list; free again when dropped.
#[derive(Debug)]
pub struct Listed {
    streams: Rc<Streams>,
    entry: Rc<Entry>,
    index: u32,
}

/// Whose streams are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those of the route with this key, or of the endpoint with this address as written, or of this upstream.
    Named(Arc<str>),
}

/// When streams are told to end, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From when on.
    pub from: Moment,
    /// Over how long.
    pub spread: Duration,
    /// The code that WebSockets are closed with (RFC 6455 §7.4.1).
    pub code: u16,
}

impl Streams {
    /// Makes an empty list.
    pub fn new(deadlines: Rc<Deadlines>) -> Rc<Self> {
        Rc::new(Self {
            entries: RefCell::default(),
            free: RefCell::default(),
            deadlines,
            open: Cell::new(0),
            moves: Cell::new(0),
        })
    }

    /// Lists a stream that flows over `upstream`.
    pub fn list(self: &Rc<Self>, rule: &Arc<RuleLive>, endpoint: &Arc<EndpointLive>, upstream: &Transport) -> Listed {
        // Only names are followed: who wrote an address pays no system call.
        let at = endpoint.places.is_followed().then(|| upstream.remote_address()).flatten().map(Box::new);
        let entry = Rc::new(Entry {
            rule: Arc::clone(rule),
            endpoint: Arc::clone(endpoint),
            // The reload may have come between the request and its answer.
            order: Cell::new(match rule.ends(endpoint, at.as_deref()) {
                None => Order::Flow,
                Some(Ending { at, code }) => Order::EndAt(at, code),
            }),
            at,
            drained: Cell::new(false),
            moved: Cell::new(self.moves.get()),
            opened: self.deadlines.about_now(),
            passed: Cell::default(),
            waker: RefCell::new(None),
            deadline: RefCell::new(None),
            tickets: RefCell::default(),
        });
        let mut entries = self.entries.borrow_mut();
        let place = Some(Rc::clone(&entry));
        let index = match self.free.borrow_mut().pop() {
            Some(index) => {
                if let Some(free) = entries.get_mut(index as usize) {
                    *free = place;
                }
                index
            }
            None => {
                entries.push(place);
                u32::try_from(entries.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.open.set(self.open.get() + 1);
        Listed { streams: Rc::clone(self), entry, index }
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.open.get()
    }

    /// Looks whose rule, endpoint or address was removed, or has come back, and tells them. Those that end at the same moment
    /// end one after the other in the `spread` before it.
    pub fn heed_removals(&self, spread: Duration) {
        let mut ending: Vec<(Ending, Rc<Entry>)> = Vec::new();
        for entry in self.entries.borrow().iter().flatten() {
            match (entry.rule.ends(&entry.endpoint, entry.at.as_deref()), entry.order.get()) {
                (None, Order::Flow) => {}
                (None, Order::EndAt(..)) if entry.drained.get() => {}
                (None, Order::EndAt(..)) => entry.tell(Order::Flow, &self.deadlines),
                // What is under way already is not put off.
                (Some(ending), Order::EndAt(at, _)) if at <= ending.at => {}
                (Some(end), _) => ending.push((end, Rc::clone(entry))),
            }
        }
        ending.sort_by_key(|(ending, _)| (ending.at, ending.code));
        let now = self.deadlines.about_now();
        for group in ending.chunk_by(|(one, _), (other, _)| one == other) {
            let Some((Ending { at, code }, _)) = group.first() else { continue };
            let spread = spread.min(at.since(now));
            let from = Moment::from_nanos(at.as_nanos() - u64::try_from(spread.as_nanos()).unwrap_or(0));
            let entries = group.iter().map(|(_, entry)| Rc::clone(entry)).collect();
            self.pace(entries, Pace { from, spread, code: *code });
        }
    }

    /// Tells some to end, one after the other. Returns how many.
    pub fn drain(&self, which: &Which, pace: Pace) -> usize {
        let entries: Vec<Rc<Entry>> =
            self.entries.borrow().iter().flatten().filter(|entry| entry.is(which)).cloned().collect();
        let count = entries.len();
        entries.iter().for_each(|entry| entry.drained.set(true));
        self.pace(entries, pace);
        count
    }

    /// Does this worker's part of a drain that somebody asked for.
    pub fn drain_some(&self, draining: &Arc<Draining>) {
        let Draining { which, spread, code, .. } = &**draining;
        for entry in self.entries.borrow().iter().flatten().filter(|entry| entry.is(which)) {
            entry.tickets.borrow_mut().take(draining);
        }
        self.drain(which, Pace { from: self.deadlines.about_now(), spread: *spread, code: *code });
        draining.looked();
    }

    /// Spreads the ends evenly, those first that have been silent for longest. Each is early by a random part of a
    /// quarter of its step, so that several proxies that drain together don't beat the same time.
    fn pace(&self, mut entries: Vec<Rc<Entry>>, pace: Pace) {
        entries.sort_by_key(|entry| entry.moved.get());
        let Some(step) = pace.spread.checked_div(u32::try_from(entries.len()).unwrap_or(u32::MAX)) else { return };
        for (place, entry) in (1_u32..).zip(entries) {
            let early = step / 4 * u32::from(self.deadlines.chance()) / 256;
            let at = pace.from + (step * place).saturating_sub(early);
            let sooner = matches!(entry.order.get(), Order::EndAt(before, _) if before <= at);
            if !sooner {
                entry.tell(Order::EndAt(at, pace.code), &self.deadlines);
            }
        }
    }

    /// Ends all of them now.
    pub fn close_all(&self, code: u16) {
        let entries: Vec<Rc<Entry>> = self.entries.borrow().iter().flatten().cloned().collect();
        for entry in entries {
            entry.drained.set(true);
            if !matches!(entry.order.get(), Order::EndAt(Moment::ZERO, _)) {
                entry.tell(Order::EndAt(Moment::ZERO, code), &self.deadlines);
            }
        }
    }
}

impl Entry {
    /// Gives an order, and a timer for it: a stream that flows has none.
    fn tell(&self, order: Order, deadlines: &Rc<Deadlines>) {
        self.order.set(order);
        self.arm(deadlines);
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    fn arm(&self, deadlines: &Rc<Deadlines>) {
        let mut deadline = self.deadline.borrow_mut();
        match self.order.get() {
            Order::Flow => *deadline = None,
            Order::EndAt(at, _) => {
                let deadline = deadline.get_or_insert_with(|| deadlines.place());
                if let Some(waker) = self.waker.borrow().as_ref() {
                    deadline.register(&Context::from_waker(waker));
                }
                deadline.set(at);
            }
        }
    }

    fn is(&self, which: &Which) -> bool {
        match which {
            Which::All => true,
            Which::Named(name) => [&self.rule.route, &self.endpoint.name, &self.endpoint.upstream].contains(&name),
        }
    }
}

impl Listed {
    /// Notes that the stream moves, remembers whom to wake, and tells whether it has to end now and with which code.
    #[inline]
    pub fn heed(&self, context: &Context<'_>) -> Option<u16> {
        let entry = &*self.entry;
        let moves = self.streams.moves.get() + 1;
        self.streams.moves.set(moves);
        entry.moved.set(moves);
        if !entry.waker.borrow().as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            self.register(context);
        }
        match entry.order.get() {
            Order::Flow => None,
            Order::EndAt(at, code) => (at <= self.streams.deadlines.now()).then_some(code),
        }
    }

    /// Notes what has passed so far, for who looks at it.
    #[inline]
    pub fn note(&self, passed: Passed) {
        self.entry.passed.set(passed);
    }

    #[cold]
    fn register(&self, context: &Context<'_>) {
        *self.entry.waker.borrow_mut() = Some(context.waker().clone());
        self.entry.arm(&self.streams.deadlines);
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        if let Some(place) = self.streams.entries.borrow_mut().get_mut(self.index as usize) {
            *place = None;
        }
        self.streams.free.borrow_mut().push(self.index);
        self.streams.open.set(self.streams.open.get() - 1);
    }
}

//! The streams of one worker: tunnels, and answers that have no declared length.
//!
//! Everything that lives long is listed here with its rule and endpoint, so that a removal, a drain and later a
//! hand-over to another process reach it. An entry costs nothing while its stream is silent.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use switchboard_core::moment::Moment;

use crate::deadline::{Deadline, Deadlines};
use crate::live::{EndpointLive, RuleLive};

/// What a stream is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Go on.
    Flow,
    /// Its rule or endpoint is gone, or the proxy is going: end at this moment.
    EndAt(Moment),
}

/// The list.
#[derive(Debug)]
pub struct Streams {
    entries: RefCell<Vec<Option<Entry>>>,
    free: RefCell<Vec<u32>>,
    deadlines: Rc<Deadlines>,
    open: Cell<usize>,
}

#[derive(Debug)]
struct Entry {
    rule: Arc<RuleLive>,
    endpoint: Arc<EndpointLive>,
    order: Order,
    waker: Option<Waker>,
    deadline: Option<Deadline>,
}

/// A stream's place in the list; free again when dropped.
#[derive(Debug)]
pub struct Listed {
    streams: Rc<Streams>,
    index: u32,
}

impl Streams {
    /// Makes an empty list.
    pub fn new(deadlines: Rc<Deadlines>) -> Rc<Self> {
        Rc::new(Self { entries: RefCell::default(), free: RefCell::default(), deadlines, open: Cell::new(0) })
    }

    /// Lists a stream.
    pub fn list(self: &Rc<Self>, rule: &Arc<RuleLive>, endpoint: &Arc<EndpointLive>) -> Listed {
        let entry = Entry {
            rule: Arc::clone(rule),
            endpoint: Arc::clone(endpoint),
            // The reload may have come between the request and its answer.
            order: order_for(rule, endpoint),
            waker: None,
            deadline: None,
        };
        let mut entries = self.entries.borrow_mut();
        let index = match self.free.borrow_mut().pop() {
            Some(index) => {
                if let Some(place) = entries.get_mut(index as usize) {
                    *place = Some(entry);
                }
                index
            }
            None => {
                entries.push(Some(entry));
                u32::try_from(entries.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.open.set(self.open.get() + 1);
        Listed { streams: Rc::clone(self), index }
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.open.get()
    }

    /// Looks whose rule or endpoint was removed, or has come back, and tells them.
    pub fn heed_removals(&self) {
        let mut wake = Vec::new();
        for entry in self.entries.borrow_mut().iter_mut().flatten() {
            let order = order_for(&entry.rule, &entry.endpoint);
            if entry.order != order {
                entry.order = order;
                entry.arm(&self.deadlines);
                wake.extend(entry.waker.clone());
            }
        }
        wake.into_iter().for_each(Waker::wake);
    }

    /// Ends all of them now.
    pub fn close_all(&self) {
        let mut wake = Vec::new();
        for entry in self.entries.borrow_mut().iter_mut().flatten() {
            entry.order = Order::EndAt(Moment::ZERO);
            wake.extend(entry.waker.clone());
        }
        wake.into_iter().for_each(Waker::wake);
    }
}

fn order_for(rule: &RuleLive, endpoint: &EndpointLive) -> Order {
    match rule.ends_at(endpoint) {
        Moment::NEVER => Order::Flow,
        at => Order::EndAt(at),
    }
}

impl Entry {
    /// A timer exists only while there is an order to end: a stream that flows costs none.
    fn arm(&mut self, deadlines: &Rc<Deadlines>) {
        match self.order {
            Order::Flow => self.deadline = None,
            Order::EndAt(at) => {
                let deadline = self.deadline.get_or_insert_with(|| deadlines.place());
                if let Some(waker) = &self.waker {
                    deadline.register(&Context::from_waker(waker));
                }
                deadline.set(at);
            }
        }
    }
}

impl Listed {
    /// Remembers whom to wake, and tells whether the stream has to end now.
    pub fn must_end(&self, context: &Context<'_>) -> bool {
        let mut entries = self.streams.entries.borrow_mut();
        let Some(Some(entry)) = entries.get_mut(self.index as usize) else { return false };
        if !entry.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            entry.waker = Some(context.waker().clone());
            entry.arm(&self.streams.deadlines);
        }
        match entry.order {
            Order::Flow => false,
            Order::EndAt(at) => at <= self.streams.deadlines.now(),
        }
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

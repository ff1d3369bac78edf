//! Tasks that answer streams, one after the other: a task and its memory are made once and not for each request.
//!
//! `server` gives them work. A worker keeps those that have none for what comes next, and ends those that nobody needed
//! for a while, so that a quiet worker holds none. Nothing here knows what a request is.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::desk::Desk;
use crate::error::ProxyError;
use crate::exchange::{self, Next};
use crate::http::Connection;
use crate::worker::{Worker, caught};

/// How many without work a worker keeps at most: as many as it keeps desks. More are made under load and end after it.
const KEPT: usize = 256;

/// A stream that is to be answered.
#[derive(Debug)]
pub(super) struct Work {
    /// The client's connection as this stream sees it.
    pub(super) connection: Connection,
    /// The request.
    pub(super) desk: Box<Desk>,
    /// What is wrong with its head.
    pub(super) refused: Option<ProxyError>,
}

/// The tasks of a worker that have no work. The one that had some last gets the next.
#[derive(Debug, Default)]
pub struct Runners {
    free: RefCell<Vec<Rc<Runner>>>,
    /// The fewest that were free since [`Runners::rest`]: so many nobody has needed.
    fewest: Cell<usize>,
}

#[derive(Debug, Default)]
struct Runner {
    work: RefCell<Option<Work>>,
    waker: RefCell<Option<Waker>>,
    ends: Cell<bool>,
}

impl Runners {
    /// Ends those that nobody has needed since this was last called.
    pub fn rest(&self) {
        let mut free = self.free.borrow_mut();
        let unneeded = self.fewest.get().min(free.len());
        for runner in free.drain(..unneeded) {
            runner.ends.set(true);
            runner.wake();
        }
        if free.is_empty() {
            *free = Vec::new();
        }
        self.fewest.set(free.len());
    }
}

/// Gives a stream to a task.
pub(super) fn run(worker: &Rc<Worker>, work: Work) {
    let runners = &worker.runners;
    let free = runners.free.borrow_mut().pop();
    runners.fewest.set(runners.fewest.get().min(runners.free.borrow().len()));
    if let Some(runner) = free {
        *runner.work.borrow_mut() = Some(work);
        return runner.wake();
    }
    let runner = Rc::new(Runner { work: RefCell::new(Some(work)), ..Runner::default() });
    crate::reactor::spawn(serve(Rc::clone(worker), runner));
}

async fn serve(worker: Rc<Worker>, runner: Rc<Runner>) {
    while let Some(work) = runner.next().await {
        if caught(pin!(answer(work))).await.is_err() {
            worker.counters.panics.add(1);
            tracing::error!("a stream was closed by a panic; this is a bug, please report it");
            return;
        }
        let mut free = worker.runners.free.borrow_mut();
        if free.len() >= KEPT {
            return;
        }
        free.push(Rc::clone(&runner));
    }
}

async fn answer(work: Work) {
    let Work { mut connection, desk, refused } = work;
    let mut rest = None;
    let next = match refused {
        None => exchange::serve(&mut connection, desk, &mut rest).await,
        Some(error) => {
            rest = Some(desk);
            Box::pin(exchange::refuse_head(&mut connection, &mut rest, error)).await
        }
    };
    if let Some(desk) = rest {
        connection.worker.desks.take_back(desk);
    }
    if let Next::Tunnel(tunnel) = next {
        tunnel.launch(Rc::clone(&connection.worker), connection);
    }
}

impl Runner {
    /// Waits for the next stream; `None` when there will be none.
    async fn next(&self) -> Option<Work> {
        poll_fn(|context| {
            if let Some(work) = self.work.borrow_mut().take() {
                return Poll::Ready(Some(work));
            }
            if self.ends.get() {
                return Poll::Ready(None);
            }
            let mut waker = self.waker.borrow_mut();
            if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                *waker = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

//! Finds out when an upstream whose endpoints all refuse connections accepts them again: one connect at a time to each,
//! however many requests are held for it.
//!
//! Runs as a task of the worker whose request found out, for as long as any request of any worker is held.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use switchboard_core::snapshot::UpstreamId;

use super::connect::accepts;
use super::line::Terms;
use crate::deadline::Deadline;
use crate::generation::Current;
use crate::live::UpstreamLive;
use crate::worker::Worker;

/// Between two rounds at first and at most; a person waits for a server that restarts. Chosen.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);
/// For one connect.
const PATIENCE: Duration = Duration::from_secs(1);

/// The trials of an upstream: one for all who wait on the same terms, since others have other endpoints to ask.
#[derive(Debug, Default)]
pub struct Trials {
    count: AtomicUsize,
    on: Mutex<Vec<Terms>>,
}

impl Trials {
    /// Whether one goes on for who comes on these terms. Nearly always a load.
    pub fn goes_on(&self, terms: Terms) -> bool {
        self.count.load(Ordering::Acquire) > 0 && self.on().contains(&terms)
    }

    /// Notes that one begins; tells whether it is the only one.
    fn enter(&self, terms: Terms) -> bool {
        let mut on = self.on();
        let new = !on.contains(&terms);
        if new {
            on.push(terms);
            self.count.store(on.len(), Ordering::Release);
        }
        new
    }

    fn leave(&self, terms: Terms) {
        let mut on = self.on();
        on.retain(|theirs| *theirs != terms);
        self.count.store(on.len(), Ordering::Release);
    }

    fn on(&self) -> MutexGuard<'_, Vec<Terms>> {
        self.on.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins, unless it goes on already.
pub fn begin(worker: &Rc<Worker>, generation: &Rc<Current>, upstream: UpstreamId) {
    let Some(live) = generation.upstreams.get(upstream.index()) else { return };
    let terms = Terms::of(generation.snapshot.upstream(upstream));
    if live.trials.enter(terms) {
        let going = Going(Arc::clone(live), terms);
        crate::reactor::spawn(run(Rc::clone(worker), Rc::clone(generation), upstream, going));
    }
}

/// That a trial goes on. However it ends, those who wait hear of it and look for themselves.
struct Going(Arc<UpstreamLive>, Terms);

impl Drop for Going {
    fn drop(&mut self) {
        // In this order: who joins after the call finds that no trial goes on, and begins one.
        self.0.trials.leave(self.1);
        self.0.held.call_all_on(self.1);
    }
}

async fn run(worker: Rc<Worker>, generation: Rc<Current>, upstream: UpstreamId, going: Going) {
    let deadline = worker.deadlines.place();
    let compiled = generation.snapshot.upstream(upstream);
    let mut pause = FIRST_PAUSE;
    while going.0.held.has(going.1) {
        for (place, id) in compiled.endpoints.iter().enumerate() {
            let endpoint = &generation.endpoints[id.index()];
            // Whom no pick takes is of no use to those who wait, however it accepts: who is called would be back at once.
            if !compiled.balancer.may_take(&going.0.tally, place, &endpoint.standing) {
                continue;
            }
            if accepts(&worker, endpoint, &deadline, PATIENCE).await {
                return;
            }
        }
        rest(&deadline, pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

async fn rest(deadline: &Deadline, pause: Duration) {
    deadline.set_in(Some(pause));
    poll_fn(|context| {
        deadline.register(context);
        if deadline.has_come() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

//! Finds out when an upstream whose endpoints all refuse connections accepts them again: one connect at a time to each,
//! however many requests are held for it.
//!
//! Runs as a task of the worker whose request found out, for as long as any request of any worker is held.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use switchboard_core::balance::Flag;
use switchboard_core::snapshot::UpstreamId;

use super::connect::accepts;
use crate::deadline::Deadline;
use crate::generation::Current;
use crate::live::UpstreamLive;
use crate::worker::Worker;

/// Between two rounds at first and at most; a person waits for a server that restarts. Chosen.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);
/// For one connect.
const PATIENCE: Duration = Duration::from_secs(1);

/// Begins, unless it goes on already.
pub fn begin(worker: &Rc<Worker>, generation: &Rc<Current>, upstream: UpstreamId) {
    let Some(live) = generation.upstreams.get(upstream.index()) else { return };
    if !live.trying.swap(true, Ordering::AcqRel) {
        let going = Going(Arc::clone(live));
        crate::reactor::spawn(run(Rc::clone(worker), Rc::clone(generation), upstream, going));
    }
}

/// That a trial goes on. However it ends, those who wait hear of it and look for themselves.
struct Going(Arc<UpstreamLive>);

impl Drop for Going {
    fn drop(&mut self) {
        // In this order: who joins after the call finds that no trial goes on, and begins one.
        self.0.trying.store(false, Ordering::Release);
        self.0.held.call_all();
    }
}

async fn run(worker: Rc<Worker>, generation: Rc<Current>, upstream: UpstreamId, going: Going) {
    let deadline = worker.deadlines.place();
    let mut pause = FIRST_PAUSE;
    while !going.0.held.is_empty() {
        for id in &generation.snapshot.upstream(upstream).endpoints {
            let endpoint = &generation.endpoints[id.index()];
            if endpoint.standing.has(Flag::Maint) || endpoint.standing.has(Flag::Unresolved) {
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

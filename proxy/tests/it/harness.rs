//! What every test here stands on: the proxy as a process, raw sockets on both sides, and deadlines instead of sleeps.
//!
//! Used by the feature files beside it. Never a fixed port, never a shared directory, never a wait without an end.

mod check;
pub(crate) mod crowd;
pub(crate) mod dns;
pub(crate) mod h2;
mod message;
mod node;
mod origin;
mod proxy;
mod python;
mod redis;
mod temp;
mod wire;
pub(crate) mod ws;

pub(crate) use check::{Pair, assert_own_answer, assert_refused, assert_refused_as, refused, refused_as, route_to};
pub(crate) use message::Message;
pub(crate) use node::{Node, authelia_judge, browser_judge, cache_judge, websocket_judge};
pub(crate) use origin::Origin;
pub(crate) use proxy::{Proxy, run};
pub(crate) use python::{Python, python_judge};
pub(crate) use redis::Redis;
pub(crate) use temp::TempDir;
pub(crate) use wire::{Ending, Wire, narrow};

use std::time::{Duration, Instant};

/// How long a test waits for anything before it fails. Far more than a loaded machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Runs a test with one worker and with two: what holds on one thread must hold across threads.
pub(crate) fn on_workers(test: impl Fn(usize)) {
    for workers in [1, 2] {
        eprintln!("with workers: {workers}");
        test(workers);
    }
}

/// Asks again and again until `probe` has an answer; fails with `what` when `PATIENCE` is over.
#[track_caller]
pub(crate) fn poll<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    poll_for(PATIENCE, probe).unwrap_or_else(|| panic!("waited {PATIENCE:?} in vain: {what}"))
}

/// Asks again and again until `probe` has an answer or `time` is over.
pub(crate) fn poll_for<T>(time: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + time;
    loop {
        if let Some(answer) = probe() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        // A pause between two looks, not a wait for an event: the loop ends as soon as the answer is there.
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
